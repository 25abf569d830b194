"""`similar`: pairs of neurons whose graphs are near-equal or nested."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.cli.trusting import take_trust
from benchmark.errors import BenchmarkError, unknown

if TYPE_CHECKING:
    from benchmark.graphs.graph import NeuronGraph
    from benchmark.graphs.similar import Pair

HELP = """\
usage: python -m benchmark similar <run> [--threshold 0.9] [--top 20] [--above 0]

Finds pairs of neurons of a run whose graphs say nearly the same, and pairs of which one graph is
a part of the other. <run> is a folder under results/; its explainer must draw graphs (n2g does).

A graph is compared by its items: each token that it fires on, alone and with every context token
at its distance.
  near-equal   the items that both hold are at least the threshold's part of all that either holds
  nested       the larger one holds at least that part of the smaller one's, and they are not
               near-equal

  --threshold 0.9   above 0, at most 1
  --top 20          how many pairs of each kind to list; the counts are of all
  --above 0         count only patterns of at least this activation (1: the neuron's largest)
  --trust CLASS     read explanations of this class, package.module.Class, although it is neither
                    built in nor an installed plug-in: its code is imported and run
"""

LEGEND = """\
similarity: shared items as a part of all that either graph holds. pattern: the one
of each that shares most with the other; items: of the first and of the second graph.
"""

OPTIONS = ("--threshold", "--top", "--above", "--trust")
WIDTH = 36


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    folder: str
    threshold: float = 0.9
    top: int = 20
    above: float = 0.0


def command(words: Sequence[str]) -> int:
    """Find the pairs of a run and print both kinds."""
    if not words or any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0 if words else 1
    words, trust = take_trust(words)
    options = parse(words)
    from benchmark.cli.graphing import counts_of, opened_with_graphs, run_in
    from benchmark.graphs.collect import run_graphs
    from benchmark.graphs.features import features
    from benchmark.graphs.similar import similar_pairs

    run = run_in(options.folder)
    reopened = opened_with_graphs(run, trust)
    names, items, n_failed, n_empty = [], [], 0, 0
    for saved in run_graphs(reopened):
        if saved.graph is None:
            n_failed += 1
            continue
        graph = saved.graph.above(options.above)
        names.append(saved.name)
        items.append(features(graph))
        n_empty += not graph.patterns
    found = similar_pairs(items, options.threshold, options.top)
    listed = {names[at] for pair in found.near + found.nested for at in (pair.first, pair.second)}
    # Only those listed are read again: the graphs of a whole model need not fit into memory.
    graphs = {
        saved.name: saved.graph.above(options.above)
        for saved in (run_graphs(reopened, listed) if listed else ())
        if saved.graph is not None
    }
    print_pairs("near-equal graphs", found.near, names, graphs)
    print_pairs("nested graphs: the first is a part of the second", found.nested, names, graphs)
    if listed:
        sys.stdout.write(LEGEND)
    sys.stdout.write(
        f"pairs at threshold {options.threshold:g}: {found.n_equal:,} equal, {found.n_near:,} "
        f"near-equal, {found.n_nested:,} nested; "
        f"{counts_of(len(names) + n_failed, n_failed, n_empty, options.above)}\n"
    )
    return 0


def parse(words: Sequence[str]) -> Options:
    """The run and the options.

    Raises:
        BenchmarkError: an option is not known, lacks its value or has an impossible one.
    """
    from benchmark.cli.graphing import share, taken, whole_number

    folders: list[str] = []
    options = Options("")
    values: dict[str, float | int] = {}
    at = 0
    while at < len(words):
        name, equals, value = words[at].partition("=")
        if not name.startswith("--"):
            folders.append(words[at])
            at += 1
            continue
        if name not in OPTIONS:
            raise unknown("option of similar", name, OPTIONS)
        if not equals:
            value = taken(words, at, name)
            at += 1
        at += 1
        if name == "--top":
            values["top"] = whole_number(name, value, 0)
        else:
            key = name.removeprefix("--")
            values[key] = share(name, value, zero=key == "above")
    if len(folders) != 1:
        raise BenchmarkError("similar takes the folder of one run; see similar --help.")
    return Options(
        folders[0],
        float(values.get("threshold", options.threshold)),
        int(values.get("top", options.top)),
        float(values.get("above", options.above)),
    )


def print_pairs(
    title: str, pairs: Sequence[Pair], names: Sequence[str], graphs: Mapping[str, NeuronGraph]
) -> None:
    """A row for each pair."""
    from benchmark.cli.table import print_rows

    if not pairs:
        return
    rows = []
    for pair in pairs:
        first, second = names[pair.first], names[pair.second]
        rows.append(
            [
                first,
                _text(graphs[first], graphs[second]),
                second,
                _text(graphs[second], graphs[first]),
                str(pair.shared),
                f"{pair.sizes[0]}, {pair.sizes[1]}",
                f"{pair.similarity:.2f}",
            ]
        )
    columns = ["neuron", "pattern", "neuron", "pattern", "shared", "items", "similarity"]
    print_rows(columns, rows, title, text_columns=4)


def _text(graph: NeuronGraph, other: NeuronGraph) -> str:
    """The pattern that shares most with the other graph, its end if it is long."""
    from benchmark.graphs.features import alike

    text = graph.text(alike(graph, other))
    return text if len(text) <= WIDTH else f"…{text[1 - WIDTH :]}"
