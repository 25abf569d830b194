"""Tables of scores and runs for a notebook: data frames and HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError
from benchmark.results import MetricSummary, Scores
from benchmark.results.columns import HEADLINE, NOVEL, TOP, UNIFORM, of_set, score_column
from benchmark.token_text import one_line

if TYPE_CHECKING:
    import pandas as pd

HEADLINES = {
    "r": HEADLINE,
    "novel r": score_column(NOVEL, "pearson"),
    "AUPRC": score_column(UNIFORM, "auprc"),
    "F1": score_column(UNIFORM, "f1"),
    "top F1": score_column(TOP, "f1"),
}
Summary = Mapping[str, MetricSummary | int]


class ScoreTable(Scores):
    """Scores of explanations, one row per neuron, as `Experiment.score` gives them.

    Columns are as in `scores.parquet`: `uniform/pearson` and other metrics on the scoring sets,
    without unit; `cost/bytes` of an explanation, `cost/simulate_seconds` of a neuron. A null says
    that a metric does not exist for a neuron.

    Attributes:
        table: the scores, a `pyarrow.Table`.
        summary: for each metric its mean over neurons with intervals, as in `Run.summary`.

    Raises:
        KeyError: `column` is asked for a column that the table does not have.

    Example:
        >>> import benchmark
        >>> quick = {"dataset": {"name": "stdlib", "max_documents": 160}, "context_length": 32}
        >>> experiment = benchmark.open_experiment("planted", neurons=["0.1", "0.8"], **quick)
        >>> scores = experiment.score([benchmark.Failure("too hard"), benchmark.Failure("too")])
        >>> scores.column("uniform/pearson").shape
        (2,)
        >>> scores.summary["uniform/pearson"].mean
        0.0
    """

    summary: Summary

    def to_pandas(self) -> pd.DataFrame:
        """Return the scores as a data frame, one row per neuron, with its name as the index.

        Raises:
            BenchmarkError: pandas is not installed.
        """
        return frame_of(self)

    def __repr__(self) -> str:
        means = ", ".join(f"{name} {value}" for name, value in headlines(self.summary).items())
        return f"ScoreTable of {len(self)} neurons: {means}"

    def _repr_html_(self) -> str:
        return scores_html(self)


def frame_of(scores: Scores) -> pd.DataFrame:
    """Return scores as a data frame, one row per neuron, `3.400` and so on being the index.

    Raises:
        BenchmarkError: pandas is not installed.
    """
    import_pandas()
    frame = scores.table.to_pandas()
    frame.index = [f"{layer}.{neuron}" for layer, neuron in scores.neurons()]
    return frame


def import_pandas() -> Any:
    """Import pandas, which nothing else here needs.

    Raises:
        BenchmarkError: it is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise BenchmarkError(
            "a data frame needs pandas, which is not installed: pip install pandas. Without it, "
            "`scores.rows()` gives one dict per neuron."
        ) from error
    return pandas


def headlines(summary: Summary) -> dict[str, str]:
    """Return the headline scores that a summary has, as text by their short names."""
    found = {name: summary.get(column) for name, column in HEADLINES.items()}
    return {
        name: f"{each.mean:.3f}"
        for name, each in found.items()
        if isinstance(each, MetricSummary) and each.mean is not None
    }


def scores_html(scores: Scores) -> str:
    """Return scores as an HTML table: a row per neuron, what is measured on `uniform` or beside."""
    columns = of_set(scores.metric_columns, UNIFORM)
    columns += [column.name for column in scores.beside_sets]
    rows = [
        [f"{row['layer']}.{row['neuron']}", row["status"], *(_number(row[c]) for c in columns)]
        for row in scores.rows()
    ]
    return html_table(["neuron", "status", *columns], rows)


def html_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> str:
    """Return an HTML table in which every text stands for itself."""
    head = "".join(f"<th>{text(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    title = f"<caption>{text(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def text(value: object) -> str:
    """Return text of others for HTML: nothing in it is markup, and nothing acts on its order."""
    return escape(one_line(value))


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.3f}"
