"""Replicates of scores in the files of a run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.analysis.compare import paired_replicates
from benchmark.results import Run, RunRecord, Scores
from benchmark.results.resampled import RESAMPLED, STEP, resampled_entry

COLUMN = "uniform/pearson"


def rows(n: int = 5, draws: int = 30) -> tuple[list[dict], np.ndarray]:
    generator = np.random.default_rng(0)
    deviations = 0.1 * generator.standard_normal((n, draws))
    deviations[0, 3] = np.nan
    deviations[1] = np.nan
    found = [
        {
            "layer": 0,
            "neuron": n - neuron,  # not in the order of the table
            "status": "ok",
            "error": None,
            COLUMN: None if neuron == 1 else 0.5,
            "cost/bytes": 1,
            RESAMPLED: resampled_entry({COLUMN: deviations[neuron]}, 7, "drawn"),
        }
        for neuron in range(n)
    ]
    return found, deviations[::-1]


def test_they_come_back_from_the_file_within_a_step_and_are_no_columns_of_scores() -> None:
    entries, deviations = rows()
    scores = Scores.from_parquet(Scores.from_rows(entries).to_parquet())
    found = scores.replicates(COLUMN)
    assert found is not None
    assert (found.n_documents, found.draw) == (7, "drawn")
    expected = scores.column(COLUMN)[:, None] + deviations
    np.testing.assert_allclose(found.values, expected, atol=STEP / 2 + 1e-6)
    assert not [name for name in scores.columns if name.startswith(RESAMPLED)]
    assert RESAMPLED not in scores.rows()[0]
    assert scores.metric_columns == [COLUMN]
    assert scores.to_numpy().keys() == set(scores.columns)


def test_a_table_without_them_has_none_and_stays_readable() -> None:
    entries, _ = rows()
    plain = [{key: value for key, value in row.items() if key != RESAMPLED} for row in entries]
    scores = Scores.from_parquet(Scores.from_rows(plain).to_parquet())
    assert scores.replicates(COLUMN) is None
    assert Scores.from_rows(entries).replicates("uniform/f1") is None


def test_rows_of_which_one_has_none_have_none() -> None:
    entries, _ = rows()
    del entries[2][RESAMPLED]
    assert Scores.from_rows(entries).replicates(COLUMN) is None


def listed(value: object, width: int = 30, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array([[value] * width] * 5, type=kind)


DAMAGED = {
    "words": pa.array(["x"] * 5),
    "numbers": pa.array([1.0] * 5),
    "nothing": pa.nulls(5),
    "nothing in lists": pa.array([None] * 5, type=pa.list_(pa.float32(), 30)),
    "words in lists": listed("x"),
    "truths in lists": listed(True),
    "lists in lists": listed([1.0]),
    "lists of other lengths": pa.array([[0.5] * (n + 1) for n in range(5)]),
    "empty lists": pa.array([[]] * 5, type=pa.list_(pa.float32())),
    "infinite": listed(float("inf")),
    "huge": listed(3e38),
}


def written(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def whole() -> pa.Table:
    return pq.read_table(io.BytesIO(Scores.from_rows(rows()[0]).to_parquet()))


@pytest.mark.parametrize("kind", list(DAMAGED))
def test_a_damaged_column_is_named(kind: str) -> None:
    table = whole()
    name = f"{RESAMPLED}/{COLUMN}"
    at = table.column_names.index(name)
    with pytest.raises(ValueError, match=f"column '{name}' "):
        Scores.from_parquet(written(table.set_column(at, name, DAMAGED[kind])))


def test_columns_of_different_numbers_of_resamples_are_refused() -> None:
    table = whole().append_column(f"{RESAMPLED}/uniform/f1", listed(0.5, 7, pa.list_(pa.float32())))
    with pytest.raises(ValueError, match="have different numbers of resamples"):
        Scores.from_parquet(written(table))


@pytest.mark.parametrize(
    "about",
    [
        None,
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b'{"draw": [1], "documents": 7}',
        b'{"draw": "a", "documents": "x"}',
        b'{"draw": "a", "documents": 1e999}',
        b'{"draw": "a", "documents": 0}',
        b'{"draw": "a", "documents": ' + b"9" * 5000 + b"}",
        b'{"draw": "a", "documents": ' + b"9" * 200 + b"}",
    ],
)
def test_what_is_said_of_them_is_checked(about: bytes | None) -> None:
    metadata = {} if about is None else {RESAMPLED.encode(): about}
    with pytest.raises(ValueError, match=r"the columns 'resampled/\.\.\.'") as caught:
        Scores.from_parquet(written(whole().replace_schema_metadata(metadata)))
    assert len(str(caught.value)) < 300


def test_runs_of_one_draw_and_other_numbers_of_resamples_are_no_pairs(tmp_path: Path) -> None:
    tables = [Scores.from_rows(rows(draws=draws)[0]) for draws in (30, 30, 7)]
    first, second, other = (Run(tmp_path, cast(RunRecord, None), scores) for scores in tables)
    assert paired_replicates(first, second, COLUMN) is not None
    assert paired_replicates(first, other, COLUMN) is None
