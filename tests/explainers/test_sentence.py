"""Sentences: what is saved of them, and what is no sentence."""

from __future__ import annotations

import json

import pytest

from benchmark.interface import Explanation, Program, has_complete_text
from explainers.sentence import Sentence


def test_a_sentence_is_a_complete_text_that_does_not_simulate_itself() -> None:
    sentence = Sentence("rain in poems", 2.5)
    assert isinstance(sentence, Explanation)
    assert not isinstance(sentence, Program)
    assert has_complete_text(sentence)
    assert sentence.describe() == "rain in poems"


def test_what_is_saved_is_read_back() -> None:
    sentence = Sentence("rain\nin poems ‹·›", 2.5, {"candidates": ["snow", "rain"]})
    again = Sentence.from_dict(json.loads(json.dumps(sentence.to_dict())))
    assert again == sentence
    assert again.shown == sentence.shown
    assert "shown" not in Sentence("rain", 1.0).to_dict()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"text": "  ", "max_activation": 1.0}, "empty"),
        ({"text": None, "max_activation": 1.0}, "None"),
        ({"text": "rain", "max_activation": float("nan")}, "nan"),
    ],
)
def test_what_is_no_sentence_is_refused(data: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Sentence.from_dict(data)
