"""Output that is closed or cut off ends no work, and is never called success."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli.main import CUT_OFF
from tests.command import SETTINGS, child_environment
from tests.planted_texts import write_planted_texts

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")


def shell(command: str, folder: Path) -> tuple[int, str]:
    """The status of the benchmark in a shell's pipeline, and what was said on standard error."""
    program = f"{shlex.quote(sys.executable)} -m benchmark"
    line = command.replace("BENCHMARK", program)
    result = subprocess.run(
        ["bash", "-c", f"{line}; echo status ${{PIPESTATUS[0]}} >&2"],
        cwd=folder,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    said, _, status = result.stderr.rpartition("status ")
    return int(status), said


def words(folder: Path) -> str:
    texts = write_planted_texts(folder / "texts")
    return shlex.join(
        ["model=planted", "dataset=text", f"dataset.path={texts}", *SETTINGS, "cache_dir=cache"]
    )


def test_a_run_whose_reader_goes_away_does_its_work(tmp_path: Path) -> None:
    status, said = shell(f"BENCHMARK run -m explainer=zero,mean {words(tmp_path)} | true", tmp_path)
    assert status == CUT_OFF
    assert "Traceback" not in said
    finished = {path.parents[1].name for path in tmp_path.glob("results/**/run.json")}
    assert finished == {"zero", "mean"}


def test_a_run_without_any_stream_does_its_work(tmp_path: Path) -> None:
    status, _ = shell(f"BENCHMARK run explainer=zero {words(tmp_path)} <&- >&- 2>&-", tmp_path)
    assert status == 1
    (record,) = tmp_path.glob("results/**/run.json")
    # No file of the run has become standard output.
    assert record.read_text(encoding="utf-8").startswith("{")


@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        ("BENCHMARK list models | true", CUT_OFF, ""),
        ("BENCHMARK list models >&-", 1, "error: standard output could not be written: Bad"),
        ("BENCHMARK listt >&-", 1, "error: verb 'listt' is not known"),
        ("BENCHMARK list models >/dev/full", 1, "could not be written: No space left on device"),
        ("BENCHMARK list models 2>&- | cat", 0, ""),
    ],
)
def test_output_that_is_lost_is_told(command: str, status: int, text: str, tmp_path: Path) -> None:
    if "/dev/full" in command and not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    found, said = shell(command, tmp_path)
    assert found == status
    assert "Traceback" not in said
    assert text in said
    if not text:
        assert said == ""


@pytest.mark.parametrize(
    ("word", "locale", "text"),
    [
        (b"dataset.path=caf\xe9", {}, "'dataset.path=caf\\xe9' holds bytes that are not UTF-8"),
        (b"results_dir=caf\xe9", {}, "'results_dir=caf\\xe9' holds bytes that are not UTF-8"),
        (
            "cache_dir=café".encode(),
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
            "cannot be read in this locale (ascii); set PYTHONUTF8=1",
        ),
    ],
)
def test_a_path_that_is_not_text_is_refused_at_once(
    word: bytes, locale: dict[str, str], text: str, tmp_path: Path
) -> None:
    result = subprocess.run(
        [os.fsencode(sys.executable), b"-m", b"benchmark", b"run", b"explainer=zero", word],
        cwd=tmp_path,
        env=child_environment() | locale,
        capture_output=True,
        timeout=600,
        check=False,
    )
    said = result.stderr.decode()
    assert result.returncode == 1
    assert len(said.splitlines()) == 1
    assert text in said
    assert os.listdir(tmp_path) == []
