"""Support of single scores: positives, effective tokens, and an interval over documents."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

import metrics
from benchmark.interface import HeldOut
from benchmark.results.columns import (
    DRAWN_SETS,
    EFFECTIVE_TOKENS,
    PEARSON_HIGH,
    PEARSON_LOW,
    POSITIVES,
    SCORING_SETS,
    score_column,
)

# How often the documents are drawn for one neuron's interval: its ends are percentiles.
RESAMPLES = 1000


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread: long sums have other last digits for other numbers of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def count_positives(
    truth: HeldOut, threshold: Float[Tensor, " n"]
) -> dict[str, Tensor | list[None]]:
    """Return how many scored tokens of each set a neuron fires on, `<set>/positives`, int64 `[n]`.

    Null on sets that are not scored.

    Args:
        truth: the block's true activations.
        threshold: the firing threshold of each neuron, raw units.
    """
    found: dict[str, Tensor | list[None]] = {}
    for scoring_set in SCORING_SETS:
        if scoring_set not in truth.sets:
            found[score_column(scoring_set, POSITIVES)] = [None] * len(threshold)
            continue
        fires = truth.activations(scoring_set) >= threshold[:, None, None]
        found[score_column(scoring_set, POSITIVES)] = (fires & truth.scored(scoring_set)).sum(
            (1, 2)
        )
    return found


def correlation_support(
    truth: HeldOut, prediction: Float[Tensor, "n u ctx"], *, seed: int, level: float
) -> dict[str, Float[Tensor, " n"]]:
    """Return what each neuron's correlation on uniform text rests on, `[n]` for each column.

    On `uniform` and `uniform_small`: `<set>/effective_tokens`, and the ends of the bootstrap
    interval over documents, `<set>/pearson_low` and `<set>/pearson_high`: whole documents are
    drawn, because tokens of one document are not independent, the same for all neurons. With one
    document there is none.

    Args:
        truth: the block's true activations.
        prediction: simulated activations on `truth.tokens`, raw units.
        seed: seed of the draws of documents.
        level: probability that the interval covers.
    """
    found: dict[str, Tensor] = {}
    for scoring_set in DRAWN_SETS:
        true = truth.activations(scoring_set)
        predicted = prediction[:, truth.rows(scoring_set)[0]]
        scored, documents = truth.scored(scoring_set), truth.documents_of(scoring_set)
        if len(scored) == 1:
            support = _support(true, predicted, scored[0], documents, seed, level)
        else:  # each neuron has tokens of its own
            rows = [slice(row, row + 1) for row in range(len(true))]
            parts = [
                _support(true[row], predicted[row], scored[row][0], documents, seed, level)
                for row in rows
            ]
            support = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        found |= {score_column(scoring_set, name): values for name, values in support.items()}
    return found


def _support(
    true: Float[Tensor, "n m ctx"],
    predicted: Float[Tensor, "n m ctx"],
    text: Bool[Tensor, "m ctx"],
    documents: Int[Tensor, "m ctx"],
    seed: int,
    level: float,
) -> dict[str, Float[Tensor, " n"]]:
    """Return what `correlation_support` does on the tokens `text`, without the set's name."""
    if not text.any():
        nothing = torch.full((len(true),), torch.nan)
        return dict.fromkeys((EFFECTIVE_TOKENS, PEARSON_LOW, PEARSON_HIGH), nothing)
    true, predicted, documents = true[:, text], predicted[:, text], documents[text]
    low, high = torch.full((2, len(true)), torch.nan, dtype=torch.float64)
    n_documents = len(documents.unique())
    if n_documents > 1:
        # A correlation has no threshold.
        units = metrics.Units.of_documents(true, predicted, torch.zeros(len(true)), documents)
        weights = metrics.draw_weights(n_documents, RESAMPLES, seed)
        # One by one: a product of matrices has other last digits for other numbers of neurons.
        with one_thread():
            scores = [
                metrics.resampled_scores(["pearson"], units.rows(slice(row, row + 1)), weights)
                for row in range(len(true))
            ]
        low, high = metrics.percentiles(torch.cat([one["pearson"] for one in scores]), level)
    return {
        EFFECTIVE_TOKENS: metrics.effective_tokens(true),
        PEARSON_LOW: low,
        PEARSON_HIGH: high,
    }
