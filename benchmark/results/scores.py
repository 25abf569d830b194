"""The table of scores: one row per neuron, every metric on every scoring set, and the costs."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.column import BOOL, FLOAT, INT, SCORE, Column
from benchmark.files.reading import first_line, parse_table
from benchmark.results.columns import (
    DRAWN_SETS,
    KEY_COLUMNS,
    POSITIVES,
    beside_sets,
    declared_columns,
    describe,
    in_order,
    metric_of,
    on_a_set,
    score_column,
)
from benchmark.results.encoding import plain
from benchmark.results.resampled import RESAMPLED, Resampled, without_resampled
from benchmark.token_text import one_line

if TYPE_CHECKING:
    import pyarrow as pa

    from metrics import Replicates

OK = "ok"
FAILED = "failed"
# Of a layer or a neuron; no model comes near.
LARGEST_INDEX = 2**31 - 1


class Scores:
    """Scores of a run's neurons, sorted by layer and neuron.

    Columns are named `<group>/<what>`, the group being a scoring set such as `uniform` or a scorer;
    `about` says what a column is. A null means that a score cannot be computed for that neuron.
    Costs that a block of neurons shares are divided among them. `replicates` gives the scores on
    resamples of the documents, which are columns of the file and not of `table`.

    Args:
        table: the table.
        resampled: the scores on resamples of the documents.
        declared: the columns that scorers declared which are none of the benchmark's own.
    """

    def __init__(
        self,
        table: pa.Table,
        resampled: Resampled | None = None,
        declared: Iterable[Column] = (),
    ) -> None:
        self.table = table
        self._resampled = resampled
        self.declared = declared_columns(declared)

    @classmethod
    def from_rows(
        cls, rows: Iterable[Mapping[str, Any]], declared: Iterable[Column] = ()
    ) -> Scores:
        """Return the table of rows as `RunWriter.write_block` takes them; a missing value is null.

        Raises:
            TypeError, ValueError: a value does not fit its column.
        """
        import pyarrow as pa

        # A row at a time: as dicts, the rows of a large run would take gigabytes.
        keys: list[tuple[int, int]] = []
        values: dict[str, list[Any]] = {}
        first: dict[str, tuple[tuple[int, int], int]] = {}
        entries: list[Any] = []
        for number, row in enumerate(map(plain, rows)):
            key = (row["layer"], row["neuron"])
            keys.append(key)
            entries.append(row.pop(RESAMPLED, None))
            for place, (name, value) in enumerate(row.items()):
                column = values.setdefault(name, [])
                column += [None] * (number - len(column))
                column.append(value)
                first[name] = min(first.get(name, (key, place)), (key, place))
        order = sorted(range(len(keys)), key=keys.__getitem__)
        known = declared_columns(declared)
        columns = {}
        for name in in_order(sorted(values, key=first.__getitem__)):
            column = values.pop(name, [])
            column += [None] * (len(keys) - len(column))
            try:
                columns[name] = pa.array([column[i] for i in order], _column_type(name, known))
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise TypeError(f"column '{name}' of the scores: {error}") from error
        resampled = Resampled.from_entries([entries[i] for i in order])
        return cls(pa.table(columns), resampled, known.values())

    @classmethod
    def from_parquet(cls, data: bytes, declared: Iterable[Column] = ()) -> Scores:
        """Return the table that `to_parquet` wrote.

        Raises:
            ValueError: the bytes are no such table, or a column holds what it cannot.
        """
        table = parse_table(data)
        missing = [name for name in KEY_COLUMNS if name not in table.column_names]
        if missing:
            raise ValueError(f"column '{missing[0]}' is missing")
        table = _in_order(table)
        known = declared_columns(declared)
        checked = _checked_columns(without_resampled(table), known)
        return cls(checked, Resampled.from_table(table), known.values())

    def without(self, column: str) -> Scores:
        """Return the scores without a column, which they need not have."""
        if column not in self.table.column_names:
            return self
        return Scores(self.table.drop_columns([column]), self._resampled)

    def to_parquet(self) -> bytes:
        """Return the table as the bytes of a parquet file."""
        import pyarrow.parquet as pq

        buffer = io.BytesIO()
        table = self.table if self._resampled is None else self._resampled.added_to(self.table)
        pq.write_table(table, buffer, compression="zstd")
        return buffer.getvalue()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def columns(self) -> list[str]:
        """Return the names of all columns, in order."""
        return list(self.table.column_names)

    def about(self, name: str) -> Column:
        """Return what a column such as `uniform/pearson` is."""
        return describe(name, self.declared)

    @property
    def described(self) -> list[Column]:
        """Return what every column is that a scorer or the harness measured, in order."""
        return [self.about(name) for name in self.columns if "/" in name]

    @property
    def metric_columns(self) -> list[str]:
        """Return the names of the scores, such as `uniform/pearson`, in order."""
        return [one.name for one in self.described if one.kind == SCORE]

    @property
    def scoring_sets(self) -> list[str]:
        """Return the scoring sets that the metrics are measured on, in order."""
        return list(
            dict.fromkeys(
                one.group for one in self.described if one.kind == SCORE and on_a_set(one)
            )
        )

    @property
    def small_alone(self) -> bool:
        """Return whether a simulator predicted `uniform_small` alone of the uniform text."""
        names = [score_column(one, POSITIVES) for one in DRAWN_SETS]
        if not set(names) <= set(self.columns):
            return False
        whole, small = (~np.isnan(self.column(name)) for name in names)
        return bool(small.any() and not whole.any())

    @property
    def positives_columns(self) -> list[str]:
        """Return the names of the counts of tokens that fire, such as `uniform/positives`."""
        return [name for name in self.columns if metric_of(name) == POSITIVES]

    @property
    def beside_sets(self) -> list[Column]:
        """Return the scores that tables show beside those on scoring sets."""
        return beside_sets(self.described)

    def column(self, name: str) -> np.ndarray[Any, Any]:
        """Return one column, `[n_neurons]`: float64 with NaN for null, or bool, or str for text.

        A null in a column of booleans is False, in a column of text the empty string.

        Raises:
            KeyError: there is no such column.
        """
        if name not in self.table.column_names:
            raise KeyError(f"no column '{name}' in the scores; there are {', '.join(self.columns)}")
        values = self.table.column(name).to_pylist()
        if name in ("layer", "neuron"):
            return np.array(values, dtype=np.int64)
        if name in ("status", "error"):
            return np.array(["" if value is None else value for value in values], dtype=np.str_)
        if "/" in name and self.about(name).dtype == BOOL:
            return np.array([bool(value) for value in values], dtype=np.bool_)
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    def replicates(self, name: str) -> Replicates | None:
        """Return a column on each resample of the documents, None where it was not resampled."""
        from metrics import Replicates

        found = None if self._resampled is None else self._resampled.of(name)
        if found is None or name not in self.columns:
            return None
        values = self.column(name)[:, None] + found.deviations[name].astype(np.float64)
        return Replicates(values, found.n_documents, found.draw)

    def to_numpy(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return every column by name, as `column` gives it."""
        return {name: self.column(name) for name in self.columns}

    def rows(self, only: Collection[tuple[int, int]] | None = None) -> list[dict[str, Any]]:
        """Return one dict per neuron, None for null; `only` are the (layer, neuron) of some."""
        if only is None:
            return list(self.table.to_pylist())
        wanted = set(only)
        places = [place for place, key in enumerate(self.neurons()) if key in wanted]
        return list(self.table.take(np.array(places, dtype=np.int64)).to_pylist())

    def neurons(self) -> list[tuple[int, int]]:
        """Return the (layer, neuron) of every row, in order."""
        layers: Sequence[int] = self.table.column("layer").to_pylist()
        neurons: Sequence[int] = self.table.column("neuron").to_pylist()
        return list(zip(layers, neurons, strict=True))


def _checked_columns(table: pa.Table, declared: Mapping[str, Column]) -> pa.Table:
    """Return the table with every column of the type that it is written with.

    Raises:
        ValueError: a column is of another kind, a number is not finite, a row has no status.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = []
    for name in table.column_names:
        column, wanted = table.column(name), _column_type(name, declared)
        shown = one_line(name)[:60]
        if not _convertible(column.type, wanted):
            raise ValueError(f"column '{shown}' holds {column.type}, not {wanted}")
        try:
            column = column.cast(wanted)
        except pa.ArrowException as error:
            raise ValueError(f"column '{shown}': {first_line(error)}") from error
        if pa.types.is_floating(wanted) and pc.all(pc.is_finite(column)).as_py() is False:
            raise ValueError(f"column '{shown}' holds a number that is not finite")
        columns.append(column)
    checked = pa.table(columns, names=table.column_names)
    for name in ("layer", "neuron"):
        numbers = checked.column(name).to_pylist()
        if any(number is not None and not 0 <= number <= LARGEST_INDEX for number in numbers):
            raise ValueError(f"column '{name}' holds a number that no {name} has")
    statuses = set(checked.column("status").to_pylist())
    if not statuses <= {OK, FAILED}:
        other = next(str(status) for status in statuses if status not in (OK, FAILED))
        raise ValueError(f"column 'status' holds {one_line(other)[:60]!r}")
    return checked


def _convertible(kind: pa.DataType, wanted: pa.DataType) -> bool:
    """Return whether a column says the same in the type that it should have."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind) or kind == wanted:
        return True
    if pa.types.is_string(wanted):
        return bool(pa.types.is_large_string(kind))
    if pa.types.is_floating(wanted):
        return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
    return bool(pa.types.is_integer(wanted) and pa.types.is_integer(kind))


def _in_order(table: pa.Table) -> pa.Table:
    """Return the rows by layer and neuron, also of a table that another hand has written."""
    keys = list(
        zip(table.column("layer").to_pylist(), table.column("neuron").to_pylist(), strict=True)
    )
    if None in {part for key in keys for part in key}:
        raise ValueError("a row names no layer or no neuron")
    if len(set(keys)) < len(keys):
        layer, neuron = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"neuron {layer}.{neuron} has more than one row")
    if keys == sorted(keys):
        return table
    return table.sort_by([("layer", "ascending"), ("neuron", "ascending")])


def _column_type(name: str, declared: Mapping[str, Column]) -> pa.DataType:
    import pyarrow as pa

    if name in ("layer", "neuron"):
        return pa.int64()
    if name in ("status", "error"):
        return pa.string()
    types = {INT: pa.int64(), BOOL: pa.bool_(), FLOAT: pa.float64()}
    return types[describe(name, declared).dtype]
