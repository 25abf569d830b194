"""Parts that the verbs about graphs share: opening a run, naming explainers that offer graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.errors import BenchmarkError
from benchmark.plugins.isolation import isolated

if TYPE_CHECKING:
    from benchmark.evaluation.reopen import ReopenedRun
    from benchmark.results import Run

HOW = "python -m benchmark run explainer={name}"


def opened_with_graphs(run: Run, trust: Sequence[str] = ()) -> ReopenedRun:
    """Return the run with its explainer.

    Raises:
        BenchmarkError: its explanations have no graphs; the message names explainers that do. Or
            its explainer is of a class that is not accepted.
    """
    from benchmark.graphs.collect import NoGraphsError, reopen_with_graphs

    try:
        return reopen_with_graphs(run, trust)
    except NoGraphsError as error:
        raise with_hint(error) from None


def with_hint(error: BenchmarkError) -> BenchmarkError:
    """Return the error with the names of explainers that offer graphs."""
    names = _names()
    how = f" ({HOW.format(name=names[0])})" if names else ""
    which = f" Explainers that draw graphs: {', '.join(names)}{how}." if names else ""
    return BenchmarkError(f"{error}{which}")


def _names() -> list[str]:
    """Return explainers of the config tree whose explanations offer graphs."""
    from benchmark.config.catalogue import entries
    from benchmark.graphs.collect import offers_graphs

    return [
        entry.name
        for entry in entries("explainer")
        if offers_graphs(_explanation_class(str(entry.config.get("_target_", ""))))
    ]


def _explanation_class(target: str) -> type:
    """Return the class of an explainer's explanations; `object` if it cannot be obtained."""
    import importlib

    module, _, name = target.rpartition(".")
    try:
        with isolated(target, "while it is imported", warn=True):
            found: type = getattr(importlib.import_module(module), name).explanation_class
    except Exception:  # a plug-in may raise anything when it is imported; then it offers nothing
        return object
    return found


def counts_of(asked: int, failed: int, empty: int, above: float = 0.0) -> str:
    """Return a count such as `of 256 neurons (3 failed, 5 without patterns)`."""
    without = "patterns" if above == 0 else f"patterns of at least {above:g}"
    left_out = [f"{failed:,} failed"] * bool(failed)
    left_out += [f"{empty:,} without {without}"] * bool(empty)
    return f"of {asked:,} neurons" + (f" ({', '.join(left_out)})" if left_out else "")
