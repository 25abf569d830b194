"""The context tree: mean activation after every run of tokens, as many runs as are worth it."""

from explainers.context_tree.explainer import ContextTree
from explainers.context_tree.explanation import ContextTreeExplanation

__all__ = ["ContextTree", "ContextTreeExplanation"]
