"""Explainers that cost money, meet an outage, or are killed between two neurons."""

from __future__ import annotations

import os
from typing import ClassVar

from benchmark.interface import Costs, Explained, Failure
from tests.runs.methods import Constant
from tests.runs.stopping import STOP_AT, stop


class OneByOne:
    """Yields a constant for each neuron, which costs as much as its index says.

    With STOP_AT set to the name of a neuron such as `0.12` it waits for ever before that one.
    """

    evidence = "exemplars"
    explanation_class = Constant
    calls: ClassVar[list] = []

    def __init__(self, value=1.0):
        self.value = value

    def explain(self, evidence, subject):
        for neuron in evidence.neurons.tolist():
            name = f"{evidence.layer}.{neuron}"
            if os.environ.get(STOP_AT) == name:
                stop()
            OneByOne.calls.append(name)
            self.before(evidence.layer, neuron)
            subject.activations(evidence.exemplars.tokens[0, :1, :5], evidence.layer)
            yield self.answer(neuron)

    def before(self, layer, neuron):
        pass

    def answer(self, neuron):
        return Explained(Constant(self.value + neuron), Costs(usd=neuron / 100, llm_tokens=neuron))


class Down(OneByOne):
    """Meets an outage at every call after the first few; `answers` counts down."""

    answers: ClassVar[int] = 10**6
    how: ClassVar[str] = "transient"

    def answer(self, neuron):
        Down.answers -= 1
        if Down.answers < 0:
            if Down.how == "transient":
                return Failure("the endpoint is down", transient=True)
            raise {"connection": ConnectionError, "time": TimeoutError}[Down.how]("no route")
        return super().answer(neuron)


class DownInAList(Down):
    """Answers with a list, some of it transient failures."""

    def explain(self, evidence, subject):
        return list(super().explain(evidence, subject))


class DownAfterBreaking(Down):
    """Breaks on a block, and meets an outage when it explains each neuron alone."""

    def explain(self, evidence, subject):
        if evidence.n_neurons > 1:
            raise ValueError("broken")
        return list(super().explain(evidence, subject))
