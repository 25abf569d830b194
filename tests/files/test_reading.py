"""The gate for files of others: whatever is wrong becomes one sentence that names the file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import BenchmarkError
from benchmark.files import reading
from benchmark.files.reading import (
    lines,
    opened,
    parse_json,
    parse_json_line,
    read_bytes,
    read_json,
)

DAMAGED = {
    b"": "Expecting value",
    b"{": "Expecting property name",
    b"[" * 100_000: "nested too deep",
    b'{"a":' * 100 + b"1" + b"}" * 100: "nested too deep",
    b"[" + b"9" * 5000 + b"]": "digits",
    b"[1e999]": "the number 1e999 is too large",
    b"[-1e999]": "too large",
    b"[NaN]": "NaN is no JSON number",
    b"[Infinity]": "Infinity is no JSON number",
    b'["\\ud800"]': "no Unicode",
    b'{"\\udfff": 1}': "no Unicode",
    b'["a\\u0000b"]': "NUL",
    b'{"a": 1, "a": 2}': "'a' is there twice",
    b"\xff\xfe[]": "not UTF-8",
}
FINE_IN_LINES = (b'["a\\u0000b"]', b'{"a": 1, "a": 2}', b'{"a":' * 100 + b"1" + b"}" * 100)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize("data", DAMAGED)
def test_damaged_json_is_one_sentence(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(data)
    with pytest.raises(BenchmarkError) as caught:
        read_json(path)
    message = str(caught.value)
    assert message.startswith(f"'{path}' is damaged: ")
    assert DAMAGED[data] in message
    assert len(message.splitlines()) == 1
    assert len(message) < 400


@pytest.mark.parametrize("data", DAMAGED)
def test_lines_are_checked_for_what_a_parser_lets_through(data: bytes) -> None:
    if data in FINE_IN_LINES:
        assert parse_json_line(data, "line 3") == json.loads(data)
        return
    with pytest.raises(BenchmarkError, match=r"^line 3 is damaged: "):
        parse_json_line(data, "line 3")


@given(value=JSON)
def test_what_we_write_is_read_as_it_was(value: object) -> None:
    data = json.dumps(value, ensure_ascii=False).encode()
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        with pytest.raises(BenchmarkError):
            parse_json(data, "it")
        return
    assert parse_json(data, "it") == parse_json_line(data, "it") == json.loads(data)


def test_text_that_only_looks_odd_is_read() -> None:
    data = json.dumps(["NaN", "1e999", "9" * 400, "\N{GRINNING FACE}", 1e300]).encode()
    assert parse_json_line(data, "it") == json.loads(data)


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "socketless link"])
def test_what_is_no_file_is_named_and_not_waited_for(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.symlink_to(tmp_path / "nowhere")
        with pytest.raises(FileNotFoundError):
            read_json(path)
        return
    names = {"pipe": "a named pipe", "folder": "a folder", "device": "a device"}
    for read in (
        read_json,
        read_bytes,
        lambda at: list(lines(at)),
        lambda at: opened(at).__enter__(),
    ):
        with pytest.raises(BenchmarkError, match=f"run.json' is {names[kind]}, not a file"):
            read(path)


def test_sizes_have_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1" * 50 + b"\n2\n")
    assert [line for _, line in lines(path)] == [b"1" * 50 + b"\n", b"2\n"]
    with pytest.raises(BenchmarkError, match="is larger than 40 bytes"):
        read_bytes(path, 40)
    monkeypatch.setattr(reading, "LARGEST_LINE", 40)
    with pytest.raises(BenchmarkError, match="line 1 is longer than 40 bytes"):
        list(lines(path))


def test_names_in_messages_are_made_visible(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\n.json"
    path.write_text("{")
    with pytest.raises(BenchmarkError) as caught:
        read_json(path)
    assert "\x1b" not in str(caught.value)
    assert r"a\x1b[31m\n.json" in str(caught.value)
