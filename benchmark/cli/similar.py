"""`similar`: pairs of neurons whose graphs are near-equal or nested."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmark.cli.arguments import (
    Parser,
    add_above,
    add_run,
    add_top,
    add_trust,
    add_wide,
    share,
)
from benchmark.cli.search import fitted

if TYPE_CHECKING:
    from benchmark.graphs.graph import NeuronGraph
    from benchmark.graphs.similar import Pair

ABOUT = """\
Finds pairs of neurons of a run whose graphs say nearly the same, and pairs of which one graph is
a part of the other. The run's explainer must draw graphs (n2g does).

A graph is compared by its items: each token that it fires on, alone and with every context token
at its distance.
  near-equal   the items that both hold are at least the threshold's part of all that either holds
  nested       the larger one holds at least that part of the smaller one's, and they are not
               near-equal
"""

LEGEND = """\
similarity: shared items as a part of all that either graph holds. pattern: the one
of each that shares most with the other; items: of the first and of the second graph.
"""

WIDTH = 36


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser("similar", ABOUT, takes="the folder of one run")
    add_run(made)
    made.add_argument(
        "--threshold",
        metavar="SHARE",
        type=share("--threshold", zero=False),
        default=0.9,
        help="above 0, at most 1",
    )
    add_top(made, 20, "how many pairs of each kind to list; the counts are of all")
    add_above(made)
    add_wide(made)
    add_trust(made)
    return made


def command(words: Sequence[str]) -> int:
    """Find the pairs of a run and print both kinds."""
    options = parser().read(words)
    from benchmark.cli.find import find_run
    from benchmark.cli.graphing import counts_of, opened_with_graphs
    from benchmark.graphs.collect import run_graphs
    from benchmark.graphs.similar import features, similar_pairs
    from benchmark.terminal.table import say

    reopened = opened_with_graphs(find_run(options.run), options.trust)
    keys, items, n_failed, n_empty = [], [], 0, 0
    for saved in run_graphs(reopened):
        if saved.graph is None:
            n_failed += 1
            continue
        graph = saved.graph.above(options.above)
        keys.append((saved.layer, saved.neuron))
        items.append(features(graph))
        n_empty += not graph.patterns
    found = similar_pairs(items, options.threshold, options.top)
    names = [f"{layer}.{neuron}" for layer, neuron in keys]
    listed = {keys[at] for pair in found.near + found.nested for at in (pair.first, pair.second)}
    # Only those listed are read again: the graphs of a whole model need not fit into memory.
    graphs = {
        saved.name: saved.graph.above(options.above)
        for saved in (run_graphs(reopened, listed) if listed else ())
        if saved.graph is not None
    }
    print_pairs("near-equal graphs", found.near, names, graphs)
    print_pairs("nested graphs: the first is a part of the second", found.nested, names, graphs)
    if listed:
        say(LEGEND)
    sys.stdout.write(
        f"pairs at threshold {options.threshold:g}: {found.n_equal:,} equal, {found.n_near:,} "
        f"near-equal, {found.n_nested:,} nested; "
        f"{counts_of(len(names) + n_failed, n_failed, n_empty, options.above)}\n"
    )
    return 0


def print_pairs(
    title: str, pairs: Sequence[Pair], names: Sequence[str], graphs: Mapping[str, NeuronGraph]
) -> None:
    """Print a row for each pair."""
    from benchmark.terminal.table import print_rows

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
    """Return the pattern that shares most with the other graph, its end if it is long."""
    from benchmark.graphs.similar import alike

    return fitted(graph.text(alike(graph, other)), WIDTH)
