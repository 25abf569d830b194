"""Documents from the rows of tables: the column that holds the text, .jsonl and .parquet files."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmark.corpus.documents import Document
from benchmark.errors import BenchmarkError
from benchmark.files.reading import check_regular, first_line, opened

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
USUAL_COLUMNS = ("text", "content", "code")


def choose_column(columns: Iterable[str], wanted: str | None, where: str) -> str:
    """Return the wanted column, or the usual one that is there; errors name the table `where`."""
    names = list(columns)
    if wanted is not None:
        if wanted in names:
            return wanted
        near = difflib.get_close_matches(wanted, names, n=1)
        guess = f"; did you mean dataset.column={near[0]}?" if near else "."
        raise BenchmarkError(f"{where}: no column is called '{wanted}'{guess} {_listed(names)}")
    for usual in USUAL_COLUMNS:
        if usual in names:
            return usual
    raise BenchmarkError(
        f"{where}: none of the columns is called {', '.join(USUAL_COLUMNS)}; "
        f"choose one with dataset.column=<name>. {_listed(names)}"
    )


def _listed(names: list[str]) -> str:
    return f"columns: {', '.join(names) or '(none)'}"


def text_of(value: Any, where: str, column: str) -> str:
    """Return a cell as text: a null is empty, anything else that is not text is an error."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BenchmarkError(
            f"{where}: column '{column}' holds a {type(value).__name__}, not text; "
            "choose another with dataset.column=<name>"
        )
    # JSON can smuggle in lone surrogates, which UTF-8 (and a tokenizer) cannot hold.
    return LONE_SURROGATE.sub("\ufffd", value)


BYTE_ORDER_MARK = b"\xef\xbb\xbf"
ROWS_AT_ONCE = 256


def jsonl_documents(path: Path, name: str, wanted: str | None) -> Iterator[Document]:
    """Yield a document per line; blank lines are skipped and a null is an empty text."""
    column: str | None = None
    with opened(path) as lines:
        for number, line in enumerate(lines, start=1):
            if number == 1:
                line = line.removeprefix(BYTE_ORDER_MARK)
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            row = _json_object(line, where)
            if column is None or column not in row:
                column = choose_column(row, wanted or column, where)
            yield Document(f"{name}:{number}", text_of(row[column], where, column))


def parquet_documents(path: Path, name: str, wanted: str | None) -> Iterator[Document]:
    """Yield a document per row, read a few rows at a time; a null is an empty text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        check_regular(path)
        with pq.ParquetFile(path, pre_buffer=False) as file:
            column = choose_column(file.schema_arrow.names, wanted, str(path))
            number = 0
            # One column gains nothing from threads, which may outlive a command that ends soon.
            batches = file.iter_batches(
                batch_size=ROWS_AT_ONCE, columns=[column], use_threads=False
            )
            for batch in batches:
                for value in batch.column(0).to_pylist():
                    number += 1
                    where = f"{path}, row {number}"
                    yield Document(f"{name}:{number}", text_of(value, where, column))
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{path} cannot be read as parquet: {first_line(error)}") from error


def _json_object(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BenchmarkError(f"{where} is not valid JSON: {first_line(error)}") from error
    if not isinstance(row, dict):
        raise BenchmarkError(
            f"{where} holds a {type(row).__name__}; every line must be a JSON object with a text "
            "column"
        )
    return row
