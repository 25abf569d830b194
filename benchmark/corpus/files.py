"""Local files as a corpus: plain text, one document a file, and tables, one document a row."""

from __future__ import annotations

import codecs
import difflib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmark.corpus.documents import Document, cut_documents
from benchmark.corpus.options import DatasetOptions
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


PLAIN = (".txt", ".md", ".py")
READABLE = (*PLAIN, ".jsonl", ".parquet")
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def text_files(path: Path) -> list[Path]:
    """Return every readable file under a folder, in the order of the paths, or the one file itself.

    Hidden files and folders and `__pycache__` are left out. Raises `BenchmarkError` if there is
    nothing to read.
    """
    if path.is_file():
        if path.suffix.lower() not in READABLE:
            raise BenchmarkError(
                f"dataset.path '{path}' is a file of a type that cannot be read; "
                f"readable: {', '.join(READABLE)}"
            )
        return [path]
    if path.exists() and not path.is_dir():
        check_regular(path)
    if not path.is_dir():
        raise BenchmarkError(f"dataset.path '{path}' does not exist{_nearest(path)}")
    found, others = [], Counter[str]()

    def refuse(error: OSError) -> None:
        raise BenchmarkError(f"{error.filename} cannot be read: {error.strerror}") from error

    for folder, folders, names in os.walk(path, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        for name in names:
            file = Path(folder, name)
            if name.startswith(".") or not file.is_file():
                continue
            if file.suffix.lower() in READABLE:
                found.append(file)
            else:
                others[file.suffix.lower() or "(no suffix)"] += 1
    if not found:
        seen = ", ".join(f"{n} {suffix}" for suffix, n in others.most_common(5)) or "no file at all"
        raise BenchmarkError(
            f"dataset.path '{path}' holds nothing that can be read ({seen}); "
            f"readable: {', '.join(READABLE)}"
        )
    return sorted(found)


def file_documents(options: DatasetOptions) -> tuple[Iterator[Document], dict[str, object]]:
    """Return the documents of `dataset.path`, and how many files they come from."""
    assert options.path is not None
    root = Path(options.path).expanduser()
    files = text_files(root)
    return _documents(root, files, options), {"files": len(files)}


def _documents(root: Path, files: list[Path], options: DatasetOptions) -> Iterator[Document]:
    for file in files:
        name = file.relative_to(root).as_posix() if file != root else file.name
        suffix = file.suffix.lower()
        try:
            if suffix == ".jsonl":
                yield from jsonl_documents(file, name, options.column)
            elif suffix == ".parquet":
                yield from parquet_documents(file, name, options.column)
            else:
                document = Document(name, read_plain(file, options.encoding_errors))
                yield from cut_documents([document], options.max_document_characters)
        except OSError as error:
            reason = error.strerror or str(error).splitlines()[0]
            raise BenchmarkError(f"{file} cannot be read: {reason}") from error


def read_plain(path: Path, encoding_errors: str = "strict") -> str:
    """Return a UTF-8 file's text without byte-order mark, each line ending in a bare newline.

    Raises `BenchmarkError` for other encodings, unless `encoding_errors` is `replace`, which puts
    U+FFFD where a byte is not UTF-8.
    """
    with opened(path) as file:
        content = file.read()
    try:
        text = content.decode("utf-8-sig", encoding_errors)
    except UnicodeDecodeError as error:
        if content.startswith(UTF16_MARKS):
            raise BenchmarkError(f"{path} is UTF-16; convert it to UTF-8") from error
        raise BenchmarkError(
            f"{path} is not UTF-8 (byte 0x{content[error.start]:02x} at offset {error.start}); "
            "convert it, or read it all the same with dataset.encoding_errors=replace"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _nearest(path: Path) -> str:
    """Return what stands beside a path that does not exist and is called nearly the same."""
    missing = path
    while not missing.parent.is_dir() and missing.parent != missing:
        missing = missing.parent
    try:
        siblings = os.listdir(missing.parent)
    except OSError:
        return ""
    near = difflib.get_close_matches(missing.name, siblings, n=1)
    if near:
        return f"; did you mean '{missing.parent / near[0]}'?"
    return "" if missing == path else f": there is no '{missing}'"
