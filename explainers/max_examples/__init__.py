"""The max-activating examples: a neuron does what it did where its exemplars read the same."""

from explainers.max_examples.explainer import MaxExamples
from explainers.max_examples.explanation import MaxExamplesExplanation

__all__ = ["MaxExamples", "MaxExamplesExplanation"]
