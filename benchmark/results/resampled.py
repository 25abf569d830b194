"""Replicates of scores in the files of a run: small, and part of the table of scores.

What is kept is how far a score on a resample of the documents lies from the score on all of them,
in steps of 2^-12: far finer than any interval, and a third of the size of full precision. Of 256
neurons, 200 resamples and three metrics that is some 200 KB.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

RESAMPLED = "resampled"
"""The key of a row, and the prefix of columns of the file, such as `resampled/uniform/pearson`."""

STEP = 2.0**-12
_NULL = np.iinfo(np.int16).min
_DRAW, _DOCUMENTS = "draw", "documents"


def resampled_entry(
    deviations: Mapping[str, NDArray[np.floating[Any]]], n_documents: int, draw: str
) -> dict[str, Any]:
    """Return what a neuron's row keeps under `RESAMPLED`.

    Args:
        deviations: by column, the score on each resample minus that on all documents,
            `[n_resamples]`, NaN where it is null; within -2 and 2.
        n_documents: how many documents were drawn from.
        draw: an identifier of the resamples.
    """
    return {
        _DRAW: draw,
        _DOCUMENTS: n_documents,
        **{column: _encoded(values) for column, values in deviations.items()},
    }


def _encoded(values: NDArray[np.floating[Any]]) -> str:
    known = ~np.isnan(values)
    steps = np.full(len(values), _NULL, dtype="<i2")
    steps[known] = np.clip(np.rint(values[known] / STEP), _NULL + 1, -(_NULL + 1))
    return base64.b64encode(steps.tobytes()).decode("ascii")


def _decoded(text: str) -> NDArray[np.float32]:
    steps = np.frombuffer(base64.b64decode(text), dtype="<i2")
    values: NDArray[np.float32] = steps.astype(np.float32) * np.float32(STEP)
    values[steps == _NULL] = np.nan
    return values


class Resampled:
    """How far scores on resamples of the documents lie from those on all of them.

    Attributes:
        deviations: by column, `[n_neurons, n_resamples]`, NaN where the metric is null.
        n_documents: how many documents were drawn from.
        draw: an identifier of the resamples.
    """

    def __init__(
        self, deviations: dict[str, NDArray[np.float32]], n_documents: int, draw: str
    ) -> None:
        self.deviations = deviations
        self.n_documents = n_documents
        self.draw = draw

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]]) -> Resampled | None:
        """Gather the entries of rows; None where one has none or they are of different draws."""
        entries = [row.get(RESAMPLED) for row in rows]
        kinds = {
            (entry[_DRAW], entry[_DOCUMENTS], tuple(sorted(entry)))
            for entry in entries
            if isinstance(entry, dict)
        }
        if len(kinds) != 1 or None in entries:
            return None
        draw, n_documents, names = kinds.pop()
        deviations = {
            name: np.stack([_decoded(entry[name]) for entry in entries if entry is not None])
            for name in names
            if name not in (_DRAW, _DOCUMENTS)
        }
        return cls(deviations, n_documents, draw)

    @classmethod
    def from_table(cls, table: pa.Table) -> Resampled | None:
        """Take them from a table as `added_to` gives it; None where it has none.

        Raises:
            ValueError: they are damaged.
        """
        names = [name for name in table.column_names if name.startswith(f"{RESAMPLED}/")]
        if not names:
            return None
        try:
            about = json.loads(table.schema.metadata[RESAMPLED.encode()])
            deviations = {}
            for name in names:
                flat = table.column(name).combine_chunks().flatten().to_numpy(zero_copy_only=False)
                values = flat.astype(np.float32).reshape(table.num_rows, -1)
                deviations[name.removeprefix(f"{RESAMPLED}/")] = values
            return cls(deviations, int(about[_DOCUMENTS]), str(about[_DRAW]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the columns '{RESAMPLED}/...' are damaged: {error!r}") from error

    def added_to(self, table: pa.Table) -> pa.Table:
        """Return the table with them as further columns, lists of as many numbers as resamples."""
        import pyarrow as pa

        for name, values in self.deviations.items():
            column = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
            table = table.append_column(f"{RESAMPLED}/{name}", column)
        about = {_DRAW: self.draw, _DOCUMENTS: self.n_documents}
        metadata = {**(table.schema.metadata or {}), RESAMPLED: json.dumps(about)}
        return table.replace_schema_metadata(metadata)


def without_resampled(table: pa.Table) -> pa.Table:
    """Return the table without the columns of replicates."""
    names = [name for name in table.column_names if name.startswith(f"{RESAMPLED}/")]
    return table.drop_columns(names) if names else table
