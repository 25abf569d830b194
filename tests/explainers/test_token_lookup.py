"""The token lookup against a dictionary filled in a loop, and on evidence with known answers."""

from __future__ import annotations

import json
from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import BenchmarkError
from benchmark.interface import Evidence, Exemplars, Sample
from explainers.float32 import decimals, shortest
from explainers.token_lookup import TokenLookup, TokenLookupExplanation
from tests.explainers.planted import BOS, PlantedSubject, make_evidence, random_contexts


def slow_tables(evidence, *, use_sample=True, min_count=1):
    """For each neuron {token: (mean, count)}, one token at a time."""
    tables = []
    for row in range(evidence.n_neurons):
        sampled, exemplified = defaultdict(list), defaultdict(list)
        if use_sample:
            for tokens, activations in zip(
                evidence.sample.tokens, evidence.sample.activations[..., row], strict=True
            ):
                for token, activation in zip(tokens.tolist(), activations.tolist(), strict=True):
                    sampled[token].append(activation)
        for tokens, activations in zip(
            evidence.exemplars.tokens[row], evidence.exemplars.activations[row], strict=True
        ):
            for token, activation in zip(tokens.tolist(), activations.tolist(), strict=True):
                exemplified[token].append(activation)
        table = {}
        for source in (sampled, exemplified):
            for token, seen in source.items():
                if token != evidence.bos and token not in table and len(seen) >= min_count:
                    table[token] = (sum(seen) / len(seen), len(seen))
        tables.append(table)
    return tables


def table_of(explanation):
    return dict(zip(explanation.ids.tolist(), explanation.values.tolist(), strict=True))


@given(
    seed=st.integers(0, 20),
    use_sample=st.booleans(),
    min_count=st.integers(1, 4),
    k=st.integers(1, 4),
    n_sample=st.integers(1, 8),
    default=st.sampled_from(["mean", "zero"]),
)
def test_the_lookup_is_a_dictionary_of_means(seed, use_sample, min_count, k, n_sample, default):
    subject = PlantedSubject()
    evidence = make_evidence(subject, seed=seed, k=k, n_sample=n_sample)
    kind = "exemplars+sample" if use_sample else "exemplars"
    lookup = TokenLookup(evidence=kind, min_count=min_count, default=default)
    explanations = lookup.explain(evidence, subject)
    tables = slow_tables(evidence, use_sample=use_sample, min_count=min_count)
    tokens = random_contexts(3, 6, seed=99)
    together = lookup.simulate_block(explanations, tokens)
    for row, (explanation, table) in enumerate(zip(explanations, tables, strict=True)):
        found = table_of(explanation)
        assert sorted(found) == explanation.ids.tolist()
        assert found == pytest.approx({token: mean for token, (mean, _) in table.items()}, abs=1e-6)
        other = float(evidence.mean_activation[row]) if default == "mean" else 0.0
        slow = [[found.get(token, other) for token in context] for context in tokens.tolist()]
        assert torch.equal(explanation.simulate(tokens), torch.tensor(slow))
        assert torch.equal(together[..., row], explanation.simulate(tokens))
        for token, _, count in explanation.strongest:
            assert count == table[token][1]


def planted_evidence():
    """Token 1: in sample and exemplars; 2: in exemplars only; 3: in the sample only."""
    return Evidence(
        layer=0,
        neurons=torch.tensor([11]),
        bos=BOS,
        max_activation=torch.tensor([9.0]),
        mean_activation=torch.tensor([0.5]),
        firing_threshold=torch.tensor([4.5]),
        exemplars=Exemplars(
            torch.tensor([[[BOS, 1, 2, 2]]]),
            torch.tensor([[[50.0, 9.0, 4.0, 6.0]]]),
            torch.tensor([[1]]),
        ),
        sample=Sample(
            torch.tensor([[BOS, 1, 3, 1], [BOS, 3, BOS, 1]]),
            torch.tensor([[50.0, 1.0, 2.0, 3.0], [50.0, 4.0, 50.0, 2.0]])[..., None],
        ),
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.5, 2.0, 5.0, 3.0, 0.5]),
        ({"evidence": "exemplars"}, [0.5, 9.0, 5.0, 0.5, 0.5]),
        ({"min_count": 2}, [0.5, 2.0, 5.0, 3.0, 0.5]),
        ({"min_count": 3}, [0.5, 2.0, 0.5, 0.5, 0.5]),
        ({"default": "zero"}, [0.0, 2.0, 5.0, 3.0, 0.0]),
    ],
)
def test_known_answers(options, expected):
    """BOS is not counted; the sample decides where it can, the exemplars do elsewhere."""
    (one,) = TokenLookup(**options).explain(planted_evidence(), PlantedSubject())
    assert one.simulate(torch.tensor([[0, 1, 2, 3, 4]])).tolist() == [expected]


def test_a_context_in_both_counts_once():
    evidence = planted_evidence()
    both = Exemplars(
        evidence.sample.tokens[None, :1],
        evidence.sample.activations[None, :1, :, 0],
        torch.tensor([[3]]),
    )
    repeated = Evidence(**{**vars(evidence), "exemplars": both})
    (one,) = TokenLookup().explain(repeated, PlantedSubject())
    assert table_of(one) == {1: 2.0, 3: 3.0}
    assert {token: count for token, _, count in one.strongest} == {1: 3, 3: 2}


def test_a_planted_token_neuron_is_found_exactly():
    subject = PlantedSubject(with_context=False)
    evidence = make_evidence(subject, n_sample=30)
    tokens = random_contexts(5, 12, seed=8)
    truth = subject.activations(tokens, 1, evidence.neurons)
    lookup = TokenLookup()
    found = lookup.simulate_block(lookup.explain(evidence, subject), tokens)
    text = tokens != BOS
    torch.testing.assert_close(found[text], truth[text])


def test_what_a_person_sees():
    (one,) = TokenLookup().explain(planted_evidence(), PlantedSubject())
    assert one.describe().splitlines() == [
        "mean activation of 3 token ids; 0.5 on others",
        "      mean    seen  token",
        "         5       2  cat",
        "         3       2  ↵",
        "         2       3  ·the",
    ]


def test_a_subject_without_tokenizer_shows_ids():
    subject = PlantedSubject()
    subject.tokenizer = None
    (one,) = TokenLookup().explain(planted_evidence(), subject)
    assert "#2" in one.describe()


def test_an_empty_table_predicts_the_default():
    (one,) = TokenLookup(min_count=50).explain(planted_evidence(), PlantedSubject())
    assert one.simulate(torch.tensor([[1, 700]])).tolist() == [[0.5, 0.5]]
    assert one.describe() == "mean activation of 0 token ids; 0.5 on others"
    assert TokenLookupExplanation.from_dict(one.to_dict()).to_dict() == one.to_dict()


def test_it_is_as_exact_as_double_precision_over_many_tokens():
    n = 40_000
    activations = torch.rand(1, n, 1, generator=torch.Generator().manual_seed(0)) + 1000
    sample = Sample(torch.ones(1, n, dtype=torch.long), activations)
    evidence = Evidence(**{**vars(planted_evidence()), "sample": sample})
    (one,) = TokenLookup().explain(evidence, PlantedSubject())
    assert table_of(one)[1] == activations.double().mean().float().item()


@given(
    st.dictionaries(
        st.integers(0, 60_000),
        st.floats(width=32, allow_nan=False, allow_infinity=False),
        max_size=30,
    )
)
def test_any_table_survives_json_to_the_last_bit(table):
    ids = torch.tensor(sorted(table), dtype=torch.long)
    values = torch.tensor([table[token] for token in sorted(table)], dtype=torch.float32)
    one = TokenLookupExplanation(ids, values, 0.25)
    loaded = TokenLookupExplanation.from_dict(json.loads(json.dumps(one.to_dict())))
    assert torch.equal(loaded.ids, ids)
    assert loaded.values.numpy().tobytes() == values.numpy().tobytes()


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_saved_numbers_are_short_and_the_same_float32(value):
    (saved,) = decimals(torch.tensor([value], dtype=torch.float32))
    assert np.float32(saved).tobytes() == np.float32(value).tobytes()
    assert saved == float(f"{value:.9g}")
    assert shortest(value) == float(str(np.float32(value)))


def test_lists_out_of_order_are_put_in_order():
    data = {"default": 0.0, "ids": [5, 2], "values": [1.0, 2.0], "strongest": []}
    one = TokenLookupExplanation.from_dict(data)
    assert one.simulate(torch.tensor([[2, 5, 3]])).tolist() == [[2.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    "change", [{"ids": [1]}, {"ids": [1, 1]}, {"ids": [-1, 1]}, {"values": [1.0]}]
)
def test_a_damaged_table_is_refused(change):
    data = {"default": 0.0, "ids": [5, 2], "values": [1.0, 2.0], "strongest": [], **change}
    with pytest.raises(ValueError, match="token id"):
        TokenLookupExplanation.from_dict(data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"evidence": "exemplar"}, "'exemplar' is not known; did you mean 'exemplars'"),
        ({"default": "median"}, "default of token_lookup 'median' is not known"),
        ({"min_count": 0}, "at least 1, not 0"),
        ({"min_count": 1.5}, "at least 1, not 1.5"),
    ],
)
def test_an_option_that_cannot_be(options, message):
    with pytest.raises(BenchmarkError, match=message):
        TokenLookup(**options)


def test_a_sample_that_is_missing_is_said():
    with pytest.raises(BenchmarkError, match="use evidence=exemplars"):
        TokenLookup().explain(planted_evidence().without_sample(), PlantedSubject())
