"""`run --dry-run`: what language models would be asked, held against what a run then asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.cli.plan import print_plan
from benchmark.config.compose import compose
from benchmark.config.run_config import RunConfig, check_config
from benchmark.evaluation.completion import completed
from benchmark.evaluation.model_forecast import model_costs
from benchmark.interface import Message, Request
from benchmark.llm.counting import CountingModel
from benchmark.llm.local_model import load_model
from benchmark.llm.options import LocalOptions
from tests.command import Command
from tests.language_models import ScriptedModel, hand_out
from tests.llm.test_handing import JUDGES, MODEL
from tests.llm.tiny import TEMPLATE, tiny_checkpoint

SENTENCES = ("explainer=llm", "explainer.style=pairs", "explainer.record_tokens=8")


def configured(words: tuple[str, ...]) -> RunConfig:
    return completed(check_config(compose(words)))


def test_requests_and_tokens_are_those_that_a_run_asks(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*command.small, *SENTENCES, JUDGES, *MODEL)
    forecast = {one.purpose: one for one in model_costs(configured(words))}
    model = ScriptedModel(
        lambda request: (
            "x"
            if "judge" in request.messages[-1].content
            else f"names of people, number {len(model.requests)}"
        )
    )
    hand_out(model, monkeypatch)
    run = command.finished(*SENTENCES, JUDGES, *MODEL)
    neurons = len(run.scores)
    written = [one for one in model.requests if one.max_tokens == 80]
    judged = [one for one in model.requests if one.messages[-1].content.startswith("judge")]
    simulated = model.asked - len(written) - len(judged)
    assert forecast["explain"].requests * neurons == len(written) == neurons
    assert forecast["judged"].requests * neurons == len(judged) == neurons
    assert forecast["simulate"].requests * neurons == simulated
    size = sum(len(one.content) for request in written for one in request.messages) / neurons
    assert forecast["explain"].prompt_tokens == pytest.approx(size / 3, rel=0.05)


def test_nothing_is_asked_or_kept(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    # There is no key and no server.
    words = (*command.small, *SENTENCES, "llm=openai", "llm.model=gpt-4o-mini", "dry_run=true")
    print_plan(configured(words))
    out = capsys.readouterr().out
    assert "language models:" in out
    rows = [line.split() for line in out.splitlines() if " gpt-4o-mini " in line]
    assert [row[0] for row in rows] == ["explain", "simulate"]
    assert all(float(row[-1].replace(",", "")) >= 0 for row in rows)
    assert not (command.folder / "cache" / "llm").exists()


def test_a_run_without_language_models_has_no_such_part(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    print_plan(configured((*command.small, "explainer=zero", "dry_run=true")))
    assert "language model" not in capsys.readouterr().out


def test_tokens_of_a_model_in_this_process_are_exact(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "tiny", template=TEMPLATE)
    model = CountingModel({"name": "local", "source": str(folder)})
    request = Request((Message("user", "what fires here?"),), 7)
    model.ask([request, request])
    expected = len(load_model(LocalOptions(str(folder), device="cpu")).prompt(request.messages))
    (counted,) = model.counted.values()
    assert (counted.requests, counted.usage.prompt_tokens) == (1, expected)
    assert counted.usage.completion_tokens == 7
