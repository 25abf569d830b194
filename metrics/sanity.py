"""Sanity tests of the metrics: whether a score drops when a perfect explanation is degraded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from metrics.catalogue import get
from metrics.firing import is_firing
from metrics.scoring import compute
from metrics.top_alpha import top_alpha_threshold
from metrics.validation import check_arrays

SMALLEST_DROP = 0.001
"""A score drops where it falls by more than this part of the metric's range."""

PASSING_SHARE = 0.9
"""A metric passes a test if it drops on more than this share of the neurons."""

Array = NDArray[np.float64]
_KINDS = ("perfect", "missing", "extra")


@dataclass(frozen=True)
class SanityScores:
    """Scores of the perfect explanation and of both degraded ones, by metric, `[n_neurons]`.

    A score is NaN where the metric is null, and where the neuron cannot be tested: it fires on
    fewer than two tokens, which cannot be halved, or on more than half of them, which cannot be
    doubled.

    Attributes:
        perfect: of the perfect explanation.
        missing: of the same with half of its positives missing.
        extra: of the same with as many random positives added.
    """

    perfect: dict[str, Array]
    missing: dict[str, Array]
    extra: dict[str, Array]


@dataclass(frozen=True)
class SanityResult:
    """The outcome of both tests for one metric.

    Attributes:
        metric: its name.
        missing: share of neurons on which it drops when labels are missing; None without neurons.
        extra: share on which it drops when there are extra labels.
        n: neurons that could be tested.
        n_untested: neurons that could not.
        score: mean score of the perfect explanation; None without neurons.
    """

    metric: str
    missing: float | None
    extra: float | None
    n: int
    n_untested: int
    score: float | None

    @property
    def passes(self) -> bool:
        """Return whether it drops on more than `PASSING_SHARE` of the neurons in both tests."""
        shares = (self.missing, self.extra)
        return all(share is not None and share > PASSING_SHARE for share in shares)


def sanity_scores(
    names: Sequence[str],
    truth: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
    *,
    seeds: Sequence[Sequence[int]],
    firing_rate: Float[Tensor, " n_neurons"] | None = None,
) -> SanityScores:
    """Score the perfect explanation of every neuron, and the same made worse in two ways.

    The perfect explanation knows which tokens fire and nothing else: it predicts the neuron's mean
    firing activation on each of them and 0 elsewhere. *Missing labels*: a random half of its
    positives (rounded down) is set to 0. *Extra labels*: as many random other tokens are predicted
    to fire too, so that the number of positives doubles.

    Where the scored tokens are a selection of the text, as in `top_and_random`, labels go missing
    and are added in the whole text, of which only a part is seen: give the neuron's `firing_rate`
    there. Each positive is then dropped with probability 1/2, and each other token becomes one with
    probability rate / (1 - rate). Metrics of the strongest tokens have no use for it.

    Args:
        names: metrics.
        truth: true activations, raw units, BOS left out.
        threshold: firing thresholds, raw units.
        seeds: what the draws of each neuron depend on, such as (seed, layer, neuron).
        firing_rate: share of the tokens of the whole text that fire; None if `truth` is the text.

    Raises:
        UnknownMetricError: if a name is not known.
        MetricInputError: if shapes, types or values do not fit.

    Source: Oikarinen et al. 2025, "Evaluating Neuron Explanations: A Unified Framework with Sanity
    Checks" (arXiv 2506.05774), section on the missing and the extra labels test.
    """
    check_arrays(truth, truth, threshold)
    parts = []
    for top_alpha in (False, True):
        chosen = [name for name in names if get(name).top_alpha is top_alpha]
        if chosen:
            limits = top_alpha_threshold(truth) if top_alpha else threshold
            parts.append(_scores(chosen, truth, limits, seeds, None if top_alpha else firing_rate))
    return SanityScores(
        **{
            kind: {name: scores for part in parts for name, scores in part[kind].items()}
            for kind in _KINDS
        }
    )


def _scores(
    names: Sequence[str],
    truth: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
    seeds: Sequence[Sequence[int]],
    firing_rate: Float[Tensor, " n_neurons"] | None,
) -> dict[str, dict[str, Array]]:
    """Return scores by kind of explanation and metric, for metrics that share a threshold."""
    fires = is_firing(truth, threshold)
    missing, extra = torch.empty_like(fires), torch.empty_like(fires)
    for row, seed in enumerate(seeds):
        generator = np.random.default_rng(list(seed))
        rate = None if firing_rate is None else float(firing_rate[row])
        missing[row] = _with_missing(fires[row], rate, generator)
        extra[row] = _with_extra(fires[row], rate, generator)
    n_fired = fires.sum(dim=1)
    tested = ((n_fired >= 2) & (2 * n_fired <= fires.shape[1])).numpy()
    level = truth.double().masked_fill(~fires, 0.0).sum(dim=1) / n_fired.clamp(min=1)
    # Rounding must not put the mean of equal activations just below the threshold.
    level = torch.maximum(level, threshold.double())[:, None]

    def scores(labels: Bool[Tensor, "n_neurons n_tokens"]) -> dict[str, Array]:
        prediction = torch.where(labels, level, 0.0)
        found = compute(names, truth, prediction, threshold)
        return {name: np.where(tested, values.numpy(), np.nan) for name, values in found.items()}

    return {"perfect": scores(fires), "missing": scores(missing), "extra": scores(extra)}


def sanity_result(name: str, parts: Sequence[SanityScores]) -> SanityResult:
    """Count the neurons on which a metric drops by more than `SMALLEST_DROP` of its range.

    The range is that of the metric's bounds; where it lacks one, that of all scores seen here, as
    in the paper.

    Args:
        name: the metric.
        parts: the scores of all neurons, in any number of blocks.

    Raises:
        UnknownMetricError: if the name is not known.
    """
    metric = get(name)
    perfect, missing, extra = (
        np.concatenate([np.empty(0), *(getattr(part, kind)[name] for part in parts)])
        for kind in _KINDS
    )
    known = ~(np.isnan(perfect) | np.isnan(missing) | np.isnan(extra))
    n = int(known.sum())
    if n == 0:
        return SanityResult(name, None, None, 0, len(known), None)
    if metric.lower is not None and metric.upper is not None:
        span = metric.upper - metric.lower
    else:
        seen = np.concatenate([perfect[known], missing[known], extra[known]])
        span = float(seen.max() - seen.min())
    sign = 1.0 if metric.higher_is_better else -1.0

    def share(degraded: Array) -> float:
        fall = sign * (perfect[known] - degraded[known])
        return float((fall > SMALLEST_DROP * span).mean())

    return SanityResult(
        name, share(missing), share(extra), n, len(known) - n, float(perfect[known].mean())
    )


def _with_missing(
    fires: Bool[Tensor, " n_tokens"], rate: float | None, generator: np.random.Generator
) -> Bool[Tensor, " n_tokens"]:
    positives = fires.nonzero()[:, 0].numpy()
    if rate is None:
        dropped = generator.choice(positives, len(positives) // 2, replace=False)
    else:
        dropped = positives[generator.random(len(positives)) < 0.5]
    labels = fires.clone()
    labels[torch.from_numpy(dropped)] = False
    return labels


def _with_extra(
    fires: Bool[Tensor, " n_tokens"], rate: float | None, generator: np.random.Generator
) -> Bool[Tensor, " n_tokens"]:
    others = (~fires).nonzero()[:, 0].numpy()
    if rate is None:
        count = min(len(fires) - len(others), len(others))
        added = generator.choice(others, count, replace=False)
    else:
        added = others[generator.random(len(others)) < rate / max(1e-12, 1.0 - rate)]
    labels = fires.clone()
    labels[torch.from_numpy(added)] = True
    return labels
