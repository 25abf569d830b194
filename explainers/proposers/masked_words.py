"""A masked language model from the hub or a folder, and the words it expects in a gap."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmark.errors import BenchmarkError
from benchmark.files.checkpoint import (
    TOKENIZER_FILES,
    Files,
    LocalFiles,
    fetch_weights,
    needed,
)
from benchmark.files.hub import HubFiles
from benchmark.terminal.quiet import quiet
from explainers.proposers.words import WORD

SENTENCES_AT_ONCE = 64
# Characters of a sentence that the model is shown, the gap among them; its context is limited.
CHARACTERS = 800
CONTINUES = "##"


class MaskedWords:
    """DistilBERT, or another masked language model with word pieces.

    Args:
        source: a repository id or a folder.
        device: where to run it.

    Raises:
        BenchmarkError: it cannot be had, or is no masked language model.
    """

    def __init__(self, source: str, device: torch.device) -> None:
        from transformers import AutoModelForMaskedLM, AutoTokenizer

        folder = Path(source).expanduser()
        files: Files
        files = LocalFiles(folder, source) if folder.is_dir() else HubFiles(source)
        needed(files, "config.json")
        for name in TOKENIZER_FILES:
            files.optional(name)
        fetch_weights(files)
        own = {"trust_remote_code": False, "local_files_only": True}
        try:
            with quiet():
                self._tokenizer: Any = AutoTokenizer.from_pretrained(files.folder, **own)
                model, found = AutoModelForMaskedLM.from_pretrained(
                    files.folder, output_loading_info=True, weights_only=True, **own
                )
        except Exception as error:
            text = " ".join(str(error).split())[:250]
            raise BenchmarkError(
                f"the masked language model '{source}' cannot be loaded: {text}"
            ) from error
        if self._tokenizer.mask_token is None or found["missing_keys"]:
            raise BenchmarkError(
                f"'{source}' is not a complete masked language model; "
                "give explainer.masked_model one such as distilbert/distilbert-base-cased."
            )
        self._model = model.to(device).eval()
        self._device = device
        self.gap = str(self._tokenizer.mask_token)

    def likely(self, sentences: Sequence[str], k: int) -> list[list[str]]:
        """Return the `k` likeliest whole words for each sentence's first gap, likeliest first.

        A sentence that is too long is shown around its gap.
        """
        shown = [self._shortened(sentence) for sentence in sentences]
        order = sorted(range(len(shown)), key=lambda at: len(shown[at]))
        results: list[list[str]] = [[] for _ in shown]
        for start in range(0, len(order), SENTENCES_AT_ONCE):
            members = order[start : start + SENTENCES_AT_ONCE]
            found = self._predict([shown[at] for at in members], k)
            for at, words in zip(members, found, strict=True):
                results[at] = words
        return results

    def _shortened(self, sentence: str) -> str:
        at = sentence.find(self.gap)
        return sentence[max(0, at - CHARACTERS // 2) : at + CHARACTERS // 2]

    def _predict(self, sentences: list[str], k: int) -> list[list[str]]:
        tokenizer = self._tokenizer
        room = min(tokenizer.model_max_length, self._model.config.max_position_embeddings)
        batch = tokenizer(
            sentences, return_tensors="pt", padding=True, truncation=True, max_length=room
        )
        batch = batch.to(self._device)
        with torch.no_grad():
            logits = self._model(**batch).logits
        results: list[list[str]] = []
        for ids, scores in zip(batch["input_ids"], logits, strict=True):
            gaps = (ids == tokenizer.mask_token_id).nonzero()
            if not len(gaps):  # cut off by the model's own limit
                results.append([])
                continue
            order = scores[int(gaps[0])].argsort(descending=True)[: 20 * k].tolist()
            pieces = tokenizer.convert_ids_to_tokens(order)
            results.append([piece for piece in pieces if _is_word(piece)][:k])
        return results


def _is_word(piece: str) -> bool:
    """Return a whole word: no part of one, no number, no sign, nothing special."""
    return not piece.startswith(CONTINUES) and WORD.fullmatch(piece) is not None
