"""Rules: an explanation of one screen whose text is all that it predicts from."""

from explainers.rules.explainer import Rules
from explainers.rules.explanation import RulesExplanation

__all__ = ["Rules", "RulesExplanation"]
