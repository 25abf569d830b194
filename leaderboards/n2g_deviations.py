"""Effects of N2G's options: runs that change one at a time, and their table in docs/n2g.md.

    python -m leaderboards.n2g_deviations model=solu-tiny,gelu-tiny

makes the runs as `python -m benchmark run` does, keeping those that are finished, and writes the
table between the marks of the page. Every other key=value goes to each run.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import metrics
from benchmark.analysis.compare import paired_replicates
from benchmark.config.compose import compose
from benchmark.config.run_config import check_config
from benchmark.errors import BenchmarkError, message_of
from benchmark.files.atomic import storage_errors, write_text
from benchmark.results import Run
from benchmark.results.columns import HEADLINE, TOP, UNIFORM, cost_column, score_column

PAGE = Path(__file__).parents[1] / "docs" / "n2g.md"
BEGIN, END = "<!-- effects: begin -->", "<!-- effects: end -->"
SUBJECTS = ("solu-tiny",)
DEFAULT = "defaults"
COLUMNS = (
    ("AUPRC", score_column(UNIFORM, "auprc"), 3),
    ("F1", score_column(UNIFORM, "f1"), 3),
    ("top F1", score_column(TOP, "f1"), 3),
    ("tokens/n.", cost_column("subject_tokens"), 0),
    ("bytes", cost_column("bytes"), 0),
)


@dataclass(frozen=True)
class Variant:
    """A run of `n2g` with some options changed.

    Attributes:
        label: what stands in the table.
        options: the options that are changed, with values as on the command line.
    """

    label: str
    options: tuple[tuple[str, str], ...] = ()

    @property
    def overrides(self) -> list[str]:
        """The words of the command line."""
        return [f"explainer.{name}={value}" for name, value in self.options]


# Where the default is not the authors' value: what theirs does, each alone and all together.
AUTHORS = (
    ("exemplars", "10"),
    ("weak", "true"),
    ("length_step", "5"),
    ("pivot_leads", "true"),
    ("after_sentence", "true"),
    ("start_probes", "0"),
    ("combine", "first"),
    ("merge_wildcards", "true"),
    ("match", "literal"),
)
# The authors' steps that can be left out, and what is left without them.
STEPS = (
    ("rescale", "false"),
    ("pivot_threshold", "1"),
    ("after", "0"),
    ("remeasure", "false"),
    ("augmenter", "none"),
)
VARIANTS = (
    Variant(DEFAULT),
    *(Variant(f"{name}={value}", ((name, value),)) for name, value in AUTHORS),
    Variant("all nine of these", AUTHORS),
    *(Variant(f"{name}={value}", ((name, value),)) for name, value in STEPS),
)


def update(
    results_dir: Path | str = "results",
    subjects: Sequence[str] = SUBJECTS,
    overrides: Sequence[str] = (),
    page: Path = PAGE,
) -> str:
    """Make the runs of every variant on every subject and write their table into the page.

    Args:
        results_dir: where runs are saved, and where finished ones are found.
        subjects: names of models, each with its own corpus.
        overrides: further key=value for every run.
        page: the page that holds the marks.

    Returns:
        The text between the marks.

    Raises:
        BenchmarkError: a run fails, or the page has no marks.
    """
    before, after = _around(page)
    tables = []
    for subject in subjects:
        runs = {
            variant.label: run_variant(variant, results_dir, subject, overrides)
            for variant in VARIANTS
        }
        tables.append(table_of(subject, runs))
    text = "\n\n".join(tables)
    with storage_errors(page):
        write_text(page, f"{before}{BEGIN}\n{text}\n{END}{after}")
    return text


def run_variant(
    variant: Variant, results_dir: Path | str, subject: str, overrides: Sequence[str]
) -> Run:
    """Run `n2g` with some options changed, or find the same run finished.

    Raises:
        BenchmarkError: the run fails.
    """
    from benchmark.evaluation.run import run

    words = [
        *("explainer=n2g", f"model={subject}", f"results_dir={results_dir}"),
        *overrides,
        *variant.overrides,
    ]
    sys.stderr.write(f"n2g on {subject}: {variant.label}\n")
    return run(check_config(compose(words)), ["python", "-m", "benchmark", "run", *words]).run


def table_of(subject: str, runs: dict[str, Run]) -> str:
    """Write one subject's runs as a Markdown table, the defaults first.

    The difference of r is paired over the neurons, with its 95 % bootstrap interval over them and
    the held-out documents (over them alone, where the documents were not resampled).
    """
    default = runs[DEFAULT]
    heading = ["options", "r", "difference of r", *(name for name, _, _ in COLUMNS)]
    rows = [
        [
            f"`{label}`" if "=" in label else label,
            _mean(run, HEADLINE, 3),
            _difference(run, default),
        ]
        + [_mean(run, column, digits) for _, column, digits in COLUMNS]
        for label, run in runs.items()
    ]
    neurons = len(default.scores)
    lines = [
        f"`{subject}`, corpus `{default.record.corpus.name}`, {neurons} neurons:",
        "",
        _line(heading),
        _line(["---", *["---:"] * (len(heading) - 1)]),
        *map(_line, rows),
    ]
    return "\n".join(lines)


def _around(page: Path) -> tuple[str, str]:
    """The text of a page before and after what is between its marks."""
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise BenchmarkError(f"'{page}' cannot be read: {error.strerror}.") from error
    before, begun, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise BenchmarkError(f"'{page}' has no marks '{BEGIN}' and '{END}' for the table.")
    return before, after


def _difference(run: Run, default: Run) -> str:
    if run is default:
        return ""
    if run.scores.neurons() != default.scores.neurons():
        raise BenchmarkError(
            f"the runs in '{run.folder}' and '{default.folder}' are not of the same neurons."
        )
    found = metrics.paired_difference(
        run.scores.column(HEADLINE),
        default.scores.column(HEADLINE),
        replicates=paired_replicates(run, default, HEADLINE),
    )
    if found.mean is None:
        return "-"
    shown = f"{found.mean:+.3f}"
    low, high = found.widest
    if low is None or high is None:
        return shown
    return f"{shown} [{low:+.3f}, {high:+.3f}]"


def _mean(run: Run, column: str, digits: int) -> str:
    values = run.scores.column(column)
    known = values[~np.isnan(values)]
    return f"{np.mean(known):,.{digits}f}" if len(known) else "-"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(words: Sequence[str]) -> int:
    """Run from the command line: `model=a,b`, `results_dir=...`, `page=...`, further overrides."""
    named = dict(word.split("=", 1) for word in words if "=" in word)
    own = ("model", "results_dir", "page")
    subjects = named.get("model", ",".join(SUBJECTS)).split(",")
    rest = [word for word in words if word.partition("=")[0] not in own]
    try:
        text = update(
            named.get("results_dir", "results"), subjects, rest, Path(named.get("page", PAGE))
        )
    except Exception as error:
        message = message_of(error)
        if message is None:
            raise
        sys.stderr.write(f"error: {message}\n")
        return 1
    sys.stdout.write(f"{text}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
