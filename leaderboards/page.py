"""Page of results: headings, sentences and tables in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmark.errors import unknown
from benchmark.token_text import one_line
from leaderboards import tables, track_tables
from leaderboards.boards import build
from leaderboards.model import Leaderboard
from leaderboards.result_folders import Results
from leaderboards.subjects import SubjectAverage, average_over_subjects
from leaderboards.tables import Table

PARTS = ("leaderboard", "layers", "fronts", "tracks", "subjects")


@dataclass(frozen=True)
class Page:
    """Leaderboards and what stands around them.

    Attributes:
        boards: as `build` gives them.
        averages: the table across subjects.
        results: what they were made from.
        metrics: metrics that are shown besides the usual ones.
        parts: which of `PARTS` are shown.
    """

    boards: list[Leaderboard]
    averages: SubjectAverage
    results: Results
    metrics: Sequence[str] = ()
    parts: Sequence[str] = PARTS

    def sections(self) -> list[Section]:
        """Return the tables under their headings."""
        found: list[Section] = []
        if "subjects" in self.parts and len(self.averages.cells) > 1:
            found.append(Section("", [tables.across_table(self.averages)]))
        for title, boards in _under_headings(self.boards).items():
            section = Section(title, list(self._tables(boards)))
            if section.tables:
                found.append(section)
        if self.results.unread:
            found.append(Section("", [tables.unread_table(self.results.unread)]))
        return found

    def _tables(self, boards: Sequence[Leaderboard]) -> list[Table]:
        """Return the tables of one subject and corpus."""
        first, found = boards[0], []
        if "leaderboard" in self.parts:
            found += [tables.leaderboard_table(board, self.metrics) for board in boards]
        if first.rows and "layers" in self.parts:
            found.append(tables.layer_table(first))
        if first.rows and "fronts" in self.parts:
            found.append(tables.front_table(first))
        if "tracks" in self.parts:
            found += [
                track_tables.track_table(track, first.ranked_by)
                for track in first.tracks
                if track.rows
            ]
        if any(row.unverified for row in first.rows):
            found.append(tables.unverified_table(first))
        if first.excluded:
            found.append(tables.apart_table(first))
        return found


@dataclass(frozen=True)
class Section:
    """Tables under one heading; without a heading where it is empty."""

    title: str
    tables: list[Table] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Spell out what would act on a terminal or a page, as `Table` does."""
        object.__setattr__(self, "title", one_line(self.title))


def page_of(
    results: Results,
    *,
    rank_by: str | None = None,
    metrics: Sequence[str] = (),
    parts: Sequence[str] = PARTS,
) -> Page:
    """Return the leaderboards of some results.

    Raises:
        BenchmarkError: a metric or a part is not known, or nothing may be ranked by `rank_by`.
    """
    from metrics import METRICS

    for name in metrics:
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    for part in parts:
        if part not in PARTS:
            raise unknown("table", part, PARTS)
    boards = build(results.runs, rank_by)
    return Page(boards, average_over_subjects(boards), results, tuple(metrics), tuple(parts))


def _under_headings(boards: Sequence[Leaderboard]) -> dict[str, list[Leaderboard]]:
    found: dict[str, list[Leaderboard]] = {}
    for board in boards:
        found.setdefault(tables.heading(board), []).append(board)
    return found
