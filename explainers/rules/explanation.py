"""Explanation by rules: what is added up where patterns end, and nothing that is not shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.files.explanation_size import SHOWN
from benchmark.graphs import NeuronGraph
from benchmark.interface import TextLine
from benchmark.token_text import visible_token
from benchmark.vocabulary import Vocabulary
from explainers.rules.graph import graph_of
from explainers.rules.matching import added_up, matches
from explainers.rules.rule import MOST, Rule
from explainers.rules.text import read_text, write_text

THOUSAND = 1000
Seen = tuple[float, float | None, float]


@dataclass(frozen=True)
class RulesExplanation:
    """A neuron as rules that add up.

    Attributes:
        maximum: the neuron's largest activation, raw units, with four digits.
        elsewhere: what the values of rules are added to, thousandths of it.
        floor: the lowest prediction, thousandths of it.
        rules: the rules, in the order of their lines.
        text: the whole text, one line for each rule below the first one.
        seen: of each rule in the evidence: the part of the variance that is lost without it, the
            part of its matches on which the neuron fires (None without any), and its matches per
            thousand tokens.
        bos: the id that stands for the start of a context.
        texts: tokens of the rules as a person can read them.
    """

    maximum: float
    elsewhere: int
    floor: int
    rules: tuple[Rule, ...]
    text: str
    seen: tuple[Seen, ...] = field(default=(), compare=False)
    bos: int = 0
    texts: Mapping[int, str] = field(default_factory=dict, compare=False)

    text_is_complete = True

    @property
    def max_activation(self) -> float:
        """Return the largest activation, by which a simulator that reads the text scales levels."""
        return self.maximum

    @classmethod
    def made(
        cls,
        maximum: float,
        elsewhere: int,
        floor: int,
        rules: Sequence[Rule],
        vocabulary: Vocabulary,
        seen: Sequence[Seen] = (),
    ) -> RulesExplanation:
        """Return an explanation by rules, with their text.

        Raises:
            ValueError: a number is out of range.
        """
        if not math.isfinite(maximum) or max(abs(elsewhere), abs(floor)) > MOST:
            raise ValueError(f"'{maximum}', '{elsewhere}' or '{floor}' is out of range")
        maximum = float(f"{maximum:.4g}")
        text = write_text(maximum, elsewhere, floor, rules, vocabulary)
        tokens = sorted({token for rule in rules for place in rule.places for token in place})
        texts = {token: visible_token(vocabulary.tokenizer, token) for token in tokens}
        kept = (tuple(rules), text, tuple(seen), vocabulary.bos, texts)
        return cls(maximum, elsewhere, floor, *kept)

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Add up the values of the rules that match at each token, raw units."""
        return simulate_together([self], tokens)[..., 0]

    def describe(self) -> str:
        """Return the whole explanation: one rule a line, its value before its pattern."""
        return self.text

    def lines(self) -> list[TextLine]:
        """Return the lines with what each does in the evidence; nothing of the first one."""
        first, *others = self.text.split("\n")
        if len(self.seen) != len(others):
            return [TextLine(line) for line in (first, *others)]
        return [
            TextLine(first),
            *(TextLine(line, *seen) for line, seen in zip(others, self.seen, strict=True)),
        ]

    def deciding_lines(self, tokens: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
        """Return the line of the rule with the largest value that matches at each token, else 0."""
        ids = tokens.cpu().numpy()
        line = np.zeros(ids.size, dtype=np.int64)
        strongest = np.zeros(ids.size, dtype=np.int64)
        for places, numbers in matches(self.rules, ids):
            for number in np.unique(numbers):
                here = places[numbers == number]
                value = abs(self.rules[number].value)
                more = (value > strongest[here]) | (
                    (value == strongest[here]) & (line[here] > number + 1)
                )
                line[here[more]], strongest[here[more]] = number + 1, value
        return torch.from_numpy(line.reshape(ids.shape)).to(tokens.device)

    def graph(self) -> NeuronGraph:
        """Return the rules that raise the activation on given tokens, as a neuron graph."""
        return graph_of(self.rules, self.texts, self.bos)

    def to_dict(self) -> dict[str, Any]:
        """Return what the rules match and add, and under `shown` the text and what was seen."""
        return {
            "maximum": self.maximum,
            "elsewhere": self.elsewhere,
            "floor": self.floor,
            "rules": [_saved(rule) for rule in self.rules],
            SHOWN: {
                "text": self.text,
                "seen": [list(each) for each in self.seen],
                "bos": self.bos,
                "texts": {str(token): text for token, text in self.texts.items()},
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RulesExplanation:
        """Return the explanation that `to_dict` saved.

        Raises:
            ValueError: a rule or a number is damaged.
        """
        maximum = float(data["maximum"])
        elsewhere, floor = int(data["elsewhere"]), int(data["floor"])
        if not math.isfinite(maximum) or max(abs(elsewhere), abs(floor)) > MOST:
            raise ValueError("a number is out of range")
        shown = data.get(SHOWN, {})
        return cls(
            maximum,
            elsewhere,
            floor,
            tuple(_loaded(rule) for rule in data["rules"]),
            str(shown.get("text", "")),
            tuple(
                (variance, precision, often) for variance, precision, often in shown.get("seen", ())
            ),
            int(shown.get("bos", 0)),
            {int(token): str(text) for token, text in shown.get("texts", {}).items()},
        )

    @classmethod
    def from_text(cls, text: str, vocabulary: Vocabulary) -> RulesExplanation:
        """Return the explanation that a text says, which simulates as the one it is from.

        Raises:
            ValueError: a line cannot be read; it is named.
        """
        return cls.made(*read_text(text, vocabulary), vocabulary)


def simulate_together(
    explanations: Sequence[RulesExplanation], tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch pos n"]:
    """Simulate several explanations on one text, raw units, in one walk over it.

    Values are whole numbers, so that a sum does not depend on the order of the rules.
    """
    sums = added_up([each.rules for each in explanations], tokens.cpu().numpy())
    sums += np.array([each.elsewhere for each in explanations], dtype=np.int32)[:, None]
    np.maximum(
        sums, np.array([each.floor for each in explanations], dtype=np.int32)[:, None], out=sums
    )
    scale = np.array([each.maximum / THOUSAND for each in explanations], dtype=np.float32)
    found = torch.from_numpy(sums.astype(np.float32) * scale[:, None])
    return found.reshape(len(explanations), *tokens.shape).permute(1, 2, 0).to(tokens.device)


def _saved(rule: Rule) -> list[Any]:
    places = [list(place) for place in rule.places]
    how: list[Any] = ["again"] if rule.again else [rule.within] * bool(rule.within)
    return [rule.value, places, *how]


def _loaded(saved: Sequence[Any]) -> Rule:
    value, places, *how = saved
    again = how == ["again"]
    if len(how) > 1:
        raise ValueError(f"a rule of {saved} is damaged")
    return Rule(
        int(value),
        tuple(tuple(int(token) for token in place) for place in places),
        within=int(how[0]) if how and not again else 0,
        again=again,
    )
