"""Joints: which tokens join into one word, four bits for each token id."""

from __future__ import annotations

import base64
import functools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from benchmark.token_text import token_text

APOSTROPHES = ("'", "’")
DIGITS = b"0123456789abcdef"
BYTES_OF_A_MASK = 1 << 24  # more token ids than any tokenizer has


@dataclass(frozen=True, eq=False)
class Joints:
    """What decides whether a token continues the word that the token before it is part of.

    Attributes:
        starts: the token begins with a letter, `[d_vocab]`.
        elided: it begins with an apostrophe and a letter, as the end of `don't` does, `[d_vocab]`.
        ends: the token ends with a letter, `[d_vocab]`.
        apostrophes: the token is an apostrophe alone: it joins letters on both its sides,
            `[d_vocab]`.
    """

    starts: Bool[np.ndarray, " d_vocab"]
    elided: Bool[np.ndarray, " d_vocab"]
    ends: Bool[np.ndarray, " d_vocab"]
    apostrophes: Bool[np.ndarray, " d_vocab"]

    @classmethod
    def of(cls, texts: Sequence[str], bos: int) -> Joints:
        """Decide from the text of every token id; BOS joins nothing."""
        starts = np.array([text[:1].isalpha() for text in texts], dtype=bool)
        elided = np.array([_elided(text) for text in texts], dtype=bool)
        ends = np.array([text[-1:].isalpha() for text in texts], dtype=bool)
        apostrophes = np.array([text in APOSTROPHES for text in texts], dtype=bool)
        for mask in (starts, elided, ends, apostrophes):
            mask[bos] = False
        return cls(starts, elided, ends, apostrophes)

    def continues(self, tokens: Int[np.ndarray, "batch pos"]) -> Bool[np.ndarray, "batch pos"]:
        """Return whether each token continues the word of the token before it."""
        starts, ends = _at(self.starts, tokens), _at(self.ends, tokens)
        joined = np.zeros(tokens.shape, dtype=bool)
        joined[:, 1:] = (starts | _at(self.elided, tokens))[:, 1:] & ends[:, :-1]
        if self.apostrophes.any() and tokens.shape[1] > 2:
            inside = _at(self.apostrophes, tokens)[:, 1:-1] & ends[:, :-2] & starts[:, 2:]
            joined[:, 1:-1] |= inside
            joined[:, 2:] |= inside
        return joined

    def to_text(self) -> str:
        """Return one hexadecimal digit for each token id, whose bits are the four masks."""
        masks = (self.starts, self.elided, self.ends, self.apostrophes)
        digits = sum(mask.astype(np.uint8) << bit for bit, mask in enumerate(masks))
        text: str = np.frombuffer(DIGITS, dtype="S1")[digits].tobytes().decode()
        return text

    @classmethod
    def from_text(cls, text: str) -> Joints:
        """Return the masks that `to_text` saved.

        Raises:
            ValueError: a character is not a hexadecimal digit, or there is none.
        """
        if not text or not set(text) <= set(DIGITS.decode()):
            raise ValueError("joints are not one hexadecimal digit for each token id")
        digits = np.searchsorted(np.frombuffer(DIGITS, "S1"), np.frombuffer(text.encode(), "S1"))
        return cls(*((digits >> bit & 1).astype(bool) for bit in range(4)))


@functools.lru_cache(maxsize=8)
def old_text(n: int, bits: str) -> str:
    """Return the text of masks that an earlier version saved as zlib-compressed bits in base 64.

    Raises:
        ValueError: the bits are not four masks of `n` token ids.
    """
    width = (n + 7) // 8
    try:
        packed = base64.b64decode(bits, validate=True)
        raw = zlib.decompressobj().decompress(packed, BYTES_OF_A_MASK)
    except zlib.error as error:
        raise ValueError(f"the bits are damaged: {error}") from error
    if n < 1 or len(raw) != 4 * width:
        raise ValueError(f"{len(raw)} bytes are not four masks of {n} token ids")
    rows = np.frombuffer(raw, dtype=np.uint8).reshape(4, width)
    return Joints(*(np.unpackbits(row, count=n).astype(bool) for row in rows)).to_text()


def token_texts(tokenizer: Any, d_vocab: int) -> list[str]:
    """Return the text of every token id; empty for one that cannot be decoded.

    A tokenizer of whole words, which writes a space between any two tokens, gives each token its
    space here, so that no two of them join.
    """
    texts = [_text(tokenizer, token) for token in range(d_vocab)]
    if _writes_spaces(tokenizer, texts):
        return [f" {text}" if text else text for text in texts]
    return texts


def _text(tokenizer: Any, token: int) -> str:
    try:
        return token_text(tokenizer, token)
    except Exception:  # an embedding may have more rows than the tokenizer has ids
        return ""


def _writes_spaces(tokenizer: Any, texts: Sequence[str]) -> bool:
    """Return whether two tokens of letters alone come out of the tokenizer as two words."""
    letters = [token for token, text in enumerate(texts) if text.isalpha()][-2:]
    if len(letters) < 2:
        return False
    first, second = letters
    together = str(tokenizer.decode(letters)).strip()
    return together == f"{texts[first]} {texts[second]}"


def _elided(text: str) -> bool:
    return text[:1] in APOSTROPHES and text[1:2].isalpha()


def _at(
    mask: Bool[np.ndarray, " d_vocab"], tokens: Int[np.ndarray, "batch pos"]
) -> Bool[np.ndarray, "batch pos"]:
    """Return the mask of every token, False for ids beyond it."""
    found: Bool[np.ndarray, "batch pos"]
    if tokens.size and int(tokens.max()) >= len(mask):
        inside = tokens < len(mask)
        found = mask[np.where(inside, tokens, 0)] & inside
        return found
    found = mask[tokens]
    return found
