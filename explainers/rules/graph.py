"""Rules as a neuron graph: the patterns on whose last token the neuron is predicted to fire."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, product
from typing import TYPE_CHECKING

from benchmark.graphs import NeuronGraph, TokenPattern, build_graph

if TYPE_CHECKING:
    from explainers.rules.explanation import RulesExplanation

# Patterns without alternatives that one rule may give.
MOST_PATTERNS = 1000


def graph_of(explanation: RulesExplanation) -> NeuronGraph:
    """Return the graph of the rules that raise the activation on tokens that they name.

    A rule that lowers it is an exception, not a pattern to fire on; one about any token names no
    activating token. A pattern's activation is its rule's value alone, at most the largest one. A
    token somewhere before the current one stands just before it with any one token between.
    """
    patterns = [
        TokenPattern(tokens, (1.0,) * len(tokens), min(1.0, rule.value / 1000), 1)
        for rule in explanation.rules
        if rule.value > 0 and rule.places[-1]
        for tokens in _patterns(rule.places, bool(rule.within))
    ]
    texts = explanation.texts
    return build_graph(patterns, lambda token: texts.get(token, f"#{token}"), explanation.bos)


def _patterns(places: Sequence[Sequence[int]], apart: bool) -> list[tuple[int | None, ...]]:
    options = [place or (None,) for place in places]
    if apart:
        options.insert(1, (None,))
    return list(islice(product(*options), MOST_PATTERNS))
