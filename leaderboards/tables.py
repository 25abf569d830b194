"""Leaderboards as tables of text: what every format that people read is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.analysis.compare import NOT_SIGNIFICANT, THESE_DOCUMENTS
from benchmark.analysis.labels import UNVERIFIED
from benchmark.corpus.copies import copies
from benchmark.results.columns import (
    HEADLINE,
    NOVEL,
    OWN_SCORERS,
    SMALL_HEADLINE,
    TOP,
    UNIFORM_SMALL,
    score_column,
)
from benchmark.token_text import one_line
from leaderboards.cells import (
    TEXT_LEGEND,
    count,
    interval,
    intervals_legend,
    marked,
    marks_legend,
    neuron_interval,
    nulls,
    number,
    ranges,
    small_note,
)
from leaderboards.model import BYTES, CHARACTERS, SECONDS, SUBJECT_TOKENS, Leaderboard, Row
from leaderboards.result_folders import Unread
from leaderboards.subjects import SubjectAverage

TIED, ON_FRONT, CONTROL, EMPTY = NOT_SIGNIFICANT, "●", "control", "-"
INTERVALS = ("95 % interval", "over neurons")

LEGEND = f"""\
r: mean over neurons of the Pearson correlation with the true activations on uniformly drawn
held-out contexts, with its 95 % bootstrap interval over neurons and held-out documents, and that
over neurons alone; every table is in its order, because text that was chosen for its activation
flatters. novel r: the same correlation on those tokens of these contexts whose last eight tokens,
themselves among them, stand nowhere in the explain split. {TIED}: the difference to the row above
is not significant; {THESE_DOCUMENTS}: it is significant over neurons of these documents only
(paired sign-flip permutation test over neurons), not over neurons and documents (paired bootstrap
of both), or one of the rows keeps no scores on resampled documents; no mark: over both (Holm's
correction over the rows of the table, 5 %). AUPRC, F1, IoU: on the contexts that the table is
headed by; top F1: on each neuron's strongest held-out contexts; causal: how much of what the
neurons do to the next-token distribution their simulations carry, 1 if all, 0 if no more than their
mean does, neurons counting by their effect. detection: on windows of held-out text,
how well the largest predicted activation tells those in which the neuron fires (area under the ROC
curve, 0.5 by chance). uniform_small: a fixed part of the held-out text,
the same whatever the seed, which is all that simulators predict that cost money; small r: the
correlation on it. positives: how many tokens a neuron fires on there, the
median over neurons. null: neurons that never fire there, so that AUPRC, F1 and IoU do not exist and
are left out of the mean. undef.: neurons whose prediction is constant (r counts as 0). tokens/n.
and s/n.: subject tokens and seconds to explain one neuron; bytes: of what simulates in one
explanation, as canonical JSON compressed by bzip2, the mean; none for a run of an earlier version,
which counted bytes of JSON text: that cannot be compared, and `score` measures such a run again.
Controls bound the scale; they have no rank and are on no Pareto front."""


@dataclass(frozen=True)
class Table:
    """Cells of text under headings.

    Attributes:
        title: heading of the table.
        level: depth of that heading, 2 for what stands under nothing else.
        columns: headings of the columns.
        rows: cells, as many in each row as there are columns.
        text_columns: how many of the first columns are text; the others are numbers.
        caption: sentences above the table.
        note: sentences below it.
    """

    title: str
    level: int
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    text_columns: int = 1
    caption: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        """Spell out what would act on a terminal or a page: names are those of others' files."""
        spelt = {
            "title": one_line(self.title),
            "columns": [one_line(column) for column in self.columns],
            "rows": [[one_line(cell) for cell in row] for row in self.rows],
            "caption": one_line(self.caption),
            "note": one_line(self.note),
        }
        for name, value in spelt.items():
            object.__setattr__(self, name, value)


def leaderboard_table(board: Leaderboard, extra: Sequence[str] = ()) -> Table:
    """The table of one scoring set; `extra` are further metrics to show beside the usual ones."""
    of_set = board.scoring_set
    columns = ["#", "explainer", "evidence", key_heading(board.ranked_by), *INTERVALS, TIED]
    shown = [(marked(name), score_column(of_set, name)) for name in ("auprc", "f1", "iou", *extra)]
    shown = [(_HEADINGS.get(name, name), column) for name, column in shown]
    if score_column(of_set, "pearson") != board.ranked_by:
        shown.insert(0, (f"r on {of_set}", score_column(of_set, "pearson")))
    if of_set != NOVEL:
        shown.insert(0, ("novel r", score_column(NOVEL, "pearson")))
    if of_set != TOP:
        shown.append(("top F1", score_column(TOP, "f1")))
    beside = [column for column in board.beside if column.name != board.ranked_by]
    shown += [(column.heading, column.summary_name) for column in beside]
    columns += [heading for heading, _ in shown]
    columns += ["positives", "null", "undef.", "coverage", "tokens/n.", "s/n.", "bytes"]
    columns += ["characters", "lines"] if board.readable else []
    rows = [
        [
            *head_cells(row),
            *(number(row.score(column)) for _, column in shown),
            count(row.positives.get(of_set)),
            nulls(row.score(score_column(of_set, "f1"))),
            _undefined(row, of_set),
            EMPTY if row.coverage is None else f"{row.coverage:.0%}",
            *cost_cells(row),
            *(text_cells(row) if board.readable else []),
        ]
        for row in board.rows
    ]
    legend = marks_legend([column for _, column in shown]).strip()
    intervals = intervals_legend(row.key for row in board.rows).strip()
    added = [
        f"{column.heading}: {column.description}."
        for column in board.beside
        if column.scorer not in OWN_SCORERS and column.description
    ]
    if board.readable:
        added.append(TEXT_LEGEND)
    caption = " ".join(filter(None, [_about(board), *added, legend, intervals]))
    note = " ".join(filter(None, [small_sentence(board), copied_sentence(board)]))
    return Table(of_set, 3, columns, rows, 3, caption, note)


def _undefined(row: Row, of_set: str) -> str:
    if row.run.scores.small_alone and of_set != UNIFORM_SMALL:
        return EMPTY
    return str(row.undefined.get(of_set, EMPTY))


def small_sentence(board: Leaderboard) -> str:
    """Return what the table of `uniform_small` rests on, or why all are ranked by it."""
    alone = [row.label for row in board.rows if row.run.scores.small_alone]
    by_it = board.ranked_by == SMALL_HEADLINE and bool(alone)
    if board.scoring_set != UNIFORM_SMALL and not by_it:
        return ""
    return small_note([row.run.record for row in board.rows], alone if by_it else [])


def layer_table(board: Leaderboard) -> Table:
    """What ranks, layer by layer."""
    rows = [
        [
            *_name(row),
            *(_plain(row.layers.get(layer, {}).get(board.ranked_by)) for layer in board.layers),
        ]
        for row in board.rows
    ]
    columns = ["#", "explainer", *(f"layer {layer}" for layer in board.layers)]
    counts = {
        layer: row.layers[layer]["neurons"] for row in board.rows[:1] for layer in board.layers
    }
    caption = f"Mean {board.ranked_by} of the neurons of each layer; neurons: " + ", ".join(
        f"{count} in layer {layer}" for layer, count in counts.items()
    )
    return Table("by layer", 3, columns, rows, 2, f"{caption}.")


def front_table(board: Leaderboard) -> Table:
    """Which explainers no other one beats in quality and cost at once."""
    costs = (BYTES, *([CHARACTERS] if board.readable else []), SUBJECT_TOKENS, SECONDS)
    headings = {BYTES: "bytes", SUBJECT_TOKENS: "tokens/n.", SECONDS: "s/n."}
    rows = [
        [
            row.label,
            number(row.key),
            *(
                f"{text} {ON_FRONT if name in row.fronts else ' '}"
                for name, text in zip(costs, cost_cells(row, costs), strict=True)
            ),
        ]
        for row in board.rows
        if not row.control and not row.unverified
    ]
    caption = (
        f"{ON_FRONT}: on the Pareto front, that is, no other explainer is at least as good and at "
        "least as small (as cheap), and better in one of the two."
    )
    return Table(
        "quality against size and cost",
        3,
        ["explainer", key_heading(board.ranked_by), *(headings.get(name, name) for name in costs)],
        rows,
        1,
        caption,
    )


def apart_table(board: Leaderboard) -> Table:
    """The runs that cannot be compared, and why."""
    rows = [[one.label, one.run_id, one.reason] for one in board.excluded]
    return Table("not comparable", 3, ["explainer", "run", "reason"], rows, 3)


def unverified_table(board: Leaderboard) -> Table:
    """The rows that nobody has verified, and why."""
    rows = [[row.label, row.run_id, row.unverified] for row in board.rows if row.unverified]
    caption = (
        "Submissions of which nothing was simulated again, so that nobody but their submitters "
        "vouches for their numbers: they have no rank, are on no front and in no test."
    )
    return Table(UNVERIFIED, 3, ["explainer", "run", "reason"], rows, 3, caption)


def unread_table(unread: Sequence[Unread]) -> Table:
    """What could not be read, and why."""
    rows = [[one.folder.name, one.reason] for one in unread]
    return Table("not read", 2, ["run", "reason"], rows, 2)


def across_table(table: SubjectAverage) -> Table:
    """One row an explainer over all subjects and corpora."""
    columns = ["#", "explainer", "evidence", "mean"]
    columns += [f"{subject}, {corpus}" for subject, corpus in table.cells]
    rows = [
        [
            _rank(row.rank, row.control),
            row.label,
            row.evidence,
            _plain(row.mean),
            *map(_plain, row.parts),
        ]
        for row in table.rows
    ]
    caption = f"Mean {table.ranked_by}; the mean over subjects is empty where a part is missing."
    return Table("across subjects", 2, columns, rows, 3, caption)


_HEADINGS = {"auprc": "AUPRC", "f1": "F1", "iou": "IoU"}


def key_heading(column: str) -> str:
    """The heading of the column that ranks."""
    return {HEADLINE: "r", SMALL_HEADLINE: "small r"}.get(column, column)


def heading(board: Leaderboard) -> str:
    """What the tables of one subject and corpus stand under."""
    number = f" ({board.group})" if board.group > 1 else ""
    return f"{board.subject} on {board.corpus}{number}"


def _about(board: Leaderboard) -> str:
    if not board.rows:
        return "No run here can be ranked."
    text = f"{board.n_neurons} neurons of layers {ranges(board.layers)}"
    if board.context_length is not None:
        text += f", contexts of {board.context_length} tokens"
    if board.differs:
        return f"{text}. Kept apart from the first table: {board.differs}."
    return f"{text}."


def copied_sentence(board: Leaderboard) -> str:
    """Return how much of the held-out text also stands in the explain split, if it is known."""
    return copies(board.rows[0].run.record.corpus.counts) if board.rows else ""


def head_cells(row: Row) -> list[str]:
    """Return rank, name, evidence, score and its intervals, and the mark of a row."""
    return [
        *_name(row),
        row.evidence,
        number(row.key),
        interval(row.key),
        neuron_interval(row.key),
        row.mark(),
    ]


def _name(row: Row) -> list[str]:
    return [_rank(row.rank, row.control), row.label]


def _rank(rank: int | None, control: bool) -> str:
    return CONTROL if control else EMPTY if rank is None else str(rank)


def cost_cells(row: Row, names: Sequence[str] = (SUBJECT_TOKENS, SECONDS, BYTES)) -> list[str]:
    """Return costs of a row, each the mean per neuron."""
    found = [(row.cost(name), ".4f" if name == SECONDS else ",.0f") for name in names]
    return [EMPTY if value is None else format(value, form) for value, form in found]


def text_cells(row: Row) -> list[str]:
    """Return characters and lines, where the texts are whole explanations."""
    lines = EMPTY if row.lines is None else f"{row.lines:,.1f}"
    return [*cost_cells(row, [CHARACTERS]), lines]


def _plain(value: float | None) -> str:
    return EMPTY if value is None else f"{round(value, 3) + 0.0:.3f}"
