"""Explainers that break in every way an explainer can, and one that behaves."""

from __future__ import annotations

from typing import ClassVar

import torch

from benchmark.interface import Failure


class Constant:
    """Predicts one number."""

    def __init__(self, value, neuron=None):
        self.value = value
        self.neuron = neuron

    def simulate(self, tokens):
        return torch.full(tokens.shape, float(self.value))

    def describe(self):
        return f"always {self.value}"

    def to_dict(self):
        return {"value": self.value}

    @classmethod
    def from_dict(cls, data):
        return cls(data["value"])


class Method:
    """One constant per neuron; remembers the neurons that every call asked about."""

    evidence = "exemplars+sample"
    explanation_class = Constant
    calls: ClassVar[list] = []

    def __init__(self, value=1.0):
        self.value = value

    def explain(self, evidence, subject):
        Method.calls.append((evidence.layer, evidence.neurons.tolist()))
        return [self.one(neuron, evidence) for neuron in evidence.neurons.tolist()]

    def one(self, neuron, evidence):
        return Constant(self.value, neuron)


class RaisesOnEven(Method):
    def one(self, neuron, evidence):
        if neuron % 2 == 0:
            raise ValueError(f"neuron {neuron} is even\nand that is too much")
        return Constant(self.value, neuron)


class FailsOnEven(Method):
    def one(self, neuron, evidence):
        return Failure(f"{neuron} is even") if neuron % 2 == 0 else Constant(self.value, neuron)


class FailsSilently(Method):
    def one(self, neuron, evidence):
        return Failure("")


class EndsTheProgram(Method):
    def explain(self, evidence, subject):
        raise SystemExit(0)


class Passing(Method):
    """Fails as a test says, for a while."""


class LooksForWeights(Method):
    def explain(self, evidence, subject):
        for parameter in subject.model.parameters():
            parameter.data /= 2
        return super().explain(evidence, subject)


class SpoilsAll(Method):
    """Changes everything that it is given, in place."""

    evidence = "exemplars+sample+text"

    def prepare(self, text, storage):
        text.tokens.zero_()
        text.tokenizer.add_tokens(["a new word"])

    def explain(self, evidence, subject):
        answers = super().explain(evidence, subject)
        subject.tokenizer.add_tokens(["another new word"])
        for tensor in (evidence.neurons, evidence.max_activation, evidence.sample.tokens):
            tensor.zero_()
        evidence.sample.activations.zero_()
        evidence.exemplars.tokens.zero_()
        return answers


class ChangesTheDefaultDevice(Method):
    def explain(self, evidence, subject):
        answers = super().explain(evidence, subject)
        torch.set_default_device("meta")
        return answers


class ForgetsOne(Method):
    def explain(self, evidence, subject):
        return super().explain(evidence, subject)[1:]


class GivesNothing(Method):
    def explain(self, evidence, subject):
        return None


class GivesText(Method):
    def one(self, neuron, evidence):
        return "always one"


class Unsaveable(Constant):
    def to_dict(self):
        return {"value": torch.ones(1)}


class NotAThing(Constant):
    def to_dict(self):
        return {"value": float("nan")}


class RaisesInSimulation(Constant):
    def simulate(self, tokens):
        raise RuntimeError(f"{self.neuron} cannot be simulated")


class PredictsNotANumber(Constant):
    def simulate(self, tokens):
        return torch.full(tokens.shape, torch.nan)


class PredictsOneNumber(Constant):
    def simulate(self, tokens):
        return torch.ones(3)


class PredictsNoNumbers(Constant):
    def simulate(self, tokens):
        return torch.empty(tokens.shape, device="meta")


class PredictsNothing(Method):
    def one(self, neuron, evidence):
        return PredictsNoNumbers(self.value, neuron)


class CannotDescribe(Constant):
    def describe(self):
        raise RuntimeError("words fail me")


def breaking_on_even(kind):
    """A method whose explanations of even neurons are of another kind."""

    class Breaks(Method):
        def one(self, neuron, evidence):
            return (kind if neuron % 2 == 0 else Constant)(self.value, neuron)

    return Breaks


UnsaveableOnEven = breaking_on_even(Unsaveable)
NotAThingOnEven = breaking_on_even(NotAThing)
RaisesInSimulationOnEven = breaking_on_even(RaisesInSimulation)
PredictsNotANumberOnEven = breaking_on_even(PredictsNotANumber)
PredictsOneNumberOnEven = breaking_on_even(PredictsOneNumber)


class CannotDescribeAny(Method):
    explanation_class = CannotDescribe


class Asks(Method):
    """Asks the subject about every exemplar of the block, twice."""

    evidence = "exemplars"

    def explain(self, evidence, subject):
        assert evidence.sample is None
        for _ in range(2):
            tokens = evidence.exemplars.tokens.flatten(0, 1)
            subject.activations(tokens, evidence.layer, evidence.neurons)
        return super().explain(evidence, subject)


class Faulty(Method):
    """Breaks the harness itself, as only a fault of ours could."""

    def __init__(self):
        super().__init__()
        self.simulate_block = lambda explanations, tokens: torch.ones(2)


class WantsMore(Method):
    evidence = "everything"


class ReadsInSilence(Method):
    """Reads text, and does not say so."""

    def prepare(self, text, storage):
        pass


class WantsTextForNothing(Method):
    evidence = "exemplars+text"
