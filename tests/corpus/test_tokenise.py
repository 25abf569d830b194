"""Tokenising: ordinary text all the way, in batches, and nothing left switched on."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from benchmark.corpus import tokenise as module
from benchmark.corpus.documents import Document
from benchmark.corpus.tokenise import tokenise
from tests.corpus.conftest import BOS, BOS_TOKEN

TEXTS = ["The quick fox.", "def add(first):\n    return first\n", "", "naïve \U0001f600\n\n", "a"]


def documents(texts: list[str]) -> list[Document]:
    return [Document(str(index), text) for index, text in enumerate(texts)]


@pytest.mark.parametrize("batch_characters", [1, 20, 1_000_000])
def test_batches_give_what_each_text_gives_alone(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch, batch_characters: int
) -> None:
    monkeypatch.setattr(module, "BATCH_CHARACTERS", batch_characters)
    ids, removed = tokenise(documents(TEXTS), tokenizer, BOS)
    alone = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    assert [row.tolist() for row in ids] == alone
    assert removed == [0] * len(TEXTS)
    assert [tokenizer.decode(row) for row in ids] == TEXTS


def test_no_documents(tokenizer: Any) -> None:
    assert tokenise([], tokenizer, BOS) == ([], [])


def test_text_that_spells_the_bos_is_text(tokenizer: Any) -> None:
    text = f"before {BOS_TOKEN} after"
    assert BOS in tokenizer(text, add_special_tokens=False)["input_ids"], "else it shows nothing"
    (ids,), removed = tokenise(documents([text]), tokenizer, BOS)
    assert BOS not in ids
    assert removed == [0]
    assert tokenizer.decode(ids) == text
    # Whoever uses the tokenizer next finds it as it was, the backend included.
    assert BOS in tokenizer.backend_tokenizer.encode(text).ids


def test_added_tokens_that_are_not_special_are_still_one_token(tokenizer: Any) -> None:
    import copy

    spaced = copy.deepcopy(tokenizer)
    spaced.add_tokens(["        "])
    indent = spaced.convert_tokens_to_ids("        ")
    (ids,), _ = tokenise(documents(["        x"]), spaced, BOS)
    assert ids[0] == indent


def test_a_tokenizer_that_adds_special_tokens_and_cuts_does_neither(tokenizer: Any) -> None:
    import copy

    from tokenizers.processors import TemplateProcessing

    eager = copy.deepcopy(tokenizer)
    eager.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{BOS_TOKEN} $A", special_tokens=[(BOS_TOKEN, BOS)]
    )
    eager.backend_tokenizer.enable_truncation(4)
    eager.backend_tokenizer.enable_padding(length=30)
    text = "The quick brown fox jumps over it all."
    assert eager.backend_tokenizer.encode(text).ids[0] == BOS
    (ids,), _ = tokenise(documents([text]), eager, BOS)
    assert tokenizer.decode(ids) == text


def test_a_tokenizer_whose_unknown_token_is_the_bos_loses_it() -> None:
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<bos>": 0, "hello": 1, "world": 2}, unk_token="<bos>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<bos>")
    ids, removed = tokenise(documents(["hello strange world", "strange"]), wrapped, BOS)
    assert [row.tolist() for row in ids] == [[1, 2], []]
    assert removed == [1, 1]


def test_a_long_text_brings_no_warning_and_the_rate_is_shown(
    tokenizer: Any,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import copy

    from transformers.utils import logging as transformers_logging

    monkeypatch.setattr("benchmark.terminal.progress.SECONDS_BEFORE_A_BAR", 0.0)
    fresh = copy.deepcopy(tokenizer)
    fresh.deprecation_warnings.clear()  # where the library notes that it has warned already
    transformers_logging.enable_propagation()
    try:
        with caplog.at_level(logging.WARNING):
            tokenise(documents(["word " * 1_000]), fresh, BOS, "tokenising novels")
    finally:
        transformers_logging.disable_propagation()
    out, err = capfd.readouterr()
    assert not caplog.records
    assert "longer than" not in err
    assert "tokenising novels: 100%" in err
    assert "characters/s" in err
    assert not out
