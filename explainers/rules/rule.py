"""One rule: a pattern that ends at a token, and what it adds there; as text and back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from benchmark.graphs.notation import Place, read_context, read_places, write_context, write_places
from benchmark.graphs.writing import GAP
from benchmark.vocabulary import Vocabulary

AGAIN = "↺"
"""Before the current token: it stands earlier in the context, too."""
WITHIN = "~"
"""Before a number of tokens: what stands before it is somewhere in as many tokens."""

MOST_PATTERNS = 100_000
"""Patterns without alternatives that one rule may stand for."""
MOST = 9999
"""The largest value, in thousandths of the neuron's largest activation."""

_VALUE = re.compile(r"(?P<minus>-?)(?P<whole>[1-9]\d*|0|)(?:\.(?P<tenth>\d))?")
# A backslash and what it stands before are one; a bare mark stands before the number alone.
_WITHIN = re.compile(
    rf"(?P<before>(?:\\.|[^\\{WITHIN}])+){WITHIN}(?P<length>[1-9]\d{{0,3}})(?P<current>‹.*›)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Rule:
    """A pattern and its value.

    Attributes:
        value: what is added where the pattern ends, thousandths of the largest activation.
        places: the token ids that can stand at each place, none where any can, in reading order;
            the last is that of the current token.
        within: 0, or in how many tokens before the current one the first of two places stands.
        again: whether the current token stands earlier in the context, too; there is one place.
    """

    value: int
    places: tuple[Place, ...]
    within: int = 0
    again: bool = False

    def __post_init__(self) -> None:
        if not self.places or abs(self.value) > MOST:
            raise ValueError(f"a rule cannot be {self.places} with {self.value}")
        if self.within and (len(self.places) != 2 or not self.places[0] or self.again):
            raise ValueError("a token somewhere before the current one stands alone")
        if self.again and len(self.places) != 1:
            raise ValueError("a token that stands earlier, too, has no context")
        if not (any(self.places) or self.again) or (len(self.places) > 1 and not self.places[0]):
            raise ValueError("a pattern begins with a token")
        if any(min(place, default=0) < 0 or len(set(place)) < len(place) for place in self.places):
            raise ValueError("the tokens of a place are distinct ids")
        if prod(len(place) or 1 for place in self.places) > MOST_PATTERNS:
            raise ValueError(f"a rule stands for more than {MOST_PATTERNS:,} patterns")


def write_value(value: int) -> str:
    """Write thousandths as percent: `85`, `7.5`, `.4`, `-12`."""
    whole, tenth = divmod(abs(value), 10)
    digits = f"{whole or ''}{f'.{tenth}' if tenth else ''}" or "0"
    return f"-{digits}" if value < 0 else digits


def read_value(text: str) -> int:
    """Return thousandths that `write_value` wrote.

    Raises:
        ValueError: the text is no such number.
    """
    found = _VALUE.fullmatch(text)
    value = 10 * int(found["whole"] or 0) + int(found["tenth"] or 0) if found else 0
    if found is None or write_value(-value if found["minus"] else value) != text:
        raise ValueError(f"'{text}' is no percentage with at most one decimal")
    return -value if found["minus"] else value


def write_rule(rule: Rule, vocabulary: Vocabulary) -> str:
    """Return a rule as a line: `85 import·[os|sys].‹path›`."""
    return f"{write_value(rule.value)} {write_pattern(rule, vocabulary)}"


def write_pattern(rule: Rule, vocabulary: Vocabulary) -> str:
    """Return the pattern of a rule: what its line says after the value."""
    if rule.within:
        context = write_context(rule.places[:1], vocabulary)
        return f"{context}{WITHIN}{rule.within}{write_places(rule.places[1:], vocabulary)}"
    return f"{AGAIN if rule.again else ''}{write_places(rule.places, vocabulary)}"


def read_rule(line: str, vocabulary: Vocabulary) -> Rule:
    """Return the rule that a line was written from.

    Raises:
        ValueError: it is no rule.
    """
    value, _, pattern = line.partition(" ")
    number = read_value(value)
    within = _WITHIN.fullmatch(pattern)
    if within is not None:
        before = read_context(within["before"], vocabulary)
        if len(before) != 1:
            raise ValueError(f"before {WITHIN} stands one token, not '{within['before']}'")
        current = read_places(within["current"], vocabulary)
        return Rule(number, (*before, *current), within=int(within["length"]))
    again = pattern.startswith(AGAIN)
    return Rule(number, read_places(pattern.removeprefix(AGAIN), vocabulary), again=again)


def texts_of(place: Sequence[int], vocabulary: Vocabulary) -> str:
    """Return the tokens of a place: what stands in its brackets."""
    return "|".join(map(vocabulary.spell, place)) if place else GAP
