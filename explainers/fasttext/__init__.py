"""The semantic baseline: a neuron as words, and how alike other words are to them."""

from explainers.fasttext.explainer import FastText
from explainers.fasttext.explanation import FastTextExplanation

__all__ = ["FastText", "FastTextExplanation"]
