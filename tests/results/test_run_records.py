"""`run.json` is typed, and read by later versions."""

from __future__ import annotations

import bz2
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import BenchmarkError
from benchmark.results import (
    SCHEMA_VERSION,
    MetricSummary,
    NeuronsRecord,
    RunRecord,
    RunWriter,
    explanation_bytes,
    load_run,
)
from benchmark.results.encoding import plain


def test_a_record_survives_json(sample_run):
    record = sample_run.make_record()
    assert RunRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record


@given(
    mean=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    per_layer=st.dictionaries(st.integers(0, 99), st.lists(st.integers(0, 10**6))),
    config=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
)
def test_any_record_survives_json(mean, per_layer, config):
    record = RunRecord.from_dict(
        {
            "schema_version": 1,
            "run_id": "r",
            "subject": {"name": "s", "fingerprint": "f"},
            "corpus": {"name": "c", "fingerprint": "g"},
            "explainer": {"name": "e"},
        }
    )
    record = dataclasses.replace(
        record,
        neurons=NeuronsRecord(per_layer=per_layer),
        summary={"uniform/pearson": MetricSummary(mean=mean, n=3), "uniform/undefined": 2},
        config={"any": config},
    )
    assert RunRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_a_newer_schema_is_refused(sample_run):
    data = {**sample_run.make_record().to_dict(), "schema_version": SCHEMA_VERSION + 1}
    with pytest.raises(BenchmarkError, match=r"x/run.json: written with schema version .* newer"):
        RunRecord.from_dict(data, "x/run.json")


@pytest.mark.parametrize("version", [None, "1", 0, True])
def test_an_unknown_schema_is_refused(sample_run, version):
    data = {**sample_run.make_record().to_dict(), "schema_version": version}
    with pytest.raises(BenchmarkError, match="no schema_version"):
        RunRecord.from_dict(data)


def test_optional_fields_may_be_missing_and_additions_are_passed_over(sample_run):
    data = sample_run.make_record().to_dict()
    for name in ("timings", "environment", "files", "command"):
        del data[name]
    del data["subject"]["d_mlp"]
    data["subject"]["added later"] = data["added later"] = {"x": 1}
    record = RunRecord.from_dict(data)
    assert record.timings == {}
    assert record.subject.d_mlp is None
    assert record.environment.git is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("subject",), None, "run.json: subject: expected an object, found None"),
        (("subject", "name"), 3, "run.json: subject: name: expected a string, found 3"),
        (
            ("subject", "layers"),
            [0, "1"],
            r"layers\[1\]: expected a whole number, found '1'",
        ),
        (("subject", "d_mlp"), True, "d_mlp: expected a whole number, found True"),
        (("neurons", "per_layer"), {"x": []}, "the key 'x': expected a whole number"),
        (("summary",), {"uniform/f1": "high"}, "uniform/f1: expected a whole number, found 'high'"),
        (("explainer", "control"), 1, "control: expected true or false, found 1"),
        (("config",), [], r"config: expected an object, found \[\]"),
    ],
)
def test_a_wrong_field_is_named(sample_run, path, value, message):
    data = sample_run.make_record().to_dict()
    inner = data
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(BenchmarkError, match=message):
        RunRecord.from_dict(data)


def test_a_missing_field_is_named(sample_run):
    data = sample_run.make_record().to_dict()
    del data["corpus"]["fingerprint"]
    with pytest.raises(BenchmarkError, match="corpus: the field 'fingerprint' is missing"):
        RunRecord.from_dict(data)


def test_a_mean_that_is_not_a_number_is_null(sample_run):
    summary = {"uniform/f1": MetricSummary(mean=float("nan"), n=0, n_null=4)}
    data = json.loads(json.dumps(sample_run.make_record(summary=summary).to_dict()))
    assert data["summary"]["uniform/f1"]["mean"] is None
    assert RunRecord.from_dict(data).metric("uniform/f1").mean is None


def test_the_summary_by_name(sample_run):
    record = sample_run.make_record()
    assert record.metric("uniform/pearson").mean == 0.25
    assert record.metric("uniform/undefined") is None
    assert record.metric("top/f1") is None
    assert (record.undefined("uniform"), record.undefined("top")) == (1, 0)


def test_plain_values():
    import torch

    value = {
        1: (np.float32(0.5), np.int64(3), np.bool_(True)),
        "a": [np.array([1.0, np.inf]), torch.tensor([[2]]), torch.tensor(1.5)],
        "p": Path("x") / "y",
    }
    assert plain(value) == {"1": [0.5, 3, True], "a": [[1.0, None], [[2]], 1.5], "p": "x/y"}
    with pytest.raises(TypeError, match=r"config\.a\[0\] has no JSON form: set"):
        plain({"a": [{1}]}, "config")


def test_the_size_of_an_explanation_is_the_compressed_size_of_what_simulates():
    data = {"b": [1, "ü"], "a": {"d": 0.5, "c": None}}
    text = '{"a":{"c":null,"d":0.5},"b":[1,"ü"]}'
    assert explanation_bytes(data) == len(bz2.compress(text.encode(), 9))
    assert explanation_bytes({**data, "shown": {"text": "for people"}}) == explanation_bytes(data)
    assert explanation_bytes({"b": {"shown": "x" * 99}}) > explanation_bytes({"b": {}})
    assert explanation_bytes({"ids": [7] * 10_000}) < 100
    # Pinned: a compressor that gave other lengths would change every published size.
    assert explanation_bytes({"ids": [n * n % 1009 for n in range(5000)]}) == 3107


def test_sizes_by_another_measure_are_not_read(sample_run, tmp_path):
    folder = tmp_path / "run"
    with RunWriter.open(folder, {}) as writer:
        for number, (rows, lines) in enumerate(sample_run.make_blocks()):
            writer.write_block(number, rows, lines)
        summary = {"cost/bytes": MetricSummary(mean=17, n=4)}
        writer.finish(sample_run.make_record(summary=summary))
    assert load_run(folder).scores.column("cost/bytes").tolist() == [17] * 4
    assert load_run(folder).record.metric("cost/bytes").mean == 17
    saved = json.loads((folder / "run.json").read_text())
    assert saved.pop("size_measure").startswith("bzip2-9 ")
    (folder / "run.json").write_text(json.dumps(saved))  # as a run of an earlier version
    old = load_run(folder)
    assert "cost/bytes" not in old.scores.columns
    assert "cost/subject_tokens" in old.scores.columns
    assert old.record.metric("cost/bytes") is None
    assert old.record.to_dict()["size_measure"] == ""
