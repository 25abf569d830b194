"""Description of a neuron's words: each in its context, and the neighbours that were tried."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.token_text import visible

WORDS = 14
LINES_OF_NEIGHBOURS = 3
WIDTH = 96
WINDOW = 72
LEFT = 32  # of a window, before the word
UNBOUNDED = 10_000


@dataclass(frozen=True)
class Word:
    """An activating word, for a person.

    Attributes:
        name: the word.
        activation: the largest in the exemplars, as a part of the neuron's largest.
        value: what is predicted of it: its mean over all its occurrences there, such a part.
        count: its occurrences in the exemplars.
        before, inside, after: the text of its tokens where it activates most, and of three on
            either side.
    """

    name: str
    activation: float
    value: float
    count: int
    before: str
    inside: str
    after: str


@dataclass(frozen=True)
class Neighbour:
    """A word that was tried instead of an activating one; its activation as a part."""

    original: str
    name: str
    activation: float
    kept: bool


def is_semantic(coherence: float | None, threshold: float) -> bool | None:
    """Return whether words are alike enough; None where there are no two to compare."""
    return None if coherence is None else coherence >= threshold


def describe(
    words: Sequence[Word],
    neighbours: Sequence[Neighbour],
    *,
    coherence: float | None,
    threshold: float,
    floor: float,
) -> str:
    """Describe coherence, the words in their context, neighbours that were kept and rejected."""
    lines = [
        _headline(len(words), coherence, threshold),
        f"{'peak':>5} {'mean':>5} {'seen':>4}  where it peaks",
    ]
    for word, window in zip(words, _windows(words[:WORDS]), strict=False):
        lines.append(f"{word.activation:5.2f} {word.value:5.2f} {word.count:4d}  {window}")
    if len(words) > WORDS:
        rest = ", ".join(visible(word.name, 20) for word in words[WORDS:])
        plural = "s" * (len(words) - WORDS > 1)
        lines.append(visible_line(f"and {len(words) - WORDS} weaker word{plural}: {rest}"))
    for kept, title in ((True, "nearest words that also activate"), (False, "and that do not")):
        lines += _neighbours(neighbours, kept, title)
    lines.append(_generalises(floor))
    return "\n".join(lines)


def visible_line(line: str) -> str:
    """Return a line of bounded width."""
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _headline(n: int, coherence: float | None, threshold: float) -> str:
    if coherence is None:
        return f"{n} activating word{'s' * (n != 1)}: no two to compare, so no coherence"
    verdict = "semantic" if is_semantic(coherence, threshold) else "not semantic"
    return (
        f"{n} activating words, coherence {coherence:.2f} "
        f"({verdict}: the threshold is {threshold:.2f})"
    )


def _windows(words: Sequence[Word]) -> list[str]:
    """Write each word between ‹ and ›, with three tokens on either side, one below the other."""
    lefts = [visible(word.before, UNBOUNDED) for word in words]
    column = min(max(map(len, lefts), default=0), LEFT)
    lines = []
    for word, left in zip(words, lefts, strict=True):
        shown = left if len(left) <= column else f"…{left[len(left) - column + 1 :]}"
        inside = visible(word.inside, WINDOW - column - 2)
        room = WINDOW - column - 2 - len(inside)
        right = visible(word.after, room) if room > 1 else ""
        lines.append(f"{shown:>{column}}‹{inside}›{right}")
    return lines


def _neighbours(neighbours: Sequence[Neighbour], kept: bool, title: str) -> list[str]:
    of_original: dict[str, list[str]] = {}
    for one in neighbours:
        if one.kept == kept:
            shown = f"{visible(one.name, 20)} {one.activation:.2f}"
            of_original.setdefault(one.original, []).append(shown)
    if not of_original:
        return []
    groups = [
        f"{visible(original, 20)} → {', '.join(found)}" for original, found in of_original.items()
    ]
    text = f"{title}: {'; '.join(groups)}"
    lines = textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    if len(lines) > LINES_OF_NEIGHBOURS:
        lines = lines[:LINES_OF_NEIGHBOURS]
        lines[-1] = visible_line(f"{lines[-1][: WIDTH - 2]} …")
    return lines


def _generalises(floor: float) -> str:
    if floor >= 1:
        return "similar words are predicted to rest: no word of the exemplars told of the others"
    return (
        f"words at least {floor:.2f} similar to these are predicted to activate too, "
        "the more the closer"
    )
