"""`plot`: pictures for papers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.flags import Flags
from benchmark.cli.trusting import take_trust
from benchmark.errors import BenchmarkError, unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmark.plugins.trusted import UntrustedError
    from leaderboards import Results

HELP = """\
usage: python -m benchmark plot [results ...] [--format svg|png|pdf] [-o FOLDER] [...]

Draws the leaderboards of all comparable runs below some folders (default: results), all in one
style: bars with intervals, quality against size, against subject tokens and against seconds with
the Pareto front, and score against layer.

  --format svg             svg, png or pdf
  -o, --output FOLDER      where the files go, default: plots
  --plot NAME,...          some of bars, size, tokens, seconds, layers; default: all
  --neuron LAYER.NEURON    instead, the spectrum of one neuron: its true activations on uniform
                           text, split by whether an explanation predicts firing; simulates the
                           saved explanations, so it needs the subject
  --rank-by NAME           the metric on uniform text that ranks, default pearson
  --trust CLASS            with --neuron: read explanations of this class, package.module.Class,
                           although it is neither built in nor an installed plug-in: its code is
                           imported and run; repeatable

The same results give the same file, byte for byte.
"""


def command(words: Sequence[str]) -> int:
    """Draw and write."""
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0
    words, trust = take_trust(words)
    flags = Flags("plot")
    flags.add_argument("results", nargs="*", default=["results"])
    flags.add_argument("--format", default="svg")
    flags.add_argument("-o", "--output", type=Path, default=Path("plots"))
    flags.add_argument("--plot")
    flags.add_argument("--neuron")
    flags.add_argument("--rank-by")
    given = flags.parse_intermixed_args(list(words))
    from leaderboards.plots.drawing import FORMATS, encoded
    from leaderboards.plots.gallery import PLOTS, plots_of
    from leaderboards.reading import name_unread, read_results

    if given.format not in FORMATS:
        raise unknown("format", given.format, FORMATS)
    results = read_results(given.results)
    if not results.runs:
        name_unread(results)
    drawn: list[tuple[str, Figure]]
    if given.neuron is not None:
        drawn = _spectra(results, given.neuron, trust)
    else:
        from leaderboards.building import build

        names = given.plot.split(",") if given.plot else PLOTS
        drawn = list(plots_of(build(results.runs, given.rank_by), names))
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
    """The spectrum of one neuron by every run of the first leaderboard that has it."""
    from benchmark.cli.imports import import_whole
    from benchmark.cli.show import parse_neuron

    layer, neuron = parse_neuron(word)
    import_whole("benchmark.subject.build", "leaderboards.plots.spectrum")
    from benchmark.evaluation.reopen import acceptable
    from benchmark.evidence import UNIFORM
    from leaderboards.building import build
    from leaderboards.plots.names import file_name
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
