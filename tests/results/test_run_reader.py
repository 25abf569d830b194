"""Runs are read back as written; what is damaged, unfinished or foreign is said in words."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from benchmark.errors import BenchmarkError
from benchmark.results import RunWriter, find_runs, load_run
from tests.sealing import reseal


@pytest.fixture
def folder(tmp_path, sample_run):
    with RunWriter.open(tmp_path / "run", sample_run.identity) as writer:
        for number, block in enumerate(sample_run.make_blocks()):
            writer.write_block(number, *block)
        writer.finish(sample_run.make_record())
    return tmp_path / "run"


def test_the_record_comes_back(folder, sample_run):
    for path in (folder, str(folder), folder / "run.json"):
        run = load_run(path)
        assert run.folder == folder
        assert run.record.files["scores.parquet"].bytes > 0
        assert {**run.record.to_dict(), "files": {}} == sample_run.make_record().to_dict()


def test_the_scores_come_back(folder):
    scores = load_run(folder).scores
    assert scores.neurons() == [(0, 3), (0, 7), (1, 5), (1, 9)]
    np.testing.assert_array_equal(scores.column("uniform/pearson"), [0.75, np.nan, 0.25, 0.0])
    np.testing.assert_array_equal(scores.column("uniform/undefined"), [False, False, False, True])
    assert scores.column("error").tolist() == ["", "", "", "no anchor"]
    assert scores.table.column("uniform/pearson").null_count == 1
    assert scores.metric_columns == ["uniform/pearson"]


def test_explanations_come_back_one_by_one(folder):
    run = load_run(folder)
    saved = list(run.explanations())
    assert [(one.layer, one.neuron, one.status) for one in saved] == [
        (0, 3, "ok"),
        (0, 7, "ok"),
        (1, 5, "ok"),
        (1, 9, "failed"),
    ]
    for one in saved:
        assert run.explanation(one.layer, one.neuron) == one
    assert saved[2].explanation == {"ids": [1, 2], "values": [0.1, 0.5]}
    assert saved[3].error == "no anchor"


@pytest.mark.parametrize(("layer", "there"), [(1, "neurons 5, 9"), (4, "layers 0, 1")])
def test_a_neuron_that_is_not_in_the_run(folder, layer, there):
    with pytest.raises(BenchmarkError, match=rf"layer {layer}, neuron 55; it has {there}\."):
        load_run(folder).explanation(layer, 55)


def test_a_missing_file_of_explanations_hurts_only_who_asks(folder):
    (folder / "explanations.jsonl").unlink()
    run = load_run(folder)
    with pytest.raises(BenchmarkError, match=r"explanations\.jsonl' cannot be read"):
        run.explanation(1, 5)


def test_a_damaged_line_is_named(folder):
    path = folder / "explanations.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1][:20]]))
    reseal(folder)
    with pytest.raises(BenchmarkError, match="line 2 is damaged"):
        list(load_run(folder).explanations())
    with pytest.raises(BenchmarkError, match="line 2 is damaged"):
        load_run(folder).explanation(0, 7)
    path.write_bytes(lines[0])
    reseal(folder)
    with pytest.raises(BenchmarkError, match="is damaged: layer 0, neuron 7 has no line"):
        load_run(folder).explanation(0, 7)


def test_lines_with_other_spaces_are_found(folder):
    path = folder / "explanations.jsonl"
    lines = [json.dumps(json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    path.write_text("\n".join(lines))
    reseal(folder)
    assert load_run(folder).explanation(0, 7).explanation == {"text": "a\nb ünï"}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "run.json").unlink(), "has no run.json"),
        (lambda folder: (folder / "run.json").write_text('{"schema'), r"run\.json' is damaged"),
        (lambda folder: (folder / "run.json").write_text("[]"), "not the record of a benchmark"),
        (lambda folder: (folder / "run.json").write_text('{"a": 1}'), "not the record of a bench"),
        (lambda folder: (folder / "scores.parquet").unlink(), "scores.parquet' cannot be read"),
        (lambda folder: (folder / "scores.parquet").write_bytes(b"PAR1"), "is not the file that"),
    ],
)
def test_a_damaged_run_is_refused(folder, damage, message):
    damage(folder)
    with pytest.raises(BenchmarkError, match=message) as caught:
        load_run(folder)
    assert str(folder) in str(caught.value)


def test_a_damaged_table_without_digest_is_refused(folder):
    record = json.loads((folder / "run.json").read_text())
    del record["files"]
    (folder / "run.json").write_text(json.dumps(record))
    load_run(folder)
    (folder / "scores.parquet").write_bytes((folder / "scores.parquet").read_bytes()[:-9])
    with pytest.raises(BenchmarkError, match=r"scores\.parquet' is damaged"):
        load_run(folder)


def test_an_unfinished_run_is_refused(tmp_path, sample_run):
    RunWriter.open(tmp_path, sample_run.identity).close()
    with pytest.raises(BenchmarkError, match="is unfinished; repeat the command"):
        load_run(tmp_path)


def test_a_folder_of_runs_is_not_a_run(folder, tmp_path):
    with pytest.raises(BenchmarkError, match=r"1 runs below it, such as '.*run'"):
        load_run(tmp_path)
    with pytest.raises(BenchmarkError, match="does not exist"):
        load_run(tmp_path / "nowhere")


def test_finding_runs(folder, tmp_path, sample_run):
    shutil.copytree(folder, tmp_path / "deep" / "er" / "second")
    RunWriter.open(tmp_path / "deep" / "unfinished one", sample_run.identity).close()
    expected = sorted([folder, tmp_path / "deep" / "er" / "second"])
    assert find_runs([tmp_path]) == expected
    assert find_runs([str(tmp_path / "deep"), folder / "run.json", folder]) == expected
    assert find_runs([]) == []
    with pytest.raises(BenchmarkError, match="does not exist"):
        find_runs([tmp_path / "nowhere"])
