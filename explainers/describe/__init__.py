"""Sentence from structure: what another explainer found, in plain words, without a language model.

It is the baseline for sentences that a language model writes.
"""

from explainers.describe.explainer import Describe
from explainers.describe.explanation import Description

__all__ = ["Describe", "Description"]
