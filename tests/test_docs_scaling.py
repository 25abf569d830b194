"""The table of docs/scaling.md is what the command above it prints."""

from __future__ import annotations

import shlex
import textwrap
from pathlib import Path

from tests.command import call

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
NAME = "time, memory and disk"


def test_the_forecast_is_what_the_command_prints() -> None:
    text = PAGE.read_text(encoding="utf-8")
    block = text.partition(f"<!-- {NAME} -->")[2].partition(f"<!-- end of {NAME} -->")[0]
    command, _, printed = textwrap.dedent(block.strip("\n")).partition("\n\n")
    program, words = command.split()[:3], shlex.split(command)[3:]
    assert program == ["python", "-m", "benchmark"]
    answer = call(*words)
    assert (answer.status, answer.err) == (0, "")
    assert printed.strip("\n") == answer.out.strip("\n")
    for model in ("solu-8l", "gpt2-small", "pythia-6.9b", "llama-3.1-8b"):
        assert [row.split()[2] for row in printed.splitlines() if row.split()[:1] == [model]] == [
            "1",
            "8",
            "64",
        ]


def test_the_page_says_that_no_gpu_was_measured() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert "**No GPU was measured.**" in text
    assert "assumed, and not measured on any GPU:" in text
