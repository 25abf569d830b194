"""Typed rows of a leaderboard, before anybody decides how they look."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchmark.analysis.compare import NOT_SIGNIFICANT, declared_by, mark_of
from benchmark.column import Column
from benchmark.results import OVER_BOTH, OVER_NEURONS, MetricSummary, Run
from benchmark.results.columns import (
    SMALL_HEADLINE,
    beside_sets,
    declared_columns,
    describe,
    drawn_set,
)

BYTES, SUBJECT_TOKENS, SECONDS = "bytes", "subject_tokens", "explain_seconds"
CHARACTERS = "characters"
FRONTS = (BYTES, CHARACTERS, SUBJECT_TOKENS, SECONDS)
"""What quality is set against: two sizes of an explanation, and two measures of its cost."""

TEXT_COSTS = (CHARACTERS, "largest_characters", "lines")
"""The length of texts, of rows whose every text is the whole explanation."""

EVIDENCE_TRACK, SIZE_TRACK, READABLE_TRACK = "evidence", "size", "readable"


Score = MetricSummary
"""One column of a run over its neurons, as runs themselves summarise it."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The row above minus this row, neuron by neuron.

    Attributes:
        mean: mean difference; None if no neuron has both scores.
        low: lower end of its 95 % bootstrap interval over what `over` says.
        high: upper end of it.
        p: two-sided p-value over the same.
        adjusted_p: the same after Holm's correction over all rows of the table.
        neuron_low: lower end of the interval over neurons, these documents taken as they are.
        neuron_high: upper end of it.
        neuron_p: two-sided p-value of the paired sign-flip permutation test over neurons.
        neuron_adjusted_p: the same after Holm's correction.
        over: `neurons and documents`, or `neurons` where the documents of one of the runs were
            not resampled.
        mark: empty where the difference holds over neurons and documents, `°` where it holds over
            neurons of these documents only, or nothing is known of others, `≈` where it does not
            hold (at 5 %, corrected).
    """

    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    adjusted_p: float | None
    neuron_low: float | None = None
    neuron_high: float | None = None
    neuron_p: float | None = None
    neuron_adjusted_p: float | None = None
    over: str = OVER_NEURONS

    @property
    def mark(self) -> str:
        """Return how tables mark it."""
        return mark_of(self.adjusted_p, self.neuron_adjusted_p, over_both=self.over == OVER_BOTH)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run in a table.

    Attributes:
        rank: its place among the explainers that are no controls; None for a control and for a
            row that is unverified.
        label: what the table calls it: the explainer's name, and the options in which runs of one
            name differ.
        explainer: the explainer's name.
        target: its class.
        control: whether it is a control.
        evidence: what the explainer saw; see `benchmark.interface.EVIDENCE_KINDS`.
        options: its other settings.
        run_id: the run's id.
        run: the run itself.
        key: mean of the column that ranks, over the neurons that all rows share.
        above: the difference to the row above; None in the first row.
        scores: every column of scores by its name, such as `uniform/pearson` or
            `causal/uniform_mean`.
        undefined: per scoring set, neurons whose prediction is constant.
        positives: per scoring set, the median over neurons of the tokens that they fire on; None
            for a run of an earlier version, which did not count them.
        asked: neurons that the run is about.
        explained: neurons that have an explanation.
        coverage: explained / asked.
        subject_tokens: tokens that the subject ran to explain a neuron, mean over neurons.
        explain_seconds: seconds to explain a neuron, mean over neurons.
        simulate_seconds: seconds to simulate a neuron on the held-out text, mean over neurons.
        bytes: size of an explanation, mean over neurons.
        largest_bytes: size of the largest explanation.
        characters: length of an explanation's text, mean over neurons; None, as the next two,
            unless the text of every explanation is the whole explanation.
        largest_characters: length of the longest text.
        lines: lines of a text, mean over neurons.
        within: by a number of characters, the mean of r if the r of a neuron whose text is longer
            counts as 0; empty unless every text is the whole explanation.
        layers: per layer, the mean of every column over its neurons, and the counts `neurons`,
            `failed` and `<scoring set>/undefined`.
        fronts: those of `bytes`, `characters`, `subject_tokens` and `explain_seconds` against which
            no other explainer is both at least as good and at least as cheap; controls and what is
            unverified are left out.
        unverified: why nobody has computed its numbers again; empty where it was verified, and for
            the reader's own runs.
    """

    rank: int | None
    label: str
    explainer: str
    target: str
    control: bool
    evidence: str
    options: dict[str, Any]
    run_id: str
    run: Run = field(repr=False, compare=False)
    key: Score
    above: Difference | None = None
    scores: dict[str, Score] = field(default_factory=dict)
    undefined: dict[str, int] = field(default_factory=dict)
    positives: dict[str, float | None] = field(default_factory=dict)
    asked: int = 0
    explained: int = 0
    coverage: float | None = None
    subject_tokens: float | None = None
    explain_seconds: float | None = None
    simulate_seconds: float | None = None
    bytes: float | None = None
    largest_bytes: float | None = None
    characters: float | None = None
    largest_characters: float | None = None
    lines: float | None = None
    within: dict[int, Score] = field(default_factory=dict)
    layers: dict[int, dict[str, float | int | None]] = field(default_factory=dict)
    fronts: frozenset[str] = frozenset()
    unverified: str = ""

    def score(self, column: str) -> Score | None:
        """Return a column such as `top/f1`, None if the run has no such one."""
        return self.scores.get(column)

    def mark(self) -> str:
        """Return how the difference to the row above is marked; empty in the first row."""
        return "" if self.above is None else self.above.mark

    def tied(self) -> bool:
        """Return whether the difference to the row above is insignificant, even over neurons."""
        return self.mark() == NOT_SIGNIFICANT

    def cost(self, name: str) -> float | None:
        """Return one of `FRONTS`, such as `bytes`, mean per neuron."""
        mean: float | None = getattr(self, name)
        return mean


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """A run of the same subject and corpus that cannot be compared with the rows of a table."""

    label: str
    run_id: str
    reason: str
    run: Run = field(repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Track:
    """The rows of a table that keep to one rule, ranked and tested among themselves.

    Attributes:
        family: `evidence`, `size` or `readable`.
        name: such as `exemplars`, `4 KB` or `300 characters`.
        limit: the most bytes (`size`) or characters (`readable`) that any explanation may have;
            None where there is no limit.
        rows: as in a table.
    """

    family: str
    name: str
    limit: int | None
    rows: list[Row]


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """All comparable runs of one subject on one corpus, as scored on one scoring set.

    The order of the rows is that of `ranked_by`, whatever the scoring set: text that was chosen
    for its activation ranks nothing.

    Attributes:
        subject: the subject's name.
        corpus: the corpus's name.
        scoring_set: `uniform`, `novel`, `uniform_small`, `top` or `top_and_random`.
        ranked_by: the column that orders the rows: unless asked otherwise `uniform/pearson`, or
            `uniform_small/pearson` where a row has scores of that set alone.
        group: 1 for the largest group of comparable runs; further groups of the same subject and
            corpus have boards of their own.
        differs: why this group cannot be compared with the first one; empty for the first.
        rows: best first, controls among them.
        excluded: runs that cannot be compared with these rows, and why.
        tracks: the same rows by evidence and by size, and those whose text is complete by length.
        n_neurons: neurons that all rows share.
        layers: layers that they are of.
        context_length: tokens in a context.
    """

    subject: str
    corpus: str
    scoring_set: str
    ranked_by: str
    group: int
    differs: str
    rows: list[Row]
    excluded: list[Excluded]
    tracks: list[Track]
    n_neurons: int
    layers: list[int]
    context_length: int | None

    @property
    def readable(self) -> bool:
        """Return whether a row's texts are whole explanations."""
        return any(row.characters is not None for row in self.rows)

    @property
    def columns(self) -> list[str]:
        """Return every column of scores that a row has, in the order in which they are met."""
        return list(dict.fromkeys(name for row in self.rows for name in row.scores))

    @property
    def beside(self) -> list[Column]:
        """Return the scores that tables show beside those on scoring sets, where a row has them."""
        drawn = drawn_set(self.ranked_by == SMALL_HEADLINE)
        columns = beside_sets(
            (column for row in self.rows for column in row.run.scores.described), drawn
        )
        present = set(self.columns)
        return [
            column
            for column in declared_columns(columns).values()
            if column.summary_name in present
        ]

    def about(self, name: str) -> Column:
        """Return what a column of any row is."""
        return describe(name, declared_by(row.run for row in self.rows))
