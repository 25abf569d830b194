"""`plot`: pictures for papers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.cli.arguments import (
    Parser,
    add_format,
    add_output,
    add_rank_by,
    add_results,
    add_trust,
)
from benchmark.errors import BenchmarkError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmark.plugins.trusted import UntrustedError
    from leaderboards import Results

ABOUT = """\
Draws the leaderboards of all comparable runs below some folders, all in one style: bars with
intervals, quality against size, against characters of texts that are whole explanations, against
subject tokens and against seconds with the Pareto front, and score against layer. The same results
give the same file, byte for byte.
"""
EXAMPLES = """\
python -m benchmark plot results --format pdf --plot bars,size
python -m benchmark plot results --neuron 3.400
"""


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser("plot", ABOUT, examples=EXAMPLES)
    add_results(made)
    add_format(made, ("svg", "png", "pdf"))
    add_output(made, "plots", "the folder that the files go to")
    made.add_argument(
        "--plot",
        metavar="NAME,...",
        type=lambda value: value.split(","),
        help="some of bars, size, characters, tokens, seconds, layers (default: all)",
    )
    made.add_argument(
        "--neuron",
        metavar="LAYER.NEURON",
        help="instead, the spectrum of one neuron: its true activations on uniform text, split by "
        "whether an explanation predicts firing; simulates the saved explanations, so it needs the "
        "subject",
    )
    add_rank_by(made)
    add_trust(made)
    return made


def command(words: Sequence[str]) -> int:
    """Draw and write."""
    given = parser().read(words)
    from benchmark.cli.find import find_places
    from leaderboards.plots.drawing import encoded
    from leaderboards.plots.gallery import PLOTS, plots_of
    from leaderboards.result_folders import name_unread, read_results

    results = read_results(find_places(given.results))
    if not results.runs:
        name_unread(results)
    drawn: list[tuple[str, Figure]]
    if given.neuron is not None:
        drawn = _spectra(results, given.neuron, given.trust)
    else:
        from leaderboards.boards import build

        drawn = list(plots_of(build(results.runs, given.rank_by), given.plot or PLOTS))
    name_unread(results)
    if not drawn:
        raise BenchmarkError("there is nothing to plot: no run has the scores for it.")
    from benchmark.files.atomic import storage_errors, write_bytes

    with storage_errors(given.output):
        given.output.mkdir(parents=True, exist_ok=True)
        for name, one in drawn:
            path = given.output / f"{name}.{given.format}"
            write_bytes(path, encoded(one, given.format))
            sys.stdout.write(f"written: {path}\n")
    return 0


def _spectra(results: Results, word: str, trust: Sequence[str] = ()) -> list[tuple[str, Figure]]:
    """Return the spectrum of one neuron by every run of the first leaderboard that has it."""
    from benchmark.cli.find import parse_neuron
    from benchmark.cli.imports import import_whole

    layer, neuron = parse_neuron(word)
    import_whole("benchmark.subject.build", "leaderboards.plots.spectrum")
    from benchmark.evaluation.reopen import acceptable
    from benchmark.results.columns import UNIFORM
    from leaderboards.boards import build
    from leaderboards.plots.drawing import file_name
    from leaderboards.plots.spectrum import measure, spectrum

    found = []
    refused: list[UntrustedError] = []
    for board in build(results.runs):
        if board.scoring_set != UNIFORM:
            continue
        labels = {
            id(row.run): row.label
            for row in board.rows
            if (layer, neuron) in set(row.run.scores.neurons())
        }
        having = [row.run for row in board.rows if id(row.run) in labels]
        accepted, others = acceptable(having, trust)
        refused += others
        runs = [(labels[id(run)], run) for run in accepted]
        if runs:
            name = file_name(board.subject, board.corpus, "spectrum", word)
            if board.group > 1:
                name += f"-{board.group}"
            found.append((name, spectrum(word, measure(runs, layer, neuron, trust))))
    if refused and not found:
        raise refused[0]
    for error in refused:
        sys.stderr.write(f"left out: {error}\n")
    if not found:
        known = results.runs[0].scores.neurons() if results.runs else []
        shown = ", ".join(f"{at}.{one}" for at, one in known[:8])
        raise BenchmarkError(f"no ranked run has neuron {word}; there are for example {shown}.")
    return found
