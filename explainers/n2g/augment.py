"""Augment: put likely substitutes in the place of important tokens and see what still fires."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from explainers.asking import Asking, SharedStarts
from explainers.n2g.examples import Example
from explainers.n2g.settings import Settings
from explainers.n2g.substitutes import Substitute
from explainers.n2g.trie import single
from explainers.proposers import Proposal, Proposer


def augment(
    examples: Sequence[Example],
    maxima: Float[np.ndarray, " n"],
    asking: Asking,
    proposer: Proposer,
    settings: Settings,
) -> tuple[list[Example], list[list[Substitute]]]:
    """Try substitutes for every important token of every example.

    A substitute that keeps `substitute_threshold` of the activation makes a further example,
    which takes over the importances of its example: what is substituted is literal, whatever was
    unimportant stays so. Only one place is substituted at a time.

    Returns:
        The further examples, and for each neuron all substitutes that were tried.
    """
    contexts = [example.tokens for example in examples]
    threshold = settings.augment_threshold
    places = [
        [(place, place + 1) for place in important_places(example, threshold)]
        for example in examples
    ]
    room = asking.subject.n_ctx
    proposals = [
        one
        for one in proposer.propose(contexts, places)
        if one.length(contexts[one.context]) <= room
    ]
    variants = [one.put_into(contexts[one.context]) for one in proposals]
    owners = np.array([examples[one.context].owner for one in proposals], dtype=np.int64)
    shared = SharedStarts(
        contexts,
        np.array([one.context for one in proposals], dtype=np.int64),
        np.array([one.start for one in proposals], dtype=np.int64),
    )
    found = asking.of_lengths(variants, owners, shared)
    further: list[Example] = []
    tried: list[dict[tuple[int, tuple[int, ...], tuple[int, ...]], Substitute]] = [
        {} for _ in maxima
    ]
    for proposal, tokens, activation in zip(proposals, variants, found.tolist(), strict=True):
        if not math.isfinite(activation):  # nothing is known of it, and nothing can be saved
            continue
        example = examples[proposal.context]
        kept = bool(activation >= settings.substitute_threshold * example.activation)
        if kept:
            further.append(_further(example, proposal, tokens, activation))
        original = tuple(example.tokens[proposal.start : proposal.stop].tolist())
        distance = len(example.tokens) - proposal.stop
        part = single(activation / float(maxima[example.owner]))
        # One entry for each replacement, the strongest context speaking for the others.
        key = (distance, original, proposal.replacement)
        known = tried[example.owner].get(key)
        if known is None or part > known.activation:
            tried[example.owner][key] = Substitute(
                distance, original, proposal.replacement, part, kept
            )
    ordered = [
        sorted(ones.values(), key=lambda one: (-one.activation, one.distance, one.replacement))
        for ones in tried
    ]
    return further, ordered


def important_places(example: Example, threshold: float) -> list[int]:
    """Positions of the tokens to substitute: the important ones and the activating token."""
    places = np.flatnonzero(example.importances >= threshold)
    return [int(place) for place in places if place > 0]


def _further(
    example: Example, proposal: Proposal, tokens: Int[np.ndarray, " pos"], activation: float
) -> Example:
    weights = example.importances
    new = np.full(
        len(proposal.replacement), weights[proposal.start : proposal.stop].max(), weights.dtype
    )
    importances = np.concatenate([weights[: proposal.start], new, weights[proposal.stop :]])
    importances[-1] = 1
    places = tuple(range(proposal.start, proposal.start + len(new)))
    return Example(example.owner, tokens, activation, 1, example.at_start, importances, places)
