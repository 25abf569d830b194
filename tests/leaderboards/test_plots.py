"""Plots show the numbers of the tables, and their files are the same each time."""

from __future__ import annotations

import re
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import BenchmarkError
from benchmark.results import Run
from leaderboards import build
from leaderboards.plots.bars import bars
from leaderboards.plots.drawing import FORMATS, encoded
from leaderboards.plots.fronts import quality_against
from leaderboards.plots.gallery import plots_of
from leaderboards.plots.layers import score_against_layer
from leaderboards.plots.spectrum import Spectrum, measure, spectrum
from tests.command import Command, call
from tests.leaderboards.made_up import NEURONS, made_up_run, saved


@pytest.fixture(scope="module")
def board():
    runs = [
        made_up_run("tree", 0.2, run_id="t1", options={"kb": 1}, sizes=900, tokens=0),
        made_up_run("tree", 0.3, run_id="t4", options={"kb": 4}, sizes=4000, tokens=0),
        made_up_run("n2g", 0.1, sizes=2000, tokens=800),
        made_up_run("zero", -0.3, control=True, sizes=13, tokens=0, noise=0.0),
    ]
    return build(runs)[0]


def test_bars_are_the_rows_with_their_intervals(board) -> None:
    (axes,) = bars(board).axes
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == [row.key.mean for row in board.rows]
    assert [text.get_text() for text in axes.get_yticklabels()] == [row.label for row in board.rows]
    drawn = [tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    for row in board.rows:
        assert (row.key.low, row.key.high) in drawn
    bottom, top = axes.get_ylim()
    assert bottom > top  # the best is at the top


def test_quality_against_size_joins_the_runs_of_one_explainer(board) -> None:
    (axes,) = quality_against(board).axes
    lines = [list(zip(*line.get_data(), strict=True)) for line in axes.lines]
    tree = [(row.bytes, row.key.mean) for row in board.rows if row.explainer == "tree"]
    assert sorted(tree) in lines
    assert axes.get_xscale() == "log"
    labels = axes.get_legend_handles_labels()[1]
    assert sorted(labels) == ["Pareto front", "n2g", "tree"]
    front = next(line for line in axes.lines if line.get_label() == "Pareto front")
    assert sorted(tree) == list(zip(*front.get_data(), strict=True))


def test_a_cost_of_nothing_stands_at_the_edge(board) -> None:
    (axes,) = quality_against(board, "subject_tokens").axes
    positions = {float(x) for line in axes.lines for x in line.get_xdata()}
    assert positions >= {200.0, 800.0}
    assert min(positions) == 200.0


def test_nothing_but_controls_has_no_plot_of_cost() -> None:
    (found, _) = build([made_up_run("zero", control=True)])
    with pytest.raises(BenchmarkError, match="nothing to plot"):
        quality_against(found)
    assert [name for name, _ in plots_of([found])] == ["small-texts-bars", "small-texts-layers"]


def test_score_against_layer_is_the_layer_table_of_the_best_run(board) -> None:
    (axes,) = score_against_layer(board).axes
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    best = board.rows[0]
    assert best.label == "tree (kb=4)"
    expected = [best.layers[layer]["uniform/pearson"] for layer in board.layers]
    np.testing.assert_allclose(lines["tree (kb=4)"], expected)
    assert "tree (kb=1)" not in lines
    assert {"n2g", "controls"} <= set(lines)


def test_a_spectrum_splits_the_true_activations_by_the_prediction() -> None:
    generator = np.random.default_rng(0)
    true = generator.exponential(size=500).astype(np.float32)
    predicted = (true + generator.normal(size=500)).astype(np.float32)
    found = Spectrum("mine", true, predicted, threshold=1.5)
    edges = np.linspace(0, float(true.max()) * 1.02, 41)
    quiet, fires = found.histogram(edges)
    for low, high, n_quiet, n_fires in zip(edges, edges[1:], quiet, fires, strict=False):
        inside = [p for t, p in zip(true, predicted, strict=True) if low <= t < high]
        assert n_fires == sum(p >= 1.5 for p in inside)
        assert n_quiet == sum(p < 1.5 for p in inside)
    (axes,) = spectrum("0.1", [found]).axes
    false = sum(t < 1.5 <= p for t, p in zip(true, predicted, strict=True))
    assert f"false positives {false}" in axes.texts[0].get_text()
    assert axes.get_yscale() == "log"
    with pytest.raises(BenchmarkError, match="no run explains"):
        spectrum("0.1", [])


def test_a_spectrum_is_measured_from_the_saved_explanation(finished: Run) -> None:
    """Its correlation is the score of that neuron, and a row's order plays no part."""
    rows = finished.scores.rows()
    for row in (rows[2], rows[-1]):
        (found,) = measure([("mine", finished)], row["layer"], row["neuron"])
        correlation = np.corrcoef(found.true, found.predicted)[0, 1]
        assert correlation == pytest.approx(row["uniform/pearson"], abs=1e-5)


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_rows_give_the_same_file(board, form: str) -> None:
    names = ("bars", "size", "layers") if form == "svg" else ("bars",)
    first = [encoded(figure, form) for _, figure in plots_of([board], names)]
    again = [encoded(figure, form) for _, figure in plots_of([board], names)]
    assert first == again
    assert len(first) == len(names)


def test_svg_keeps_its_text_and_has_no_date(board) -> None:
    text = encoded(bars(board), "svg").decode()
    ElementTree.fromstring(text)
    assert ">n2g<" in text
    assert not re.search(r"20\d\d-\d\d-\d\d", text)


def test_a_name_that_means_something_to_the_plotting_library_is_plain_text() -> None:
    (found, _) = build([made_up_run("$x^{2$"), made_up_run("a_b<c>")])
    for _, figure in plots_of([found], ["bars", "size", "layers"]):
        text = encoded(figure, "svg").decode()
        assert "a_b&lt;c&gt;" in text
        assert ">$x^{2$" in text
        ElementTree.fromstring(text)


def test_a_name_that_steers_a_terminal_is_spelt_out() -> None:
    """A file of SVG with a control character is none, and the library warns of it."""
    (found, _) = build([made_up_run("\x1b[31mred\u202e"), made_up_run("other", 0.1)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _, figure in plots_of([found], ["bars", "size", "layers"]):
            text = encoded(figure, "svg").decode()
            assert "\x1b" not in text
            assert "\u202e" not in text
            assert r"\x1b[31mred" in text
            ElementTree.fromstring(text)


def test_scores_that_are_all_zero_are_drawn_without_a_warning() -> None:
    nothing = [0.0] * len(NEURONS)
    (found, _) = build([made_up_run("zero", pearson=nothing), made_up_run("no", pearson=nothing)])
    assert {row.key.mean for row in found.rows} == {0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _, figure in plots_of([found], ["bars"]):
            encoded(figure, "svg")


def test_the_command_writes_every_plot(tmp_path: Path) -> None:
    saved(made_up_run("better", 0.2), tmp_path / "results" / "better")
    saved(made_up_run("worse"), tmp_path / "results" / "worse")
    answer = call("plot", str(tmp_path / "results"), "-o", str(tmp_path / "deep" / "plots"))
    assert answer.status == 0, answer.err
    written = sorted(path.name for path in (tmp_path / "deep" / "plots").iterdir())
    assert written == [
        f"small-texts-{n}.svg" for n in ("bars", "layers", "seconds", "size", "tokens")
    ]
    words = ["plot", str(tmp_path / "results"), "-o", str(tmp_path / "plots")]
    assert call(*words, "--plot", "bars", "--format", "pdf").status == 0
    (only,) = (tmp_path / "plots").iterdir()
    assert only.read_bytes().startswith(b"%PDF")
    for more, message in (
        (["--format", "gif"], "format 'gif' is not known. known: pdf, png, svg."),
        (["--plot", "bar"], "plot 'bar' is not known; did you mean 'bars'?"),
        (["--neuron", "three"], "'three' is no neuron"),
        (["--neuron", "7.1"], "no ranked run has neuron 7.1; there are for example 0.0, 0.1"),
        (["--rank-by", "recall"], "metric 'recall' cannot be a ranking key"),
    ):
        assert call(*words, *more).message.startswith(message)


def test_the_command_draws_a_neuron(finished: Run, small: Command, tmp_path: Path) -> None:
    layer, neuron = finished.scores.neurons()[0]
    answer = call(
        "plot", str(finished.folder), "--neuron", f"{layer}.{neuron}", "-o", str(tmp_path)
    )
    assert answer.status == 0, answer.err
    (path,) = tmp_path.iterdir()
    assert path.name == f"small-text-spectrum-{layer}.{neuron}.svg"
    assert "predicted to fire" in path.read_text()


def test_unused_neurons_are_no_reason_to_fail() -> None:
    """A layer in which no neuron has a value is a gap in the line."""
    values = [0.5] * 12 + [None] * (len(NEURONS) - 12)
    (found, _) = build([made_up_run("a", pearson=values)])
    (axes,) = score_against_layer(found).axes
    line = next(line for line in axes.lines if line.get_label() == "a")
    assert list(np.isnan(line.get_ydata())) == [False, True]
