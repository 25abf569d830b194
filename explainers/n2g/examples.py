"""Examples: the distinct short contexts that activate a neuron, and how often each was found."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from explainers.anchored import Anchored
from explainers.n2g.prune import Pruned


@dataclass
class Example:
    """One context of one neuron.

    Attributes:
        owner: row of the neuron in the block.
        tokens: BOS, then the context; the last token is the activating one, `[length + 1]`.
        activation: raw units.
        count: exemplars that were pruned to this context.
        at_start: in all of them the context stood right after a BOS.
        importances: of every token, that of BOS being the start's, `[length + 1]`; the activating
            token's is 1.
        substituted: positions that hold a substitute; empty for what comes from an exemplar.
    """

    owner: int
    tokens: Int[np.ndarray, " pos"]
    activation: float
    count: int
    at_start: bool
    importances: Float[np.ndarray, " pos"] = field(default_factory=lambda: np.zeros(0))
    substituted: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        """Tokens of the context with the activating one and without BOS."""
        return len(self.tokens) - 1


def examples_of(exemplars: Anchored, pruned: Pruned, bos: int) -> list[Example]:
    """One example for each distinct context of each neuron, in the exemplars' order."""
    starts = exemplars.anchors - pruned.lengths
    rows = np.arange(len(starts))
    at_start: Bool[np.ndarray, " e"] = exemplars.tokens[rows, starts] == bos
    found: dict[tuple[int, bytes], Example] = {}
    for row, owner, start, anchor, activation, first in zip(
        rows.tolist(),
        exemplars.owners.tolist(),
        starts.tolist(),
        exemplars.anchors.tolist(),
        pruned.activations.tolist(),
        at_start.tolist(),
        strict=True,
    ):
        context = exemplars.tokens[row, start : anchor + 1].astype(np.int64)
        context[0] = bos
        key = (owner, context.tobytes())
        known = found.get(key)
        if known is None:
            found[key] = Example(owner, context, activation, 1, first)
        else:
            # Whole contexts are not run again: theirs is the exemplar's own activation.
            known.activation += (activation - known.activation) / (known.count + 1)
            known.count += 1
            known.at_start &= first
    return list(found.values())
