"""Sums of neurons over units of text, from which the scores of any resample of the units follow.

A unit is a document or a context: what is drawn with replacement as a whole, because the tokens
of one unit are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from metrics.firing import FiringCounts

Sums = Mapping[str, Tensor]
"""Sums by their names in `TERMS`, and `y is constant` and `p is constant`; y is the truth."""


@dataclass(frozen=True)
class Units:
    """Truth and prediction of some neurons on text that is cut into units.

    Attributes:
        truth: true activations, raw units, `[n, tokens]`; the tokens of a unit lie together.
        prediction: simulated activations, `[n, tokens]`.
        threshold: the firing thresholds, `[n]`.
        starts: where each unit begins, ascending from 0, `[units]`.
        text: which tokens are scored, `[n, tokens]` or, shared, `[1, tokens]`.
    """

    truth: Float[Tensor, "n tokens"]
    prediction: Float[Tensor, "n tokens"]
    threshold: Float[Tensor, " n"]
    starts: Int[Tensor, " units"]
    text: Bool[Tensor, "#n tokens"]

    @classmethod
    def of_contexts(
        cls,
        truth: Float[Tensor, "n m ctx"],
        prediction: Float[Tensor, "n m ctx"],
        threshold: Float[Tensor, " n"],
        text: Bool[Tensor, "#n m ctx"],
    ) -> Units:
        """Take every context as a unit."""
        _, m, length = truth.shape
        starts = torch.arange(m) * length
        return cls(truth.flatten(1), prediction.flatten(1), threshold, starts, text.flatten(1))

    @classmethod
    def of_documents(
        cls,
        truth: Float[Tensor, "n tokens"],
        prediction: Float[Tensor, "n tokens"],
        threshold: Float[Tensor, " n"],
        documents: Int[Tensor, " tokens"],
    ) -> Units:
        """Take every document as a unit, in the order of their numbers; all tokens are scored.

        Args:
            truth: true activations of scored tokens, raw units, `[n, tokens]`.
            prediction: simulated activations of the same tokens.
            threshold: the firing thresholds, `[n]`.
            documents: the document that each token belongs to, `[tokens]`.
        """
        if bool((documents[1:] < documents[:-1]).any()):
            documents, order = documents.sort(stable=True)
            truth, prediction = truth[:, order], prediction[:, order]
        counts = documents.unique_consecutive(return_counts=True)[1]
        text = torch.ones(1, truth.shape[1], dtype=torch.bool)
        return cls(truth, prediction, threshold, counts.cumsum(0) - counts, text)

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def n_units(self) -> int:
        """Return how many units there are."""
        return len(self.starts)

    def rows(self, which: Int[Tensor, " r"] | slice) -> Units:
        """Return some of the neurons."""
        return replace(
            self,
            truth=self.truth[which],
            prediction=self.prediction[which],
            threshold=self.threshold[which],
            text=self.text if len(self.text) == 1 else self.text[which],
        )

    def unit_of_each_token(self) -> Int[Tensor, " tokens"]:
        """Return the number of the unit that each token belongs to."""
        ends = torch.cat([self.starts[1:], torch.tensor([self.truth.shape[1]])])
        return torch.repeat_interleave(torch.arange(self.n_units), ends - self.starts)

    def fires(self) -> Bool[Tensor, "n tokens"]:
        """Return which scored tokens truly fire."""
        return (self.truth >= self.threshold[:, None]) & self.text

    def predicted(self) -> Bool[Tensor, "n tokens"]:
        """Return which scored tokens are predicted to fire."""
        return (self.prediction >= self.threshold[:, None]) & self.text

    def total(self, values: Tensor) -> Float[Tensor, "n units"]:
        """Sum numbers or flags of tokens, `[n, tokens]`, over each unit."""
        kind = np.int64 if values.dtype == torch.bool else np.float64
        found = np.add.reduceat(values.numpy(), self.starts.numpy(), axis=1, dtype=kind)
        return torch.from_numpy(found).double().expand(len(self), -1)


class UnitSums(Mapping[str, Tensor]):
    """Sums of some neurons, `[n, resamples]`, each computed when a formula takes it.

    Args:
        units: the neurons on their text.
        weights: how often each unit is in each resample, `[resamples, units]`; None gives the sums
            of every unit, `[n, units]`.
    """

    def __init__(self, units: Units, weights: Float[Tensor, "resamples units"] | None) -> None:
        self._units = units
        self._weights = None if weights is None else weights.double().T.contiguous()
        self._arrays = _Arrays(units)
        self._known: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._known:
            self._known[name] = (
                self._is_constant(name[0])
                if name.endswith(CONSTANT)
                else self._resampled(self._units.total(TERMS[name](self._arrays)))
            )
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*TERMS, f"y{CONSTANT}", f"p{CONSTANT}"))

    def __len__(self) -> int:
        return len(TERMS) + 2

    def _resampled(self, sums: Float[Tensor, "n units"]) -> Tensor:
        return sums if self._weights is None else sums @ self._weights

    def _is_constant(self, of: str) -> Bool[Tensor, "n resamples"]:
        """Say in which resamples all values are equal, by the extremes of the units.

        A variance would not do: that of a constant 0.1 is not zero in floating point. The values
        of flat units are numbered, so that whether they agree is a question about whole numbers.
        """
        text = self._units.text
        values = self._units.truth if of == "y" else self._units.prediction
        starts = self._units.starts.numpy()
        low = np.minimum.reduceat(values.masked_fill(~text, torch.inf).numpy(), starts, axis=1)
        high = np.maximum.reduceat(values.masked_fill(~text, -torch.inf).numpy(), starts, axis=1)
        lowest, highest = torch.from_numpy(low), torch.from_numpy(high)
        present = (lowest <= highest).double()
        ordered, order = lowest.sort(dim=1)
        steps = torch.zeros_like(ordered, dtype=torch.float64)
        steps[:, 1:] = (ordered[:, 1:] != ordered[:, :-1]).double()
        level = torch.empty_like(steps).scatter_(1, order, steps.cumsum(1)) * present
        varying = self._resampled((lowest < highest).double())
        n, once, twice = map(self._resampled, (present, level, level.square()))
        constant: Bool[Tensor, "n resamples"] = (varying == 0) & (n * twice == once.square())
        return constant


class _Arrays:
    """What the terms are made of, in double precision, computed once."""

    def __init__(self, units: Units) -> None:
        self.units = units

    def _raw(self, values: Tensor) -> Tensor:
        return values.double().masked_fill(~self.units.text, 0.0)

    def _about_mean(self, values: Tensor) -> Tensor:
        """Move the values by their mean over all units, so that variances lose no digits."""
        mean = values.sum(1, keepdim=True) / self.units.text.sum(1, keepdim=True)
        return (values - mean).masked_fill(~self.units.text, 0.0)

    @cached_property
    def raw_y(self) -> Tensor:
        return self._raw(self.units.truth)

    @cached_property
    def raw_p(self) -> Tensor:
        return self._raw(self.units.prediction)

    @cached_property
    def y(self) -> Tensor:
        return self._about_mean(self.raw_y)

    @cached_property
    def p(self) -> Tensor:
        return self._about_mean(self.raw_p)


CONSTANT = " is constant"
TERMS: dict[str, Callable[[_Arrays], Tensor]] = {
    "tokens": lambda of: of.units.text,
    "fired": lambda of: of.units.fires(),
    "predicted": lambda of: of.units.predicted(),
    "hits": lambda of: of.units.fires() & of.units.predicted(),
    "y": lambda of: of.y,
    "p": lambda of: of.p,
    "yy": lambda of: of.y.square(),
    "pp": lambda of: of.p.square(),
    "yp": lambda of: of.y * of.p,
    "raw yy": lambda of: of.raw_y.square(),
    "raw pp": lambda of: of.raw_p.square(),
    "raw yp": lambda of: of.raw_y * of.raw_p,
    "magnitude": lambda of: of.raw_y.abs(),
    "squared error": lambda of: (of.raw_y - of.raw_p).square(),
    "absolute error": lambda of: (of.raw_y - of.raw_p).abs(),
}
"""What is summed over tokens; y and p are taken about their means over all units, raw ones not."""


def counts_of(sums: Sums) -> FiringCounts:
    """Return the counts of firing among sums."""
    return FiringCounts(**{name: sums[name] for name in ("hits", "fired", "predicted", "tokens")})
