import re

import torch

from benchmark import BaseExplainer, BaseExplanation, Vocabulary


class SpeltToken(BaseExplanation):
    token: int
    spelling: str
    strength: float
    text_is_complete = True

    def simulate(self, tokens):
        return torch.where(tokens == self.token, self.strength, 0.0)

    def describe(self):
        return f"{self.strength} on ‹{self.spelling}›"

    @classmethod
    def from_text(cls, text, vocabulary):
        parts = re.fullmatch(r"(\d+\.\d+) on ‹(.+)›", text)
        tokens = vocabulary.read(parts[2]) if parts else []
        if len(tokens) != 1:
            raise ValueError(f"'{text}' is not a number on a token, as in '1.5 on ‹the›'.")
        return cls(tokens[0], parts[2], float(parts[1]))


class SpeltTokens(BaseExplainer):
    """A neuron fires on the strongest token of its exemplars, as strongly as two decimals say"""

    vocabulary = None

    def explain_neuron(self, evidence, subject) -> SpeltToken:
        self.vocabulary = self.vocabulary or Vocabulary.of(subject)
        exemplars = evidence.exemplars
        token = exemplars.tokens[0, 0, exemplars.anchors[0, 0]].item()
        strength = round(evidence.max_activation.item(), 2)
        return SpeltToken(token, self.vocabulary.spell(token), strength)
