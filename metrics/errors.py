"""Errors of the metrics: ValueErrors whose message names the thing and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MetricInputError(ValueError):
    """Truth, prediction or threshold of a shape, type or value that no metric can score."""


class UnknownMetricError(ValueError):
    """A metric name that is not in the catalogue."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        names = list(known)
        near = difflib.get_close_matches(name, names, n=1)
        guess = f"; did you mean '{near[0]}'?" if near else "."
        super().__init__(f"metric '{name}' is not known{guess} known: {', '.join(names)}.")


class UnsoundMetricError(ValueError):
    """A metric as a ranking key that fails the sanity tests."""

    def __init__(self, name: str, reason: str, sound: Iterable[str]) -> None:
        self.name = name
        super().__init__(
            f"metric '{name}' cannot be a ranking key, because it fails the sanity tests: {reason};"
            f" rank by one of {', '.join(sound)}."
        )
