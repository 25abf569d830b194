"""Words in token ids: which tokens a word spans, and the tokens with another word instead."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.token_text import text_within

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True)
class Word:
    """A word of a context.

    Attributes:
        start, stop: its tokens are `tokens[start:stop]`.
        text: the word itself.
        before, after: what else these tokens hold: a space before it, say.
        left, right: the text of all tokens before and after them.
    """

    start: int
    stop: int
    text: str
    before: str
    after: str
    left: str
    right: str

    def sentence(self, replacement: str) -> str:
        """Return the context's text with something else in the word's place."""
        return f"{self.left}{self.before}{replacement}{self.after}{self.right}"

    def tokens_of(self, replacement: str, tokenizer: Any) -> tuple[int, ...]:
        """Return the ids of these tokens' text with another word; no other token is touched."""
        text = f"{self.before}{replacement}{self.after}"
        ids = tuple(tokenizer.encode(text, add_special_tokens=False))
        if text.startswith(" ") and _written(ids, tokenizer) != text:
            # Some tokenizers put a space before what they take for a sentence.
            other = tuple(tokenizer.encode(text[1:], add_special_tokens=False))
            return other if _written(other, tokenizer) == text else ids
        return ids


def word_at(tokens: Sequence[int], place: int, tokenizer: Any) -> Word | None:
    """Return the word that a token is part of, None where it is part of none.

    Every token is decoded by itself, so that its place in the text is known; tokens that are not
    whole characters belong to no word.
    """
    texts = [text_within(tokenizer, token) for token in tokens]
    starts = _starts(texts)
    whole = "".join(texts)
    for match in WORD.finditer(whole):
        if match.start() >= starts[place + 1]:
            break
        if match.end() > starts[place]:
            start = max(at for at in range(len(texts)) if starts[at] <= match.start())
            stop = min(at for at in range(1, len(starts)) if starts[at] >= match.end())
            return Word(
                start=start,
                stop=stop,
                text=match.group(),
                before=whole[starts[start] : match.start()],
                after=whole[match.end() : starts[stop]],
                left=whole[: starts[start]],
                right=whole[starts[stop] :],
            )
    return None


def word_spans(texts: Sequence[str]) -> list[tuple[int, int, str]]:
    """Return tokens that belong together: those of a word, or one that is part of none.

    Args:
        texts: of each token.

    Returns:
        First token, the one after the last, and the word, empty where there is none. A token that
        holds the end of a word and the beginning of the next binds both.
    """
    starts = _starts(texts)
    spans: list[tuple[int, int, str]] = []
    at = 0
    for match in WORD.finditer("".join(texts)):
        start = bisect.bisect_right(starts, match.start()) - 1
        stop = bisect.bisect_left(starts, match.end())
        if spans and start < at:
            first, _, before = spans.pop()
            spans.append((first, max(at, stop), f"{before} {match.group()}".strip()))
        else:
            spans += [(single, single + 1, "") for single in range(at, start)]
            spans.append((start, stop, match.group()))
        at = spans[-1][1]
    return spans + [(single, single + 1, "") for single in range(at, len(texts))]


def _starts(texts: Sequence[str]) -> list[int]:
    """Return where each token's text begins, and the length of all."""
    return list(itertools.accumulate(map(len, texts), initial=0))


def _written(ids: Sequence[int], tokenizer: Any) -> str:
    return "".join(text_within(tokenizer, token) for token in ids)


def in_casing_of(word: str, original: str) -> str:
    """Write a predicted word as the original was: `Table` for `List`, not `table`."""
    if len(original) > 1 and original.isupper():
        return word.upper()
    if original[:1].isupper() and word.islower():
        return word.capitalize()
    return word
