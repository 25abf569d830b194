"""Rules as a neuron graph: the patterns on whose last token the neuron is predicted to fire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice, product

from benchmark.graphs import NeuronGraph, TokenPattern, build_graph
from explainers.rules.rule import Rule

# Patterns without alternatives that one rule may give.
MOST_PATTERNS = 1000


def graph_of(rules: Sequence[Rule], texts: Mapping[int, str], bos: int) -> NeuronGraph:
    """Return the graph of the rules that raise the activation on tokens that they name.

    A rule that lowers it is an exception, not a pattern to fire on; one about any token names no
    activating token. A pattern's activation is its rule's value alone, at most the largest one. A
    token somewhere before the current one stands just before it with any one token between.
    """
    patterns = [
        TokenPattern(tokens, (1.0,) * len(tokens), min(1.0, rule.value / 1000), 1)
        for rule in rules
        if rule.value > 0 and rule.places[-1]
        for tokens in _patterns(rule.places, bool(rule.within))
    ]
    return build_graph(patterns, lambda token: texts.get(token, f"#{token}"), bos)


def _patterns(places: Sequence[Sequence[int]], apart: bool) -> list[tuple[int | None, ...]]:
    options = [place or (None,) for place in places]
    if apart:
        options.insert(1, (None,))
    return list(islice(product(*options), MOST_PATTERNS))
