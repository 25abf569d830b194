"""`show`: a finished run, or what it says about one neuron."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.trusting import take_trust
from benchmark.errors import BenchmarkError, named, unknown
from benchmark.plugins.isolation import isolated
from benchmark.token_text import one_line

if TYPE_CHECKING:
    from benchmark.interface import Explanation
    from benchmark.results import Run, RunRecord

HELP = """\
usage: python -m benchmark show <run>
       python -m benchmark show <run> <layer>.<neuron> [direct=false]
                                [--graph [<file or folder>]] [--dot]

Shows a finished run: its table, a table per layer, its best and worst neurons; or, with
a neuron, the explanation, its scores, and which next tokens the neuron makes likelier by
itself. For the last the subject is loaded, if it is on this machine; direct=false leaves
it out and answers at once. <run> is a folder under results/, or any folder above several
runs, which are then listed in one table.

  --graph           also draw the explanation as a graph, into <run>/graphs as SVG and PNG
  --graph <folder>  the same into another folder, which is made if need be
  --graph <file>    one file, by its ending: .svg, .png or .dot (Graphviz)
  --dot             write DOT as well
  --trust <class>   read explanations of this class, package.module.Class, although it is neither
                    built in nor an installed plug-in: its code is imported and run; repeatable

docs/graphs.md says how to read a graph.
"""

DIRECT = {"direct=true": True, "direct=false": False}

EXTREMES = 5


def command(words: Sequence[str]) -> int:
    """Print a run or a neuron, and draw the neuron's graph if that is asked for."""
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0
    words, trust = take_trust(words, key=True)
    direct = [DIRECT[word] for word in words if word in DIRECT]
    places, drawing = parse_drawing([word for word in words if word not in DIRECT])
    if not 1 <= len(places) <= 2 or len(direct) > 1:
        raise BenchmarkError("show takes a run and perhaps a neuron; see show --help.")
    if drawing is not None and len(places) < 2:
        raise BenchmarkError("a graph is of one neuron: show <run> <layer>.<neuron> --graph.")
    from benchmark.results import find_runs, load_run

    folder = Path(places[0])
    if len(places) == 2:
        layer, neuron = parse_neuron(places[1])
        run = load_run(folder)
        files = drawing.files(run, f"{layer}.{neuron}") if drawing is not None else []
        explanation = show_neuron(run, layer, neuron, trust)
        if all(direct):
            from benchmark.cli.direct import print_direct

            print_direct(run, layer, neuron)
        if files:
            draw_neuron(run, f"{layer}.{neuron}", explanation, files, trust)
        return 0
    folders = find_runs([folder]) if folder.is_dir() and not (folder / "run.json").exists() else []
    if len(folders) > 1:
        from benchmark.cli.finished import print_table

        print_table(_readable(folders))
        return 0
    show_run(load_run(folders[0] if folders else folder))
    return 0


def _readable(folders: Sequence[Path]) -> list[Run]:
    """The runs in some folders; one that cannot be read is named and stops no other.

    Raises:
        BenchmarkError: none can be read.
    """
    from benchmark.results import load_run

    runs: list[Run] = []
    for folder in folders:
        try:
            runs.append(load_run(folder))
        except BenchmarkError as error:
            sys.stderr.write(f"left out: {one_line(error)}\n")
    if not runs:
        raise BenchmarkError("none of the runs there can be read.")
    return runs


@dataclass(frozen=True)
class Drawing:
    """Where a graph is to be drawn; None stands for the run's own folder."""

    target: Path | None
    dot: bool

    def files(self, run: Run, neuron: str) -> list[Path]:
        """The files to write."""
        from benchmark.graphs.files import files_for

        return files_for(self.target or run.folder / "graphs", neuron, dot=self.dot)


def parse_drawing(words: Sequence[str]) -> tuple[list[str], Drawing | None]:
    """The words that are no options, and what is to be drawn.

    A word after `--graph` is where to draw only if a run and a neuron are named besides.

    Raises:
        BenchmarkError: an option is not known.
    """
    places: list[str] = []
    target: str | None = None
    after: int | None = None
    for word in words:
        name, equals, value = word.partition("=")
        if name == "--graph":
            after, target = len(places), value if equals else target
        elif word.startswith("--") and word != "--dot":
            raise unknown("option of show", word, ("--graph", "--dot", "--trust", "--help"))
        elif word != "--dot":
            places.append(word)
    if after is not None and target is None and after < len(places) == 3:
        target = places.pop(after)
    if target == "":
        raise BenchmarkError("--graph= names no file or folder.")
    if after is None and "--dot" not in words:
        return places, None
    return places, Drawing(None if target is None else Path(target), "--dot" in words)


def parse_neuron(word: str) -> tuple[int, int]:
    """Read `3.400` as layer 3, neuron 400.

    Raises:
        BenchmarkError: the word is something else.
    """
    parts = word.split(".")
    if len(parts) != 2 or not all(re.fullmatch("[0-9]{1,9}", part) for part in parts):
        raise BenchmarkError(
            f"'{word:.60}' is no neuron; write <layer>.<neuron>, for example 3.400."
        )
    return int(parts[0]), int(parts[1])


def show_run(run: Run) -> None:
    """Overview, table per layer, best and worst neurons."""
    from benchmark.cli.finished import print_table
    from benchmark.cli.scorer_tables import print_calibration, print_scorers
    from benchmark.cli.support import (
        CORRELATION_LEGEND,
        EFFECTIVE,
        OVER_DOCUMENTS,
        has_support,
        support,
    )
    from benchmark.cli.table import marked, marks_legend, print_rows
    from benchmark.results.columns import HEADLINE, UNIFORM, own_text_sets, without_set

    sys.stdout.write(_overview(run.record))
    print_table([run])
    print_calibration(run)
    _print_intervals(run)
    columns = run.scores.to_numpy()
    names = own_text_sets(run.scores.metric_columns)
    print_scorers(run)
    if not names or not len(run.scores):
        return
    rows = []
    for layer in sorted(set(columns["layer"].tolist())):
        of_layer = columns["layer"] == layer
        rows.append(
            [str(layer), str(int(of_layer.sum()))]
            + [_mean(columns[name][of_layer]) for name in names]
        )
    sys.stdout.write("\n")
    headings = ["layer", "neurons", *(marked(without_set(name)) for name in names)]
    print_rows(headings, rows, title="by layer, on uniformly drawn contexts")
    sys.stdout.write(marks_legend(names))
    key = next((name for name in names if marked(name) == name), None)
    if key is None:
        return
    order = _by_score(run, key)
    every = run.scores.rows()
    # Behind the correlation: of a single neuron it is never shown without what it rests on.
    supported = HEADLINE in names and has_support(every[0], UNIFORM)
    behind = names.index(HEADLINE) + 1 if supported else 0
    headings = ["neuron", *headings[2:]]
    if supported:
        headings[behind + 1 : behind + 1] = [OVER_DOCUMENTS, EFFECTIVE]
    for title, chosen in (("best", order[:EXTREMES]), ("worst", order[::-1][:EXTREMES])):
        rows = []
        for i in chosen:
            cells = [_mean(columns[name][i : i + 1]) for name in names]
            cells[behind:behind] = support(every[i], UNIFORM) if supported else []
            rows.append([f"{columns['layer'][i]}.{columns['neuron'][i]}", *cells])
        print_rows(headings, rows, title=f"{title} neurons by {without_set(key)}")
    sys.stdout.write(CORRELATION_LEGEND if supported else "")


def _print_intervals(run: Run) -> None:
    """The mean of every metric on the `uniform` set with its intervals."""
    from benchmark.cli.table import (
        ends,
        interval,
        intervals_legend,
        marked,
        neuron_interval,
        number,
        print_rows,
    )
    from benchmark.results.columns import UNIFORM, of_set, without_set

    names = of_set(run.scores.metric_columns, UNIFORM)
    found = {name: run.record.metric(name) for name in names}
    summaries = {name: one for name, one in found.items() if one is not None}
    if not summaries:
        return
    sys.stdout.write("\n")
    print_rows(
        ["score", "mean", "95 % interval", "over neurons", "over layers", "null"],
        [
            [
                marked(without_set(name)),
                number(one),
                interval(one),
                neuron_interval(one),
                ends(one.layer_low, one.layer_high),
                str(one.n_null),
            ]
            for name, one in summaries.items()
        ],
        title="means on uniformly drawn contexts; intervals over neurons and held-out documents",
    )
    sys.stdout.write(intervals_legend(summaries.values()))


def show_neuron(run: Run, layer: int, neuron: int, trust: Sequence[str] = ()) -> Explanation | None:
    """One explanation for a person, and its scores; returns it, None for a neuron that failed."""
    from benchmark.cli.scorer_tables import print_neuron_scorers
    from benchmark.cli.support import LEGEND, correlation_rows, positives_rows
    from benchmark.cli.table import marked, marks_legend, print_rows
    from benchmark.evaluation.reopen import ReopenedRun
    from benchmark.results.columns import group_of, metric_of, score_column

    saved = run.explanation(layer, neuron)
    record = run.record
    sys.stdout.write(
        f"neuron {layer}.{neuron} of {one_line(record.subject.name)}, "
        f"explained by {one_line(record.explainer.name)}\n"
    )
    if neuron in record.neurons.named_dead.get(layer, []):
        from benchmark.evidence import DEAD_MEANS

        sys.stdout.write(f"it is dead: {DEAD_MEANS}\n")
    explanation = ReopenedRun(run, trust).explanation(saved)
    if explanation is None:
        sys.stdout.write(f"failed: {one_line(saved.error)}\n")
    else:
        try:
            with isolated(record.explainer.target, "while it describes"):
                description = str(explanation.describe())
        except BenchmarkError:
            raise
        except Exception as error:
            raise BenchmarkError(
                f"explainer {record.explainer.target} cannot describe neuron {layer}.{neuron}: "
                f"{named(error)}"
            ) from error
        sys.stdout.write(f"\n{description}\n")
    row = next(row for row in run.scores.rows() if (row["layer"], row["neuron"]) == (layer, neuron))
    sets = run.scores.scoring_sets
    of_sets = [name for name in run.scores.metric_columns if group_of(name) in sets]
    metrics = list(dict.fromkeys(map(metric_of, of_sets)))
    rows = []
    for name in metrics:
        rows.append(
            [marked(name), *(_value(row.get(score_column(chosen, name))) for chosen in sets)]
        )
        if name == "pearson":
            rows += correlation_rows(row, sets)
    rows += positives_rows(row, sets)
    print_rows(["scores", *sets], rows)
    sys.stdout.write(LEGEND if correlation_rows(row, sets) else "")
    sys.stdout.write(marks_legend(metrics))
    print_neuron_scorers(run, row)
    return explanation


def draw_neuron(
    run: Run,
    neuron: str,
    explanation: Explanation | None,
    files: Sequence[Path],
    trust: Sequence[str] = (),
) -> None:
    """Write the graph of a neuron that was shown, and say where it is.

    Raises:
        BenchmarkError: the neuron has no graph, or a file could not be drawn or written.
    """
    from benchmark.cli.graphing import opened_with_graphs
    from benchmark.graphs.collect import graph_of
    from benchmark.graphs.files import write_graph

    opened_with_graphs(run, trust)
    if explanation is None:
        raise BenchmarkError(f"neuron {neuron} has no explanation, so it has no graph.")
    record = run.record
    title = f"neuron {neuron} of {record.subject.name}, {record.explainer.name}"
    for path in write_graph(graph_of(explanation, neuron), files, title):
        sys.stdout.write(f"graph  {path}\n")


def _overview(record: RunRecord) -> str:
    subject, environment = record.subject, record.environment
    lines = [
        f"run {record.run_id}, finished {record.finished}, benchmark {record.benchmark_version}",
        f"command   {shlex.join(record.command)}",
        f"subject   {subject.name} ({subject.source}), site {subject.site}, "
        f"{subject.device}, {subject.dtype}",
        f"corpus    {record.corpus.name}, fingerprint {record.corpus.fingerprint[:12]}",
        f"explainer {record.explainer.name} ({record.explainer.target}), "
        f"evidence: {record.explainer.evidence}",
        *([f"simulator {by.name} ({by.target})"] if (by := record.simulator) else []),
        f"versions  python {environment.python}, "
        + ", ".join(
            f"{name} {environment.packages[name]}"
            for name in ("torch", "transformer-lens", "transformers")
            if name in environment.packages
        ),
    ]
    return "".join(f"{one_line(line)}\n" for line in lines)


def _by_score(run: Run, column: str) -> list[int]:
    import numpy as np

    values = run.scores.column(column)
    if run.scores.about(column).higher_is_better is False:
        values = -values
    return [int(i) for i in np.argsort(-values, kind="stable") if not np.isnan(values[i])]


def _mean(values: Any) -> str:
    import numpy as np

    known = values[~np.isnan(values)]
    return f"{known.mean():.3f}" if len(known) else "-"


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
