"""Minimal activating examples and local search: exemplars pruned, and their words substituted."""

from explainers.local_search.explainer import LocalSearch
from explainers.local_search.explanation import LocalSearchExplanation

__all__ = ["LocalSearch", "LocalSearchExplanation"]
