"""Tables and lines of others: what a column or a line cannot hold is named when it is read."""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.errors import BenchmarkError
from benchmark.results import RunWriter, Scores, find_runs, load_run
from benchmark.results.lines import parse_line
from benchmark.results.writer import remove_unfinished


@pytest.fixture
def folder(tmp_path: Path, sample_run: Any) -> Path:
    with RunWriter.open(tmp_path / "run", sample_run.identity) as writer:
        for number, block in enumerate(sample_run.make_blocks()):
            writer.write_block(number, *block)
        writer.finish(sample_run.make_record())
    return tmp_path / "run"


def seal(folder: Path) -> None:
    """Write the digests of the files as they are, as a forger would."""
    record = json.loads((folder / "run.json").read_text())
    for name in ("scores.parquet", "explanations.jsonl"):
        data = (folder / name).read_bytes()
        record["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "run.json").write_text(json.dumps(record))


def write_table(folder: Path, table: pa.Table) -> None:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    (folder / "scores.parquet").write_bytes(buffer.getvalue())
    seal(folder)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("uniform/pearson", ["high"] * 4, "column 'uniform/pearson' holds string, not double"),
        ("uniform/pearson", [1.0, np.inf, 0, 0], "'uniform/pearson' holds a number that is not f"),
        ("uniform/pearson", [1.0, np.nan, 0, 0], "'uniform/pearson' holds a number that is not f"),
        ("layer", [0.5, 1, 2, 3], "column 'layer' holds double, not int64"),
        ("neuron", [-1, 1, 2, 3], "column 'neuron' holds a number that no neuron has"),
        ("neuron", [2**40, 1, 2, 3], "column 'neuron' holds a number that no neuron has"),
        ("status", ["ok", "ok", "ok", "odd\x1b"], r"column 'status' holds 'odd\\\\x1b'"),
        ("uniform/undefined", [0.0] * 4, "column 'uniform/undefined' holds double, not bool"),
        ("layer", [None] * 4, "a row names no layer or no neuron"),
    ],
)
def test_a_column_of_another_kind(
    folder: Path, column: str, values: list[Any], message: str
) -> None:
    table = load_run(folder).scores.table
    at = table.column_names.index(column)
    write_table(folder, table.set_column(at, column, pa.array(values)))
    with pytest.raises(BenchmarkError, match=rf"scores\.parquet' is damaged: .*{message}"):
        load_run(folder)


def test_a_table_without_rows_or_with_a_column_twice(folder: Path) -> None:
    table = load_run(folder).scores.table
    write_table(folder, table.slice(0, 0))
    with pytest.raises(BenchmarkError, match="damaged: it has no rows"):
        load_run(folder)
    write_table(folder, table.append_column("status", table.column("status")))
    with pytest.raises(BenchmarkError, match="damaged: column 'status' is there twice"):
        load_run(folder)


def test_numbers_of_other_width_are_read_as_ours(folder: Path) -> None:
    before = load_run(folder).scores
    table = before.table
    for name, kind in (("layer", pa.int8()), ("uniform/pearson", pa.float32())):
        at = table.column_names.index(name)
        table = table.set_column(at, name, table.column(name).cast(kind))
    write_table(folder, table)
    after = load_run(folder).scores
    assert after.table.schema.types == before.table.schema.types
    assert after.rows() == before.rows()


def test_what_is_written_is_read(folder: Path) -> None:
    scores = load_run(folder).scores
    assert Scores.from_parquet(scores.to_parquet()).rows() == scores.rows()


@pytest.mark.parametrize("number", ["1e999", "true", '"0"', "-1", "0.5", "9" * 30, "null"])
def test_a_line_about_no_neuron(folder: Path, number: str) -> None:
    path = folder / "explanations.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"layer":0', f'"layer":{number}', 1))
    seal(folder)
    with pytest.raises(BenchmarkError, match=r"explanations\.jsonl' line 1 is damaged"):
        list(load_run(folder).explanations())


def test_a_neuron_that_has_two_lines(folder: Path) -> None:
    path = folder / "explanations.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[1]]))
    seal(folder)
    with pytest.raises(BenchmarkError, match=r"line 5 is damaged: neuron 0\.7 is there twice"):
        list(load_run(folder).explanations())


@pytest.mark.parametrize("data", [[], 3, {}, {"layer": 0, "neuron": 1, "status": "ok"}])
def test_what_is_no_line(data: Any) -> None:
    with pytest.raises(ValueError, match="not the line of an explanation"):
        parse_line(data)


def test_a_pipe_called_run_json_is_found_and_named(folder: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    os.mkfifo(odd / "run.json")
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    (nowhere / "run.json").symlink_to(tmp_path / "not there")
    assert find_runs([tmp_path]) == sorted([folder, nowhere, odd])
    with pytest.raises(BenchmarkError, match="is a named pipe"):
        load_run(odd)
    with pytest.raises(BenchmarkError, match=r"has no run\.json"):
        load_run(nowhere)


def test_large_numbers_in_a_record(folder: Path) -> None:
    for key, value in (("d_mlp", 2**70), ("n_layers", 10**200)):
        record = json.loads((folder / "run.json").read_text())
        record["subject"][key] = value
        (folder / "run.json").write_text(json.dumps(record))
        with pytest.raises(BenchmarkError, match=f"{key}: expected a number of at most 64 bits"):
            load_run(folder)


def test_what_a_process_killed_at_its_end_left_is_removed(folder: Path) -> None:
    before = sorted(folder.iterdir())
    (folder / "unfinished").mkdir()
    (folder / "unfinished" / "block-000000.jsonl").write_text("{}")
    remove_unfinished(folder)
    assert sorted(folder.iterdir()) == before


def test_an_unfinished_run_is_not_removed(tmp_path: Path, sample_run: Any) -> None:
    RunWriter.open(tmp_path, sample_run.identity).close()
    before = sorted(tmp_path.rglob("*"))
    remove_unfinished(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
