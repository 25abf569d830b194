"""Tokens as a person can read them: whitespace visible, bytes that are no text named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_WHITESPACE = str.maketrans({" ": "·", "\n": "↵", "\t": "→", "\r": "␍"})
_SENTENCEPIECE_SPACE = "▁"


def visible(text: str, width: int = 40) -> str:
    """Text on one line, at most `width` characters, every character to be seen.

    A space is `·`, a line end `↵`, a tab `→`; other control characters are escaped.
    """
    shown = text.translate(_WHITESPACE)
    shown = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in shown
    )
    return shown if len(shown) <= width else f"{shown[: width - 1]}…"


def visible_token(tokenizer: Any, token: int, width: int = 40) -> str:
    """One token id as text, as a `transformers` or `tokenizers` tokenizer decodes it.

    A token that is only a part of a letter's bytes is shown as the vocabulary spells it, and one
    that cannot be decoded at all as `#id`: showing must never break an explanation.
    """
    return _shown(tokenizer, token, _own_text, width)


def visible_within(tokenizer: Any, token: int, width: int = 40) -> str:
    """The same of a token that is shown with its neighbours: with the space that parts them."""
    return _shown(tokenizer, token, text_within, width)


def text_within(tokenizer: Any, token: int) -> str:
    """What one token id adds to running text, the space before a word included."""
    text = _own_text(tokenizer, token)
    rules = getattr(tokenizer, "backend_tokenizer", None)
    # Without rules for joining them, tokens are whole words.
    return f" {text}" if rules is not None and rules.decoder is None else text


def _own_text(tokenizer: Any, token: int) -> str:
    text = str(tokenizer.decode([token]))
    if _spelling(tokenizer, token).startswith(_SENTENCEPIECE_SPACE) and not text.startswith(" "):
        return f" {text}"  # such tokenizers drop the space before what they take for a sentence
    return text


def _shown(tokenizer: Any, token: int, text_of: Callable[[Any, int], str], width: int) -> str:
    try:
        text = text_of(tokenizer, token)
        spelt = _spelling(tokenizer, token)
    except Exception:
        return f"#{token}"
    if not text or "\N{REPLACEMENT CHARACTER}" in text:
        text = spelt or f"#{token}"
    return visible(text, width)


def _spelling(tokenizer: Any, token: int) -> str:
    for name in ("convert_ids_to_tokens", "id_to_token"):
        if hasattr(tokenizer, name):
            return str(getattr(tokenizer, name)(token) or "")
    return ""
