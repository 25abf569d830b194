"""Leaderboard of a run as a tracker shows it: tables and PNG pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from benchmark.errors import BenchmarkError
from benchmark.evaluation.reopen import ReopenedRun, config_of
from benchmark.results import Run
from benchmark.results.columns import CHARACTERS, HEADLINE, UNIFORM, cost_column
from benchmark.tracking import Extras, ExtraTable
from leaderboards.formats.separated import records_of
from leaderboards.page import page_of
from leaderboards.plots.drawing import encoded
from leaderboards.plots.gallery import PLOTS, plots_of
from leaderboards.plots.spectrum import measure, spectrum
from leaderboards.resimulation import not_at_hand
from leaderboards.result_folders import Results, read_results
from leaderboards.submission import place_of_run

TABLES = ("leaderboard", "layers", "tracks")
TEXTS = "texts"
# As many as W&B shows of a table.
MOST_TEXTS = 10_000
BEST, WORST = "spectrum_best", "spectrum_worst"


def extras_of(run: Run, trust: Collection[str] = ()) -> Extras:
    """Return tables `leaderboard`, `layers`, `tracks` and `texts`, and plots as `plots/<name>`.

    The leaderboard is that of all comparable runs beside the run: of the same subject and corpus in
    its folder of results. `plots/spectrum_best` and `plots/spectrum_worst` are the spectra of the
    run's best and worst neuron; they are left out where the subject is not available. `texts` has
    the texts of the run that are whole explanations; it is left out where there is none.
    """
    runs = _beside(run)
    page = page_of(Results(runs, [], []))
    boards = [board for board in page.boards if any(row.run is run for row in board.rows)]
    page = dataclasses.replace(page, boards=boards)
    tables = {name: _table(list(records_of(page, name))) for name in TABLES}
    pictures: dict[str, bytes] = {}
    for board in boards:
        if board.scoring_set == UNIFORM:
            for name in PLOTS:
                for _, figure in plots_of([board], [name]):
                    pictures[f"plots/{name}"] = encoded(figure, "png")
    return Extras({**tables, **_texts(run, trust)}, {**pictures, **_spectra(run, trust)})


def _beside(run: Run) -> list[Run]:
    """Return the run and, in a folder of results, those of the same subject and corpus."""
    parts = place_of_run(run.record).split("/")
    folder = run.folder.resolve()
    if list(folder.parts[-len(parts) :]) != parts:
        return [run]
    found = [one for one in read_results([folder.parents[1]]).runs if one.folder != folder]
    # As it was given: the same run read again has another identity.
    return [run, *found]


def _table(records: list[Mapping[str, object]]) -> ExtraTable:
    columns = list(dict.fromkeys(name for record in records for name in record))
    return ExtraTable(columns, [[record.get(name) for name in columns] for record in records])


def _texts(run: Run, trust: Collection[str]) -> dict[str, ExtraTable]:
    """Return the complete texts of the run, that of the neuron predicted best first.

    Of more than `MOST_TEXTS` neurons they are those of the best predicted.
    """
    rows = _rows_with_texts(run)
    reopened = ReopenedRun(run, trust)
    texts: list[tuple[Any, ...]] = []
    try:
        for saved in run.explanations(rows):
            row = rows[saved.layer, saved.neuron]
            characters = row[cost_column(CHARACTERS)]
            explanation = reopened.explanation(saved)
            if explanation is not None:
                text = reopened.describe(explanation, saved.name)
                texts.append((row.get(HEADLINE) or 0.0, saved.name, characters, text))
    except BenchmarkError:
        return {}
    texts.sort(key=lambda text: -text[0])
    return {TEXTS: ExtraTable(["r", "neuron", CHARACTERS, "text"], texts)} if texts else {}


def _rows_with_texts(run: Run) -> dict[tuple[int, int], dict[str, Any]]:
    """Return the rows of scores of the neurons whose text is complete, at most `MOST_TEXTS`."""
    scores, names = run.scores, run.scores.neurons()
    if cost_column(CHARACTERS) not in scores.columns:
        return {}
    r = scores.column(HEADLINE) if HEADLINE in scores.columns else np.zeros(len(scores))
    order = np.argsort(-np.nan_to_num(r), kind="stable")
    complete = ~np.isnan(scores.column(cost_column(CHARACTERS)))
    best = [names[place] for place in order[complete[order]][:MOST_TEXTS]]
    return {(row["layer"], row["neuron"]): row for row in scores.rows(best)}


def _spectra(run: Run, trust: Collection[str]) -> dict[str, bytes]:
    """Return the spectra of the best and the worst neuron by what ranks; none without subject."""
    column = HEADLINE
    if column not in run.scores.metric_columns:
        return {}
    values = run.scores.column(column)
    known = np.flatnonzero(~np.isnan(values))
    if not len(known) or not_at_hand(config_of(run)):
        return {}
    order = known[np.argsort(-values[known], kind="stable")]
    neurons = run.scores.neurons()
    found = {}
    try:
        for name, row in ((BEST, order[0]), (WORST, order[-1])):
            layer, neuron = neurons[row]
            label = f"{run.record.explainer.name}, r = {values[row]:.3f}"
            figure = spectrum(f"{layer}.{neuron}", measure([(label, run)], layer, neuron, trust))
            found[f"plots/{name}"] = encoded(figure, "png")
    except BenchmarkError:
        return {}
    return found
