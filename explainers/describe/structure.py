"""Structure of explanations: the n-grams that they are about, whatever they are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, product

import numpy as np

from benchmark.graphs import NeuronGraph, OffersGraph
from benchmark.interface import Explanation
from explainers.context_tree import ContextTreeExplanation
from explainers.fasttext import FastTextExplanation
from explainers.fasttext.words import tokens_of_key
from explainers.local_search import LocalSearchExplanation
from explainers.max_examples import MaxExamplesExplanation
from explainers.token_lookup import TokenLookupExplanation

DEPTH = 4
"""Tokens of the longest n-gram that a sentence speaks of."""
MOST = 300
"""N-grams of an explanation that are looked at, its strongest."""
FIRING = 0.5

Ngram = tuple[int, ...]


def ngrams_of(explanation: Explanation) -> list[Ngram] | None:
    """Return what an explanation is about, strongest first, with all shorter contexts.

    Returns:
        N-grams of token ids, the current token last, each once; None for an explanation whose
        structure is not known.
    """
    found = _found(explanation)
    if found is None:
        return None
    longest = islice(dict.fromkeys(ngram[-DEPTH:] for ngram in found if ngram), MOST)
    parts = (ngram[start:] for ngram in longest for start in range(len(ngram) - 1, -1, -1))
    return list(dict.fromkeys(parts))


def _found(explanation: Explanation) -> Iterable[Ngram] | None:
    if isinstance(explanation, OffersGraph):
        return _of_graph(explanation.graph())
    if isinstance(explanation, TokenLookupExplanation):
        order = explanation.values.argsort(descending=True, stable=True)
        return ((token,) for token in explanation.ids[order].tolist())
    if isinstance(explanation, ContextTreeExplanation):
        return _of_tree(explanation)
    if isinstance(explanation, FastTextExplanation):
        table = explanation.table
        rows = np.argsort(-table.values, kind="stable").tolist()
        return (tokens_of_key(table.words[row]) for row in rows)
    if isinstance(explanation, LocalSearchExplanation):
        return (one.tokens for one in explanation.examples)
    if isinstance(explanation, MaxExamplesExplanation):
        return _of_exemplars(explanation)
    return None


def _of_graph(graph: NeuronGraph) -> Iterator[Ngram]:
    """Yield the tokens of patterns up to the first place where any token can stand."""
    for pattern in graph.strongest_first():
        places: list[tuple[int, ...]] = []
        for node in reversed(pattern.nodes[-DEPTH:]):
            if graph.nodes[node].is_any:
                break
            places.insert(0, graph.nodes[node].tokens)
        yield from islice(product(*places), MOST)


def _of_tree(tree: ContextTreeExplanation) -> Iterator[Ngram]:
    nodes: list[tuple[int, Ngram]] = []
    above: list[Ngram] = [()]
    for level in tree.levels[:DEPTH]:
        rows = zip(level.parents.tolist(), level.tokens.tolist(), strict=True)
        above = [(token, *above[parent]) for parent, token in rows]
        nodes += zip(level.values.tolist(), above, strict=True)
    nodes.sort(key=lambda node: (-abs(node[0]), len(node[1]), node[1]))
    return (ngram for _, ngram in nodes)


def _of_exemplars(explanation: MaxExamplesExplanation) -> Iterator[Ngram]:
    remembered = explanation.remembered
    least = FIRING * explanation.max_activation
    for context, position in np.argwhere(remembered.activations >= least).tolist():
        start = max(0, position + 1 - DEPTH)
        yield tuple(remembered.tokens[context, start : position + 1].tolist())
