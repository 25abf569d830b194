"""Interface of a tracker, what it is given to log, and the tracker that does nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmark.results import Run


@dataclass(frozen=True)
class ExtraTable:
    """A table: names of columns, and rows of text, numbers, truth values and None."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Extras:
    """What is shown besides the run's own numbers.

    Attributes:
        tables: by name.
        pictures: PNG files by name.
    """

    tables: Mapping[str, ExtraTable] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)


MakeExtras = Callable[[Run], Extras]


class Tracker(Protocol):
    """Shows a run to somebody while it goes on and after it.

    The results on the disk are the truth. A tracker that fails on the way says so in a warning
    and never takes the run down.
    """

    def start(self, name: str, config: Mapping[str, Any]) -> None:
        """Begin, before anything is computed.

        Args:
            name: what a person calls the run.
            config: its full configuration as plain values.

        Raises:
            BenchmarkError: the tracker is set up in a way that cannot work.
        """
        ...

    def log_layer(self, layer: int, metrics: Mapping[str, float | int | None]) -> None:
        """Show what a finished layer scored, as `layer_metrics` gives it. May be left out."""
        ...

    def finish(self, run: Run, extras: MakeExtras | None = None) -> list[str]:
        """Show the finished run: record, scores, and its files.

        Layers that `log_layer` was not told about are shown now.

        Args:
            run: the run.
            extras: makes tables and pictures to show with it; called only by who shows them.

        Returns:
            What to tell the user: where the run is to be seen, or how to send it there.
        """
        ...

    def abandon(self) -> list[str]:
        """End without a result: the run was interrupted or failed. Without effect after `finish`.

        Returns:
            What to tell the user.
        """
        ...


class NoTracker:
    """`tracking=none`."""

    def start(self, name: str, config: Mapping[str, Any]) -> None:
        """Do nothing."""

    def log_layer(self, layer: int, metrics: Mapping[str, float | int | None]) -> None:
        """Do nothing."""

    def finish(self, run: Run, extras: MakeExtras | None = None) -> list[str]:  # noqa: ARG002
        """Do nothing."""
        return []

    def abandon(self) -> list[str]:
        """Do nothing."""
        return []
