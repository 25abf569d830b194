"""Files that are not those that a run wrote are noticed by every verb that reads the run."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from benchmark.errors import BenchmarkError
from benchmark.results import Run, load_run
from benchmark.results.digests import digest_of
from tests.command import Command, call, checkpoint, texts
from tests.sealing import change, reseal

__all__ = ["checkpoint", "texts"]

DIFFERS = "is not the file that the run wrote (its SHA-256 differs from run.json)"


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Command:
    return Command(tmp_path_factory.mktemp("digests"), checkpoint, texts)


@pytest.fixture(scope="session")
def finished(small: Command) -> Run:
    return small.finished("explainer=token_lookup")


@pytest.fixture
def folder(finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(finished.folder, tmp_path / "results" / "run"))


def one_digit(path: Path) -> None:
    """Change one digit of the first explanation's values."""
    text = path.read_text()
    changed = re.sub(r'("(?:default|means|values)":\[?)(\d)', _next, text, count=1)
    if changed == text:
        changed = re.sub(r'("explanation":\D*)(\d)', _next, text, count=1)
    assert changed != text
    assert len(changed) == len(text)
    path.write_text(changed)


def _next(found: re.Match[str]) -> str:
    return found[1] + str((int(found[2]) + 1) % 10)


@pytest.mark.parametrize(
    "words",
    [
        ["show", "{run}"],
        ["show", "{run}", "{neuron}", "--no-direct", "--no-contexts"],
        ["search", "{run}", "word2"],
        ["similar", "{run}"],
        ["score", "{run}"],
        ["report", "{run}", "-o", "site"],
        ["sanity", "{run}"],
        ["plot", "{run}"],
        ["plot", "{run}", "--neuron", "{neuron}"],
        ["compare", "{run}", "{run}"],
        ["publish", "{run}", "--mode", "offline"],
        ["leaderboard", "{run}"],
        ["submit", "{run}", "--to", "published"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("name", ["explanations.jsonl", "scores.parquet"])
def test_every_verb_notices(folder: Path, finished: Run, words: list[str], name: str) -> None:
    if name == "explanations.jsonl":
        one_digit(folder / name)
    else:
        (folder / name).write_bytes((folder / name).read_bytes() + b"\0")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    layer, neuron = finished.scores.neurons()[0]
    answer = call(*(word.format(run=folder, neuron=f"{layer}.{neuron}") for word in words))
    assert "Traceback" not in answer.err + answer.out
    said = " ".join((answer.err + answer.out).split())
    assert DIFFERS in said
    if words[0] != "leaderboard":  # it names what cannot be read beside the others
        assert answer.status == 1
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert not Path("published").exists()


def test_the_finished_run_notices(small: Command) -> None:
    run = small.finished("explainer=mean")
    path = run.folder / "explanations.jsonl"
    path.write_bytes(path.read_bytes() + b"\n")
    message = small.run("explainer=mean").message
    assert DIFFERS in message
    assert "fresh=true" in message


def test_score_seals_nothing_that_has_no_digest(folder: Path) -> None:
    change(folder, files={})
    load_run(folder)
    assert "has no digest of scores.parquet" in call("score", str(folder)).message


@pytest.fixture
def rescored(folder: Path) -> Path:
    """New files that a `score` left when it was stopped, all of them."""
    new = folder / "rescored"
    new.mkdir()
    for name in ("run.json", "scores.parquet", "explanations.jsonl"):
        shutil.copy(folder / name, new / name)
    return folder


def state(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("verb", ["leaderboard", "compare", "show", "sanity"])
@pytest.mark.parametrize("damaged", [False, True])
def test_readers_move_no_file(rescored: Path, finished: Run, verb: str, damaged: bool) -> None:
    if damaged:
        (rescored / "rescored" / "scores.parquet").write_bytes(b"damaged")
    before = state(rescored)
    more = [str(finished.folder)] if verb == "compare" else []
    answer = call(verb, str(rescored), *more)
    assert "SHA-256" not in answer.err + answer.out
    assert state(rescored) == before


@pytest.mark.parametrize("name", ["scores.parquet", "explanations.jsonl", "run.json"])
def test_a_damaged_copy_takes_no_place(
    rescored: Path, finished: Run, small: Command, name: str
) -> None:
    copy = rescored / "rescored" / name
    if name == "run.json":
        change(rescored / "rescored", run_id="another")
    else:
        copy.write_bytes(copy.read_bytes() + b"\n")
    answer = call("score", str(rescored), f"cache_dir={small.folder / 'cache'}")
    assert answer.status == 0, answer.err
    assert "largest difference 0\n" in answer.out
    assert load_run(rescored).record.run_id == finished.record.run_id
    assert not (rescored / "rescored").exists()


def test_a_reader_in_the_middle_of_a_replacement_is_told_what_completes_it(
    rescored: Path, small: Command
) -> None:
    table = rescored / "rescored" / "scores.parquet"
    table.write_bytes(table.read_bytes() + b"\0")
    reseal(rescored / "rescored")
    os.replace(table, rescored / "scores.parquet")  # as `score` does, killed after it
    assert "it completes its work: python -m benchmark score" in call("show", str(rescored)).message


class TestDigest:
    def test_a_file_is_read_once_and_again_when_it_changes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"one")
        os.utime(path, ns=(1, 1))
        first = digest_of(path)
        assert first == digest_of(path)
        path.write_bytes(b"two")
        assert digest_of(path) != first

    def test_a_pipe_is_no_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(BenchmarkError, match="is a named pipe, not a file"):
            digest_of(tmp_path / "pipe")
        with pytest.raises(BenchmarkError, match="cannot be read: No such file"):
            digest_of(tmp_path / "nothing")
