"""Tracks: rows by what an explainer saw, and by how large its explanations are."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.interface import EVIDENCE_KINDS
from leaderboards.model import EVIDENCE_TRACK, SIZE_TRACK, Row, Track
from leaderboards.ranking import PairedTests, ranked

KB = 1024
# In KB of 1024 bytes. A budget holds for every explanation of a run, so the largest one decides.
BUDGETS: tuple[int | None, ...] = (1, 4, 16, 64, None)


def tracks_of(rows: Sequence[Row], tests: PairedTests) -> list[Track]:
    """Return tracks by evidence, each with the rows of that evidence alone, then by size budget.

    There is a track for each kind of evidence that a row has; kinds that this version does not
    know come last.

    A size budget holds the rows whose largest explanation fits, so that a wider budget has all the
    rows of a narrower one; the last, unlimited, has all. Ranks and tests are those among the rows
    of the track.
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
        fitting = [row for row in rows if limit is None or _fits(row, limit)]
        name = "unlimited" if budget is None else f"{budget} KB"
        found.append(Track(family=SIZE_TRACK, name=name, limit=limit, rows=ranked(fitting, tests)))
    return found


def _kinds(rows: Sequence[Row]) -> list[str]:
    """Return the kinds of evidence of some rows in the order of their tracks."""
    present = {row.evidence for row in rows if row.evidence}
    known = [kind for kind in EVIDENCE_KINDS if kind in present]
    return [*known, *sorted(present.difference(known))]


def _fits(row: Row, limit: int) -> bool:
    return row.largest_bytes is not None and row.largest_bytes <= limit
