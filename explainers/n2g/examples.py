"""Examples: the distinct short contexts whose last token activates a neuron, and how strongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from explainers.n2g.prompts import Prompt, rescaled
from explainers.n2g.settings import Settings


class Value(NamedTuple):
    """One time that an example enters the trie; values sort in the order in which they are met.

    Attributes:
        exemplar: number of the exemplar among its neuron's.
        pivot: position of the pivot in the exemplar.
        variant: 0 for the pruned prompt, then its substituted prompts.
        place: position of the token in the prompt.
        activation: as a part of the neuron's largest, rescaled.
    """

    exemplar: int
    pivot: int
    variant: int
    place: int
    activation: float


@dataclass
class Example:
    """One context of one neuron.

    Attributes:
        owner: row of the neuron in the block.
        tokens: BOS, then the context; the last token is the activating one, `[length + 1]`.
        activation: of this very context, raw units.
        values: the times it enters the trie; none where it is too weak.
        at_start: in all of them the context stood right after a BOS.
        importances: of every token, that of BOS being the start's, `[length + 1]`; the activating
            token's is 1.
        substituted: positions that hold a substitute; empty for what comes from an exemplar.
    """

    owner: int
    tokens: Int[np.ndarray, " pos"]
    activation: float
    values: list[Value]
    at_start: bool
    importances: Float[np.ndarray, " pos"] = field(default_factory=lambda: np.zeros(0))
    substituted: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        """Return tokens of the context with the activating one and without BOS."""
        return len(self.tokens) - 1


class Examples:
    """The examples of pruned prompts, each distinct context of a neuron once.

    Every token of a prompt whose rescaled activation is above `activation_threshold` of the
    neuron's maximum ends an example; so does every pivot, if with no value, because substitutes
    are put into its context.

    Args:
        prompts: of the block.
        activations: what the neurons do at every position of each.
        maxima: each neuron's largest activation, raw units, `[n]`.
        bos: never an activating token.
        settings: the thresholds.
    """

    def __init__(
        self,
        prompts: Sequence[Prompt],
        activations: Sequence[Float[np.ndarray, " pos"]],
        maxima: Float[np.ndarray, " n"],
        bos: int,
        settings: Settings,
    ) -> None:
        self._found: dict[tuple[int, bytes], Example] = {}
        for prompt, of_prompt in zip(prompts, activations, strict=True):
            maximum = float(maxima[prompt.owner])
            entering = values_of(prompt, of_prompt, maximum, bos, settings)
            entering.setdefault(prompt.pivot, [])
            for place, values in entering.items():
                context = prompt.tokens[: place + 1]
                key = (prompt.owner, context.tobytes())
                known = self._found.get(key)
                if known is None:
                    self._found[key] = Example(
                        prompt.owner, context, float(of_prompt[place]), values, prompt.at_start
                    )
                else:
                    known.values += values
                    known.at_start &= prompt.at_start

    def all(self) -> list[Example]:
        """Return all examples, in the order in which they were met."""
        return list(self._found.values())

    def ending_at(self, prompt: Prompt, place: int) -> Example | None:
        """Return the example of a prompt that ends at a position, if it is one."""
        return self._found.get((prompt.owner, prompt.tokens[: place + 1].tobytes()))


def values_of(
    prompt: Prompt,
    activations: Float[np.ndarray, " pos"],
    maximum: float,
    bos: int,
    settings: Settings,
    *,
    variant: int = 0,
    first: int = 1,
) -> dict[int, list[Value]]:
    """Return the times that tokens of a prompt enter the trie, by their position.

    Args:
        prompt: with its origins, each of which counts.
        activations: of the neuron at every position, raw units.
        maximum: the neuron's largest activation.
        bos: never enters.
        settings: whether activations are rescaled, and the threshold.
        variant: number of the substituted prompt, 0 for the pruned one.
        first: the first position that counts.
    """
    parts = rescaled(prompt, activations, maximum, settings) / maximum
    above = (parts > settings.activation_threshold) & np.isfinite(parts) & (prompt.tokens != bos)
    above[:, :first] = False
    found: dict[int, list[Value]] = {}
    for row, place in np.argwhere(above).tolist():
        origin = prompt.origins[row]
        value = Value(origin.exemplar, origin.place, variant, place, float(parts[row, place]))
        found.setdefault(place, []).append(value)
    return found
