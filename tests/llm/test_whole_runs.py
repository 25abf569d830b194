"""Whole runs through a server: no key anywhere, budgets that end them, several processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import Command, call
from tests.llm.test_handing import NEURONS, READS, TRUST, WRITES
from tests.loopback_server import Answer, LoopbackServer, chat, refusal

KEY = "sk-very-secret-0123456789"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    started = LoopbackServer(answer)
    yield started
    started.close()


def answer(asked: Any) -> dict[str, Any]:
    number = asked.text.rpartition(".")[2].rpartition(" ")[2]
    return chat(f"neuron {number}" if asked.text.startswith("write") else "x" * (1 + int(number)))


def llm(server: LoopbackServer, *more: str) -> tuple[str, ...]:
    return ("llm=openai", "llm.model=m", f"llm.base_url={server.url}", "llm.retries=0", *more)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_key_stands_nowhere(
    server: LoopbackServer, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    tracking = ("tracking=wandb", "tracking.mode=offline", f"tracking.dir={command.folder}")
    run = command.finished(WRITES, READS, *llm(server), *tracking)
    assert run.record.config["llm"]["api_key_variable"] == "OPENAI_API_KEY"
    server.answer = lambda asked: Answer(refusal(f"{KEY} is not known"), status=401)
    said = command.run(WRITES, READS, *llm(server, "llm.model=other")).message
    assert "refuses the key" in said
    assert KEY not in said + "".join(capfd.readouterr())
    assert any("wandb" in str(path) for path in files(command.folder))
    for path in files(command.folder):
        assert KEY.encode() not in path.read_bytes(), path


def test_an_outage_leaves_nothing_half_done(server: LoopbackServer, command: Command) -> None:
    def breaks(asked: Any) -> Any:
        return answer(asked) if len(server.requests) <= 7 else Answer("", status=503)

    server.answer = breaks
    said = command.run(WRITES, READS, *llm(server, "llm.concurrency=1")).message
    assert "fails with status 503" in said
    assert command.folders() == []
    server.answer = answer
    run = command.finished(WRITES, READS, *llm(server, "llm.concurrency=1"))
    assert len(run.scores) == NEURONS
    assert len(server.requests) == 2 * NEURONS + 1  # what arrived before is not asked again


def test_a_budget_ends_a_run_and_more_of_it_continues(
    server: LoopbackServer, command: Command
) -> None:
    said = command.run(WRITES, READS, *llm(server, "llm.max_tokens_total=150")).message
    assert said.startswith("the budget is used up: ")
    done = len(server.requests)
    assert 0 < done * 12 <= 150
    run = command.finished(WRITES, READS, *llm(server, "llm.max_tokens_total=10000"))
    assert len(run.scores) == NEURONS
    assert len(server.requests) == 2 * NEURONS


def test_processes_ask_once_and_share_a_budget(server: LoopbackServer, command: Command) -> None:
    engine = ("engine=processes", "engine.workers=2")
    said = command.run(WRITES, READS, *engine, *llm(server, "llm.max_tokens_total=150"))
    assert "the budget is used up" in said.err
    assert len(server.requests) * 12 <= 150
    run = command.finished(WRITES, READS, *engine, *llm(server))
    assert len(run.scores) == NEURONS
    asked = [request.text for request in server.requests]
    assert len(asked) == len({*asked}) == 2 * NEURONS


def test_a_run_is_scored_again_without_a_server(server: LoopbackServer, command: Command) -> None:
    run = command.finished(WRITES, READS, *llm(server))
    server.close()
    again = call("score", str(run.folder), "metrics=[pearson]", *TRUST)
    assert again.status == 0, again.err


def test_a_server_that_is_trusted_is_asked_again(server: LoopbackServer, command: Command) -> None:
    run = command.finished(WRITES, READS, *llm(server))
    (command.folder / "cache" / "llm" / "replies.sqlite").unlink()
    before = len(server.requests)
    said = call("score", str(run.folder), "metrics=[pearson]", *TRUST).message
    assert f"--trust {server.url}" in said
    assert len(server.requests) == before
    again = call("score", str(run.folder), "metrics=[pearson]", *TRUST, "--trust", server.url)
    assert again.status == 0, again.err
    assert len(server.requests) == before + NEURONS
    assert json.loads((run.folder / "run.json").read_text(encoding="utf-8"))["config"]["llm"]
