"""Sentences that a language model writes about neurons."""

from explainers.llm.explainer import LLM

__all__ = ["LLM"]
