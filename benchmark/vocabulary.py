"""Vocabulary of a subject as text: one spelling for each token id, read back without a doubt."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from benchmark.token_text import visible_token

START = "[start]"
"""How the token at the start of every context (BOS) is spelt."""

MARKS = "\\‹›[]|…~↺"
"""Characters that mean something in a pattern; before one that a token holds stands `\\`."""

_MARK = re.compile(f"([{re.escape(MARKS)}])")


class Vocabulary:
    r"""Spellings of the token ids of a subject: what a person reads, and what is read back.

    A token is spelt as `visible_token` shows it. Before characters that mean something in a
    pattern stands a backslash; a token whose text another one has, or that has none, is its id
    after a backslash: `\1234`. So every id has a spelling of its own, without spaces.

    Attributes:
        tokenizer: the subject's tokenizer.
        bos: the id at the start of every context.
        size: number of ids that have a spelling of letters; those beyond are spelt as numbers.

    Example:
        >>> import benchmark
        >>> subject = benchmark.load_subject("solu-tiny")
        >>> vocabulary = benchmark.Vocabulary.of(subject)
        >>> ids = subject.tokenizer("import os.path", add_special_tokens=False)["input_ids"]
        >>> vocabulary.write(ids)
        'import·os.path'
        >>> vocabulary.read("import·os.path") == ids
        True
    """

    def __init__(self, tokenizer: Any, bos: int, size: int | None = None) -> None:
        self.tokenizer = tokenizer
        self.bos = bos
        self.size = len(tokenizer) if size is None else size

    @classmethod
    def of(cls, subject: Any) -> Vocabulary:
        """Return the vocabulary of a subject, from its `tokenizer`, `bos` and `d_vocab`."""
        return cls(subject.tokenizer, int(subject.bos), int(subject.d_vocab))

    def spell(self, token: int) -> str:
        """Return the spelling of a token id; an id beyond the vocabulary is its number."""
        if token == self.bos:
            return START
        if 0 <= token < len(self._spellings):
            return self._spellings[token]
        return f"\\{token}"

    def write(self, tokens: Sequence[int]) -> str:
        """Return the spellings of successive tokens, which `read` splits into the same tokens.

        They follow each other directly, and a space stands where they would be read otherwise.
        """
        runs: list[str] = []
        start = 0
        for end, token in enumerate(tokens, start=1):
            longer = (runs[-1] if runs else "") + self.spell(token)
            if runs and self._is_read_as(longer, tokens[start:end]):
                runs[-1] = longer
            else:
                runs.append(self.spell(token))
                start = end - 1
        return " ".join(runs)

    def read(self, text: str) -> list[int]:
        """Return the tokens of a text that `write` gave: the longest spelling each time.

        Raises:
            ValueError: a part of the text is no token of the vocabulary.
        """
        return [token for run in text.split(" ") if run for token in self._split(run)]

    def _is_read_as(self, run: str, tokens: Sequence[int]) -> bool:
        try:
            return self._split(run) == list(tokens)
        except ValueError:  # its longest first token leaves what begins with none
            return False

    def _split(self, run: str) -> list[int]:
        tokens: list[int] = []
        at = 0
        while at < len(run):
            number = re.match(r"\\(\d{1,9})(?!\d)", run[at:])
            if number:
                tokens.append(int(number[1]))
                at += number.end()
                continue
            if run.startswith(START, at):
                tokens.append(self.bos)
                at += len(START)
                continue
            for length in range(min(self._longest, len(run) - at), 0, -1):
                token = self._tokens.get(run[at : at + length])
                if token is not None:
                    tokens.append(token)
                    at += length
                    break
            else:
                raise ValueError(f"'{run[at:]}' begins with no token of the vocabulary")
        return tokens

    @cached_property
    def _spellings(self) -> list[str]:
        texts = [
            _MARK.sub(r"\\\1", visible_token(self.tokenizer, token)) for token in range(self.size)
        ]
        known = Counter(texts)
        return [
            text if text and known[text] == 1 and " " not in text else f"\\{token}"
            for token, text in enumerate(texts)
        ]

    @cached_property
    def _tokens(self) -> dict[str, int]:
        return {
            text: token
            for token, text in enumerate(self._spellings)
            if token != self.bos and text != f"\\{token}"
        }

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._tokens), default=0)
