"""Texts of the tokens that a description shows, kept with an explanation to describe it later."""

from __future__ import annotations

from collections.abc import Callable, Mapping

TextOf = Callable[[int], str]


def shown_texts(describe: Callable[[TextOf], str], text_of: TextOf) -> Mapping[int, str]:
    """Return the text of every token that a description looks up, by ascending id."""
    texts: dict[int, str] = {}

    def recorded(token: int) -> str:
        return texts.setdefault(token, text_of(token))

    describe(recorded)
    return dict(sorted(texts.items()))
