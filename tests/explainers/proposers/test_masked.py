"""Substitutes from a masked language model: words, their casing, their tokens, the real loader."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from benchmark.errors import BenchmarkError
from explainers.n2g import N2G
from explainers.proposers.masked import MaskedProposer
from explainers.proposers.masked_words import MaskedWords
from explainers.proposers.words import in_casing_of, word_at
from tests.explainers.proposers import masked_model
from tests.explainers.rule_subject import RuleSubject, evidence_of

VOCABULARY = [
    "<bos>",
    " the",
    " Li",
    "st",
    " cat",
    ".",
    " \ufffd",
    " LIST",
    "s",
    " Ta",
    "ble",
    " t",
]


class Tokenizer:
    """Longest piece first, as a byte-level tokenizer spells."""

    all_special_ids = (0,)

    def decode(self, ids):
        return "".join(VOCABULARY[token] for token in ids)

    def encode(self, text, add_special_tokens):
        assert not add_special_tokens
        ids = []
        while text:
            fits = [at for at in range(1, len(VOCABULARY)) if text.startswith(VOCABULARY[at])]
            if not fits:
                return [0]
            ids.append(max(fits, key=lambda at: len(VOCABULARY[at])))
            text = text[len(VOCABULARY[ids[-1]]) :]
        return ids


class Gaps:
    gap = "[MASK]"

    def __init__(self, *words):
        self.words, self.seen = list(words), []

    def likely(self, sentences, k):
        self.seen += sentences
        return [self.words[:k] for _ in sentences]


def proposed(tokens, places, *words, wanted=2):
    gaps = Gaps(*words)
    proposer = MaskedProposer(gaps, Tokenizer(), frozenset({0}), wanted)
    spans = [(place, place + 1) for place in places]
    found = proposer.propose([np.array([0, *tokens])], [spans])
    return [(p.start, p.stop, p.replacement) for p in found], gaps.seen


def test_a_word_is_found_over_all_its_tokens():
    word = word_at([1, 2, 3, 5], 2, Tokenizer())
    assert (word.start, word.stop, word.text, word.before, word.after) == (1, 3, "List", " ", "")
    assert (word.left, word.right) == (" the", ".")
    assert word_at([1, 2, 3, 5], 1, Tokenizer()) == word
    assert word_at([1, 2, 3, 5], 3, Tokenizer()) is None
    assert word_at([1, 6], 1, Tokenizer()) is None


def test_a_word_is_replaced_whole_and_the_original_is_left_out():
    found, seen = proposed([1, 2, 3, 5], [2, 3], "list", "table", "cat")
    assert seen == [" the [MASK]."]
    # Positions count the BOS; "list" is the original in another casing.
    assert found == [(2, 4, (9, 10))]
    found, _ = proposed([1, 2, 3, 5], [2], "list", "table", "Cat", wanted=3)
    assert [replacement for _, _, replacement in found] == [(9, 10)]  # " Cat" has no ids here


def test_signs_get_no_substitutes():
    assert proposed([1, 5], [2], "cat") == ([], [])


@pytest.mark.parametrize(
    ("word", "original", "written"),
    [
        ("table", "List", "Table"),
        ("table", "list", "table"),
        ("table", "LIST", "TABLE"),
        ("Paris", "list", "Paris"),
        ("it", "I", "It"),
    ],
)
def test_casing_is_kept(word, original, written):
    assert in_casing_of(word, original) == written


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    bias = {"##s": 9.0, "12": 8.0, ".": 7.5, "List": 7.0, "Table": 6.0, "cat": 5.0, "dog": 4.0}
    return masked_model.write(tmp_path_factory.mktemp("masked") / "model", bias)


def test_a_real_checkpoint_predicts_whole_words(checkpoint):
    words = MaskedWords(str(checkpoint), torch.device("cpu"))
    sentences = ["the [MASK] sat.", "[MASK]", f"{'the ' * 500}[MASK]{' cat' * 500}"]
    assert words.likely(sentences, 3) == [["List", "Table", "cat"]] * 2 + [[]]
    assert words.likely([], 3) == []


def test_n2g_learns_from_a_real_checkpoint(checkpoint):
    subject = RuleSubject(lambda tokens: 2.0 * (tokens[-1] in (3, 10)))
    subject.tokenizer = Tokenizer()
    evidence = evidence_of(subject, [[0, 1, 2, 3, 5]])
    explainer = N2G(augmenter="distilbert", masked_model=str(checkpoint), substitutes=1)
    (one,) = explainer.explain(evidence, subject)
    assert [(s.original, s.replacement, s.kept) for s in one.substitutes] == []
    assert [path.tokens for path in one.paths] == [(3,)]
    whole = RuleSubject(lambda tokens: 2.0 * (tokens[-2:] in ([2, 3], [9, 10])))
    whole.tokenizer = Tokenizer()
    (one,) = explainer.explain(evidence_of(whole, [[0, 1, 2, 3, 5]]), whole)
    assert [(s.original, s.replacement, s.kept) for s in one.substitutes] == [
        ((2, 3), (9, 10), True)
    ]
    assert {path.tokens for path in one.paths} == {(3, 2), (10, 9)}


def test_a_folder_that_is_no_masked_model_says_so(tmp_path):
    with pytest.raises(BenchmarkError, match=r"has no config\.json"):
        MaskedWords(str(tmp_path), torch.device("cpu"))
    (tmp_path / "config.json").write_text('{"model_type": "distilbert"}')
    with pytest.raises(BenchmarkError, match="has no weights"):
        MaskedWords(str(tmp_path), torch.device("cpu"))
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(BenchmarkError, match="cannot be loaded"):
        MaskedWords(str(tmp_path), torch.device("cpu"))


LOAD = """
import json, sys, torch
from benchmark.errors import BenchmarkError
from explainers.proposers import MASKED_MODEL
from explainers.proposers.masked_words import MaskedWords
torch.set_num_threads(1)
try:
    print(json.dumps(MaskedWords(MASKED_MODEL, torch.device("cpu")).likely(["the [MASK]"], 2)))
except BenchmarkError as error:
    print(json.dumps(str(error)))
"""


def test_it_comes_from_the_hub_and_then_from_the_cache(hub, checkpoint):
    hub.add_model("distilbert/distilbert-base-cased", checkpoint)
    expected = [["List", "Table"]]
    first = hub.python(LOAD)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == expected
    hub.stop()
    assert json.loads(hub.python(LOAD).stdout) == expected


def test_an_unreachable_hub_is_named(hub):
    hub.stop()
    result = hub.python(LOAD)
    assert "'distilbert/distilbert-base-cased' is not in the local cache" in result.stdout
