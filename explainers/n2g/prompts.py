"""Pruned prompts: what is left of an exemplar around a pivot, and what the neuron does in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from explainers.n2g.pivots import Pivots
from explainers.n2g.prune import Pruned
from explainers.n2g.settings import Settings
from explainers.queries import SubjectQueries

# A token that holds one of these is its sentence's last (as in the authors' code).
SENTENCE_END = re.compile(r"[.!\n]")
# An activation below this part of the neuron's maximum is too near zero to divide by.
NEAR_ZERO = 1e-3

TextOf = Callable[[int], str]


@dataclass(frozen=True)
class Origin:
    """A pivot that was pruned to a prompt.

    Attributes:
        exemplar: number of the exemplar among its neuron's.
        place: the pivot's position there.
        activation: what the neuron does there, raw units.
    """

    exemplar: int
    place: int
    activation: float


@dataclass(frozen=True)
class Prompt:
    """One pruned prompt of one neuron.

    Attributes:
        owner: row of the neuron in the block.
        tokens: BOS, the context up to the pivot, and the tokens after it, `[pos]`.
        pivot: position of the pivot.
        activation: the neuron's at the pivot of this prompt, raw units.
        at_start: in all exemplars the context stood right after a BOS.
        origins: the pivots that were pruned to it, in their order.
        pruned: the pivot's activation before anything was substituted, by which activations are
            rescaled, raw units.
    """

    owner: int
    tokens: Int[np.ndarray, " pos"]
    pivot: int
    activation: float
    at_start: bool
    origins: tuple[Origin, ...]
    pruned: float


def prompts_of(
    pivots: Pivots, pruned: Pruned, bos: int, settings: Settings, text_of: TextOf | None
) -> list[Prompt]:
    """Put each pivot's shortest context and the tokens after it together; equal prompts are one.

    Args:
        pivots: of the block.
        pruned: what pruning found for each.
        bos: begins every prompt, and ends the tokens after a pivot.
        settings: how many tokens after the pivot are kept.
        text_of: the text of a token, where they end with the sentence.
    """
    rows = pivots.anchored
    starts = rows.anchors - pruned.lengths
    at_start = rows.tokens[np.arange(len(starts)), starts] == bos
    found: dict[tuple[int, int, bytes], Prompt] = {}
    for row, (owner, start, anchor) in enumerate(
        zip(rows.owners.tolist(), starts.tolist(), rows.anchors.tolist(), strict=True)
    ):
        stop = end_of_prompt(rows.tokens[row], anchor, bos, settings, text_of)
        tokens = rows.tokens[row, start:stop].astype(np.int64)
        tokens[0] = bos
        origin = Origin(int(pivots.exemplars[row]), anchor, float(rows.activations[row]))
        key = (owner, anchor - start, tokens.tobytes())
        known = found.get(key)
        origins = (origin,) if known is None else (*known.origins, origin)
        first = bool(at_start[row]) and (known is None or known.at_start)
        activation = float(pruned.activations[row]) if known is None else known.activation
        found[key] = Prompt(owner, tokens, anchor - start, activation, first, origins, activation)
    return list(found.values())


def end_of_prompt(
    tokens: Int[np.ndarray, " ctx"],
    anchor: int,
    bos: int,
    settings: Settings,
    text_of: TextOf | None,
) -> int:
    """Find the position after the last token of an exemplar that a prompt keeps."""
    stop = min(anchor + 1 + settings.after, len(tokens))
    for place in range(anchor + 1, stop):
        ended = text_of is not None and SENTENCE_END.search(text_of(int(tokens[place - 1])))
        if ended or tokens[place] == bos:
            return place
    return stop


def measure_prompts(
    prompts: Sequence[Prompt], queries: SubjectQueries
) -> list[Float[np.ndarray, " pos"]]:
    """Measure what each prompt's neuron does at every position of it, raw units.

    At the pivot it is known already.
    """
    unknown = [row for row, prompt in enumerate(prompts) if len(prompt.tokens) > 2]
    found = [np.full(len(prompt.tokens), -np.inf, dtype=np.float32) for prompt in prompts]
    answers = queries.activations_everywhere(
        [prompts[row].tokens for row in unknown],
        np.array([prompts[row].owner for row in unknown], dtype=np.int64),
    )
    for row, answer in zip(unknown, answers, strict=True):
        found[row] = answer
    for prompt, activations in zip(prompts, found, strict=True):
        activations[prompt.pivot] = prompt.activation
    return found


def rescaled(
    prompt: Prompt,
    activations: Float[np.ndarray, " pos"],
    maximum: float,
    settings: Settings,
) -> Float[np.ndarray, "origins pos"]:
    """Multiply activations by original / pruned activation of each origin.

    They stay as they are where that is not wanted, and where the pruned activation is too near
    zero to divide by.
    """
    originals = np.array([origin.activation for origin in prompt.origins], dtype=np.float64)
    whole = activations.astype(np.float64)
    if not settings.rescale or not prompt.pruned > NEAR_ZERO * maximum:
        return np.outer(np.ones_like(originals), whole)
    # In this order the pruned activation becomes exactly the original one.
    return np.outer(originals, whole / prompt.pruned)
