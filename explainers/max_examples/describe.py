"""Exemplars for a person: the strongest first, around their peaks, tokens marked by activation.

Neuroscope colours each token by its activation; here a mark stands in the text, so that it reads
the same without colour.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from jaxtyping import Int

from explainers.max_examples.matching import Remembered
from explainers.shown_texts import TextOf

LINES = 16
WIDTH = 98
PEAKS = 6
# Tenths of the largest activation from which on a token is marked, unless more than that part of
# all tokens would be; and at which it fires.
MARKED, FIRING = 2, 5
MARKED_PART = 0.1
START, GAP = "[start]", "…"
_DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_NUMBERS = 9  # columns before an exemplar's text


def describe(remembered: Remembered, bos: int, maximum: float, text_of: TextOf) -> str:
    """Describe the exemplars on at most a screen; `text_of` gives a token's text."""
    tokens, activations = remembered.tokens, remembered.activations
    if not len(tokens):
        return f"no exemplars; {remembered.resting:.4g} everywhere"
    levels = tenths(remembered, bos, maximum)
    few = [level for level in range(MARKED, FIRING) if (levels >= level).mean() <= MARKED_PART]
    marked = min(few, default=FIRING)
    lines = [
        f"{len(tokens)} exemplars of {tokens.shape[1]} tokens; largest activation {maximum:.4g}; "
        f"{remembered.resting:.4g} where nothing matches",
        *_peaks(tokens, levels, text_of),
        f"‹token›⁷ did 7 tenths of the largest activation; unmarked ones less than {marked}",
    ]
    hidden = np.where(tokens == bos, -np.inf, activations)
    shown: dict[str, tuple[float, int]] = {}
    for row, peak in enumerate(hidden.argmax(1).tolist()):
        text = _window(tokens[row], levels[row], peak, marked, bos, text_of)
        strongest, times = shown.get(text, (float(hidden[row, peak]), 0))
        shown[text] = (strongest, times + 1)
    for text, (strongest, times) in list(shown.items())[:LINES]:
        again = f" ×{times}" if times > 1 else ""
        lines.append(f"{strongest:>7.4g}  {text}{again}")
    left = len(tokens) - sum(times for _, times in list(shown.values())[:LINES])
    if left:
        lines.append(f"and {left} weaker ones")
    return "\n".join(lines)


def tenths(remembered: Remembered, bos: int, maximum: float) -> Int[np.ndarray, "k ctx"]:
    """Return activations as whole tenths of the largest one, 0 on BOS."""
    if not maximum > 0:
        return np.zeros(remembered.tokens.shape, dtype=np.int64)
    share = remembered.activations.astype(np.float64) / maximum
    levels = np.floor(np.clip(share, 0, 1) * 10 + 1e-6).astype(np.int64)
    return np.where(remembered.tokens == bos, 0, levels)


def _peaks(
    tokens: Int[np.ndarray, "k ctx"],
    levels: Int[np.ndarray, "k ctx"],
    text_of: TextOf,
) -> list[str]:
    """Return which tokens it fires on, and in how many of the exemplars."""
    firing = [set(row[level >= FIRING].tolist()) for row, level in zip(tokens, levels, strict=True)]
    counts = Counter(token for found in firing for token in found)
    if not counts:
        return []
    often = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    line = f"fires (at {FIRING} tenths and above) on"
    for number, (token, times) in enumerate(often[:PEAKS]):
        entry = f"{',' if number else ''} {text_of(token)} ×{times}"
        if len(line) + len(entry) > WIDTH - 16:
            break
        line += entry
    else:
        number = min(PEAKS, len(often))
    if len(often) > number:
        line += f", {len(often) - number} others"
    return [line]


def _window(
    tokens: Int[np.ndarray, " ctx"],
    levels: Int[np.ndarray, " ctx"],
    peak: int,
    marked: int,
    bos: int,
    text_of: TextOf,
) -> str:
    """Write a context around its peak: two tokens of the left for one of the right that fit."""

    def piece(at: int) -> str:
        token = int(tokens[at])
        text = START if token == bos else text_of(token)
        if levels[at] < marked and at != peak:
            return text
        return f"‹{text}›{str(levels[at]).translate(_DIGITS)}"

    def line(pieces: list[str], start: int, stop: int) -> str:
        before = GAP if start > 0 else ""
        after = GAP if stop < len(tokens) else ""
        return f"{before}{_readable(''.join(pieces))}{after}"

    start, stop, pieces = peak, peak + 1, [piece(peak)]
    room, turn, stuck = WIDTH - _NUMBERS - len(" ×99"), 0, set[str]()
    while len(stuck) < 2:
        side = "right" if "left" in stuck or (turn % 3 == 2 and "right" not in stuck) else "left"
        turn += 1
        at = start - 1 if side == "left" else stop
        if not 0 <= at < len(tokens):
            stuck.add(side)
            continue
        longer = [piece(at), *pieces] if side == "left" else [*pieces, piece(at)]
        bounds = (at, stop) if side == "left" else (start, at + 1)
        if len(line(longer, *bounds)) > room:
            stuck.add(side)
            continue
        pieces, (start, stop) = longer, bounds
    return line(pieces, start, stop)


def _readable(text: str) -> str:
    """Write running text: spaces as spaces, and no more than two where there were many."""
    return re.sub("·+", lambda found: " " if len(found.group()) == 1 else "··", text)
