"""An explanation of a few tokens whose text is complete and whose lines can be judged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch

from benchmark import BaseExplanation, TextLine, Vocabulary

FIRST = re.compile(r"elsewhere (?P<elsewhere>\S+)")
LINE = re.compile(r"(?P<value>\S+) ‹(?P<tokens>.+)›")


class Lined(BaseExplanation):
    """Predicts one number on each of some sets of tokens, and another one elsewhere.

    Attributes:
        elsewhere: what is predicted on all other tokens, raw units.
        sets: token ids, and the number that is predicted on them, of each line but the first.
        spellings: of the token ids.
        judged: variance, precision and matches of each line but the first.
    """

    elsewhere: float
    sets: list[Any]
    spellings: dict[str, str]
    judged: list[Any]
    text_is_complete = True

    def simulate(self, tokens):
        values = torch.tensor([self.elsewhere, *(value for _, value in self.sets)])
        return values[self.deciding_lines(tokens)]

    def deciding_lines(self, tokens):
        found = torch.zeros(tokens.shape, dtype=torch.long)
        for number, (ids, _) in enumerate(self.sets, start=1):
            found[torch.isin(tokens, torch.tensor(ids))] = number
        return found

    def describe(self):
        lines = [
            f"{value:.4g} ‹{'|'.join(self.spellings[str(one)] for one in ids)}›"
            for ids, value in self.sets
        ]
        return "\n".join([f"elsewhere {self.elsewhere:.4g}", *lines])

    def lines(self):
        first, *others = self.describe().splitlines()
        return [
            TextLine(first),
            *(TextLine(line, *of) for line, of in zip(others, self.judged, strict=True)),
        ]

    @classmethod
    def from_text(cls, text, vocabulary):
        first, *others = text.splitlines()
        elsewhere = FIRST.fullmatch(first)
        found = [LINE.fullmatch(line) for line in others]
        if elsewhere is None or None in found:
            raise ValueError("a line is neither a number elsewhere nor one on some tokens")
        sets = [
            ([vocabulary.read(one)[0] for one in line["tokens"].split("|")], float(line["value"]))
            for line in found
        ]
        spellings = {str(one): vocabulary.spell(one) for ids, _ in sets for one in ids}
        return cls(float(elsewhere["elsewhere"]), sets, spellings, [(None,) * 3] * len(sets))


@dataclass
class LinedTokens:
    """Explains a neuron by the tokens of the sample with the largest mean activations, in sets.

    Attributes:
        n_lines: sets, of successive sizes 1, 2, 3, ...
    """

    n_lines: int = 4
    evidence = "exemplars+sample"
    explanation_class = Lined

    def explain(self, evidence, subject):
        vocabulary = Vocabulary.of(subject)
        tokens = evidence.sample.tokens.flatten()
        answers = []
        for row, threshold in enumerate(evidence.firing_threshold.tolist()):
            activations = evidence.sample.activations[..., row].flatten()
            answers.append(self._explained(tokens, activations, threshold, vocabulary))
        return answers

    def _explained(self, tokens, activations, threshold, vocabulary):
        text = tokens != vocabulary.bos
        tokens, activations = tokens[text], activations[text]
        ids, places, counts = torch.unique(tokens, return_inverse=True, return_counts=True)
        sums = torch.zeros(len(ids)).scatter_add_(0, places, activations)
        order = ids[(sums / counts).argsort(descending=True)].tolist()
        total = float(((activations - activations.mean()) ** 2).sum()) or 1.0
        elsewhere = float(f"{activations.median():.4g}")
        sets, judged = [], []
        for size in range(1, self.n_lines + 1):
            chosen, order = order[:size], order[size:]
            matches = torch.isin(tokens, torch.tensor(chosen, dtype=torch.long))
            if not matches.any():
                break
            here = activations[matches]
            value = float(f"{here.mean():.4g}")
            lost = float(((here - elsewhere) ** 2 - (here - value) ** 2).sum()) / total
            precision = float((here >= threshold).float().mean())
            sets.append((chosen, value))
            judged.append((lost, precision, 1000 * float(matches.float().mean())))
        spellings = {str(one): vocabulary.spell(one) for ids, _ in sets for one in ids}
        return Lined(elsewhere, sets, spellings, judged)
