"""Characters and lines of explanations whose text is the whole explanation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.evaluation.reopen import ReopenedRun
from benchmark.results import Run, load_run
from tests.command import Command, call, table
from tests.runs.texts import Reads
from tests.sealing import reseal

HERE = "tests.runs.readable"
BLOCKS = [0, 1, 2, 3, 0, 1] * 2  # two blocks of 4 and 2 neurons in each of two layers


def trusted(name: str) -> str:
    return f"--trust={HERE}.{name}"


def explained_by(command: Command, name: str) -> Run:
    return command.finished(f"explainer._target_={HERE}.{name}")


def lengths(run: Run) -> list[tuple[int | None, int | None]]:
    return [(row["cost/characters"], row["cost/lines"]) for row in run.scores.rows()]


def described(run: Run, name: str) -> list[str]:
    reopened = ReopenedRun(run, [f"{HERE}.{name}"])
    return [reopened.explanation(line).describe() for line in run.explanations()]


@pytest.fixture
def means(command: Command) -> Run:
    return explained_by(command, "Means")


def test_they_are_those_of_what_describe_returns(means: Run) -> None:
    texts = described(means, "Means")
    assert [text.count("\n") for text in texts] == BLOCKS
    assert lengths(means) == [(len(text), text.count("\n") + 1) for text in texts]
    characters, lines = (means.record.metric(f"cost/{one}") for one in ("characters", "lines"))
    assert characters.mean == pytest.approx(np.mean([len(text) for text in texts]))
    assert lines.mean == pytest.approx(np.mean(BLOCKS) + 1)
    assert (lines.n, lines.n_null) == (12, 0)
    assert means.scores.table.schema.field("cost/characters").type == "int64"


def test_trackers_and_programs_are_given_them_like_other_costs(means: Run) -> None:
    import benchmark
    from benchmark.tracking import layer_metrics
    from benchmark.tracking.tracker import overall_metrics

    of_run = overall_metrics(means.record, means.scores)
    summary = benchmark.load_run(means.folder).summary
    for name in ("cost/characters", "cost/lines"):
        values = means.scores.column(name)
        assert of_run[name] == summary[name].mean == pytest.approx(values.mean())
        assert f"{name}/low" not in of_run
        assert layer_metrics(means.scores, 0)[name] == pytest.approx(values[:6].mean())


def test_only_complete_texts_have_them(command: Command) -> None:
    found = lengths(explained_by(command, "MeansPartly"))
    assert [characters is None for characters, _ in found] == [row > 0 for row in BLOCKS]
    assert {lines for _, lines in found} == {1, None}
    for name in ("MeansIncomplete", "MeansYes", "MeansUnread", "MeansUntold"):
        run = explained_by(command, name)
        assert set(lengths(run)) == {(None, None)}, name
        summary = run.record.metric("cost/characters")
        assert (summary.mean, summary.n, summary.n_null) == (None, 0, 12)
        assert run.record.neurons.coverage == 1


def test_a_neuron_that_failed_or_cannot_be_described_has_none(command: Command) -> None:
    run = explained_by(command, "FailsOnSecond")
    assert list(run.scores.column("status")).count("failed") == 4
    assert [one == (None, None) for one in lengths(run)] == [row == 1 for row in BLOCKS]
    assert run.record.metric("cost/characters").n == 8
    run = explained_by(command, "MeansUndescribed")
    assert run.record.neurons.coverage == 1
    assert [one == (None, None) for one in lengths(run)] == [row > 0 for row in BLOCKS]
    run = explained_by(command, "MeansNothing")
    assert lengths(run) == [(0, 0) if row == 0 else (None, None) for row in BLOCKS]


def test_a_text_that_a_simulator_reads_is_complete_by_nature(command: Command) -> None:
    texts = "tests.runs.texts"
    Reads.error = None
    run = command.finished(
        f"explainer._target_={texts}.Writes", f"simulator._target_={texts}.Reads"
    )
    said = [line.explanation["text"] for line in run.explanations()]
    assert lengths(run) == [(len(text), 1) for text in said]
    run = command.finished(f"explainer._target_={texts}.WritesPrograms")
    assert set(lengths(run)) == {(None, None)}


def test_a_run_without_them_stays_readable_and_score_measures_them(means: Run) -> None:
    whole = table(means)
    folder = make_old(means.folder)
    old = load_run(folder)
    assert "cost/lines" not in old.scores.columns
    assert "cost/characters" not in old.record.summary
    assert call("show", str(folder)).status == 0
    assert "characters" not in call("show", str(folder)).out
    assert call("score", str(folder), trusted("Means")).status == 0
    assert table(load_run(folder)) == whole
    assert load_run(folder).record.metric("cost/lines").n == 12


def make_old(folder: Path) -> Path:
    """Take from a run what an earlier version did not write."""
    import pyarrow.parquet as pq

    path = folder / "scores.parquet"
    names = ["cost/characters", "cost/lines"]
    pq.write_table(pq.read_table(path).drop_columns(names), path)
    record = json.loads((folder / "run.json").read_text())
    for name in names:
        del record["summary"][name]
    (folder / "run.json").write_text(json.dumps(record))
    reseal(folder)
    return folder


def test_scoring_again_gives_the_same(command: Command) -> None:
    for name in ("MeansPartly", "FailsOnSecond"):
        run = explained_by(command, name)
        assert call("score", str(run.folder), trusted(name)).status == 0
        assert table(load_run(run.folder)) == table(run)


def test_an_author_cannot_state_them_as_costs_of_his_own() -> None:
    from benchmark import BenchmarkError, Costs

    for name in ("characters", "lines"):
        with pytest.raises(BenchmarkError, match=f"cost '{name}' is measured by the harness"):
            Costs({name: 1})
    assert Costs(lines_read=3) == {"lines_read": 3}
