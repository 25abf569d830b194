"""`show`: a finished run, or what it says about one neuron."""

from __future__ import annotations

import re
import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.arguments import (
    Parser,
    add_run,
    add_subject,
    add_trust,
    add_wide,
    path_of,
    subject_changes,
    whole,
)
from benchmark.errors import BenchmarkError
from benchmark.token_text import one_line

if TYPE_CHECKING:
    from benchmark.interface import Explanation
    from benchmark.results import Run, RunRecord
    from benchmark.subject import Subject

ABOUT = """\
Shows a finished run: its table, a table per layer, its best and worst neurons; or, with a neuron,
the explanation, contexts with the true and the predicted activations, its scores, and which next
tokens the neuron makes likelier by itself. For contexts and next tokens the subject is loaded, if
it is on this machine. Where several runs are meant, they are listed with their scores.

docs/graphs.md says how to read a graph.
"""
EXAMPLES = """\
python -m benchmark show results                        # all runs in one table
python -m benchmark show results/solu-tiny/stdlib/n2g   # the only run below a folder
python -m benchmark show results 3.400                  # every explanation of a neuron
python -m benchmark show 0a5d9104 3.400 --graph         # a run by the first digits of its id
"""
OLD = {"direct": "--no-direct, to leave out the direct effect", "trust": "--trust CLASS"}

EXTREMES = 5
# What `--graph` without a path stands for.
RUN_FOLDER = "<run>/graphs"


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser("show", ABOUT, takes="a run and perhaps a neuron", examples=EXAMPLES, old=OLD)
    add_run(made)
    made.add_argument(
        "more",
        nargs="*",
        metavar="layer.neuron",
        help="a neuron, such as 3.400; or further runs, for one table of all of them",
    )
    made.add_argument(
        "--graph",
        metavar="PATH",
        nargs="?",
        const=RUN_FOLDER,
        type=path_of("--graph"),
        help="also draw the explanation as a graph: into a folder as SVG and PNG, <run>/graphs if "
        "none is named, or into one file, by its ending: .svg, .png or .dot (Graphviz)",
    )
    made.add_argument("--dot", action="store_true", help="write the graph as DOT as well")
    made.add_argument(
        "--contexts",
        metavar="N",
        type=whole("--contexts", 0),
        default=3,
        help="contexts to show: so many top activating examples, and so many of the strongest "
        "held-out contexts",
    )
    made.add_argument("--no-contexts", action="store_true", help="show no contexts")
    made.add_argument(
        "--no-direct", action="store_true", help="leave out the direct effect on the output"
    )
    add_wide(made)
    add_subject(made)
    add_trust(made)
    return made


def command(words: Sequence[str]) -> int:
    """Print a run or a neuron, and draw the neuron's graph if that is asked for."""
    given = parser().read(_graph_last(words))
    from benchmark.cli.find import find_all, find_candidates, find_folders, parse_neuron

    last = given.more[-1] if given.more else ""
    name = last if last and not Path(last).exists() else ""
    places = [given.run, *(given.more[:-1] if name else given.more)]
    drawing = given.graph is not None or given.dot
    if name and len(places) > 1:
        raise BenchmarkError("show takes a run and perhaps a neuron; see show --help.")
    if drawing and not name:
        raise BenchmarkError("a graph is of one neuron: show <run> <layer>.<neuron> --graph.")
    if not name:
        several = len(places) > 1 or len(find_folders(places[0])) > 1
        runs = find_all(places)
        if several:
            from benchmark.cli.finished import print_table

            print_table(runs)
        else:
            show_run(runs[0])
        return 0
    neuron = parse_neuron(name)
    runs = find_candidates(given.run, neuron)
    if len(runs) > 1:
        _show_all(runs, neuron, given.trust)
        if drawing:
            raise BenchmarkError(
                f"a graph is of one run: '{given.run}' means {len(runs)}, listed above."
            )
        return 0
    _show_one(runs[0], neuron, given)
    return 0


def _show_all(runs: Sequence[Run], neuron: tuple[int, int], trust: Sequence[str]) -> None:
    """Print the best complete text about a neuron, then a table of all explanations."""
    from benchmark.cli.finished import in_reading_order, print_candidates
    from benchmark.cli.texts import print_first_text

    ordered = in_reading_order(runs, neuron)
    print_first_text(ordered, neuron, trust)
    print_candidates(ordered, neuron)


def _show_one(run: Run, neuron: tuple[int, int], given: Namespace) -> None:
    from benchmark.graphs.files import files_for

    layer, index = neuron
    name = f"{layer}.{index}"
    files: list[Path] = []
    if given.graph is not None or given.dot:
        target = given.graph if given.graph not in (None, Path(RUN_FOLDER)) else None
        files = files_for(target or run.folder / "graphs", name, dot=given.dot)
    explanation, subject = show_neuron(run, layer, index, given)
    if not given.no_direct:
        from benchmark.cli.direct import print_direct

        print_direct(run, layer, index, subject)
    if files:
        draw_neuron(run, name, explanation, files, given.trust)


def _graph_last(words: Sequence[str]) -> list[str]:
    """Return the words with a `--graph` before the run or a neuron moved to their end."""
    written = list(words)
    if "--graph" in written:
        at = written.index("--graph")
        after = "".join(written[at + 1 : at + 2])
        if at == 0 or (re.fullmatch(r"[0-9]+\.[0-9]+", after) and not Path(after).exists()):
            written.append(written.pop(at))
    return written


def show_run(run: Run) -> None:
    """Print an overview, a table per layer, and the best and worst neurons."""
    from benchmark.cli.finished import print_table
    from benchmark.cli.imported import print_imported
    from benchmark.cli.scorer_tables import print_calibration, print_scorers
    from benchmark.cli.support import (
        CORRELATION_LEGEND,
        EFFECTIVE,
        OVER_DOCUMENTS,
        has_support,
        support,
    )
    from benchmark.results.columns import drawn_set, own_text_sets, score_column, without_set
    from benchmark.terminal.table import print_rows, say
    from leaderboards.cells import marked, marks_legend

    for line in _overview(run.record):
        say(line, indent=10)
    if run.record.imported is not None:
        print_imported([run])
        return
    print_table([run])
    print_calibration(run)
    _print_intervals(run)
    columns = run.scores.to_numpy()
    drawn = drawn_set(run.record.small_alone)
    headline = score_column(drawn, "pearson")
    names = own_text_sets(run.scores.metric_columns, drawn)
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
    supported = headline in names and has_support(every[0], drawn)
    behind = names.index(headline) + 1 if supported else 0
    headings = ["neuron", *headings[2:]]
    if supported:
        headings[behind + 1 : behind + 1] = [OVER_DOCUMENTS, EFFECTIVE]
    for title, chosen in (("best", order[:EXTREMES]), ("worst", order[::-1][:EXTREMES])):
        rows = []
        for i in chosen:
            cells = [_mean(columns[name][i : i + 1]) for name in names]
            cells[behind:behind] = support(every[i], drawn) if supported else []
            rows.append([f"{columns['layer'][i]}.{columns['neuron'][i]}", *cells])
        print_rows(headings, rows, title=f"{title} neurons by {without_set(key)}")
    say(CORRELATION_LEGEND if supported else "")


def _print_intervals(run: Run) -> None:
    """Print the mean of every metric on uniformly drawn contexts with its intervals."""
    from benchmark.results.columns import drawn_set, of_set, without_set
    from benchmark.terminal.table import print_rows
    from leaderboards.cells import ends, interval, intervals_legend, marked, neuron_interval, number

    names = of_set(run.scores.metric_columns, drawn_set(run.record.small_alone))
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


def show_neuron(
    run: Run, layer: int, neuron: int, given: Namespace
) -> tuple[Explanation | None, Subject | None]:
    """Print one explanation, its contexts and its scores.

    Returns:
        The explanation, None for a neuron that failed; and the subject, if it was loaded.
    """
    from benchmark.cli.scorer_tables import print_neuron_scorers
    from benchmark.cli.support import LEGEND, correlation_rows, positives_rows
    from benchmark.cli.texts import print_heading, print_text
    from benchmark.evaluation.reopen import ReopenedRun
    from benchmark.results.columns import group_of, metric_of, score_column
    from benchmark.terminal.table import print_rows, say
    from leaderboards.cells import marked, marks_legend

    saved = run.explanation(layer, neuron)
    record = run.record
    print_heading(run, saved.name)
    if neuron in record.neurons.named_dead.get(layer, []):
        from benchmark.evidence import DEAD_MEANS

        sys.stdout.write(f"it is dead: {DEAD_MEANS}\n")
    reopened = ReopenedRun(run, given.trust)
    explanation = reopened.explanation(saved)
    if explanation is None:
        sys.stdout.write(f"failed: {one_line(saved.error)}\n")
    else:
        print_text(reopened, explanation, saved.name)
    subject = None
    if given.contexts and not given.no_contexts:
        from benchmark.cli.contexts import print_contexts

        sys.stdout.flush()
        changes = subject_changes(given)
        subject = print_contexts(run, saved, given.contexts, changes, given.trust)
        sys.stdout.write("\n")
    (row,) = run.scores.rows([(layer, neuron)])
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
    say(LEGEND if correlation_rows(row, sets) else "")
    sys.stdout.write(marks_legend(metrics))
    print_neuron_scorers(run, row)
    return explanation, subject


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


def _overview(record: RunRecord) -> list[str]:
    subject, environment = record.subject, record.environment
    if record.imported is not None:
        lines = [
            f"run {record.run_id}, imported on {record.finished} by benchmark "
            f"{record.benchmark_version}",
            f"from      {record.imported.files:,} files of {record.imported.format}, SHA-256 "
            f"{record.imported.sha256[:12]}",
            f"subject   {subject.name}, {subject.site}; neither it nor its text is here",
            f"explainer {record.explainer.name}",
        ]
        return [f"{one_line(line)}\n" for line in lines]
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
    return [f"{one_line(line)}\n" for line in lines]


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
