import torch

from benchmark import BaseExplainer, BaseExplanation, Costs, Explained, Failure, Prediction


class Sentence(BaseExplanation):
    text: str
    strength: float


class Writer(BaseExplainer):
    """A sentence about the strongest token, as a language model would write it"""

    explanation_class = Sentence

    def explain_neuron(self, evidence, subject):
        exemplars = evidence.exemplars
        token = exemplars.tokens[0, 0, exemplars.anchors[0, 0]]
        try:
            text, n_tokens, usd = self.ask(subject.tokenizer.decode([token]))
        except ValueError as error:  # what a client raises while the endpoint is busy
            return Failure(f"{error}", transient=True)
        sentence = Sentence(text, evidence.max_activation.item())
        return Explained(sentence, Costs(llm_tokens=n_tokens, usd=usd))

    def ask(self, token):
        return f"fires on: {token}", 12, 0.0001


class Reader:
    """Fires on the token that a sentence ends with; predicts the first contexts alone."""

    def __init__(self, contexts=64):
        self.contexts = contexts

    def use_tokenizer(self, tokenizer):
        self.tokenizer = tokenizer

    def simulate(self, explanations, tokens):
        values = torch.zeros(len(explanations), *tokens.shape)
        for row, sentence in enumerate(explanations):
            wanted = sentence.text.removeprefix("fires on: ")
            for token in tokens.unique().tolist():
                if self.tokenizer.decode([token]) == wanted:
                    values[row][tokens == token] = sentence.strength
        predicted = torch.arange(len(tokens)) < self.contexts  # [batch]
        return Prediction(values, predicted, Costs(llm_tokens=values.numel()))
