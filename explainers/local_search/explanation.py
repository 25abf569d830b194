"""Local search explanation: minimal examples, and what may replace their words."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.files.explanation_size import SHOWN
from explainers.local_search.compiled import Compiled, compile_patterns
from explainers.local_search.describe import describe
from explainers.local_search.examples import Example, Slot, Trial
from explainers.local_search.pattern import patterns_of
from explainers.local_search.simulate import simulate_patterns
from explainers.shown_texts import TextOf


@dataclass(frozen=True, eq=False)
class LocalSearchExplanation:
    """A neuron as its minimal activating examples with their positive and negative substitutes.

    Attributes:
        max_activation: the neuron's largest activation, raw units.
        resting: what it does where nothing matches, raw units.
        examples: strongest first.
        n_exemplars: how many exemplars were pruned.
        least: a match below this part of an example's activation is none.
        bos: the token that no pattern reaches beyond.
        texts: tokens as a person can read them.
    """

    text_is_complete: ClassVar[bool] = False

    max_activation: float
    resting: float
    examples: tuple[Example, ...]
    n_exemplars: int
    least: float
    bos: int
    texts: Mapping[int, str] = field(default_factory=dict)

    @functools.cached_property
    def patterns(self) -> Compiled:
        """Return the patterns that the examples predict by."""
        return compile_patterns(patterns_of(self.examples))

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Lay every pattern against every token, `[batch, pos]`, raw units, tokens' device."""
        found = simulate_patterns(
            [self.patterns], [self.resting], tokens.cpu().numpy(), self.bos, self.least
        )
        return torch.from_numpy(found[..., 0]).to(tokens.device)

    def describe(self) -> str:
        """Show the table of prompts: minimal examples, positive and negative substitutes."""
        return self.describe_with(lambda token: self.texts.get(token, f"#{token}"))

    def describe_with(self, text_of: TextOf) -> str:
        """Describe it with the texts of tokens from somewhere else."""
        return describe(
            self.examples,
            text_of,
            n_exemplars=self.n_exemplars,
            maximum=self.max_activation,
            resting=self.resting,
            bos=self.bos,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what the examples predict by, and under `shown` all that is known besides.

        An example is its tokens, activation and slots; a slot is its first token, the one after its
        last, its positive trials and its negative ones; a trial is its ids and its activation.
        Shown of an example are the tokens after the activating one, how many exemplars were pruned
        to it, and how many trials of each slot were neither positive nor negative.
        """
        return {
            "resting": self.resting,
            "least": self.least,
            "bos": self.bos,
            "examples": [
                [list(one.tokens), one.activation, [_slot_as_list(slot) for slot in one.slots]]
                for one in self.examples
            ],
            SHOWN: {
                "max_activation": self.max_activation,
                "exemplars": self.n_exemplars,
                "examples": [
                    [list(one.tail), one.count, [slot.unused for slot in one.slots]]
                    for one in self.examples
                ],
                "texts": {str(token): text for token, text in self.texts.items()},
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LocalSearchExplanation:
        """Return the explanation that `to_dict` or an earlier version saved.

        Raises:
            ValueError: an example or slot is empty or out of order, or a number is not finite.
        """
        if "exemplars" in data:
            data = _from_old_form(data)
        shown = data.get(SHOWN, {})
        shown_examples = shown.get("examples")
        if shown_examples is None:
            shown_examples = [[(), 1, [0] * len(slots)] for _, _, slots in data["examples"]]
        examples = tuple(
            Example(
                tuple(map(int, tokens)),
                tuple(map(int, tail)),
                float(activation),
                int(count),
                tuple(
                    _slot_from_list(slot, int(number))
                    for slot, number in zip(slots, unused, strict=True)
                ),
            )
            for (tokens, activation, slots), (tail, count, unused) in zip(
                data["examples"], shown_examples, strict=True
            )
        )
        maximum = float(shown.get("max_activation", 0))
        resting, least = float(data["resting"]), float(data["least"])
        _check(examples, [maximum, resting, least])
        return cls(
            maximum,
            resting,
            examples,
            int(shown.get("exemplars", 0)),
            least,
            int(data["bos"]),
            {int(token): str(text) for token, text in shown.get("texts", {}).items()},
        )


def _from_old_form(data: Mapping[str, Any]) -> dict[str, Any]:
    """Split an explanation of an earlier version, which saved all of an example together."""
    examples, shown = [], []
    for tokens, tail, activation, count, slots in data["examples"]:
        examples.append([tokens, activation, [slot[:4] for slot in slots]])
        shown.append([tail, count, [slot[4] for slot in slots]])
    names = ("max_activation", "exemplars", "texts")
    return {
        **{name: data[name] for name in ("resting", "least", "bos")},
        "examples": examples,
        SHOWN: {**{name: data[name] for name in names}, "examples": shown},
    }


def _slot_as_list(slot: Slot) -> list[Any]:
    kinds = [
        [[list(one.replacement), one.activation] for one in slot.trials if one.positive == kind]
        for kind in (True, False)
    ]
    return [slot.start, slot.stop, *kinds]


def _slot_from_list(saved: list[Any], unused: int) -> Slot:
    start, stop, positive, negative = saved
    trials = [
        Trial(tuple(map(int, ids)), float(activation), kind)
        for kind, ones in ((True, positive), (False, negative))
        for ids, activation in ones
    ]
    trials.sort(key=lambda trial: (-trial.activation, trial.replacement))
    return Slot(int(start), int(stop), tuple(trials), unused)


def _check(examples: tuple[Example, ...], numbers: list[float]) -> None:
    for one in examples:
        numbers = [*numbers, one.activation]
        end = one.slots[0].start if one.slots else 0
        for slot in one.slots:
            if slot.start != end or not slot.start < slot.stop:
                raise ValueError(f"a slot from {slot.start} to {slot.stop} is out of order")
            end = slot.stop
            numbers += [trial.activation for trial in slot.trials]
            if not all(trial.replacement for trial in slot.trials):
                raise ValueError("a substitute has no tokens")
        if not one.tokens or not one.activation > 0 or (one.slots and end != len(one.tokens)):
            raise ValueError(f"an example of {len(one.tokens)} tokens is damaged")
    if not all(map(math.isfinite, numbers)):
        raise ValueError("a number is not finite")
