"""Scores of a block on resamples of the documents, as they are saved with its rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import metrics
from benchmark.results import Scores
from benchmark.results.resampled import RESAMPLED, STEP
from benchmark.scorers.replicates import REPLICATED, replicate_entries
from benchmark.scorers.simulation import score_block
from tests.scorers.test_simulation import make_truth

THRESHOLD = torch.tensor([0.5, 0.2, 0.5, 9.0, 0.1])


def saved(prediction: torch.Tensor, resamples: int = 20) -> Scores:
    """The table of a block of made-up neurons, the fourth of which never fires."""
    truth = make_truth(4)
    scores = score_block(truth, prediction, THRESHOLD, REPLICATED)
    entries = replicate_entries(truth, prediction, THRESHOLD, REPLICATED, resamples)
    return Scores.from_rows(
        {
            "layer": 0,
            "neuron": neuron,
            "status": "ok",
            "error": None,
            **{name: values[neuron].item() for name, values in scores.items()},
            **({RESAMPLED: entries[neuron]} if entries else {}),
        }
        for neuron in range(5)
    )


def prediction(seed: int) -> torch.Tensor:
    return torch.randn(5, 9, 6, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scoring_set", ["uniform", "uniform_small"])
@pytest.mark.parametrize("name", REPLICATED)
def test_each_is_the_score_on_the_tokens_of_the_documents_that_were_drawn(
    name: str, scoring_set: str
) -> None:
    truth, predicted = make_truth(4), prediction(0)
    found = saved(predicted).replicates(f"{scoring_set}/{name}")
    assert found is not None
    rows = truth.rows(scoring_set)[0]
    text = truth.scored(scoring_set)[0]
    true, flat = truth.activations(scoring_set)[:, text], predicted[:, rows][:, text]
    documents = truth.documents_of(scoring_set)[text]
    assert found.n_documents == len(documents.unique())
    # Every drawn set of documents has scores of its own: find the draw that gives each column.
    n = found.n_documents
    possible = {}
    for code in np.ndindex(*[n + 1] * n):
        if sum(code) == n:
            drawn = torch.cat(
                [
                    torch.nonzero(documents == document)[:, 0].repeat(times)
                    for document, times in enumerate(code)
                ]
            )
            values = metrics.compute([name], true[:, drawn], flat[:, drawn], THRESHOLD)[name]
            possible[code] = values.numpy()
    for column in found.values.T:
        assert any(
            np.allclose(column, values, atol=2 * STEP, equal_nan=True)
            for values in possible.values()
        )
    assert np.isnan(found.values[3]).all() == (name != "pearson")


def test_the_documents_drawn_are_the_same_for_every_explainer_and_run() -> None:
    first, again, other = (
        saved(prediction(seed)).replicates("uniform/pearson") for seed in (0, 0, 1)
    )
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.draw == again.draw == other.draw
    np.testing.assert_array_equal(first.values, again.values)
    # The truth as its own prediction scores 1 on whatever was drawn.
    truth = make_truth(4)
    perfect = torch.zeros(5, 9, 6)
    perfect[:, truth.uniform] = truth.uniform_activations
    own = saved(perfect).replicates("uniform/pearson")
    assert own is not None
    np.testing.assert_allclose(own.values, 1.0, atol=1e-6)
    apart = metrics.paired_difference(
        np.ones(5), saved(prediction(0)).column("uniform/pearson"), replicates=(own, first)
    )
    assert apart.over_both


def test_nothing_is_kept_without_draws_metrics_or_a_second_document() -> None:
    truth, predicted = make_truth(4), prediction(0)
    assert replicate_entries(truth, predicted, THRESHOLD, REPLICATED, 0) == []
    assert replicate_entries(truth, predicted, THRESHOLD, ["recall"], 5) == []
    truth.documents.zero_()
    (small, *_) = replicate_entries(truth, predicted, THRESHOLD, ["f1"], 5)
    assert sorted(small) == ["documents", "draw", "uniform_small/f1"]
    truth.small.documents.zero_()
    assert replicate_entries(truth, predicted, THRESHOLD, REPLICATED, 5) == []
    (one, *_) = replicate_entries(make_truth(4), predicted, THRESHOLD, ["f1"], 5)
    assert sorted(one) == ["documents", "draw", "further", "uniform/f1"]
    assert one["further"] == [small]
