r"""Sentences of clues as text and back.

    Fires 9/10 on "join" after "os.path." or "import·"; 6/10 on "·isinstance", "·hasattr";
    0/10 elsewhere. 10/10 is 7.689.

Tokens are spelt as in all patterns, between quotes; a quote in a token stands after a backslash.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmark.vocabulary import Vocabulary
from explainers.complete_text import NUMBER, line_named, read_number

TENTHS = 10
MOST = 1000
"""The largest level, in tenths of a level: a hundred times the largest activation."""

_LEVEL = r"-?\d+(?:\.\d)?"
_QUOTED = r'"(?:\\.|[^"\\])+"'
_TOKEN = rf"{_QUOTED}(?: after ({_QUOTED}(?: or {_QUOTED})*))?"
_GROUP = re.compile(rf"(?P<level>{_LEVEL})/10 on (?P<tokens>{_TOKEN}(?:, {_TOKEN})*); ", re.DOTALL)
_END = re.compile(rf"(?P<level>{_LEVEL})/10 elsewhere\. 10/10 is (?P<maximum>{NUMBER})\.")
_START = "Fires "


@dataclass(frozen=True)
class Clue:
    """What is predicted where an n-gram ends.

    Attributes:
        level: tenths of a level, of which ten are the neuron's largest activation.
        tokens: ids of the n-gram, the current token last.
    """

    level: int
    tokens: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.tokens or min(self.tokens) < 0 or abs(self.level) > MOST:
            raise ValueError(f"a clue cannot be {self.tokens} with {self.level / TENTHS:g}/10")


def write_text(
    maximum: float, elsewhere: int, clues: Sequence[Clue], vocabulary: Vocabulary
) -> str:
    """Write clues as a sentence, those of one level together, in their order.

    Args:
        maximum: the neuron's largest activation, raw units, with four digits.
        elsewhere: what is predicted where no clue is, tenths of a level.
        clues: the clues.
        vocabulary: spells the tokens.
    """
    groups = "".join(
        f"{write_level(level)}/10 on {_write_tokens([*together], vocabulary)}; "
        for level, together in itertools.groupby(clues, key=lambda one: one.level)
    )
    return f"{_START}{groups}{write_level(elsewhere)}/10 elsewhere. 10/10 is {maximum:.4g}."


def read_text(text: str, vocabulary: Vocabulary) -> tuple[float, int, list[Clue]]:
    """Return maximum, elsewhere and clues that `write_text` wrote.

    Raises:
        ValueError: the text is none that it writes.
    """
    with line_named(1, text):
        if not text.startswith(_START):
            raise ValueError(f"it does not begin with '{_START.strip()}'")
        clues: list[Clue] = []
        at = len(_START)
        while group := _GROUP.match(text, at):
            level = _read_level(group["level"])
            clues += [Clue(level, ngram) for ngram in _read_tokens(group["tokens"], vocabulary)]
            at = group.end()
        end = _END.fullmatch(text, at)
        if end is None:
            raise ValueError(f"'{text[at : at + 40]}' is no level with its tokens, and no end")
        if len({one.tokens for one in clues}) < len(clues):
            raise ValueError("it says two things about the same tokens")
        maximum, elsewhere = read_number(end["maximum"]), _read_level(end["level"])
        if abs(elsewhere) > MOST or write_text(maximum, elsewhere, clues, vocabulary) != text:
            raise ValueError("it is not written as a sentence of clues is")
    return maximum, elsewhere, clues


def write_level(level: int) -> str:
    """Write tenths of a level: `6`, `0.4`, `-1`."""
    return f"{level / TENTHS:g}"


def _read_level(text: str) -> int:
    level = round(float(text) * TENTHS)
    if write_level(level) != text:
        raise ValueError(f"'{text}' is no level with at most one decimal")
    return level


def _write_tokens(clues: Sequence[Clue], vocabulary: Vocabulary) -> str:
    """Write the tokens of clues of one level: `"join" after "os.path." or "import·", "split"`."""
    contexts: dict[tuple[int, bool], list[str]] = {}
    for one in clues:
        *before, current = one.tokens
        known = contexts.setdefault((current, bool(before)), [])
        known += [_quoted(vocabulary.write(before))] if before else []
    return ", ".join(
        _quoted(vocabulary.spell(current)) + (f" after {' or '.join(known)}" if known else "")
        for (current, _), known in contexts.items()
    )


def _read_tokens(text: str, vocabulary: Vocabulary) -> Iterator[tuple[int, ...]]:
    """Yield the n-grams that `_write_tokens` wrote."""
    for part in re.finditer(_TOKEN, text, re.DOTALL):
        current, *contexts = re.findall(_QUOTED, part[0], re.DOTALL)
        tokens = vocabulary.read(_unquoted(current))
        if len(tokens) != 1:
            raise ValueError(f"{current} is not one token")
        yield from (
            (*vocabulary.read(_unquoted(context)), *tokens) for context in contexts or ('""',)
        )


def _quoted(spelling: str) -> str:
    escaped = re.sub(r'\\.|"', lambda m: m[0] if len(m[0]) > 1 else '\\"', spelling)
    return f'"{escaped}"'


def _unquoted(text: str) -> str:
    return re.sub(r"\\.", lambda m: '"' if m[0] == '\\"' else m[0], text[1:-1])
