"""Scores of a block are those of every neuron alone, on the tokens of its own scoring sets."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

import metrics
from benchmark.evidence import Truth
from benchmark.evidence.small import SmallSet, first_tokens
from benchmark.results.columns import NOVEL, SCORING_SETS, UNIFORM_SMALL
from benchmark.scorers.reliability import count_positives
from benchmark.scorers.simulation import score_block, score_firing

BOS = 0
# Those of a prediction of each token; some of the rest are not 1 for the truth itself.
NAMES = ["pearson", "cosine", "auprc", "f1", "precision", "recall", "iou"]


def make_truth(seed: int, n: int = 5, n_contexts: int = 9, length: int = 6, k: int = 3) -> Truth:
    """Contexts with BOS inside them, so that neurons have different numbers of tokens."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 6, (n_contexts, length), generator=generator)
    tokens[:, 0] = BOS
    tokens[:, 1] = 1  # at least one token of text
    activations = torch.randn(n, n_contexts, length, generator=generator)
    activations[tokens.expand(n, -1, -1) == BOS] = 1e6  # must never be scored
    uniform = torch.randperm(n_contexts, generator=generator)[:6].sort().values
    top = torch.stack([torch.randperm(n_contexts, generator=generator)[:k] for _ in range(n)])
    return Truth(
        bos=BOS,
        tokens=tokens,
        uniform=uniform,
        top=top,
        uniform_activations=activations[:, uniform],
        top_activations=activations[torch.arange(n)[:, None], top],
        novel=make_novel(tokens[uniform], generator),
        documents=(torch.arange(len(uniform))[:, None] // 2).repeat(1, length),
        small=make_small(tokens, activations, generator),
    )


def make_small(
    tokens: torch.Tensor, activations: torch.Tensor, generator: torch.Generator
) -> SmallSet:
    """Beginnings of four contexts, which the uniform set need not hold."""
    rows = torch.randperm(len(tokens), generator=generator)[:4].sort().values
    text = first_tokens(tokens[rows], BOS, 3)
    documents = (torch.arange(4)[:, None] // 2).repeat(1, tokens.shape[1])
    return SmallSet(rows, text, activations[:, rows], documents)


def make_novel(tokens: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Some of the text tokens, at least one."""
    novel = (torch.rand(tokens.shape, generator=generator) < 0.5) & (tokens != BOS)
    novel[0, 1] = True
    return novel


def by_hand(truth: Truth, prediction: torch.Tensor, threshold: torch.Tensor, neuron: int):
    """Every metric on every scoring set, one neuron and one context at a time."""
    found = {}
    for scoring_set in SCORING_SETS:
        true, predicted = [], []
        rows = truth.rows(scoring_set)[neuron].tolist()
        for number, row in enumerate(rows):
            for position, token in enumerate(truth.tokens[row].tolist()):
                if scoring_set == NOVEL and not truth.novel[number, position]:
                    continue
                if scoring_set == UNIFORM_SMALL and position > 3:
                    continue
                if token != BOS:
                    true.append(truth.activations(scoring_set)[neuron, number, position])
                    predicted.append(prediction[neuron, row, position])
        one = torch.stack(true)[None], torch.stack(predicted)[None]
        scores = metrics.compute(NAMES, *one, threshold[neuron : neuron + 1])
        for name, value in scores.items():
            found[f"{scoring_set}/{name}"] = value[0]
        found[f"{scoring_set}/undefined"] = metrics.undefined(*one)[0]
    return found


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), constant=st.booleans())
def test_a_block_is_scored_as_its_neurons_are_one_by_one(seed: int, constant: bool) -> None:
    truth = make_truth(seed)
    generator = torch.Generator().manual_seed(seed + 1)
    prediction = torch.randn(5, *truth.tokens.shape, generator=generator)
    if constant:
        prediction[2] = 0.5
    threshold = torch.rand(5, generator=generator)
    scores = score_block(truth, prediction, threshold, NAMES)
    assert list(scores) == [f"{s}/{name}" for s in SCORING_SETS for name in [*NAMES, "undefined"]]
    for neuron in range(5):
        for column, value in by_hand(truth, prediction, threshold, neuron).items():
            torch.testing.assert_close(
                scores[column][neuron], value, rtol=0, atol=1e-12, equal_nan=True, msg=column
            )
    assert bool(scores["uniform/undefined"][2]) == constant


def test_the_truth_itself_scores_one() -> None:
    truth = make_truth(3)
    n, n_rows = 5, len(truth.tokens)
    prediction = torch.zeros(n, *truth.tokens.shape)
    for row in range(n_rows):  # put together from the sets, which agree where they overlap
        for neuron in range(n):
            for scoring_set in SCORING_SETS:
                for number, other in enumerate(truth.rows(scoring_set)[neuron].tolist()):
                    if other == row:
                        values = truth.activations(scoring_set)[neuron, number]
                        prediction[neuron, row] = values
    scores = score_block(truth, prediction, torch.full((n,), 0.1), NAMES)
    for column, values in scores.items():
        known = values[~values.isnan()] if values.is_floating_point() else values
        expected = torch.zeros_like(known) if column.endswith("undefined") else 1.0
        torch.testing.assert_close(known, torch.as_tensor(expected).to(known).expand_as(known))


def test_bos_decides_nothing() -> None:
    truth = make_truth(7)
    prediction = torch.randn(5, *truth.tokens.shape)
    changed = prediction.masked_fill(truth.tokens == BOS, -1e6)
    threshold = torch.full((5,), 0.2)
    one, other = (score_block(truth, each, threshold, NAMES) for each in (prediction, changed))
    for column in one:
        torch.testing.assert_close(one[column], other[column], equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize("names", [["pearson"], ["f1", "pearson"]])
def test_only_the_named_metrics_are_computed(names: list[str]) -> None:
    truth = make_truth(1)
    scores = score_block(truth, torch.zeros(5, *truth.tokens.shape), torch.ones(5), names)
    assert list(scores) == [f"{s}/{name}" for s in SCORING_SETS for name in [*names, "undefined"]]
    assert all(bool(scores[f"{s}/undefined"].all()) for s in SCORING_SETS)


def test_a_set_without_a_token_has_null_scores_that_are_not_undefined() -> None:
    truth = make_truth(2)
    truth = replace(truth, novel=torch.zeros_like(truth.novel))
    prediction = torch.zeros(5, *truth.tokens.shape)
    scores = score_block(truth, prediction, torch.ones(5), NAMES)
    assert all(bool(scores[f"{NOVEL}/{name}"].isnan().all()) for name in NAMES)
    assert not bool(scores[f"{NOVEL}/undefined"].any())
    assert bool(scores["uniform/undefined"].all())


def test_sets_that_are_not_predicted_have_null_scores() -> None:
    truth = make_truth(4)
    prediction = torch.randn(5, *truth.tokens.shape)
    threshold = torch.full((5,), 0.2)
    whole = score_block(truth, prediction, threshold, NAMES)
    alone = replace(truth, sets=(UNIFORM_SMALL,))
    scores = score_block(alone, prediction, threshold, NAMES)
    for name in NAMES:
        assert torch.equal(scores[f"{UNIFORM_SMALL}/{name}"], whole[f"{UNIFORM_SMALL}/{name}"])
        others = [one for one in SCORING_SETS if one != UNIFORM_SMALL]
        assert all(bool(scores[f"{one}/{name}"].isnan().all()) for one in others)
    some, every = count_positives(alone, threshold), count_positives(truth, threshold)
    assert some["uniform/positives"] == [None] * 5
    assert torch.equal(some["uniform_small/positives"], every["uniform_small/positives"])


def test_what_is_wanted_is_what_the_sets_score() -> None:
    truth = make_truth(5)
    for sets in (SCORING_SETS, (UNIFORM_SMALL,), ("top",), (NOVEL, "top")):
        some = replace(truth, sets=sets)
        expected = torch.zeros(truth.tokens.shape, dtype=torch.bool)
        for scoring_set in sets:
            text = some.scored(scoring_set).expand(5, -1, -1)
            for neuron in range(5):
                for number, row in enumerate(some.rows(scoring_set)[neuron].tolist()):
                    expected[row] |= text[neuron, number]
        assert torch.equal(some.wanted(), expected)


def test_novel_is_uniform_where_all_text_is_novel() -> None:
    truth = make_truth(6)
    truth = replace(truth, novel=truth.tokens[truth.uniform] != BOS)
    prediction = torch.randn(5, *truth.tokens.shape)
    scores = score_block(truth, prediction, torch.full((5,), 0.3), NAMES)
    for name in NAMES:
        torch.testing.assert_close(
            scores[f"{NOVEL}/{name}"], scores[f"uniform/{name}"], equal_nan=True, rtol=0, atol=0
        )


def test_scores_under_a_further_reference_are_those_at_its_thresholds() -> None:
    truth = make_truth(8)
    prediction = torch.randn(5, *truth.tokens.shape)
    low, high = torch.full((5,), 0.1), torch.full((5,), 0.9)
    found = score_firing(truth, prediction, high, NAMES, "maximum")
    names = ("auprc", "f1", "precision", "recall", "iou")
    assert list(found) == [f"uniform_maximum/{name}" for name in names]
    at_high, at_low = (score_block(truth, prediction, limit, NAMES) for limit in (high, low))
    for name in names:
        values = found[f"uniform_maximum/{name}"]
        torch.testing.assert_close(values, at_high[f"uniform/{name}"], equal_nan=True)
        assert not torch.equal(values, at_low[f"uniform/{name}"])
    assert score_firing(truth, prediction, high, ["pearson"], "maximum") == {}
