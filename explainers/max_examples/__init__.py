"""Top activating examples as a simulator: a neuron does what it did where its exemplars match."""

from explainers.max_examples.explainer import MaxExamples
from explainers.max_examples.explanation import MaxExamplesExplanation

__all__ = ["MaxExamples", "MaxExamplesExplanation"]
