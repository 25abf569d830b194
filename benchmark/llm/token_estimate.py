"""Estimate of how many tokens a text has for a model whose tokenizer is not known."""

from __future__ import annotations

from benchmark.interface import Request

BYTES_PER_TOKEN = 3.0  # before anything is known: prompts of tokens with levels have short ones
PER_MESSAGE = 8  # bytes of a message's role and marks
MARGIN = 1.1


class TokenEstimate:
    """Tokens of texts by their bytes in UTF-8: a third, then as the largest part seen, and a tenth.

    Attributes:
        learnt: whether an answer has told the tokens of its prompt.
    """

    def __init__(self) -> None:
        self.learnt = False
        self._per_byte = 1 / BYTES_PER_TOKEN

    def tokens(self, size: int) -> int:
        """Return the tokens of a text of so many bytes."""
        return int(size * self._per_byte * (MARGIN if self.learnt else 1)) + 1

    def learn(self, size: int, tokens: int) -> None:
        """Take note of the tokens that a text of so many bytes had."""
        seen = tokens / max(1, size)
        self._per_byte = max(self._per_byte, seen) if self.learnt else seen
        self.learnt = True


def prompt_bytes(request: Request) -> int:
    """Return the bytes of the messages of a request."""
    return sum(len(one.content.encode()) + PER_MESSAGE for one in request.messages)
