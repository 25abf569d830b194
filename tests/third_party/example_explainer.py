import torch

from benchmark import BaseExplainer, BaseExplanation


class OneTokenExplanation(BaseExplanation):
    token: int
    strength: float
    rest: float

    def simulate(self, tokens):
        return torch.where(tokens == self.token, self.strength, self.rest)


class OneToken(BaseExplainer):
    """A neuron fires on one token, the commonest anchor of its exemplars"""

    def explain_neuron(self, evidence, subject) -> OneTokenExplanation:
        at = evidence.exemplars.anchors[0, :, None]
        anchors = evidence.exemplars.tokens[0].gather(1, at)[:, 0]
        token = anchors.mode().values.item()
        strength = evidence.exemplars.activations[0].gather(1, at)[anchors == token].mean().item()
        return OneTokenExplanation(token, strength, evidence.mean_activation.item())
