"""Where sentences begin in a context of tokens."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Int

# A stop, quotes or brackets that close after it, and then whitespace; or the end of a line.
_END = re.compile(r"[.!?…]+[\"'’”)\]]*(?=\s)|\n(?:[^\S\n]*\n)*")


def sentence_starts(
    tokens: Int[np.ndarray, " ctx"], bos: int, text_of: Callable[[int], str]
) -> Bool[np.ndarray, " ctx"]:
    """True at the first token of every sentence but the context's BOS.

    A sentence ends with a full stop, question or exclamation mark before whitespace, at the end
    of a line, and where a document ends. A token that holds an end belongs to what it ends; blank
    lines belong to the line before.
    """
    texts = ["" if token == bos else text_of(token) for token in tokens.tolist()]
    after = np.cumsum([len(text) for text in texts])
    ends = [match.end() for match in _END.finditer("".join(texts))]
    begins = np.zeros(len(tokens) + 1, dtype=bool)
    # The token that holds an end's last character is the sentence's last.
    begins[np.searchsorted(after, ends) + 1] = True
    begins[np.flatnonzero(tokens == bos) + 1] = True
    return begins[:-1]
