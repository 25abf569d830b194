"""Complete text of a context tree: every value on a line of its tokens, read back into levels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from benchmark.graphs.notation import read_contexts, read_places, write_context, write_places
from benchmark.vocabulary import Vocabulary
from explainers.complete_text import NUMBER, Places, expanded, joined, line_named, read_number
from explainers.context_tree.tree import TreeLevel

_FIRST = re.compile(rf"(?P<root>{NUMBER}) \+ (?P<step>{NUMBER}) × number")
_VALUE = re.compile(r"-?\d{1,9}")
# Two spaces stand nowhere in a pattern.
_BETWEEN = "  "

Ngram = tuple[int, ...]


class TextWriter:
    """Writes trees of one vocabulary; what was spelt once is remembered."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._contexts: dict[Places, str] = {}

    def write(self, root: float, step: float, levels: Sequence[TreeLevel]) -> str:
        """Write the root's value and the step, then every n-gram that says something new.

        A line has a token, its value in steps above the root's, and the contexts before it that
        change the value: `‹ure› 16  P 40  [·p|ig] 23`. Tokens of which all this is the same share a
        line, and contexts with the same value stand between bars.
        """
        alone, after = _by_token(levels)
        tokens: dict[str, list[int]] = {}
        largest: dict[str, int] = {}
        for token in sorted(alone.keys() | after.keys()):
            value, contexts = alone.get(token, 0), after.get(token, {})
            values = sorted(contexts, reverse=True)
            parts = [str(value), *(f"{self._written(contexts[each])} {each}" for each in values)]
            text = _BETWEEN.join(parts)
            tokens.setdefault(text, []).append(token)
            largest[text] = max(value, *values) if values else value
        lines = [
            f"{write_places([tokens[text]], self.vocabulary)} {text}"
            for text in sorted(tokens, key=lambda text: (-largest[text], tokens[text]))
        ]
        return "\n".join([f"{root:.4g} + {step:.4g} × number", *lines])

    @cached_property
    def lengths(self) -> Int[Tensor, " vocabulary"]:
        """Return the characters of each token's spelling, `[vocabulary]`."""
        spelt = map(self.vocabulary.spell, range(self.vocabulary.size))
        return torch.tensor([len(text) for text in spelt])

    def _written(self, contexts: Sequence[Places]) -> str:
        return "|".join(map(self._context, joined(contexts)))

    def _context(self, places: Places) -> str:
        if places not in self._contexts:
            self._contexts[places] = write_context(places, self.vocabulary)
        return self._contexts[places]


def _by_token(
    levels: Sequence[TreeLevel],
) -> tuple[dict[int, int], dict[int, dict[int, list[Places]]]]:
    """Return the values of tokens, and of each the contexts before it by value.

    What says the same as the n-gram without its earliest token is left out.
    """
    alone: dict[int, int] = {}
    after: dict[int, dict[int, list[Places]]] = {}
    ngrams: list[Places] = [()]
    above = np.zeros(1, dtype=np.int64)
    for level in levels:
        pairs = zip(level.parents.tolist(), level.tokens.tolist(), strict=True)
        ngrams = [((token,), *ngrams[parent]) for parent, token in pairs]
        for at in np.flatnonzero(level.values != above[level.parents]).tolist():
            (*context, (token,)), value = ngrams[at], int(level.values[at])
            if context:
                after.setdefault(token, {}).setdefault(value, []).append(tuple(context))
            else:
                alone[token] = value
        above = level.values
    return alone, after


def read_text(text: str, vocabulary: Vocabulary) -> tuple[float, float, list[TreeLevel]]:
    """Return root, step and levels of a tree that simulates as the one that was written.

    Raises:
        ValueError: a line cannot be read; it is named.
    """
    first, *lines = text.split("\n")
    with line_named(1, first):
        numbers = _FIRST.fullmatch(first)
        if numbers is None:
            raise ValueError("it is not '<number> + <number> × number'")
        root, step = read_number(numbers["root"]), read_number(numbers["step"])
    values: dict[Ngram, int] = {}
    for number, line in enumerate(lines, start=2):
        with line_named(number, line):
            head, *items = line.split(_BETWEEN)
            pattern, value = _split(head)
            places = read_places(pattern, vocabulary)
            if len(places) > 1 or not places[0]:
                raise ValueError("before the first value stand tokens in ‹ › alone")
            found: list[tuple[Ngram, int]] = [((token,), value) for token in places[0]]
            for item in items:
                contexts, value = _split(item)
                for context in read_contexts(contexts, vocabulary):
                    if not context or () in context:
                        raise ValueError("a context is of tokens, without gaps")
                    found += [(ngram, value) for ngram in expanded((places[0], *context[::-1]), -1)]
            for ngram, value in found:
                if ngram in values:
                    raise ValueError("a context is there twice")
                values[ngram] = value
    return root, step, _levels(values)


def _split(item: str) -> tuple[str, int]:
    text, _, value = item.rpartition(" ")
    if not text or not _VALUE.fullmatch(value):
        raise ValueError(f"'{item}' does not end with a whole number")
    return text, int(value)


def _levels(values: Mapping[Ngram, int]) -> list[TreeLevel]:
    """Return the tree of some n-grams, current token first.

    An n-gram that is missing between two says what the one without its earliest token says.
    """
    levels: list[TreeLevel] = []
    above: dict[Ngram, tuple[int, int]] = {(): (0, 0)}
    for length in range(1, max(map(len, values), default=0) + 1):
        distinct = {ngram[:length] for ngram in values if len(ngram) >= length}
        ngrams = sorted(distinct, key=lambda ngram: (above[ngram[:-1]][0], ngram[-1]))
        said = [values.get(ngram, above[ngram[:-1]][1]) for ngram in ngrams]
        levels.append(
            TreeLevel(
                np.array([above[ngram[:-1]][0] for ngram in ngrams], dtype=np.int64),
                np.array([ngram[-1] for ngram in ngrams], dtype=np.int64),
                np.array(said, dtype=np.int64),
            )
        )
        above = {
            ngram: (at, value) for at, (ngram, value) in enumerate(zip(ngrams, said, strict=True))
        }
    return levels
