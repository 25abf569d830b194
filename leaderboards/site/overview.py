"""The overview: leaderboards, ways into the pages of neurons, and what the words mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.analysis.compare import NOT_SIGNIFICANT, THESE_DOCUMENTS
from benchmark.column import Column
from benchmark.config.run_config import MAXIMUM, MEDIAN_EXEMPLAR, setting
from benchmark.results import Run
from benchmark.results.columns import HEADLINE, NOVEL, TOP, UNIFORM, on_a_set, score_column
from leaderboards.boards import build
from leaderboards.cells import NEURONS_ONLY, count, neuron_interval
from leaderboards.model import BYTES, CHARACTERS, Difference, Leaderboard, Row
from leaderboards.site.encoding import rounded
from leaderboards.site.groups import Group, Method
from leaderboards.site.renderer import Heading, Renderer, percent, score_sets, short
from leaderboards.tables import copied_sentence

# Shown beside the column that ranks, where the runs have them.
BESIDE = (
    score_column(NOVEL, "pearson"),
    *(score_column(UNIFORM, name) for name in ("auprc", "f1", "iou")),
    score_column(TOP, "f1"),
)
_REFERENCES = {
    MEDIAN_EXEMPLAR: "the median of the largest activations in its exemplars",
    MAXIMUM: "the neuron's largest one",
}

Places = Mapping[int, tuple[Group, Method]]


def overview_page(renderer: Renderer, runs: Sequence[Run], groups: Sequence[Group]) -> str:
    """The HTML of the overview."""
    places: dict[int, tuple[Group, Method]] = {
        id(method.run): (group, method) for group in groups for method in group.methods
    }
    boards = [board for board in build(runs) if board.scoring_set == UNIFORM or not board.rows]
    views = [_board(number, board, places) for number, board in enumerate(boards, start=1)]
    page = {
        "boards": [
            {
                "id": view["id"],
                "metric": view["metric"],
                "rows": view["drawn"],
                "layers": view["layer_rows"],
            }
            for view in views
        ]
    }
    config = groups[0].first.record.config
    firing, reference = config.get("firing_threshold", 0.5), setting(config, "firing_reference")
    return renderer.page(
        "overview.html",
        0,
        page,
        boards=views,
        tied_mark=NOT_SIGNIFICANT,
        documents_mark=THESE_DOCUMENTS,
        neurons_mark=NEURONS_ONLY,
        groups=[_ways_in(group) for group in groups],
        firing=f"{percent(float(firing))} of {_REFERENCES[str(reference)]}",
        runs=[_run(group, method) for group in groups for method in group.methods],
    )


def _board(number: int, board: Leaderboard, places: Places) -> dict[str, Any]:
    drawn_columns = [board.ranked_by, *BESIDE]
    known = [
        name
        for name in dict.fromkeys(drawn_columns)
        if any(name in row.scores for row in board.rows)
    ]
    sets = score_sets(board.about(name) for name in known)
    columns = [_named(one, board) for chosen in sets for one in chosen.metrics]
    columns += [_beside(column) for column in board.beside if column.name not in known]
    titled = {one["column"]: one["title"] for one in columns}
    rows = [_row(row, places) for row in board.rows]
    metric = titled.get(board.ranked_by, board.ranked_by)
    return {
        "id": f"board-{number}",
        "anchor": f"leaderboard-{number}",
        "title": f"{board.subject} on {board.corpus}",
        "about": (
            f"{board.n_neurons:,} neurons of layers {', '.join(map(str, board.layers))}, the same "
            f"in every row; contexts of {board.context_length} tokens."
            if board.rows
            else "No run here can be ranked."
        ),
        "differs": board.differs,
        "copied": copied_sentence(board),
        "metric": "correlation" if board.ranked_by == HEADLINE else metric,
        "columns": columns,
        "readable": board.readable,
        "evidence": sorted({row.evidence for row in board.rows}),
        "rows": rows,
        "drawn": [
            {
                **{name: row[name] for name in ("label", "colour", "control")},
                **{name: rounded(getattr(row["key"], name)) for name in ("mean", "low", "high")},
                "bytes": rounded(row["bytes"]),
                "front": row["front"],
                "characters": rounded(row["characters"]),
                "characters_front": row["characters_front"],
            }
            for row in rows
            if not row["unverified"]
        ],
        "layer_rows": [
            {
                "layer": layer,
                "label": row["label"],
                "colour": row["colour"],
                "mean": rounded(values.get(board.ranked_by)),
                "low": None,
                "high": None,
                "n": values.get("neurons"),
            }
            for row in rows
            if not row["control"] and not row["unverified"]
            for layer, values in row["layers"].items()
        ],
        "excluded": board.excluded,
        "unverified": [row for row in board.rows if row.unverified],
    }


def _named(one: Heading, board: Leaderboard) -> dict[str, Any]:
    """A column as the overview heads it: what is not of the uniform set says so."""
    column = board.about(one.column)
    prefix = "" if column.group == UNIFORM or not on_a_set(column) else f"{column.group} "
    return {
        "column": one.column,
        "title": f"{prefix}{one.title}",
        "description": one.description,
        "sound": one.sound,
    }


def _beside(column: Column) -> dict[str, Any]:
    """A column that is on no scoring set."""
    return {
        "column": column.summary_name,
        "title": column.heading,
        "description": column.description or column.name,
        "sound": True,
    }


def _row(row: Row, places: Places) -> dict[str, Any]:
    group, method = places[id(row.run)]
    difference = row.above
    # The headline with the interval that is computed alike in every row.
    cells = {name: row.key if name == HEADLINE else score for name, score in row.scores.items()}
    return {
        "rank": row.rank,
        "label": row.label,
        "href": f"{group.slug}/explainers/{method.slug}.html",
        "colour": method.colour,
        "control": row.control,
        "unverified": row.unverified,
        "evidence": row.evidence,
        "mark": row.mark(),
        "difference": _difference(difference) if difference is not None else "",
        "neuron_interval": neuron_interval(row.key),
        "cells": _Cells(cells),
        "key": row.key,
        "coverage": row.coverage,
        "coverage_text": percent(row.coverage),
        "positives": row.positives.get(UNIFORM),
        "positives_text": count(row.positives.get(UNIFORM)),
        "undefined": row.undefined.get(UNIFORM, 0),
        "tokens": row.subject_tokens,
        "tokens_text": short(row.subject_tokens),
        "seconds": row.explain_seconds,
        "seconds_text": short(row.explain_seconds),
        "bytes": row.bytes,
        "bytes_text": short(row.bytes),
        "front": BYTES in row.fronts,
        "characters": row.characters,
        "characters_text": short(row.characters),
        "lines": row.lines,
        "lines_text": short(row.lines),
        "characters_front": CHARACTERS in row.fronts,
        "layers": row.layers,
    }


def _difference(difference: Difference) -> str:
    """What a mark says of the difference to the row above."""
    what = {
        NOT_SIGNIFICANT: "is not significant",
        THESE_DOCUMENTS: "is significant over neurons of these documents only",
    }.get(difference.mark, "is significant over neurons and documents")
    return (
        f"the difference to the row above {what}: {short(difference.mean)} lower, corrected "
        f"p = {short(difference.adjusted_p)} over {difference.over}, "
        f"{short(difference.neuron_adjusted_p)} over neurons"
    )


class _Cells(dict[str, Any]):
    """Scores by column; a column that the run lacks is None."""

    def __missing__(self, key: str) -> None:
        return None


def _ways_in(group: Group) -> dict[str, Any]:
    return {
        "slug": group.slug,
        "title": group.title,
        "layers": [{"layer": layer, "n": len(found)} for layer, found in group.neurons.items()],
        "examples": _examples(group),
    }


def _examples(group: Group) -> list[dict[str, str]]:
    """The best and the worst explained neuron of the first method, to begin with."""
    import numpy as np

    if not group.shown:
        return []
    method = group.shown[0]
    scores = method.run.scores
    if HEADLINE not in scores.metric_columns:
        return []
    values = scores.column(HEADLINE)
    if np.isnan(values).all():
        return []
    names = scores.neurons()
    found = []
    for place, word in ((int(np.nanargmax(values)), "best"), (int(np.nanargmin(values)), "worst")):
        layer, neuron = names[place]
        why = f"{word} explained by {method.label}, r = {values[place]:.2f}"
        found.append({"name": f"{layer}.{neuron}", "why": why})
    return found


def _run(group: Group, method: Method) -> dict[str, str]:
    record = method.run.record
    return {
        "label": method.label,
        "href": f"{group.slug}/explainers/{method.slug}.html",
        "run_id": record.run_id,
        "subject": record.subject.name,
        "subject_fingerprint": record.subject.fingerprint,
        "corpus": record.corpus.name,
        "corpus_fingerprint": record.corpus.fingerprint,
        "finished": record.finished,
        "version": record.benchmark_version,
    }
