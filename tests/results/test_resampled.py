"""Replicates of scores in the files of a run."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.results import Scores
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


def test_damaged_ones_are_named() -> None:
    import io

    import pyarrow.parquet as pq

    scores = Scores.from_rows(rows()[0])
    table = pq.read_table(io.BytesIO(scores.to_parquet())).replace_schema_metadata({})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    with pytest.raises(ValueError, match=r"the columns 'resampled/\.\.\.' are damaged"):
        Scores.from_parquet(buffer.getvalue())
