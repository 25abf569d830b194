"""One line of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.perf.comparison import Comparison, Figures
from tests.perf.workload import Workload


@dataclass(frozen=True)
class Target:
    """What must not be exceeded: a ratio, or the measurement itself in its own unit."""

    limit: float
    ratio: bool = False

    def met(self, figures: Figures) -> bool:
        """Whether the figures are within the target."""
        return (figures.ratio if self.ratio else figures.measured) <= self.limit

    def text(self, unit: str) -> str:
        """As it stands in the table."""
        return f"≤ {self.limit:,g} " + ("×" if self.ratio else unit)


@dataclass(frozen=True)
class Item:
    """Something whose speed or memory is watched.

    Attributes:
        name: short, for the command line.
        what: for the table.
        prepare: makes the two calls that are compared; its own time does not count.
        target: None if it is only watched.
        rounds: how often both are measured.
        warm_up: whether a first round is left out.
    """

    name: str
    what: str
    prepare: Callable[[Workload], Comparison]
    target: Target | None = None
    rounds: int = 5
    warm_up: bool = True
