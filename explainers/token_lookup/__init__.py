"""Token lookup: a neuron's mean activation on each token."""

from explainers.token_lookup.explainer import TokenLookup
from explainers.token_lookup.explanation import TokenLookupExplanation

__all__ = ["TokenLookup", "TokenLookupExplanation"]
