"""Thresholds of local search, with the defaults of its report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark.errors import BenchmarkError, unknown

RESTING = ("mean", "zero")


@dataclass(frozen=True)
class Settings:
    """The thresholds of the method, and what the report leaves open.

    From "Investigating Neuron Behaviour via Dataset Example Pruning and Local Search" (Foote et
    al. 2022):

    Attributes:
        max_drop: the part of an exemplar's activation that pruning may lose.
        positive_drop: a substitute that loses less than this part is a positive example.
        negative_drop: one that loses more than this is a negative one; what lies between is unused.
        window: tokens on each side of the activating one that are never pruned.
        skip_stop_words: whether words such as "the" are left as they are.
        substitute_signs: whether what is no word, such as a bracket or a number, is substituted
            too, each token for itself. The report substitutes words only: `False`.

    Our own choice:

        activation_threshold: only exemplars above this part of the neuron's maximum are looked at.
        substitutes: how many substitutes each word gets.
        least: a match below this part of its example's activation is none.
        resting: the prediction where nothing matches: the neuron's `mean` on the `explain` split,
            or `zero`.
    """

    max_drop: float = 0.6
    positive_drop: float = 0.4
    negative_drop: float = 0.7
    window: int = 0
    skip_stop_words: bool = True
    substitute_signs: bool = False
    activation_threshold: float = 0.0
    substitutes: int = 5
    least: float = 0.05
    resting: str = "mean"

    def __post_init__(self) -> None:
        for name in ("max_drop", "positive_drop", "negative_drop", "activation_threshold", "least"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise _wrong(name, "a number", value)
            if not 0 <= value <= 1:
                raise _wrong(name, "between 0 and 1", value)
        if self.positive_drop > self.negative_drop:
            raise BenchmarkError(
                f"positive_drop of local_search is {self.positive_drop} and negative_drop "
                f"{self.negative_drop}: a substitute would be both; positive_drop must not be "
                "larger."
            )
        if self.least == 0:
            raise _wrong("least", "above 0: what loses everything is no match", self.least)
        for name, lowest in (("window", 0), ("substitutes", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                raise _wrong(name, f"a whole number of at least {lowest}", value)
        for name in ("skip_stop_words", "substitute_signs"):
            if not isinstance(getattr(self, name), bool):
                raise _wrong(name, "true or false", getattr(self, name))
        if self.resting not in RESTING:
            raise unknown("resting of local_search", str(self.resting), RESTING)


def _wrong(name: str, due: str, value: Any) -> BenchmarkError:
    return BenchmarkError(f"{name} of local_search must be {due}, not {value!r}.")
