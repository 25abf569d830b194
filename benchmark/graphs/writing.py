"""A pattern of tokens on one line, as a person would write it."""

from __future__ import annotations

from collections.abc import Sequence

GAP = "…"
START_TEXT = "[start]"


def write_pattern(places: Sequence[Sequence[str]]) -> str:
    """Return `[was | were] … on the ‹List›`: alternatives in brackets, any tokens as one gap.

    Args:
        places: in reading order, the texts that can stand at each place, none where any can; the
            last is that of the activating token.
    """
    words: list[str] = []
    for place, texts in enumerate(places):
        if not texts:
            if not words or words[-1] != GAP:
                words.append(GAP)
            continue
        word = texts[0] if len(texts) == 1 else f"[{' | '.join(texts)}]"
        words.append(f"‹{word}›" if place == len(places) - 1 else word)
    return " ".join(words)
