"""Replicates of scores in the files of a run: small, and part of the table of scores.

What is kept is how far a score on a resample of the documents lies from the score on all of them,
in steps of 2^-12: far finer than any interval, and a third of the size of full precision. Of 256
neurons, 200 resamples and three metrics that is some 200 KB.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import BenchmarkError
from benchmark.files.reading import parse_json
from benchmark.token_text import one_line

if TYPE_CHECKING:
    import pyarrow as pa

RESAMPLED = "resampled"
"""The key of a row, and the prefix of columns of the file, such as `resampled/uniform/pearson`."""

STEP = 2.0**-12
_NULL = np.iinfo(np.int16).min
LARGEST = -_NULL * STEP
MOST_DOCUMENTS = 10**12
_DRAW, _DOCUMENTS, _FURTHER, _COLUMNS = "draw", "documents", "further", "columns"


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


def joined_entries(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one entry of several, of draws from the documents of one scoring set each."""
    first, *others = entries
    return {**first, _FURTHER: others} if others else dict(first)


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


@dataclass(frozen=True)
class Resampled:
    """How far scores on resamples of the documents lie from those on all of them.

    Attributes:
        deviations: by column, `[n_neurons, n_resamples]`, NaN where the metric is null.
        n_documents: how many documents were drawn from.
        draw: an identifier of the resamples.
        further: the scores on resamples of other documents, of other columns.
    """

    deviations: dict[str, NDArray[np.float32]]
    n_documents: int
    draw: str
    further: tuple[Resampled, ...] = ()

    def of(self, column: str) -> Resampled | None:
        """Return the draw that a column was scored on, None where it was on none."""
        draws = (self, *self.further)
        return next((one for one in draws if column in one.deviations), None)

    @classmethod
    def from_entries(cls, entries: Sequence[Any]) -> Resampled | None:
        """Gather the entries of rows; None where one has none or they are of different draws."""
        kinds = {
            (entry[_DRAW], entry[_DOCUMENTS], tuple(sorted(entry)), len(entry.get(_FURTHER, ())))
            for entry in entries
            if isinstance(entry, dict)
        }
        if len(kinds) != 1 or None in entries:
            return None
        draw, n_documents, names, n_further = kinds.pop()
        deviations = {
            name: np.stack([_decoded(entry[name]) for entry in entries if entry is not None])
            for name in names
            if name not in (_DRAW, _DOCUMENTS, _FURTHER)
        }
        further = [
            cls.from_entries([entry[_FURTHER][number] for entry in entries])
            for number in range(n_further)
        ]
        known = tuple(one for one in further if one is not None)
        return cls(deviations, n_documents, draw, known)

    @classmethod
    def from_table(cls, table: pa.Table) -> Resampled | None:
        """Take them from a table as `added_to` gives it; None where it has none.

        Raises:
            ValueError: they are damaged.
        """
        names = [name for name in table.column_names if name.startswith(f"{RESAMPLED}/")]
        if not names or not table.num_rows:
            return None
        about = _about((table.schema.metadata or {}).get(RESAMPLED.encode(), b""))
        deviations = {name.removeprefix(f"{RESAMPLED}/"): _values(table, name) for name in names}
        if len({values.shape for values in deviations.values()}) > 1:
            raise ValueError(f"the columns '{RESAMPLED}/...' have different numbers of resamples")
        further = []
        for own, n_documents, draw in _further(about.get(_FURTHER, [])):
            taken = {name: deviations.pop(name) for name in own if name in deviations}
            further.append(cls(taken, n_documents, draw))
        return cls(deviations, *_drawn(about), tuple(further))

    def added_to(self, table: pa.Table) -> pa.Table:
        """Return the table with them as further columns, lists of as many numbers as resamples."""
        import pyarrow as pa

        for one in (self, *self.further):
            for name, values in one.deviations.items():
                flat = pa.array(values.ravel())
                column = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
                table = table.append_column(f"{RESAMPLED}/{name}", column)
        about: dict[str, Any] = {_DRAW: self.draw, _DOCUMENTS: self.n_documents}
        if self.further:
            about[_FURTHER] = [
                {_DRAW: one.draw, _DOCUMENTS: one.n_documents, _COLUMNS: [*one.deviations]}
                for one in self.further
            ]
        metadata = {**(table.schema.metadata or {}), RESAMPLED: json.dumps(about)}
        return table.replace_schema_metadata(metadata)


def _about(data: bytes) -> Mapping[str, Any]:
    """Return what the file says of the resamples.

    Raises:
        ValueError: it says nothing.
    """
    try:
        about = parse_json(data, "what it says of them")
    except BenchmarkError as error:
        raise ValueError(f"the columns '{RESAMPLED}/...': {str(error).rstrip('.')}") from error
    return about if isinstance(about, dict) else {}


def _further(said: Any) -> list[tuple[list[str], int, str]]:
    """Return the columns of each further draw, of how many documents, and which it is.

    Raises:
        ValueError: one does not say so.
    """
    found = []
    unsaid = f"the columns '{RESAMPLED}/...' do not say of which documents they are"
    for entry in said if isinstance(said, list) else [None]:
        about = entry if isinstance(entry, dict) else {}
        columns = about.get(_COLUMNS)
        if not isinstance(columns, list) or not all(isinstance(one, str) for one in columns):
            raise ValueError(unsaid)
        found.append((columns, *_drawn(about)))
    return found


def _drawn(said: Mapping[str, Any]) -> tuple[int, str]:
    """Return of how many documents resamples are, and which they are.

    Raises:
        ValueError: it is not said.
    """
    draw, n_documents = said.get(_DRAW), said.get(_DOCUMENTS)
    if not isinstance(n_documents, int) or isinstance(n_documents, bool):
        n_documents = 0
    if not isinstance(draw, str) or not 1 <= n_documents <= MOST_DOCUMENTS:
        raise ValueError(f"the columns '{RESAMPLED}/...' do not say of which documents they are")
    return n_documents, draw


def _values(table: pa.Table, name: str) -> NDArray[np.float32]:
    """Return one column, `[n_neurons, n_resamples]`.

    Raises:
        ValueError: it holds something else than as many small numbers for each neuron.
    """
    import pyarrow as pa

    column, shown = table.column(name).combine_chunks(), one_line(name)[:60]
    kind = column.type
    lists = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind)
    if not lists or not pa.types.is_floating(kind.value_type) or column.null_count:
        raise ValueError(f"column '{shown}' holds {kind}, not a list of numbers for each neuron")
    numbers = column.flatten().to_numpy(zero_copy_only=False)
    flat: NDArray[np.float32] = numbers.astype(np.float32)
    n_resamples = len(flat) // table.num_rows
    lengths = () if pa.types.is_fixed_size_list(kind) else column.value_lengths().to_pylist()
    if any(length != n_resamples for length in lengths):
        raise ValueError(f"column '{shown}' does not hold as many numbers for each neuron")
    # What is null is NaN; nothing else can lie this far from a score.
    if not n_resamples or (np.abs(flat) > LARGEST).any():
        raise ValueError(f"column '{shown}' holds numbers that no resample gives, or none")
    return flat.reshape(table.num_rows, n_resamples)


def without_resampled(table: pa.Table) -> pa.Table:
    """Return the table without the columns of replicates."""
    names = [name for name in table.column_names if name.startswith(f"{RESAMPLED}/")]
    return table.drop_columns(names) if names else table
