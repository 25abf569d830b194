"""Text of rules: a line for each, below one that says what is predicted elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmark.vocabulary import Vocabulary
from explainers.complete_text import NUMBER, line_named, read_number
from explainers.rules.rule import Rule, read_rule, read_value, write_rule, write_value

_FIRST = re.compile(
    rf"% of (?P<maximum>{NUMBER}); else (?P<elsewhere>-?[\d.]+); floor (?P<floor>-?[\d.]+)"
)


def write_text(
    maximum: float, elsewhere: int, floor: int, rules: Sequence[Rule], vocabulary: Vocabulary
) -> str:
    """Write rules as lines, in their order.

    Args:
        maximum: the neuron's largest activation, raw units, with four digits.
        elsewhere: what the values are added to, in thousandths of it.
        floor: the lowest prediction, in thousandths of it.
        rules: the rules.
        vocabulary: spells the tokens.
    """
    first = first_line(maximum, elsewhere, floor)
    return "\n".join([first, *(write_rule(rule, vocabulary) for rule in rules)])


def first_line(maximum: float, elsewhere: int, floor: int) -> str:
    """Return the line above the rules."""
    numbers = write_value(elsewhere), write_value(floor)
    return f"% of {maximum:.4g}; else {numbers[0]}; floor {numbers[1]}"


def read_text(text: str, vocabulary: Vocabulary) -> tuple[float, int, int, list[Rule]]:
    """Return the arguments of `write_text` that a text was written from.

    Raises:
        ValueError: a line cannot be read; it is named.
    """
    first, *lines = text.split("\n")
    with line_named(1, first):
        numbers = _FIRST.fullmatch(first)
        if numbers is None:
            raise ValueError("it is not '% of <number>; else <number>; floor <number>'")
        maximum = read_number(numbers["maximum"])
        elsewhere, floor = read_value(numbers["elsewhere"]), read_value(numbers["floor"])
    rules = []
    for number, line in enumerate(lines, start=2):
        with line_named(number, line):
            rules.append(read_rule(line, vocabulary))
    return maximum, elsewhere, floor, rules
