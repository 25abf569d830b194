"""Tokens, texts of others and counts as a person can read them.

Of tokens whitespace is visible, and bytes that are no text are named. In names, errors, docstrings
and commands that come from files or plug-ins, what steers a terminal is spelt out: control
characters (ESC, C1, BEL), letters that turn the direction of writing or are invisible, and halves
of letters.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from typing import Any

_WHITESPACE = str.maketrans({" ": "·", "\n": "↵", "\t": "→", "\r": "␍"})
# The same letters in a text are escaped, so that they are not mistaken for what they stand for.
_STAND_INS = str.maketrans({letter: f"\\u{ord(letter):04x}" for letter in "·↵→␍"})
_PROMPT_ESCAPES = str.maketrans({"\n": "\\n", "\t": "\\t", "\r": "\\r"})
# Characters of a token that are shown.
WIDTH = 40
# Characters that show nothing and act on a terminal or on the order of letters: controls but for
# line ends and tabs, formatting characters, separators of lines and paragraphs, surrogates.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f]"
)
_LINE_ENDS = re.compile(r"[\t\n]")
_RUN = re.compile(r"(.)\1{4,}")
_SENTENCEPIECE_SPACE = "▁"


def visible(text: str, width: int = WIDTH) -> str:
    """Return text on one line, at most `width` characters, every character to be seen.

    A space is `·`, a line end `↵`, a tab `→`; other control characters are escaped, and so are
    these three letters where the text itself has them. Of a longer text the letters that are
    repeated are counted, `·×48`, before its end is left out.
    """
    shown = text.translate(_STAND_INS).translate(_WHITESPACE)
    shown = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in shown
    )
    shown = shortened(shown, width)
    return shown if len(shown) <= width else f"{shown[: width - 1]}…"


def printable(text: str) -> str:
    r"""Return text of any number of lines with every character that would act on a terminal spelt
    out.

    Lines and tabs stay. ESC becomes `\x1b`, a right-to-left override `\u202e`.
    """
    return _ACTING.sub(_escape, text)


def one_line(text: object) -> str:
    """Return a name, an error or a command of others on one line: as `printable`, line ends
    spelt too.
    """
    return _LINE_ENDS.sub(_escape, printable(str(text)))


def json_text(text: str) -> str:
    """Return the JSON with what would act on a terminal as JSON's own escapes, so that it means
    the same.
    """
    return _ACTING.sub(_json_escape, text)


def _json_escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\u{number:04x}" if number < 0x10000 else json.dumps(found[0])[1:-1]


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def shortened(shown: str, width: int) -> str:
    """Return a text longer than `width` with each letter that is repeated written once, with a
    number.

    Tokens of many spaces differ in nothing else.
    """
    if len(shown) <= width:
        return shown
    return _RUN.sub(lambda run: f"{run[1]}×{len(run[0])}", shown)


def counted(number: int, what: str) -> str:
    """Return a number of things: `1 pattern`, `2 patterns`."""
    return f"{number} {what}" + ("s" if number != 1 else "")


def visible_token(tokenizer: Any, token: int, width: int = WIDTH) -> str:
    """Return one token id as text, as a `transformers` or `tokenizers` tokenizer decodes it.

    Bytes that are only a part of a letter are named, `<0xE2>`, and a token that cannot be decoded
    at all is `#id`: showing must never break an explanation.
    """
    return _shown(tokenizer, token, token_text, width)


def visible_within(tokenizer: Any, token: int, width: int = WIDTH) -> str:
    """Return the same of a token that is shown with its neighbours: with the space that parts
    them.
    """
    return _shown(tokenizer, token, text_within, width)


def text_within(tokenizer: Any, token: int) -> str:
    """Return what one token id adds to running text, the space before a word included."""
    text = token_text(tokenizer, token)
    rules = getattr(tokenizer, "backend_tokenizer", None)
    # Without rules for joining them, tokens are whole words.
    return f" {text}" if rules is not None and rules.decoder is None else text


def prompt_token(tokenizer: Any, token: int) -> str:
    r"""Return one token id as prompts show it: on one line, its spaces as they are.

    Line ends and tabs are escaped, `\n`, because lines and tabs part the tokens of a prompt; bytes
    that are no whole letter are named, `<0xE2>`.
    """
    text = text_within(tokenizer, token)
    if not text or "\N{REPLACEMENT CHARACTER}" in text:
        text = _spelling(tokenizer, token) or f"#{token}"
    return text.translate(_PROMPT_ESCAPES)


def token_text(tokenizer: Any, token: int) -> str:
    """Return one token id as its tokenizer decodes it alone, its leading space included.

    SentencePiece tokenizers drop the space before what they take for a whole sentence; it is put
    back. A token that is only a part of a letter's bytes gives U+FFFD.
    """
    text = str(tokenizer.decode([token]))
    if not text.startswith(" ") and _spelling(tokenizer, token).startswith(_SENTENCEPIECE_SPACE):
        return f" {text}"
    return text


def _shown(tokenizer: Any, token: int, text_of: Callable[[Any, int], str], width: int) -> str:
    try:
        text = text_of(tokenizer, token)
        spelt = _spelling(tokenizer, token)
    except Exception:  # tokenizers of others fail in many ways on ids that stand for nothing
        return f"#{token}"
    if not text or "\N{REPLACEMENT CHARACTER}" in text:
        text = spelt or f"#{token}"
    return visible(text, width)


def _spelling(tokenizer: Any, token: int) -> str:
    """Return how the vocabulary spells a token; bytes that are no whole letter are named
    `<0xE2>`.
    """
    for name in ("convert_ids_to_tokens", "id_to_token"):
        if hasattr(tokenizer, name):
            return _with_bytes_named(str(getattr(tokenizer, name)(token) or ""))
    return ""


def _with_bytes_named(spelt: str) -> str:
    """Return a spelling of byte-level BPE, where each letter is a byte, with stray bytes named.

    The bytes of `âĢ` are neither `â` nor `Ģ`, and other tokens are these letters.
    """
    values = _bytes_by_letter()
    if not all(letter in values for letter in spelt):
        return spelt
    text = bytes(values[letter] for letter in spelt).decode("utf-8", "surrogateescape")
    if not any("\udc80" <= letter <= "\udcff" for letter in text):
        return spelt
    return "".join(
        f"<0x{ord(letter) - 0xDC00:02X}>" if "\udc80" <= letter <= "\udcff" else letter
        for letter in text
    )


@functools.cache
def _bytes_by_letter() -> dict[str, int]:
    """Return the letters that byte-level BPE writes bytes as (Radford et al. 2019, code of
    GPT-2).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    letters = printable + [0x100 + number for number in range(len(others))]
    return {chr(letter): byte for letter, byte in zip(letters, printable + others, strict=True)}
