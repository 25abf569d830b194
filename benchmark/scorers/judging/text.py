"""Text of windows as judges read it, with some tokens marked."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Hardly any text has them, unlike angle brackets, which programs are full of.
OPENS, CLOSES = "⟦", "⟧"
_STAND_INS = str.maketrans({OPENS: "[", CLOSES: "]"})


def plain_text(tokenizer: Any, tokens: Sequence[int]) -> str:
    """Return the text of some token ids, without the letters that mark."""
    text = tokenizer.decode(list(tokens), clean_up_tokenization_spaces=False)
    return str(text).translate(_STAND_INS)


def marked_text(tokenizer: Any, tokens: Sequence[int], marks: NDArray[np.bool_]) -> str:
    """Return the text of some token ids in which each run of marked ones stands between marks."""
    edges = [0, *(np.flatnonzero(np.diff(marks)) + 1).tolist(), len(marks)]
    parts = []
    for start, stop in itertools.pairwise(edges):
        text = plain_text(tokenizer, tokens[start:stop])
        parts.append(f"{OPENS}{text}{CLOSES}" if marks[start] else text)
    return "".join(parts)


def numbered(texts: Sequence[str]) -> str:
    """Return texts under headings that number them from 1."""
    return "\n".join(f"--- Text {number} ---\n{text}" for number, text in enumerate(texts, start=1))
