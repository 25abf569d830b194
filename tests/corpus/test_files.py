"""Local files: what is read, what is passed over, and what is said about the rest."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.corpus.documents import Document
from benchmark.corpus.files import file_documents
from benchmark.corpus.options import DatasetOptions
from benchmark.errors import BenchmarkError


def read(path: Path, **options: Any) -> list[Document]:
    config = {"kind": "text", "path": str(path), **options}
    documents, _ = file_documents(DatasetOptions.from_config(config))
    return list(documents)


def texts(path: Path, **options: Any) -> list[str]:
    return [document.text for document in read(path, **options)]


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(BenchmarkError) as raised:
        read(path, **options)
    return str(raised.value)


def test_a_folder_is_read_with_its_subfolders_in_the_order_of_the_paths(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "note.md").write_text("# Note")
    (tmp_path / "a.TXT").write_text("upper case suffix")
    (tmp_path / "z.py").write_text("x = 1\n")
    (tmp_path / "rows.jsonl").write_text('{"text": "row"}\n')
    pq.write_table(pa.table({"text": ["cell"]}), tmp_path / "table.parquet")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / ".hidden.txt").write_text("hidden")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "message.txt").write_text("hidden too")
    assert [(document.name, document.text) for document in read(tmp_path)] == [
        ("a.TXT", "upper case suffix"),
        ("b/note.md", "# Note"),
        ("rows.jsonl:1", "row"),
        ("table.parquet:1", "cell"),
        ("z.py", "x = 1\n"),
    ]


def test_the_number_of_files_is_recorded(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    options = DatasetOptions.from_config({"kind": "text", "path": str(tmp_path)})
    assert file_documents(options)[1] == {"files": 2}


def test_a_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.txt").write_text("at home")
    assert texts(Path("~/a.txt")) == ["at home"]


def test_marks_and_line_ends_of_other_systems_leave_no_trace(tmp_path: Path) -> None:
    file = tmp_path / "windows.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert texts(file) == ["one\ntwo\nthree\n"]


def test_a_long_plain_file_becomes_several_documents(tmp_path: Path) -> None:
    file = tmp_path / "novel.txt"
    file.write_text("".join(f"Paragraph number {n}.\n\n" for n in range(2_000)))
    pieces = texts(file)
    assert len(pieces) == 3
    assert all(len(piece) <= 20_000 and piece.endswith(".\n\n") for piece in pieces)
    assert "".join(pieces) == file.read_text()
    assert len(texts(file, max_document_characters=1_000)) > 40
    assert len(texts(file, max_document_characters=None)) == 1


def test_rows_are_documents_however_long(tmp_path: Path) -> None:
    long = "word " * 10_000
    (tmp_path / "rows.jsonl").write_text(json.dumps({"text": long}))
    assert texts(tmp_path) == [long]


def test_bytes_that_are_not_utf8_are_named_or_replaced_on_request(tmp_path: Path) -> None:
    file = tmp_path / "latin.txt"
    file.write_bytes("café".encode("latin-1"))
    message = refused(file)
    assert f"{file} is not UTF-8 (byte 0xe9 at offset 3)" in message
    assert "dataset.encoding_errors=replace" in message
    assert texts(file, encoding_errors="replace") == ["caf\ufffd"]
    file.write_bytes("text".encode("utf-16"))
    assert f"{file} is UTF-16; convert it to UTF-8" in refused(file)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "novels").mkdir()
    message = refused(tmp_path / "novel")
    assert (
        f"'{tmp_path / 'novel'}' does not exist; did you mean '{tmp_path / 'novels'}'?" in message
    )
    message = refused(tmp_path / "novls" / "deep" / "a.txt")
    assert f"did you mean '{tmp_path / 'novels'}'?" in message
    message = refused(tmp_path / "elsewhere" / "a.txt")
    assert f"does not exist: there is no '{tmp_path / 'elsewhere'}'" in message


def test_a_type_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "book.pdf"
    file.write_bytes(b"%PDF")
    message = refused(file)
    assert "book.pdf" in message
    assert "type" in message
    assert ".txt, .md, .py, .jsonl, .parquet" in message


def test_a_folder_with_nothing_to_read(tmp_path: Path) -> None:
    assert "no file at all" in refused(tmp_path)
    for name in ("a.pdf", "b.pdf", "Makefile"):
        (tmp_path / name).write_text("x")
    message = refused(tmp_path)
    assert f"'{tmp_path}' holds nothing that can be read (2 .pdf, 1 (no suffix))" in message


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.parquet"])
def test_a_file_that_the_system_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / name).write_bytes(b"{}")
    monkeypatch.setattr("benchmark.files.reading.os.open", refuse)
    monkeypatch.setattr(pq, "ParquetFile", refuse)
    assert f"{tmp_path / name} cannot be read: Permission denied" in refused(tmp_path)


class TestTables:
    """.jsonl and .parquet files, a document a row."""

    def test_lines(self, tmp_path: Path) -> None:
        file = tmp_path / "rows.jsonl"
        file.write_bytes(
            b'\xef\xbb\xbf{"id": 1, "text": "one\\r\\n"}\r\n\n  \n'
            b'{"text": null, "id": 2}\n{"text": "\\ud800 alone", "id": 3}'
        )
        assert [(document.name, document.text) for document in read(file)] == [
            ("rows.jsonl:1", "one\r\n"),
            ("rows.jsonl:4", ""),
            ("rows.jsonl:5", "\ufffd alone"),
        ]

    @pytest.mark.parametrize(
        ("columns", "wanted", "expected"),
        [
            (["id", "content", "text"], None, "text"),
            (["id", "content"], None, "content"),
            (["code", "id"], None, "code"),
            (["id", "text", "story"], "story", "story"),
        ],
    )
    def test_the_column(
        self, tmp_path: Path, columns: list[str], wanted: str | None, expected: str
    ) -> None:
        row = {name: f"in {name}" for name in columns}
        (tmp_path / "a.jsonl").write_text(json.dumps(row))
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / "b.parquet")
        assert texts(tmp_path, column=wanted) == [f"in {expected}"] * 2

    @pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
    def test_a_column_that_is_not_there(self, tmp_path: Path, name: str) -> None:
        file = tmp_path / name
        row = {"story": "x", "title": "y"}
        if name.endswith("jsonl"):
            file.write_text(json.dumps(row))
        else:
            pq.write_table(pa.Table.from_pylist([row]), file)
        message = refused(file)
        assert str(file) in message
        assert "columns: story, title" in message
        assert "dataset.column=<name>" in message
        message = refused(file, column="storey")
        assert "no column is called 'storey'; did you mean dataset.column=story?" in message

    @pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
    def test_a_column_that_is_not_text(self, tmp_path: Path, name: str) -> None:
        file = tmp_path / name
        rows: list[dict[str, Any]] = [{"text": None}, {"text": ["a", "list"]}]
        if name.endswith("jsonl"):
            file.write_text("\n".join(map(json.dumps, rows)))
        else:
            pq.write_table(pa.Table.from_pylist(rows), file)
        message = refused(file)
        assert re.search(rf"{re.escape(str(file))}, (line|row) 2: column 'text' holds a", message)

    @pytest.mark.parametrize(
        ("line", "part"),
        [
            ('{"text": "cut of', "is not valid JSON"),
            ("[1, 2]", "holds a list; every line must be a JSON object"),
            ('{"title": "no text"}', "columns: title"),
            ("[" * 100_000, "is not valid JSON"),
        ],
    )
    def test_a_broken_line_is_named(self, tmp_path: Path, line: str, part: str) -> None:
        file = tmp_path / "rows.jsonl"
        file.write_text('{"text": "good"}\n\n' + line + "\n")
        message = refused(file)
        assert f"{file}, line 3" in message
        assert part in message

    def test_a_line_that_is_not_utf8_is_named(self, tmp_path: Path) -> None:
        file = tmp_path / "rows.jsonl"
        file.write_bytes(b'{"text": "caf\xe9"}\n')
        assert f"{file}, line 1 is not valid JSON" in refused(file)

    @pytest.mark.parametrize(
        "content", [b"", b"PAR1 and then nonsense", b"PAR1" + bytes(40) + b"PAR1"]
    )
    def test_a_broken_table_is_named(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "rows.parquet"
        file.write_bytes(content)
        message = refused(file)
        assert str(file) in message
        assert "cannot be read" in message
        assert "\n" not in message

    def test_a_long_table_is_read_a_few_rows_at_a_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "rows.parquet"
        rows = [f"row {n}" for n in range(2_000)]
        pq.write_table(pa.table({"text": rows, "big": ["x" * 50] * 2_000}), file)
        batches: list[tuple[int, list[str]]] = []
        iterate = pq.ParquetFile.iter_batches

        def watched(self: Any, **options: Any) -> Any:
            for batch in iterate(self, **options):
                batches.append((batch.num_rows, batch.schema.names))
                yield batch

        monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
        documents, _ = file_documents(
            DatasetOptions.from_config({"kind": "text", "path": str(file)})
        )
        assert next(iter(documents)).text == "row 0"
        assert len(batches) == 1
        assert [document.text for document in documents] == rows[1:]
        assert max(n_rows for n_rows, _ in batches) <= 256
        assert all(names == ["text"] for _, names in batches)
