"""Complete text of a trie: every path, and what it predicts, so that it can be read back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from benchmark.graphs.notation import read_places, write_places
from benchmark.vocabulary import Vocabulary
from explainers.complete_text import NUMBER, expanded, joined, line_named, read_number
from explainers.n2g.settings import LITERAL, LONGEST
from explainers.n2g.trie import ANY, Path

_LITERAL = ", a token goes before …"
_FIRST = re.compile(
    rf"largest activation (?P<maximum>{NUMBER}), elsewhere (?P<default>{NUMBER})"
    rf"(?P<literal>{_LITERAL})?"
)
# Two spaces stand nowhere in a pattern.
_BETWEEN = "  "


def two_digits(part: float) -> float:
    """Return a part of the largest activation as the text shows it."""
    return float(f"{part:.2f}") + 0.0  # no minus before a zero


def four_digits(maximum: float) -> float:
    """Return a largest activation, raw units, as the text shows it."""
    return float(f"{maximum:.4g}")


def write_text(
    maximum: float, default: float, match: str, paths: Sequence[Path], vocabulary: Vocabulary
) -> str:
    """Write the largest activation and what is predicted elsewhere, then all paths.

    Paths share a line where it stands for exactly these paths and all predict the same.

    Args:
        maximum: largest activation, raw units, of `four_digits`.
        default: part of it that is predicted where no path matches, of `two_digits`.
        match: which of several matching paths decides, as in the settings.
        paths: strongest first; their activations are of `two_digits`.
        vocabulary: spells the tokens.
    """
    first = f"largest activation {maximum:.4g}, elsewhere {default:.2f}"
    lines = [first + (_LITERAL if match == LITERAL else "")]
    for activation, alike in groupby(paths, key=lambda path: path.activation):
        patterns = [
            tuple(() if token == ANY else (token,) for token in reversed(path.tokens))
            for path in alike
        ]
        lines += [
            f"{write_places(places, vocabulary)}{_BETWEEN}{activation:.2f}"
            for places in joined(patterns)
        ]
    return "\n".join(lines)


def read_text(text: str, vocabulary: Vocabulary) -> tuple[float, float, str, list[Path]]:
    """Return the arguments of `write_text` that a text was written from.

    Raises:
        ValueError: a line cannot be read; it is named.
    """
    first, *lines = text.split("\n")
    with line_named(1, first):
        numbers = _FIRST.fullmatch(first)
        if numbers is None:
            raise ValueError("it is not 'largest activation <number>, elsewhere <number>'")
        maximum, default = read_number(numbers["maximum"]), read_number(numbers["default"])
    paths: list[Path] = []
    for number, line in enumerate(lines, start=2):
        with line_named(number, line):
            pattern, _, value = line.rpartition(_BETWEEN)
            places, activation = read_places(pattern, vocabulary), read_number(value)
            if not places[0] or not places[-1]:
                raise ValueError("a pattern begins and ends with a token")
            paths += [
                Path(tokens, (0.0,) * len(tokens), activation, 1)
                for tokens in expanded(places[::-1], ANY)
            ]
    return maximum, default, LITERAL if numbers["literal"] else LONGEST, paths
