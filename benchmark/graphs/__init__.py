"""Neuron graphs: what an explanation says as a picture, and questions over all graphs of a run."""

from benchmark.graphs.graph import (
    ACTIVATING,
    CONTEXT,
    ROLES,
    START,
    NeuronGraph,
    Node,
    OffersGraph,
    Pattern,
)
from benchmark.graphs.merge import TokenPattern, build_graph
from benchmark.graphs.png import to_png
from benchmark.graphs.svg import to_dot, to_svg

__all__ = [
    "ACTIVATING",
    "CONTEXT",
    "ROLES",
    "START",
    "NeuronGraph",
    "Node",
    "OffersGraph",
    "Pattern",
    "TokenPattern",
    "build_graph",
    "to_dot",
    "to_png",
    "to_svg",
]
