"""Tokens as a person can read them: whitespace visible, bytes that are no text named."""

from __future__ import annotations

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
    try:
        text = token_text(tokenizer, token)
        if not text or "\N{REPLACEMENT CHARACTER}" in text:
            text = _spelling(tokenizer, token)
    except Exception:
        text = ""
    return visible(text or f"#{token}", width)


def token_text(tokenizer: Any, token: int) -> str:
    """One token id as the text that it adds to a document, its leading space included.

    SentencePiece tokenizers drop the space before what they take for a whole sentence; it is put
    back. A token that is only a part of a letter's bytes gives U+FFFD.
    """
    text = str(tokenizer.decode([token]))
    if not text.startswith(" ") and _spelling(tokenizer, token).startswith(_SENTENCEPIECE_SPACE):
        return f" {text}"
    return text


def _spelling(tokenizer: Any, token: int) -> str:
    for name in ("convert_ids_to_tokens", "id_to_token"):
        if hasattr(tokenizer, name):
            return str(getattr(tokenizer, name)(token) or "")
    return ""
