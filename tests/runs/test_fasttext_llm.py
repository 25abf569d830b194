"""A run whose sentences a scripted language model writes about FastText's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import Command
from tests.language_models import ScriptedModel, hand_out

WORDS = (
    "explainer=fasttext_llm",
    "+explainer.inner.dimensions=4",
    "+explainer.inner.epochs=1",
    "simulator._target_=tests.runs.texts.CountsCharacters",
    "llm=openai",
    "llm.model=scripted",
)


def test_sentences_are_simulated_and_a_second_run_asks_nothing(
    tmp_path: Path, checkpoint: Path, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedModel(lambda request: f"{len(request.messages[-1].content)} things")
    hand_out(model, monkeypatch)
    command = Command(tmp_path, checkpoint, texts)
    run = command.finished(*WORDS)
    rows = run.scores.rows()
    explained = [row for row in rows if row["status"] == "ok"]
    assert explained
    # Neurons with the same words and windows are asked about once.
    assert 0 < model.asked == len({one.messages for one in model.requests})
    assert model.asked <= sum(row["cost/llm_requests"] or 0 for row in rows) == len(explained)
    assert all(row["cost/llm_tokens"] > 0 for row in explained)
    texts_of = [one.explanation["text"] for one in run.explanations() if one.explanation]
    assert all(text.endswith(" things") for text in texts_of)
    assert [row["cost/characters"] for row in explained] == [len(text) for text in texts_of]
    asked = model.asked
    command.finished(*WORDS, "fresh=true")
    assert model.asked == asked
