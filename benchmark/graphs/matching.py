"""Matching of typed terms with tokens as they are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmark.errors import BenchmarkError
from benchmark.token_text import WIDTH, shortened

SPACE = "·"
_TYPED = str.maketrans({" ": SPACE, "\n": "↵", "\t": "→", "\r": "␍"})
_ESCAPES = (("\\n", "↵"), ("\\t", "→"), ("\\r", "␍"))


@dataclass(frozen=True)
class Matching:
    """How strict the comparison is.

    Attributes:
        exact: a token without a space before it is not the same as one with.
        ignore_case: capitals are the same as small letters.
        contains: a part of a token is enough.
    """

    exact: bool = False
    ignore_case: bool = False
    contains: bool = False

    def test(self, typed: str) -> Callable[[str], bool]:
        r"""Return a test for the texts of tokens.

        Args:
            typed: the text with spaces and line ends as they are, as they are shown (`·`, `↵`),
                or escaped (`\n`). Unless `exact`, a text without a space before it also stands
                for the token with one.

        Raises:
            BenchmarkError: the text is empty.
        """
        if not typed:
            raise BenchmarkError("a token to search for cannot be empty; a space is ' ' or '·'.")
        shown = typed.translate(_TYPED)
        wanted = {shown}
        unescaped = shown
        for escape, letter in _ESCAPES:
            unescaped = unescaped.replace(escape, letter)
        wanted.add(unescaped)
        if not self.exact:
            wanted |= {SPACE + text for text in wanted if not text.startswith(SPACE)}
        wanted |= {shortened(text, WIDTH) for text in wanted}
        if self.ignore_case:
            wanted = {text.casefold() for text in wanted}

        def matches(text: str) -> bool:
            text = text.casefold() if self.ignore_case else text
            if self.contains:
                return any(each in text for each in wanted)
            return text in wanted

        return matches
