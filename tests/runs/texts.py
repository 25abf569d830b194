"""An explainer whose explanations are text, and simulators that read it."""

from __future__ import annotations

from typing import ClassVar

import torch

from benchmark.interface import Prediction


class Text:
    """What a neuron does, in words: the number that it always is."""

    def __init__(self, text):
        self.text = text

    def describe(self):
        return self.text

    def to_dict(self):
        return {"text": self.text}

    @classmethod
    def from_dict(cls, data):
        return cls(data["text"])


class Writes:
    """Explains a neuron by its mean activation, in words."""

    evidence = "exemplars"
    explanation_class = Text
    calls: ClassVar[int] = 0

    def explain(self, evidence, subject):
        Writes.calls += 1
        return [Text(f"rises from {mean:.6f}") for mean in evidence.mean_activation.tolist()]


class Reads:
    """Predicts a number that grows along the context from the one that the text names.

    Attributes:
        contexts: of how many contexts, the first ones; None for all.
        part: `contexts` for the same of all neurons, `own` for as many of each, others by the text.
    """

    calls: ClassVar[list] = []
    error: ClassVar[Exception | None] = None

    def __init__(self, contexts=None, part="contexts"):
        self.contexts, self.part = contexts, part
        self.client = object()  # never saved

    def simulate(self, explanations, tokens):
        Reads.calls.append([one.text for one in explanations])
        if Reads.error is not None:
            raise Reads.error
        values = torch.stack([self.one(one.text, tokens) for one in explanations])
        predicted = None
        if self.contexts is not None:
            predicted = torch.arange(len(tokens)) < self.contexts
            values[:, ~predicted] = torch.nan
        if self.part == "own":
            predicted = predicted[None, :, None].expand(values.shape).clone()
            for row in range(0, len(values), 2):
                predicted[row] = predicted[row].roll(3, 0)
            values = values.nan_to_num()
        return Prediction(values, predicted, {"llm_tokens": tokens.numel() * len(values)})

    def one(self, text, tokens):
        return float(text.split()[-1]) + tokens.float() / 10


class ReadsTheSmallSet(Reads):
    """Predicts `uniform_small` alone.

    Attributes:
        asked: the shapes of the tokens that it was asked for.
    """

    scoring_sets = ("uniform_small",)
    asked: ClassVar[list] = []

    def simulate(self, explanations, tokens):
        ReadsTheSmallSet.asked.append(tuple(tokens.shape))
        return super().simulate(explanations, tokens)


class ReadsNoSet(Reads):
    scoring_sets = ("uniform_tiny",)


class ReadsBadly(Reads):
    """Breaks at a text that ends with an even digit."""

    def one(self, text, tokens):
        if text[-1] in "02468":
            raise ValueError("cannot read it")
        return super().one(text, tokens)


class CountsCharacters:
    """Predicts the length of a text plus the token, of any explanation."""

    def simulate(self, explanations, tokens):
        return Prediction(
            torch.stack([len(one.describe()) + tokens.float() for one in explanations])
        )


class GivesATensor(Reads):
    def simulate(self, explanations, tokens):
        return super().simulate(explanations, tokens).values


class GivesAWrongMask(Reads):
    def simulate(self, explanations, tokens):
        prediction = super().simulate(explanations, tokens)
        return Prediction(prediction.values, torch.ones(3, dtype=torch.bool))


class Program(Text):
    """The same text as a program, the slow twin of `Reads`."""

    def simulate(self, tokens):
        return Reads().one(self.text, tokens)


class WritesPrograms(Writes):
    explanation_class = Program

    def explain(self, evidence, subject):
        return [Program(one.text) for one in super().explain(evidence, subject)]
