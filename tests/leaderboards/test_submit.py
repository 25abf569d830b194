"""`submit`: what is taken, what is refused and why, and that nothing is left half done."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.evaluation.record import summarise
from benchmark.results import Run, Scores, load_run
from benchmark.results.encoding import plain
from benchmark.results.resampled import Resampled
from leaderboards import schema
from leaderboards.validation import config_of, validated
from tests.command import Answer, Command, call
from tests.sealing import change, reseal


@pytest.fixture
def folder(finished: Run, tmp_path: Path) -> Path:
    """A copy of the finished run to be spoilt."""
    return Path(shutil.copytree(finished.folder, tmp_path / "run"))


@pytest.fixture
def submit(small: Command, tmp_path: Path) -> Callable[..., Answer]:
    """The command, with the shared cache, into `published`."""

    def submit(folder: Path, *words: str) -> Answer:
        cache = str(small.folder / "cache")
        to = str(tmp_path / "published")
        return call("submit", str(folder), "--to", to, "--cache-dir", cache, *words)

    return submit


def forge(folder: Path, column: str, value: Callable[[float], float]) -> None:
    """Change a column of scores as somebody would who knows how: digest and summary fit."""
    run = load_run(folder)
    rows = run.scores.rows()
    for row in rows:
        row[column] = value(row[column])
    put(folder, run, Scores.from_rows(rows))


def put(folder: Path, run: Run, scores: Scores) -> None:
    """Put other scores into a run; digest and summary fit."""
    table = scores.to_parquet()
    (folder / "scores.parquet").write_bytes(table)
    change(folder, summary=plain(summarise(config_of(run), scores)))
    reseal(folder)


def moved(once: bool) -> Callable[[float], float]:
    """Adds 0.05 to the first score, or to all."""
    steps = iter([0.05] if once else [0.05] * 12)
    return lambda value: value + next(steps, 0.0) * (-1 if value > 0.5 else 1)


def rewrite_explanations(folder: Path, edit: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change explanations.jsonl, its digest with it."""
    path = folder / "explanations.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    edit(lines)
    data = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    path.write_bytes(data)
    reseal(folder)


def test_a_sound_run_is_simulated_again_and_put_in_its_place(
    folder: Path, submit: Callable[..., Answer], tmp_path: Path
) -> None:
    answer = submit(folder, "--seed", "7", "--neurons", "5")
    assert answer.status == 0, answer.err
    assert "12 neurons; record and files are sound" in answer.out
    assert "5 neurons simulated again (seed 7)" in answer.out
    run = load_run(folder)
    (target,) = (tmp_path / "published").glob("*/*/token_lookup/*")
    assert target.name == run.record.run_id
    assert {path.name for path in target.iterdir()} == {
        "run.json",
        "scores.parquet",
        "submission.json",
    }
    note = json.loads((target / "submission.json").read_text())
    assert (len(note["resimulated"]), note["seed"], note["reason"]) == (5, 7, "")
    assert note["columns"] == len(run.scores.metric_columns) > 60
    assert note["largest_difference"] < 1e-5
    kept = load_run(target)
    assert kept.scores.rows() == run.scores.rows()
    assert kept.record.summary == run.record.summary
    # Where the submitter's files were is not kept.
    text = (target / "run.json").read_text()
    assert f"{folder.parent}" not in text.replace(run.record.subject.source, "")
    assert kept.record.config["cache_dir"] is None
    assert not any(word.startswith("results_dir=") for word in kept.record.command)
    assert "token_lookup" in (tmp_path / "published" / "README.md").read_text()
    assert call("leaderboard", str(tmp_path / "published"), "--check").status == 0


def test_the_seed_decides_which_neurons_are_simulated_again(
    folder: Path, submit: Callable[..., Answer], tmp_path: Path
) -> None:
    chosen = []
    for words in (["--seed", "1"], ["--seed", "1"], ["--seed", "2"], ["--seed", "3"]):
        shutil.rmtree(tmp_path / "published", ignore_errors=True)
        assert submit(folder, "--neurons", "3", *words).status == 0
        (note,) = (tmp_path / "published").rglob("submission.json")
        chosen.append(json.loads(note.read_text())["resimulated"])
    assert chosen[0] == chosen[1]
    assert len({str(one) for one in chosen}) > 1


def test_a_run_that_was_submitted_before_changes_nothing(
    folder: Path, submit: Callable[..., Answer], tmp_path: Path
) -> None:
    def state() -> dict[Path, bytes]:
        files = (tmp_path / "published").rglob("*")
        return {path: path.read_bytes() for path in files if path.is_file()}

    assert submit(folder).status == 0
    before = state()
    again = submit(folder)
    assert "was submitted before" in again.out
    assert state() == before


def test_another_run_of_that_name_is_not_overwritten(
    folder: Path, submit: Callable[..., Answer], tmp_path: Path
) -> None:
    assert submit(folder).status == 0
    (there,) = (tmp_path / "published").rglob("scores.parquet")
    there.write_bytes(b"another")
    assert "its scores.parquet is another; remove it first" in submit(folder).message
    assert there.read_bytes() == b"another"


def test_scores_that_do_not_reproduce_are_refused(
    folder: Path, submit: Callable[..., Answer], tmp_path: Path
) -> None:
    """Whoever makes all files fit each other is found out by the subject."""
    forge(folder, "uniform/pearson", lambda value: min(1.0, value + 0.02))
    validated(folder)
    message = submit(folder, "--neurons", "12").message
    assert "does not reproduce: 'uniform/pearson' of neuron " in message
    assert not (tmp_path / "published").exists()


def test_a_text_that_is_said_to_be_shorter_is_refused(small: Command, tmp_path: Path) -> None:
    name = "tests.runs.readable.Means"
    run = small.finished(f"explainer._target_={name}")
    folder = Path(shutil.copytree(run.folder, tmp_path / "forged"))
    forge(folder, "cost/characters", lambda _: 9)
    words = ["submit", str(folder), "--to", str(tmp_path / "published"), "--trust", name]
    message = call(*words, "--neurons", "12").message
    assert "does not reproduce: 'cost/characters' of neuron " in message
    assert "is 9 in the submission" in message


def test_texts_that_are_not_what_was_simulated_are_refused(small: Command, tmp_path: Path) -> None:
    """Nobody gets on the track of readable explanations by saying so."""
    for name, message in (
        ("Means", ""),
        ("MeansLess", "is complete, but read back it predicts other numbers."),
        ("MeansNoText", "cannot be read back: ValueError: line 1, 'always "),
    ):
        target = f"tests.runs.readable.{name}"
        folder = small.finished(f"explainer._target_={target}", "seed=4").folder
        words = ["submit", str(folder), "--to", str(tmp_path / "published"), "--trust", target]
        answer = call(*words, "--neurons", "3")
        assert answer.status == bool(message), answer.err
        assert message in answer.err


def test_intervals_over_documents_that_do_not_reproduce_are_refused(
    folder: Path, submit: Callable[..., Answer]
) -> None:
    """Nobody makes an interval narrow by scores on resampled documents that are not his run's."""
    run = load_run(folder)
    found = run.scores.replicates("uniform/pearson")
    assert found is not None
    narrow = Resampled({"uniform/pearson": 0 * found.values}, found.n_documents, found.draw)
    put(folder, run, Scores(run.scores.table, narrow))
    validated(folder)
    message = submit(folder, "--neurons", "12").message
    assert "does not reproduce: 'uniform/pearson' of neuron" in message
    assert "on resampled documents" in message


def test_a_threshold_may_make_one_score_jump_a_little_but_not_all(
    folder: Path, submit: Callable[..., Answer], tmp_path: Path
) -> None:
    forge(folder, "uniform/iou_top_alpha", moved(once=True))
    assert submit(folder, "--neurons", "12").status == 0
    forge(folder, "uniform/iou_top_alpha", moved(once=False))
    shutil.rmtree(tmp_path / "published")
    assert "is off by" in submit(folder, "--neurons", "12").message


def test_neurons_that_the_configuration_does_not_draw_are_refused(
    small: Command, submit: Callable[..., Answer], tmp_path: Path
) -> None:
    chosen = [[0, neuron] for neuron in range(6)] + [[1, neuron] for neuron in range(10, 16)]
    run = small.finished("explainer=mean", f"neurons.list={json.dumps(chosen).replace(' ', '')}")
    folder = Path(shutil.copytree(run.folder, tmp_path / "picked"))
    change(folder, config__neurons__list=None)
    assert "its configuration draws other neurons" in submit(folder).message


def test_calibrated_scores_reproduce_too(small: Command, submit: Callable[..., Answer]) -> None:
    run = small.finished("explainer=token_lookup", "calibration=linear", "seed=3")
    answer = submit(run.folder)
    assert answer.status == 0, answer.err
    assert any(name.startswith("uniform_calibrated/") for name in run.scores.metric_columns)
    assert f"{len(run.scores.metric_columns)} columns of scores agree" in answer.out


def test_truth_is_that_of_the_runs_blocks_and_measured_only_where_the_cache_lost_it(
    small: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.evidence import measuring
    from leaderboards.resimulation import resimulate

    run = small.finished("explainer=token_lookup", "calibration=linear", "neurons.block_size=4")
    cache = Path(shutil.copytree(small.folder / "cache", tmp_path / "cache"))
    passes: list[str] = []
    stream = measuring.stream_layers

    def counted(subject: Any, contexts: Any, *given: Any, **named: Any) -> Any:
        passes.append(contexts.split)
        return stream(subject, contexts, *given, **named)

    monkeypatch.setattr(measuring, "stream_layers", counted)
    cut = resimulate(run, n_neurons=7, cache_dir=str(cache))
    assert passes == []
    shutil.rmtree(cache / "uniform")
    shutil.rmtree(cache / "calibration")
    measured = resimulate(run, n_neurons=7, cache_dir=str(cache))
    assert passes == ["held_out", "calibrate"]
    assert cut == measured
    assert (cut.reason, len(cut.neurons)) == ("", 7)
    assert cut.largest_difference == 0


UNAVAILABLE: list[tuple[dict[str, Any], str]] = [
    (
        {"config__model__source": "/no/such/small"},
        "model.source=/no/such/small: there is no such folder",
    ),
    ({"config__dataset__path": "/no/such/texts"}, "'/no/such/texts' does not exist"),
    (
        {
            "config__explainer___target_": "nowhere.Method",
            "explainer__options___target_": "nowhere.Method",
            "explainer__target": "nowhere.Method",
        },
        "names the class 'nowhere.Method'",
    ),
]


@pytest.mark.parametrize(("changes", "reason"), UNAVAILABLE)
def test_what_is_not_available_makes_a_submission_unverified(
    folder: Path,
    submit: Callable[..., Answer],
    tmp_path: Path,
    changes: dict[str, Any],
    reason: str,
) -> None:
    change(folder, **changes)
    answer = submit(folder)
    assert answer.status == 0, answer.err
    (told,) = [line for line in answer.out.splitlines() if line.startswith("unverified: ")]
    assert reason in told
    (path,) = (tmp_path / "published").rglob("submission.json")
    note = json.loads(path.read_text())
    assert (note["verified"], note["resimulated"]) == (False, [])
    assert "/no/such" not in path.read_text()
    assert load_run(path.parent).unverified == note["reason"] != ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"subject__fingerprint": "f" * 64}, "the subject is not the one of run"),
        ({"corpus__fingerprint": "f" * 64}, "the corpus is not the one of run"),
        ({"corpus__counts__documents_read": 3}, "does not describe the run: corpus.counts.docu"),
        ({"subject__site": "elsewhere"}, "does not describe the run: subject.site is elsewhere"),
    ],
)
@pytest.mark.parametrize("explainer", ["known", "unknown"])
def test_another_subject_or_text_is_refused_and_no_reason(
    folder: Path,
    submit: Callable[..., Answer],
    changes: dict[str, Any],
    reason: str,
    explainer: str,
) -> None:
    change(folder, **changes)
    if explainer == "unknown":
        change(folder, **UNAVAILABLE[-1][0])
    if explainer == "known" or "fingerprint" in str(changes):
        assert reason in submit(folder).message


def test_a_model_of_the_hub_is_at_hand_where_the_cache_has_it(finished: Run) -> None:
    from leaderboards.resimulation import resimulate

    model = {"name": "far", "kind": "transformers", "source": "nobody/nothing-of-that-name"}
    config = {**finished.record.config, "model": model}
    run = dataclasses.replace(finished, record=dataclasses.replace(finished.record, config=config))
    found = resimulate(run)
    assert found.neurons == []
    assert found.reason.startswith("the subject 'far' (nobody/nothing-of-that-name) is not in the")


SPOILT: list[tuple[Callable[[Path], object], str]] = [
    (lambda f: (f / "scores.parquet").write_bytes(b"x"), "scores.parquet' is not the file that"),
    (
        lambda f: (f / "explanations.jsonl").write_bytes(b"{}\n"),
        "explanations.jsonl' is not the file that",
    ),
    (lambda f: (f / "explanations.jsonl").unlink(), "has no explanations.jsonl: a submission is"),
    (lambda f: (f / "scores.parquet").unlink(), "has no scores.parquet: a submission is"),
    (lambda f: (f / "run.json").unlink(), "has no run.json; a submission is the folder of one"),
    (lambda f: (f / "run.json").write_text("{"), "is damaged"),
    (lambda f: (f / "run.json").write_text('{"schema_version": NaN}'), "NaN is no JSON number"),
    (lambda f: (f / "run.json").write_text("[]"), "it holds no object"),
    (lambda f: (f / "run.json").write_text("{}"), "has no schema_version"),
    (lambda f: change(f, schema_version=99), "no schema of version 99; published are 1"),
    (lambda f: change(f, run_id=3), "run-1.json: run_id: 3 is not of type 'string'"),
    (lambda f: change(f, neurons__asked="many"), "neurons.asked: 'many' is not of type 'integer'"),
    (lambda f: change(f, files={}), "has no digest of scores.parquet"),
    (lambda f: change(f, neurons__explained=13), "run.json says that 13 of 12 neurons"),
    (lambda f: change(f, neurons__coverage=0.5), "neurons.coverage is not explained / asked"),
    (lambda f: change(f, neurons__per_layer={"0": [1]}), "are not those in scores.parquet"),
    (
        lambda f: change(f, summary={"uniform/pearson": {"mean": 1.0}}),
        "summary 'uniform/pearson' is 1.0",
    ),
    (lambda f: forge(f, "uniform/pearson", lambda _: 1.5), "holds 1.5, which that metric cannot"),
    (lambda f: forge(f, "cost/bytes", lambda _: 1), "bytes here, 'ok' with 1 in scores.parquet"),
    (lambda f: forge(f, "cost/explain_seconds", lambda _: -1.0), "holds a negative cost"),
    (lambda f: forge(f, "cost/characters", lambda _: 9), "cannot be the lengths of texts"),
    (lambda f: forge(f, "cost/lines", lambda _: -9), "column 'cost/lines' holds a negative cost"),
    (lambda f: rewrite_explanations(f, lambda lines: lines.pop()), "has no line for 1 neurons"),
    (
        lambda f: rewrite_explanations(f, lambda lines: lines.append(lines[0])),
        "line 13 is about neuron 0.",
    ),
    (
        lambda f: rewrite_explanations(f, lambda lines: lines[0].update(neuron=23, layer=9)),
        "line 1 is about neuron 9.23 that is not in scores.parquet",
    ),
    (
        lambda f: rewrite_explanations(f, lambda lines: lines[0].update(status="fine")),
        "line 1: not the line of an explanation: status 'fine'",
    ),
    (
        lambda f: rewrite_explanations(f, lambda lines: lines[0].update(explanation=3)),
        "line 1 does not fit the schema explanation-1.json: explanation",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILT, ids=[message for _, message in SPOILT])
def test_what_is_not_whole_or_does_not_fit_is_refused(
    folder: Path,
    submit: Callable[..., Answer],
    tmp_path: Path,
    spoil: Callable[[Path], object],
    message: str,
) -> None:
    spoil(folder)
    assert message in submit(folder).message
    assert not (tmp_path / "published").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "submit needs a place: --to leaderboards/published, or --hub"),
        (["--to", "x", "--neurons", "0"], "--neurons 0 must be a whole number, at least 1."),
        (["--to", "x", "--seed", "soon"], "--seed soon must be a whole number, at least 0."),
        (["--to", "x"], "'nowhere' has no run.json; a submission is the folder of one finished"),
    ],
)
def test_bad_input_ends_in_one_message(words: list[str], message: str) -> None:
    assert message in call("submit", "nowhere", *words).message


def test_a_process_that_is_stopped_leaves_nothing_behind(
    folder: Path, submit: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    rename = os.rename
    monkeypatch.setattr(os, "rename", stopped)
    assert submit(folder).status == 130
    published = tmp_path / "published"
    assert [path for path in published.rglob("*") if path.is_file()] == []
    monkeypatch.setattr(os, "rename", rename)
    # Killed for good: what lies about is not taken for a submission.
    leftover = published / f".{load_run(folder).record.run_id}.1234.partial"
    leftover.mkdir(parents=True)
    shutil.copy(folder / "run.json", leftover)
    assert "there is no finished run" in call("leaderboard", str(published)).message
    assert submit(folder).status == 0
    assert not leftover.exists()
    assert call("leaderboard", str(published), "--check").status == 0


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_computed(
    folder: Path, submit: Callable[..., Answer], tmp_path: Path
) -> None:
    (tmp_path / "published").write_text("a file")
    assert "a file of that name is in the way" in submit(folder).message


def test_the_published_schemas_are_those_of_the_records() -> None:
    for kind in (schema.RUN, schema.EXPLANATION):
        stored = json.loads(schema.path_of(kind).read_text(encoding="utf-8"))
        assert stored == schema.generate(kind), (
            "the records have changed; write their schema: python -m leaderboards.schema"
        )


def test_a_record_of_an_earlier_version_is_held_against_its_own_schema(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("benchmark.results.records", "leaderboards.schema"):
        monkeypatch.setattr(f"{module}.SCHEMA_VERSION", 2)
    assert validated(folder).record.schema_version == 1
    # A field that this version does not know is passed over, as when a record is read.
    change(folder, later={"more": 1})
    assert validated(folder).record.schema_version == 1
    change(folder, schema_version=2)
    from benchmark.errors import BenchmarkError

    with pytest.raises(BenchmarkError, match="no schema of version 2; published are 1"):
        validated(folder)
