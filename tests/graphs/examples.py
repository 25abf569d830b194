"""Random patterns, and what a graph says, one pattern at a time."""

from __future__ import annotations

import itertools

from hypothesis import strategies as st

from benchmark.graphs import TokenPattern

START = 0
TEXTS = {1: "·was", 2: "·were", 3: "·on", 4: "·the", 5: "·List", 6: "·a", 7: "·Set"}


def text_of(token):
    return TEXTS.get(token, f"#{token}")


def pattern(*tokens, activation=1.0, count=1, importances=None):
    return TokenPattern(
        tokens,
        tuple(importances or (0.0 if token is None else 0.9 for token in tokens)),
        activation,
        count,
    )


@st.composite
def pattern_lists(draw, most=8):
    """Patterns over few tokens, so that they share much; no two the same."""
    found = {}
    literals = st.integers(0, 4)
    for _ in range(draw(st.integers(0, most))):
        tokens = [draw(literals)]
        if draw(st.booleans()):
            tokens += draw(st.lists(st.one_of(literals, st.none()), max_size=4))
            tokens.append(draw(literals))
        found[tuple(tokens)] = TokenPattern(
            tuple(tokens),
            tuple(0.0 if token is None else draw(st.floats(0, 1)) for token in tokens),
            draw(st.floats(0, 1)),
            draw(st.integers(1, 3)),
        )
    return list(found.values())


def spelt(graph):
    """Every sequence of tokens that the graph holds, with the activation there."""
    found = {}
    for each in graph.patterns:
        choices = []
        for node in (graph.nodes[index] for index in each.nodes):
            if node.is_any:
                choices.append([(None,) * length for length in node.lengths])
            else:
                choices.append([(token,) for token in node.tokens])
        for chosen in itertools.product(*choices):
            tokens = tuple(itertools.chain.from_iterable(chosen))
            assert tokens not in found, "two patterns of one graph say the same"
            found[tokens] = each.activation
    return found
