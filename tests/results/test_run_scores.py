"""The table of scores keeps its values, types and order."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.results import Scores


def test_columns_types_and_nulls(sample_run):
    rows = [row for rows, _ in sample_run.make_blocks() for row in rows]
    rows[0]["top/f1"] = 1
    rows = [dict(reversed(row.items())) for row in rows]
    scores = Scores.from_rows(rows)
    schema = {field.name: field.type for field in scores.table.schema}
    assert schema == {
        "layer": pa.int64(),
        "neuron": pa.int64(),
        "status": pa.string(),
        "error": pa.string(),
        "uniform/pearson": pa.float64(),
        "uniform/undefined": pa.bool_(),
        "top/f1": pa.float64(),
        "cost/subject_tokens": pa.float64(),
        "cost/bytes": pa.int64(),
    }
    assert list(schema)[-2:] == ["cost/subject_tokens", "cost/bytes"]
    assert scores.scoring_sets == ["uniform", "top"]
    np.testing.assert_array_equal(scores.column("top/f1"), [np.nan, np.nan, 1.0, np.nan])
    assert scores.rows()[1]["uniform/pearson"] is None
    assert set(scores.to_numpy()) == set(schema)


def test_rows_of_some_neurons(sample_run):
    scores = Scores.from_rows(row for rows, _ in sample_run.make_blocks() for row in rows)
    every = scores.rows()
    assert scores.rows([(1, 9), (0, 7)]) == [every[1], every[3]]
    assert scores.rows([]) == []
    assert scores.rows([(8, 8)]) == []


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 5), st.integers(0, 50)),
        st.floats() | st.none(),
        max_size=20,
    )
)
def test_a_table_survives_parquet(values):
    rows = [
        {"layer": layer, "neuron": neuron, "status": "ok", "error": None, "uniform/r": value}
        for (layer, neuron), value in values.items()
    ]
    scores = Scores.from_parquet(Scores.from_rows(rows).to_parquet())
    assert scores.neurons() == sorted(values)
    if values:
        for row, key in zip(scores.rows(), sorted(values), strict=True):
            value = values[key]
            usable = value is not None and math.isfinite(value)
            assert row["uniform/r"] == (value if usable else None)


def test_a_wrong_value_names_its_column(sample_run):
    with pytest.raises(TypeError, match="column 'uniform/pearson' of the scores"):
        Scores.from_rows([sample_run.row(0, 0, "high")])


def test_an_unknown_column_names_the_known(sample_run):
    with pytest.raises(KeyError, match=r"no column 'uniform/f1'.*uniform/pearson"):
        Scores.from_rows([sample_run.row(0, 0, 0.5)]).column("uniform/f1")


def test_what_is_no_table_is_refused():
    with pytest.raises(ValueError, match="not a parquet table"):
        Scores.from_parquet(b"nothing")
