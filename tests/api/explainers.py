"""Explainers that tests hand over as objects."""

from __future__ import annotations

from dataclasses import dataclass

import torch


class Always:
    """Predicts one number."""

    def __init__(self, value):
        self.value = value

    def simulate(self, tokens):
        return torch.full(tokens.shape, float(self.value))

    def describe(self):
        return f"always {self.value} <b>\x1b[31m"

    def to_dict(self):
        return {"value": self.value}

    @classmethod
    def from_dict(cls, data):
        return cls(data["value"])


@dataclass
class Constant:
    """Explains every neuron by one number."""

    k: float = 1.0
    evidence = "exemplars"
    explanation_class = Always

    def explain(self, evidence, subject):
        return [Always(self.k) for _ in evidence.neurons.tolist()]


class Private(Constant):
    """Keeps its argument under a name of its own."""

    def __init__(self, k, inner=None):
        self._k = k
        self.inner = inner

    def explain(self, evidence, subject):
        return [Always(self._k) for _ in evidence.neurons.tolist()]


class Forgets(Constant):
    """Keeps nothing of its argument."""

    def __init__(self, client):
        pass


class Holds(Constant):
    """Keeps what no record can hold."""

    def __init__(self, client):
        self.client = client
