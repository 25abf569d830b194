"""Cells of tables: scores, intervals and counts as text, and the table that ends a run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from benchmark.analysis.labels import labels, marked_label
from benchmark.column import Column
from benchmark.results import OVER_NEURONS, MetricSummary, RunRecord
from benchmark.results.columns import (
    CHARACTERS,
    LINES,
    NOVEL,
    POSITIVES,
    TOP,
    UNIFORM,
    beside_sets,
    cost_column,
    declared_columns,
    describe,
    drawn_set,
    metric_of,
    score_column,
)

MARK = "†"
# Stands behind an interval over neurons alone, where one over documents as well is the rule.
NEURONS_ONLY = "ⁿ"

LLM_TOKENS, USD = "llm_tokens", "usd"
LLM_LEGEND = (
    "LLM tokens/n., USD/n.: tokens that language models read and wrote for one neuron, and US "
    "dollars paid for them, in explaining, choosing and simulating; what a server or this process "
    "had read before counts too."
)
TEXT_LEGEND = (
    "characters, lines: of the text of one explanation, the mean; - unless the text of every "
    "explanation is the whole explanation, which simulates the same when it is read back."
)


def score_table(
    records: Sequence[RunRecord], unverified: Collection[int] = ()
) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the table that ends a run, best correlation first.

    Args:
        records: of the runs.
        unverified: ids of the records whose numbers nobody has verified; they are marked and last.
    """
    several = len({(r.subject.name, r.corpus.name) for r in records}) > 1
    drawn = drawn_set(any(record.small_alone for record in records))
    headline = score_column(drawn, "pearson")
    r_heading = "r" if drawn == UNIFORM else "small r"
    columns = ["explainer", "evidence", "neurons", "coverage", r_heading, "95 % interval"]
    columns += ["over neurons", "novel r", "undef.", "AUPRC", "F1", "positives", "null", "top F1"]
    columns += ["tokens/n.", "s/n.", "bytes"]
    readable = any(is_readable(record) for record in records)
    columns += ["characters", "lines"] if readable else []
    asking = [record for record in records if llm_cost(record, LLM_TOKENS) is not None]
    columns += ["LLM tokens/n."] if asking else []
    paid = any(llm_cost(record, USD) for record in asking)
    columns += ["USD/n."] if paid else []
    beside = beside_columns(records)
    at = columns.index("tokens/n.")
    columns[at:at] = [column.heading for column in beside]
    if several:
        columns.insert(1, "subject")
    named = _named(records)
    rows = []
    for record in sorted(records, key=lambda one: (id(one) in unverified, _rank(one, headline))):
        r, positives = record.metric(headline), record.metric(score_column(drawn, POSITIVES))
        f1 = record.metric(score_column(drawn, "f1"))
        row = [
            marked_label(named[id(record)], "yes" if id(record) in unverified else ""),
            record.explainer.evidence,
            str(record.neurons.asked),
            f"{record.neurons.coverage or 0:.0%}",
            number(r),
            interval(r),
            neuron_interval(r),
            number(record.metric(score_column(NOVEL, "pearson"))),
            str(record.undefined(drawn)),
            number(record.metric(score_column(drawn, "auprc"))),
            number(f1),
            count(positives.median if positives is not None else None),
            nulls(f1),
            number(record.metric(score_column(TOP, "f1"))),
            *(number(record.metric(column.summary_name)) for column in beside),
            cost(record, "subject_tokens", ",.0f"),
            cost(record, "explain_seconds", ".4f"),
            cost(record, "bytes", ",.0f"),
            *(_text_cells(record) if readable else []),
            *([_amount(llm_cost(record, LLM_TOKENS), ",.0f")] if asking else []),
            *([_amount(llm_cost(record, USD), ",.4f")] if paid else []),
        ]
        if several:
            row.insert(1, record.subject.name)
        rows.append(row)
    return columns, rows


def beside_columns(records: Sequence[RunRecord]) -> list[Column]:
    """Return the scores that the table shows beside those on scoring sets, where a run has them."""
    declared = declared_columns(column for record in records for column in record.columns)
    names = dict.fromkeys(name for record in records for name in record.summary if "/" in name)
    drawn = drawn_set(any(record.small_alone for record in records))
    found = beside_sets((describe(name, declared) for name in names), drawn)
    return [
        column
        for column in found
        if any(record.metric(column.summary_name) is not None for record in records)
    ]


def _named(records: Sequence[RunRecord]) -> dict[int, str]:
    """What each record's row is called: its explainer, told apart from others on its subject."""
    named: dict[int, str] = {}
    for subject in {record.subject.name for record in records}:
        beside = [record for record in records if record.subject.name == subject]
        named |= zip(map(id, beside), labels(beside), strict=True)
    return named


def marked(name: str) -> str:
    """A metric's or a column's name, with a mark if the metric fails the sanity tests."""
    from metrics import METRICS

    metric = METRICS.get(metric_of(name))
    return name if metric is None or metric.sound else f"{name} {MARK}"


def marks_legend(names: Iterable[str]) -> str:
    """The line that explains the mark, empty if none of the names carries one."""
    if not any(marked(name) != name for name in names):
        return ""
    return f"{MARK} fails the sanity tests (python -m benchmark sanity): nothing is ranked by it.\n"


def small_note(records: Iterable[RunRecord], alone: Sequence[str] = ()) -> str:
    """Return on how many tokens `uniform_small` is measured, and who has scores of it alone.

    Args:
        records: of the runs of a table.
        alone: what the table calls those that have scores of it alone; empty where it is not in the
            order of `uniform_small`.
    """
    counts = {record.corpus.counts.get("uniform_small_tokens") for record in records}
    sizes = sorted(size for size in counts if isinstance(size, int))
    on = f" on {' or '.join(f'{size:,}' for size in sizes)} tokens" if sizes else ""
    if not alone:
        return f"uniform_small is measured{on}." if on else ""
    who = ", ".join(alone)
    return (
        f"small r is measured{on}, the uniform_small set, and orders all rows, because the "
        f"simulator of {who} predicted no other text; what is measured elsewhere is - there."
    )


def number(summary: MetricSummary | None) -> str:
    """A mean over the neurons that have a value."""
    if summary is None or summary.mean is None:
        return "-"
    return _rounded(summary.mean)


def nulls(summary: MetricSummary | None) -> str:
    """How many neurons have no value."""
    return "-" if summary is None else str(summary.n_null)


def count(value: float | None) -> str:
    """A number of tokens, which may be a median and so a half."""
    return "-" if value is None else format(value, ",.10g")


def interval(summary: MetricSummary | None) -> str:
    """The interval of a mean, with a mark if the documents were not resampled."""
    if summary is None:
        return "-"
    mark = NEURONS_ONLY if summary.over == OVER_NEURONS and summary.low is not None else ""
    return ends(summary.low, summary.high) + mark


def neuron_interval(summary: MetricSummary | None) -> str:
    """The interval of a mean over neurons alone."""
    return "-" if summary is None else ends(*summary.over_neurons())


def ends(low: float | None, high: float | None) -> str:
    """The two ends of an interval."""
    return "-" if low is None or high is None else f"[{_rounded(low)}, {_rounded(high)}]"


def intervals_legend(summaries: Iterable[MetricSummary | None]) -> str:
    """The line that explains the mark of intervals, empty if none of them carries one."""
    if not any(interval(one).endswith(NEURONS_ONLY) for one in summaries):
        return ""
    return f"{NEURONS_ONLY} over neurons alone: the documents were not resampled for it.\n"


def _rounded(value: float) -> str:
    """Three digits, and no minus before a zero."""
    return f"{round(value, 3) + 0.0:.3f}"


def ranges(layers: Sequence[int]) -> str:
    """Layers in words: `0-3`, or one by one where some are left out."""
    if len(layers) > 1 and list(layers) == list(range(layers[0], layers[-1] + 1)):
        return f"{layers[0]}-{layers[-1]}"
    return ", ".join(map(str, layers))


def cost(record: RunRecord, name: str, form: str) -> str:
    """A mean cost per neuron."""
    summary = record.metric(cost_column(name))
    return "-" if summary is None or summary.mean is None else format(summary.mean, form)


def llm_cost(record: RunRecord, name: str) -> float | None:
    """Return a mean cost per neuron of language models: of explaining, choosing and simulating.

    Args:
        record: of the run.
        name: `llm_tokens` or `usd`.

    Returns:
        The sum of what there is; None where no language model was asked.
    """
    found = [record.metric(cost_column(f"{part}{name}")) for part in ("", "choose_", "simulate_")]
    means = [one.mean for one in found if one is not None and one.mean is not None]
    return sum(means) if means else None


def _amount(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def is_readable(record: RunRecord) -> bool:
    """Return whether the text of every explanation of a run is the whole explanation."""
    summary = record.metric(cost_column(CHARACTERS))
    return summary is not None and 0 < summary.n == record.neurons.explained


def _text_cells(record: RunRecord) -> list[str]:
    if not is_readable(record):
        return ["-", "-"]
    return [cost(record, CHARACTERS, ",.0f"), cost(record, LINES, ",.1f")]


def _rank(record: RunRecord, headline: str) -> float:
    r = record.metric(headline)
    return -(r.mean if r is not None and r.mean is not None else -2.0)
