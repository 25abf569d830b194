"""Every threshold of N2G, with the defaults of its paper."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from benchmark.errors import BenchmarkError, unknown

COMBINE = ("mean", "max")


@dataclass(frozen=True)
class Settings:
    """The thresholds of the method, and what the papers leave open.

    From "Neuron to Graph" (Foote et al. 2023, arXiv 2305.19911):

    Attributes:
        prune_threshold: the part of an exemplar's activation that a shorter context must keep.
        augment_threshold: the importance from which on a token is substituted.
        substitutes: how many substitutes each such token gets.
        importance_threshold: a context token above this importance is literal in the trie.
        activation_threshold: only examples above this part of the neuron's maximum enter the trie.

    From the same authors' code, or our own choice:

        cutoff: the longest context that pruning tries, in tokens with the anchor and without BOS
            (30 in the authors' code); None tries every length up to the whole context.
        substitute_threshold: the part of the activation that a positive substitute keeps.
        mask_token: the id that stands for a masked token; None takes the tokenizer's padding
            token (id 1 in the authors' code, which is that of their models), else BOS, as on
            solu-tiny.
        start_probes: pieces of other text put before a context to see whether it needs its start.
        combine: how several activations at one path become one: their `mean` weighted by count,
            or their `max`.
    """

    prune_threshold: float = 0.5
    augment_threshold: float = 0.8
    substitutes: int = 5
    importance_threshold: float = 0.75
    activation_threshold: float = 0.5
    cutoff: int | None = 30
    substitute_threshold: float = 0.5
    mask_token: int | None = None
    start_probes: int = 4
    combine: str = "mean"

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name.endswith("_threshold"):
                if isinstance(value, bool) or not isinstance(value, (int, float)):
                    raise _wrong(each.name, "a number", value)
                if not 0 <= value <= 1:
                    raise _wrong(each.name, "between 0 and 1", value)
        for name, lowest in (("substitutes", 1), ("start_probes", 0)):
            self._check_count(name, lowest)
        self._check_count("cutoff", 1, optional=True)
        self._check_count("mask_token", 0, optional=True)
        if self.combine not in COMBINE:
            raise unknown("combine of n2g", str(self.combine), COMBINE)

    def _check_count(self, name: str, lowest: int, *, optional: bool = False) -> None:
        value = getattr(self, name)
        if value is None and optional:
            return
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise _wrong(name, f"a whole number of at least {lowest}", value)


def _wrong(name: str, due: str, value: Any) -> BenchmarkError:
    return BenchmarkError(f"{name} of n2g must be {due}, not {value!r}.")
