"""The planted subject does what its rules say, and is otherwise a subject like any other."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import BenchmarkError
from benchmark.subject import Subject, load_subject, planted_rules
from benchmark.subject.planted import RULES, STRENGTHS

A, B, C, D, BOS, OTHER = 1, 2, 3, 4, 0, 5

# Each rule said once more, for one place of one context.
SLOW = {
    "one token": (planted_rules.one_token("A"), lambda t, p: t[p] == A),
    "after": (planted_rules.after("A", "B"), lambda t, p: t[p] == A and p > 0 and t[p - 1] == B),
    "within": (
        planted_rules.within_three("A", "B"),
        lambda t, p: t[p] == A and B in t[max(0, p - 3) : p],
    ),
    "either": (
        planted_rules.either_phrase(("A", "B"), ("C", "D")),
        lambda t, p: p > 0 and (t[p - 1], t[p]) in ((A, B), (C, D)),
    ),
    "unless": (
        planted_rules.unless_preceded("A", "B"),
        lambda t, p: t[p] == A and not (p > 0 and t[p - 1] == B),
    ),
    "repeated": (
        planted_rules.repeated("A"),
        lambda t, p: t[p] == A and A in t[max([0, *[q for q in range(p) if t[q] == BOS]]) : p],
    ),
    "start": (planted_rules.at_start("A"), lambda t, p: t[p] == A and p > 0 and t[p - 1] == BOS),
}
CONTEXTS = st.lists(st.lists(st.integers(0, 5), min_size=9, max_size=9), min_size=1, max_size=4)
IDS = {"A": A, "B": B, "C": C, "D": D}


@pytest.mark.parametrize("name", SLOW)
@given(contexts=CONTEXTS)
def test_a_rule_holds_where_it_says(name, contexts):
    rule, slow = SLOW[name]
    found = rule.holds(torch.tensor(contexts), [IDS[word] for word in rule.words], BOS)
    assert found.tolist() == [[slow(c, p) for p in range(len(c))] for c in contexts]


@pytest.fixture(scope="module")
def planted():
    return load_subject({"name": "planted", "kind": "planted", "source": None}, device="cpu")


def test_every_kind_of_rule_is_planted(planted):
    assert {rule.name for rule in RULES} == {rule.name for rule, _ in SLOW.values()}
    assert planted.n_units(0) == len(RULES)
    words = {word for rule in RULES for word in rule.words}
    assert words <= set(planted.tokenizer.get_vocab())


def test_neurons_follow_their_rules(planted):
    text = "if not x return the of the"
    ids = [planted.bos, *planted.tokenizer(text, add_special_tokens=False)["input_ids"]]
    found = planted.activations(torch.tensor([ids]), 0)[0]
    fires = {
        RULES[neuron].name: [place for place, value in enumerate(column) if value]
        for neuron, column in enumerate(found.T.tolist())
        if neuron in (1, 2, 3)
    }
    assert fires == {"one token": [5, 7], "a token after another": [7]}
    assert found[2, 2] == STRENGTHS[2]


def test_it_is_a_subject(planted):
    assert isinstance(planted, Subject)
    tokens = torch.randint(0, planted.d_vocab, (5, 30))
    whole = planted.activations(tokens, 0)
    planted.passes.tokens_run = 0
    for rows, layers in planted.stream(tokens, [0]):
        assert torch.equal(layers[0], whole[rows])
    rows, neurons = torch.tensor([4, 0, 2]), torch.tensor([1, 5, 0])
    last = planted.last_activations(tokens, 0, rows, neurons)
    assert torch.equal(last, whole[rows, -1, neurons])
    assert planted.tokens_run == 300
    with pytest.raises(BenchmarkError, match="layer 1 is out of range"):
        planted.activations(tokens, 1)


def test_it_is_the_same_every_time(planted):
    again = load_subject({"name": "planted", "kind": "planted"}, device="cpu")
    assert again.fingerprint == planted.fingerprint
    assert again.tokenizer_fingerprint == planted.tokenizer_fingerprint


def test_it_expects_common_words(planted):
    found = planted.likely_next(torch.tensor([[planted.bos, 9]]), 6)[0, 1].tolist()
    assert planted.tokenizer.convert_ids_to_tokens(found)[-3:] == [".", "'", ")"]


def test_words_signs_and_what_is_unknown(planted):
    ids = planted.tokenizer("self.zebra == 2", add_special_tokens=False)["input_ids"]
    texts = planted.tokenizer.convert_ids_to_tokens(ids)
    assert texts == ["self", ".", "<unk>", "=", "=", "2"]
