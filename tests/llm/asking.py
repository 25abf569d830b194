"""An explainer, a simulator and a scorer that ask a language model."""

from __future__ import annotations

import torch

from benchmark.column import MEAN, Column
from benchmark.interface import Explained, Message, Prediction, Request
from tests.runs.texts import Text


def question(text):
    return Request((Message("user", text),), max_tokens=4)


class Writes:
    """Explains a neuron by what a language model says about its number."""

    evidence = "exemplars"
    explanation_class = Text

    def __init__(self, llm=None):
        self.llm = llm

    def use_language_model(self, model):
        self.model = model

    def explain(self, evidence, subject):
        named = [question(f"write {evidence.layer}.{n}") for n in evidence.neurons.tolist()]
        for reply in self.model.ask(named):
            yield Explained(Text(reply.text), {"llm_tokens": reply.usage.tokens})


class Reads:
    """Predicts the length of what a language model says about a text."""

    def __init__(self, llm=None):
        self.llm = llm

    def use_language_model(self, model):
        self.model = model

    def simulate(self, explanations, tokens):
        replies = self.model.ask([question(f"read {one.text}") for one in explanations])
        lengths = torch.tensor([float(len(reply.text)) for reply in replies])
        values = lengths[:, None, None] + tokens.float()
        return Prediction(values, costs={"llm_tokens": sum(r.usage.tokens for r in replies)})


class Judges:
    """Counts the letters of what a language model says about a neuron."""

    def __init__(self, llm=None):
        self.llm = llm

    def use_language_model(self, model):
        self.model = model

    def columns(self):
        return [Column(name="judged/letters", description="letters", summary=MEAN)]

    def score(self, block):
        asked = [question(f"judge {block.layer}.{n}") for n in block.neurons.tolist()]
        return {"judged/letters": [float(len(reply.text)) for reply in self.model.ask(asked)]}
