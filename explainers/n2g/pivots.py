"""Pivots: the strong tokens of exemplars, each of which is pruned on its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from benchmark.interface import Exemplars
from explainers.anchors import Anchored
from explainers.n2g.settings import Settings


@dataclass(frozen=True)
class Pivots:
    """The pivots of a block, one row for each, neuron by neuron.

    Attributes:
        anchored: the exemplar of each with the pivot as its anchor.
        exemplars: the number of that exemplar among its neuron's, strongest first, `[e]`.
    """

    anchored: Anchored
    exemplars: Int[np.ndarray, " e"]

    def select(self, rows: Int[np.ndarray, " r"]) -> Pivots:
        """Return some of the pivots."""
        return Pivots(self.anchored.select(rows), self.exemplars[rows])


def find_pivots(
    exemplars: Exemplars, maxima: Float[np.ndarray, " n"], bos: int, settings: Settings
) -> Pivots:
    """Find every token of an exemplar that has `pivot_threshold` of its largest activation.

    A pivot is a token of text (never a BOS) with a positive activation; unless `weak` ones are
    wanted, the activation is above `activation_threshold` of the neuron's maximum.
    """
    tokens = exemplars.tokens.cpu().numpy()
    activations = exemplars.activations.float().cpu().numpy()
    anchors = exemplars.anchors.cpu().numpy()
    _, k, ctx = tokens.shape
    at_anchor = np.arange(ctx) == anchors[..., None]
    largest = np.take_along_axis(activations, anchors[..., None], axis=2).astype(np.float64)
    strong = at_anchor.copy()
    if settings.pivot_threshold < 1:
        strong |= activations >= settings.pivot_threshold * largest
    maximum = maxima.astype(np.float64)[:, None, None]
    least = 0.0 if settings.weak else settings.activation_threshold
    strong &= (activations > 0) & (activations.astype(np.float64) > least * maximum)
    strong &= (maximum > 0) & (tokens != bos)
    strong[..., 0] = False
    strong &= chosen_exemplars(k, settings.exemplars)[:, None]
    owners, numbers, places = np.nonzero(strong)
    return Pivots(
        Anchored(owners, tokens[owners, numbers], places, activations[owners, numbers, places]),
        numbers,
    )


def chosen_exemplars(k: int, wanted: int | None) -> Bool[np.ndarray, " k"]:
    """Choose which of `k` exemplars are used: so many, spread evenly over the ranks."""
    chosen = np.ones(k, dtype=bool)
    if wanted is not None and wanted < k:
        chosen[:] = False
        chosen[(np.arange(wanted) * k) // wanted] = True
    return chosen
