"""Context tree: mean activation after every n-gram worth keeping, else after shorter ones."""

from explainers.context_tree.explainer import ContextTree
from explainers.context_tree.explanation import ContextTreeExplanation

__all__ = ["ContextTree", "ContextTreeExplanation"]
