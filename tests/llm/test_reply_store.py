"""Kept answers: several processes, damaged files, what is read again."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.errors import BenchmarkError
from benchmark.interface import Message, Reply, Request, Usage
from benchmark.llm.kept_model import KeptModel
from benchmark.llm.reply_store import ReplyStore
from tests.language_models import ScriptedModel


def kept(model: ScriptedModel, path: Path, identity: str = "m") -> KeptModel:
    return KeptModel(
        model.name,
        lambda: {"model": identity},
        ReplyStore(path),
        lambda: model,
        reads_labels=model.reads_labels,
    )


def question(text: str, **options: object) -> Request:
    return Request((Message("user", text),), 8, **options)  # type: ignore[arg-type]


def test_every_part_of_a_request_and_of_the_model_counts(tmp_path: Path) -> None:
    scripted = ScriptedModel()
    different = [
        question("a"),
        question("b"),
        question("a", temperature=1.0),
        question("a", sample=1),
        question("a", stop=("x",)),
        question("a", top_logprobs=1),
        question("a", schema={}),
        Request((Message("system", "a"),), 8),
        Request((Message("user", "a"),), 9),
    ]
    kept(scripted, tmp_path / "r.sqlite").ask(different)
    assert scripted.requests == different
    kept(scripted, tmp_path / "r.sqlite", "other").ask(different[:1])
    assert scripted.asked == len(different) + 1
    kept(scripted, tmp_path / "r.sqlite").ask([*different, *different])
    assert scripted.asked == len(different) + 1


def test_an_answer_is_read_as_it_was_given(tmp_path: Path) -> None:
    text = "ünïcode \u2028 \0 and \ud800 a lone half"
    reply = Reply(text, False, Usage(3, 1, 2, 0.5), ({"a": -0.5, "b": -1.25}, {}))
    first = kept(ScriptedModel(lambda _: reply), tmp_path / "r.sqlite").ask([question("a")])
    again = kept(ScriptedModel(), tmp_path / "r.sqlite").ask([question("a")])
    assert first == again == [reply]


def test_of_two_processes_the_first_answer_counts(tmp_path: Path) -> None:
    first = kept(ScriptedModel(lambda _: "first"), tmp_path / "r.sqlite")

    def late(request: Request) -> str:
        first.ask([request])
        return "second"

    (reply,) = kept(ScriptedModel(late), tmp_path / "r.sqlite").ask([question("a")])
    assert reply.text == "first"


def test_many_processes_write_at_once(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from benchmark.interface import Usage
from benchmark.llm.reply_store import ReplyStore
store = ReplyStore(Path(sys.argv[1]))
for number in range(200):
    store.keep(f"{sys.argv[2]} {number}", "m", '"x"', Usage(1))
"""
    path = tmp_path / "r.sqlite"
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(number)])
        for number in range(3)
    ]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    keys = [f"{child} {number}" for child in range(3) for number in range(200)]
    assert len(ReplyStore(path).read(keys)) == 600


@pytest.mark.parametrize("damage", ["no database", "an empty page", "another table"])
def test_a_damaged_file_is_told_and_left_alone(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    kept(ScriptedModel(), path).ask([question("a")])
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if damage == "another table":
            connection.executescript("DROP TABLE replies; CREATE TABLE replies (key TEXT);")
    content = path.read_bytes()
    if damage == "no database":
        path.write_bytes(b"this is none" * 100)
    elif damage == "an empty page":
        path.write_bytes(content[:1024] + b"\xff" * (len(content) - 1024))
    before = path.read_bytes()
    with pytest.raises(BenchmarkError) as found:
        kept(ScriptedModel(), path).ask([question("a"), question("b")])
    assert f"the kept answers in '{path}'" in str(found.value)
    assert "move it away" in str(found.value)
    if damage != "another table":
        assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises((BenchmarkError, OSError)):
        kept(ScriptedModel(), tmp_path / "file" / "r.sqlite").ask([question("a")])


def test_nothing_asked_opens_nothing(tmp_path: Path) -> None:
    assert kept(ScriptedModel(), tmp_path / "r.sqlite").ask([]) == []
    assert list(tmp_path.iterdir()) == []
