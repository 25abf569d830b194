"""Words and what stands around them, as a person, or whoever writes a summary, would read them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.token_text import visible

if TYPE_CHECKING:
    from explainers.fasttext.explanation import FastTextExplanation, Neighbour, Word

WORDS = 14
LINES_OF_NEIGHBOURS = 3
WIDTH = 96
WINDOW = 72
LEFT = 32  # of a window, before the word
UNBOUNDED = 10_000


def describe(explanation: FastTextExplanation) -> str:
    """Coherence, the words with the tokens around each, neighbours that were kept and rejected."""
    words = explanation.words
    lines = [_headline(explanation), f"{'peak':>5} {'mean':>5} {'seen':>4}  where it peaks"]
    for word, window in zip(words, _windows(words[:WORDS]), strict=False):
        lines.append(f"{word.activation:5.2f} {word.value:5.2f} {word.count:4d}  {window}")
    if len(words) > WORDS:
        rest = ", ".join(visible(word.name, 20) for word in words[WORDS:])
        plural = "s" * (len(words) - WORDS > 1)
        lines.append(visible_line(f"and {len(words) - WORDS} weaker word{plural}: {rest}"))
    for kept, title in ((True, "nearest words that also activate"), (False, "and that do not")):
        lines += _neighbours(explanation.neighbours, kept, title)
    lines.append(_generalises(explanation))
    return "\n".join(lines)


def visible_line(line: str) -> str:
    """A line of bounded width."""
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _headline(explanation: FastTextExplanation) -> str:
    n = len(explanation.words)
    if explanation.coherence is None:
        return f"{n} activating word{'s' * (n != 1)}: no two to compare, so no coherence"
    verdict = "semantic" if explanation.semantic else "not semantic"
    return (
        f"{n} activating words, coherence {explanation.coherence:.2f} "
        f"({verdict}: the threshold is {explanation.threshold:.2f})"
    )


def _windows(words: Sequence[Word]) -> list[str]:
    """Each word between ‹ and ›, and three tokens on either side, one below the other."""
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


def _neighbours(neighbours: tuple[Neighbour, ...], kept: bool, title: str) -> list[str]:
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


def _generalises(explanation: FastTextExplanation) -> str:
    if explanation.floor >= 1:
        return "similar words are predicted to rest: no word of the exemplars told of the others"
    return (
        f"words at least {explanation.floor:.2f} similar to these are predicted to activate too, "
        "the more the closer"
    )
