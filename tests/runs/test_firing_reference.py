"""Whole runs: the firing reference, the novel set, and what is kept of each neuron's text."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmark.evaluation.record import summarise
from benchmark.results import Run, Scores, load_run
from benchmark.results.encoding import plain
from leaderboards.boards import build
from leaderboards.site.groups import group_runs
from leaderboards.validation import config_of, validated
from tests.command import DEAD, Command, call

FIRING = ("auprc", "f1", "precision", "recall", "iou")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Command:
    return Command(tmp_path_factory.mktemp("firing"), checkpoint, texts)


@pytest.fixture(scope="module")
def median(shared: Command) -> Run:
    return shared.finished("metrics=all")


@pytest.fixture(scope="module")
def maximum(shared: Command, median: Run) -> Run:
    return shared.finished("metrics=all", "firing_reference=maximum")


@pytest.fixture
def old(maximum: Run, tmp_path: Path) -> Run:
    """The run with the maximum as an earlier version would have left it."""
    folder = Path(shutil.copytree(maximum.folder, tmp_path / "old"))
    record = json.loads((folder / "run.json").read_text())
    del record["config"]["firing_reference"]
    del record["config"]["metrics"]["both_references"]
    (folder / "run.json").write_text(json.dumps(record))
    return load_run(folder)


def test_the_choice_is_in_the_identity_and_in_the_record(median: Run, maximum: Run) -> None:
    assert median.record.run_id != maximum.record.run_id
    assert median.record.config["firing_reference"] == "median_exemplar"
    assert maximum.record.config["firing_reference"] == "maximum"


def test_each_run_with_all_metrics_has_the_other_one_in_further_columns(
    median: Run, maximum: Run
) -> None:
    for run, other, name in (
        (median, maximum, "maximum"),
        (maximum, median, "median_exemplar"),
    ):
        further = [
            column
            for column in run.scores.columns
            if column.startswith("uniform_") and not column.startswith("uniform_small/")
        ]
        assert further == [f"uniform_{name}/{metric}" for metric in FIRING]
        for metric in FIRING:
            np.testing.assert_array_equal(
                run.scores.column(f"uniform_{name}/{metric}"),
                other.scores.column(f"uniform/{metric}"),
            )
            assert run.record.metric(f"uniform_{name}/{metric}") is not None
        np.testing.assert_array_equal(
            run.scores.column("uniform/pearson"), other.scores.column("uniform/pearson")
        )


def test_the_median_exemplar_has_more_positives_than_the_maximum(median: Run, maximum: Run) -> None:
    more, fewer = (run.scores.column("uniform/positives") for run in (median, maximum))
    assert (more >= fewer).all()
    assert more.sum() > fewer.sum()
    summary = median.record.metric("uniform/positives")
    assert summary is not None
    assert (summary.median, summary.mean) == (np.median(more), more.mean())


def test_standard_metrics_have_one_reference(shared: Command, median: Run) -> None:
    run = shared.finished("explainer=zero")
    groups = {name.partition("/")[0] for name in run.scores.columns}
    assert {name for name in groups if name.startswith("uniform")} == {"uniform", "uniform_small"}
    assert "novel/pearson" in run.scores.columns


def test_a_table_never_holds_both(median: Run, maximum: Run) -> None:
    boards = [board for board in build([median, maximum]) if board.scoring_set == "uniform"]
    (board,) = boards
    assert len(board.rows) == 1
    assert board.excluded[0].reason.startswith("firing_reference is")
    assert len(group_runs([median, maximum])) == 2
    answer = call("compare", str(median.folder), str(maximum.folder), "--metrics=f1")
    assert "firing_reference is maximum instead of median_exemplar" in answer.message
    answer = call("compare", str(median.folder), str(maximum.folder), "--metrics=pearson")
    assert answer.status == 0


def test_an_old_run_has_the_maximum_wherever_it_is_opened(old: Run, maximum: Run) -> None:
    assert config_of(old).firing_reference == "maximum"
    assert len(group_runs([old, maximum])) == 1
    before = {name: old.scores.column(name) for name in ("uniform/f1", "novel/f1")}
    answer = call("score", str(old.folder), "metrics=standard")
    assert answer.status == 0, answer.err
    assert "largest difference 0" in answer.out
    again = load_run(old.folder)
    assert again.record.config["firing_reference"] == "maximum"
    for name, values in before.items():
        np.testing.assert_array_equal(again.scores.column(name), values)


def test_an_old_run_without_the_new_columns_is_valid_and_has_blanks(old: Run) -> None:
    names = [name for name in old.scores.columns if not _is_new(name)]
    _replace(old, names)
    run = validated(old.folder)
    assert "novel/pearson" not in run.scores.columns
    answer = call("show", str(run.folder))
    assert answer.status == 0, answer.err
    lines = [re.split(r"\s{2,}", line.strip()) for line in answer.out.splitlines()]
    head = next(number for number, line in enumerate(lines) if "novel r" in line)
    shown = dict(zip(lines[head], lines[head + 2], strict=True))
    assert (shown["novel r"], shown["positives"]) == ("-", "-")
    layer, neuron = run.scores.neurons()[0]
    answer = call("show", str(run.folder), f"{layer}.{neuron}", "--no-direct", "--no-contexts")
    assert answer.status == 0, answer.err
    assert "effective tokens" not in answer.out
    call("score", str(run.folder))
    assert "novel/pearson" in load_run(run.folder).scores.columns


def _is_new(name: str) -> bool:
    ends = ("positives", "effective_tokens", "pearson_low", "pearson_high")
    return name.startswith(("novel/", "uniform_")) or name.endswith(ends)


def _replace(run: Run, columns: list[str]) -> None:
    """Leave only some columns of the scores, with a record that fits."""
    rows = [{name: row[name] for name in columns} for row in run.scores.rows()]
    scores = Scores.from_rows(rows)
    data = scores.to_parquet()
    (run.folder / "scores.parquet").write_bytes(data)
    path = run.folder / "run.json"
    record = json.loads(path.read_text())
    record["summary"] = plain(summarise(config_of(run), scores))
    record["files"]["scores.parquet"] = {
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    path.write_text(json.dumps(record))


def test_the_novel_tokens_are_counted_and_scored(median: Run) -> None:
    counts = median.record.corpus.counts
    assert 0 < counts["novel_tokens"] < counts["uniform_tokens"]
    novel = median.record.metric("novel/pearson")
    assert novel is not None
    assert novel.n + novel.n_null == len(median.scores)
    metrics = [name.partition("/")[2] for name in median.scores.metric_columns]
    for name in set(metrics):
        if f"uniform/{name}" in median.scores.metric_columns:
            assert f"novel/{name}" in median.scores.metric_columns
    positives = median.scores.column("novel/positives")
    assert (positives <= median.scores.column("uniform/positives")).all()


def test_text_that_is_wholly_seen_has_null_scores_and_no_error(
    shared: Command, tmp_path: Path, checkpoint: Path
) -> None:
    # Contexts shorter than a window hold no whole window.
    run = shared.finished("explainer=zero", "context_length=8", "seed=3")
    assert run.record.corpus.counts["novel_tokens"] == 0
    novel = run.record.metric("novel/pearson")
    assert novel is not None
    assert (novel.mean, novel.n, novel.n_null) == (None, 0, len(run.scores))
    assert run.record.undefined("novel") == 0
    assert validated(run.folder).record.run_id == run.record.run_id
    assert call("leaderboard", str(run.folder)).status == 0


def test_one_rule_for_a_dead_neuron(shared: Command, median: Run) -> None:
    layer, neuron = DEAD
    living = median.record.neurons.per_layer[layer][0]
    for reference in ("maximum", "median_exemplar"):
        run = shared.finished(
            f"neurons.list=[[{layer},{neuron}],[{layer},{living}]]",
            f"firing_reference={reference}",
            "seed=5",
        )
        (row,) = (one for one in run.scores.rows() if one["neuron"] == neuron)
        assert row["uniform/positives"] == row["top/positives"] == 0
        assert row["uniform/f1"] is None
        answer = call("sanity", str(run.folder), "metrics=[f1]", *_cache(shared))
        assert answer.status == 0, answer.err
        line = next(line for line in answer.out.splitlines() if "uniform/f1" in line)
        assert line.split()[-2:] == ["1", "1"]  # tested, untested


def _cache(shared: Command) -> list[str]:
    return [f"cache_dir={shared.folder / 'cache'}"]


def test_show_prints_what_a_correlation_rests_on(median: Run) -> None:
    rows = median.scores.rows()
    row = max(rows, key=lambda one: one["uniform/pearson"])
    answer = call(
        "show",
        str(median.folder),
        f"{row['layer']}.{row['neuron']}",
        "--no-direct",
        "--no-contexts",
    )
    assert answer.status == 0, answer.err
    lines = [line.split() for line in answer.out.splitlines()]
    place = next(number for number, line in enumerate(lines) if line[:1] == ["pearson"])
    drawn = ("uniform", "uniform_small")
    ends = [(row[f"{one}/pearson_low"], row[f"{one}/pearson_high"]) for one in drawn]
    shown = [text for low, high in ends for text in (f"[{low:.3f},", f"{high:.3f}]")]
    assert lines[place + 1] == ["over", "documents", *shown]
    effective = [f"{row[f'{one}/effective_tokens']:,.1f}" for one in drawn]
    assert lines[place + 2] == ["effective", "tokens", *effective]
    low, high = ends[0]
    assert low <= row["uniform/pearson"] <= high
    assert "whole documents drawn again" in answer.out
    (positives,) = (line for line in lines if line[:1] == ["positives"])
    sets = ("uniform", "novel", "uniform_small", "top", "top_and_random")
    assert positives[1:] == [str(row[f"{name}/positives"]) for name in sets]


def test_an_unknown_reference_is_named(shared: Command) -> None:
    message = shared.run("firing_reference=median_exemplars").message
    assert "'median_exemplars' is not known; did you mean 'median_exemplar'?" in message
