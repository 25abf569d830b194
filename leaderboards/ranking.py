"""The order of rows, which neighbours differ by more than chance, and tracks of rows."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import metrics
from benchmark.analysis.compare import declared_by, paired_replicates, place_by_mean
from benchmark.interface import EVIDENCE_KINDS
from benchmark.results import OVER_BOTH, OVER_NEURONS
from benchmark.results.columns import describe
from leaderboards.model import (
    EVIDENCE_TRACK,
    READABLE_TRACK,
    SIZE_TRACK,
    Difference,
    Row,
    Track,
)

RESAMPLES = 10_000
LEVEL = 0.95
SEED = 0


class PairedTests:
    """Paired differences of one column between runs; each pair is computed once."""

    def __init__(self, column: str) -> None:
        self.column = column
        self._known: dict[tuple[int, int], metrics.PairedDifference] = {}

    def of(self, first: Row, second: Row) -> metrics.PairedDifference:
        """Return the first row's score minus the second's, over the neurons that have both."""
        key = (id(first.run), id(second.run))
        if key not in self._known:
            self._known[key] = metrics.paired_difference(
                first.run.scores.column(self.column),
                second.run.scores.column(self.column),
                replicates=paired_replicates(first.run, second.run, self.column),
                resamples=RESAMPLES,
                level=LEVEL,
                seed=SEED,
            )
        return self._known[key]


def ranked(rows: Sequence[Row], tests: PairedTests) -> list[Row]:
    """Return rows best first, with ranks and the difference of each to the row above.

    Controls stand where their score puts them and have no rank. The p-values are those of the
    bootstrap over neurons and documents, and of the paired sign-flip permutation test over neurons;
    both are corrected by Holm's method over the rows given here. Unverified rows stand below all
    others, without rank and without a difference, and are in no test.
    """
    declared = declared_by(row.run for row in rows)
    sign = 1 if describe(tests.column, declared).higher_is_better else -1

    def place(row: Row) -> tuple[float, str, str]:
        return place_by_mean(row.key.mean, sign), row.label, row.run_id

    ordered = sorted((row for row in rows if not row.unverified), key=place)
    pairs = [tests.of(above, row) for above, row in itertools.pairwise(ordered)]
    adjusted = metrics.holm([pair.widest_p for pair in pairs])
    of_neurons = metrics.holm([pair.p for pair in pairs])
    above: list[Difference | None] = [None]
    above += [_difference(*one) for one in zip(pairs, adjusted, of_neurons, strict=True)]
    found, rank = [], 0
    for row, difference in zip(ordered, above, strict=False):
        rank += not row.control
        found.append(dataclasses.replace(row, rank=None if row.control else rank, above=difference))
    unverified = sorted((row for row in rows if row.unverified), key=place)
    return found + [dataclasses.replace(row, rank=None, above=None) for row in unverified]


def _difference(
    pair: metrics.PairedDifference, adjusted: float | None, of_neurons: float | None
) -> Difference:
    low, high = pair.widest
    return Difference(
        mean=pair.mean,
        low=low,
        high=high,
        p=pair.widest_p,
        adjusted_p=adjusted,
        neuron_low=pair.low,
        neuron_high=pair.high,
        neuron_p=pair.p,
        neuron_adjusted_p=of_neurons,
        over=OVER_BOTH if pair.over_both else OVER_NEURONS,
    )


KB = 1024
# In KB of 1024 bytes. A budget holds for every explanation of a run, so the largest one decides.
BUDGETS: tuple[int | None, ...] = (1, 4, 16, 64, None)
# In characters, of the longest text of a run.
TEXT_BUDGETS: tuple[int | None, ...] = (300, 600, 1200, None)


def tracks_of(rows: Sequence[Row], tests: PairedTests) -> list[Track]:
    """Return tracks by evidence, each with the rows of that evidence alone, by size, and by text.

    There is a track for each kind of evidence that a row has; kinds that this version does not
    know come last.

    A size budget holds the rows whose largest explanation fits, so that a wider budget has all the
    rows of a narrower one; the last, unlimited, has all. Where rows have complete texts there are
    tracks of these rows within budgets of characters in the same way. Ranks and tests are those
    among the rows of the track.
    """
    found = [
        Track(
            family=EVIDENCE_TRACK,
            name=evidence,
            limit=None,
            rows=ranked([row for row in rows if row.evidence == evidence], tests),
        )
        for evidence in _kinds(rows)
    ]
    for budget in BUDGETS:
        limit = None if budget is None else budget * KB
        fitting = [row for row in rows if limit is None or _fits(row.largest_bytes, limit)]
        name = "unlimited" if budget is None else f"{budget} KB"
        found.append(Track(family=SIZE_TRACK, name=name, limit=limit, rows=ranked(fitting, tests)))
    return found + _readable(rows, tests)


def _readable(rows: Sequence[Row], tests: PairedTests) -> list[Track]:
    """Return tracks of the rows whose texts are whole explanations; none without such rows."""
    complete = [row for row in rows if row.characters is not None]
    found = []
    for budget in TEXT_BUDGETS if complete else ():
        fitting = [
            row for row in complete if budget is None or _fits(row.largest_characters, budget)
        ]
        name = "unlimited" if budget is None else f"{budget:,} characters"
        track = Track(family=READABLE_TRACK, name=name, limit=budget, rows=ranked(fitting, tests))
        found.append(track)
    return found


def _fits(largest: float | None, limit: int) -> bool:
    return largest is not None and largest <= limit


def _kinds(rows: Sequence[Row]) -> list[str]:
    """Return the kinds of evidence of some rows in the order of their tracks."""
    present = {row.evidence for row in rows if row.evidence}
    known = [kind for kind in EVIDENCE_KINDS if kind in present]
    return [*known, *sorted(present.difference(known))]
