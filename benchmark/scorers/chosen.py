"""Scorers of a run: the benchmark's own, switched on by keys, and those that were added by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from benchmark.column import Column
from benchmark.config.catalogue import SCORER_PLUGINS, entries, plugin_points, target_of
from benchmark.config.run_config import RunConfig
from benchmark.errors import BenchmarkError
from benchmark.interface import Scorer, SubjectModel
from benchmark.plugins.trusted import UntrustedError, targets_of
from benchmark.scorers.added import AddedScorer
from benchmark.scorers.calibration import CalibrationScorer
from benchmark.scorers.causal.scorer import CausalScorer
from benchmark.scorers.judging.simulated import SimulatedDetection
from benchmark.scorers.simulation import SimulationScorer


def own_scorers(config: RunConfig) -> list[Scorer]:
    """Return the benchmark's own scorers that a configuration switches on.

    Calibration comes last, because it changes the predictions where they are.
    """
    found: list[Scorer] = [SimulationScorer(config), SimulatedDetection()]
    if config.metrics.causal is not None:
        found.append(CausalScorer(config.metrics.causal))
    if config.calibrated:
        found.append(CalibrationScorer(config))
    return found


def scorers_of(config: RunConfig) -> list[Scorer]:
    """Return every scorer of a run in the order of its columns; classes that it names are imported.

    Raises:
        BenchmarkError: a scorer cannot be imported or made, or declares columns that cannot be.
    """
    added = [AddedScorer(name, options) for name, options in config.scorers.items()]
    taken: dict[str, str] = {}
    for scorer in added:
        for column in scorer.columns():
            if column.name in taken:
                raise BenchmarkError(
                    f"scorers '{taken[column.name]}' and '{scorer.name}' both declare the column "
                    f"'{column.name}'; give one of them another name."
                )
            taken[column.name] = scorer.name
    simulation, *others = own_scorers(config)
    last = [one for one in others if isinstance(one, CalibrationScorer)]
    return [simulation, *(one for one in others if one not in last), *added, *last]


def added_columns(scorers: Sequence[Scorer]) -> list[Column]:
    """Return the columns that scorers which were added declare."""
    return [column for one in added_scorers(scorers) for column in one.columns()]


def added_scorers(scorers: Sequence[Scorer]) -> list[AddedScorer]:
    """Return those of the scorers that were added by name."""
    return [one for one in scorers if isinstance(one, AddedScorer)]


def scorers_identity(scorers: Sequence[Scorer]) -> dict[str, Any]:
    """Return what the scorers add to a run's identity; nothing for one that a run lacks."""
    found: dict[str, Any] = {}
    for scorer in scorers:
        if not isinstance(scorer, AddedScorer):
            found |= scorer.identity()
    added = {one.name: one.identity() for one in added_scorers(scorers)}
    return found | ({"scorers": added} if added else {})


def check_subject(scorers: Sequence[Scorer], subject: SubjectModel) -> None:
    """Let every scorer check the subject before anything is computed.

    Raises:
        BenchmarkError: one of them cannot score it.
    """
    for scorer in scorers:
        check = getattr(scorer, "check", None)
        if check is not None:
            check(subject)


def check_trusted(scorers: Mapping[str, Any], where: str, trust: Collection[str] = ()) -> None:
    """Check every class that recorded scorers name; nothing of them is imported.

    Args:
        scorers: options by name, as a run's configuration holds them.
        where: how the message names the run.
        trust: classes that the reader trusts.

    Raises:
        UntrustedError: a class is neither of the benchmark nor an installed plug-in nor trusted.
    """
    known = {target for entry in entries("scorer") for target in targets_of(entry.config)}
    known |= {str(target_of(point)) for point in plugin_points(SCORER_PLUGINS)}
    for name, options in scorers.items():
        for target in targets_of(options):
            if target not in known and target not in trust:
                raise UntrustedError(
                    f"{where} names the class '{target}' (config.scorers.{name} of run.json), "
                    "which is neither a scorer of the benchmark nor an installed plug-in, so it "
                    f"is not imported. If you know that code and trust it: --trust {target}"
                )
