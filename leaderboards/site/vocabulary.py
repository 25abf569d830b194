"""Token ids as the text that pages show."""

from __future__ import annotations

from typing import Any

from benchmark.token_text import visible_token


class Vocabulary:
    """The texts of a subject's tokens, each decoded once."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._texts: dict[int, str] = {}

    def text(self, token: int) -> str:
        """Return a token on one line, its spaces as `·`, its line ends as `↵`."""
        if token not in self._texts:
            self._texts[token] = visible_token(self._tokenizer, token)
        return self._texts[token]
