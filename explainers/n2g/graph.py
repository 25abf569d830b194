"""A trie as a neuron graph: each path is a pattern, in reading order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from benchmark.graphs import NeuronGraph, TokenPattern, build_graph
from explainers.n2g.trie import ANY, Path


def graph_of(paths: Sequence[Path], texts: Mapping[int, str], bos: int) -> NeuronGraph:
    """Return the graph of all paths (Foote et al. 2023, arXiv 2305.19911).

    Read backwards the paths are a trie; drawn, they run in reading order to the activating token
    at the right. Alternatives share a node where `describe` writes them in brackets.
    """
    return build_graph(
        [
            TokenPattern(
                tuple(None if token == ANY else token for token in reversed(path.tokens)),
                tuple(reversed(path.importances)),
                path.activation,
                max(1, path.count),
            )
            for path in paths
            if math.isfinite(path.activation)
        ],
        lambda token: texts.get(token, f"#{token}"),
        bos,
    )
