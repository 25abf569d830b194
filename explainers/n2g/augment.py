"""Augment: likely substitutes of important tokens, and what still fires with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from explainers.n2g.examples import Example, Examples, values_of
from explainers.n2g.prompts import Prompt, measure_prompts
from explainers.n2g.saliency import measure_saliency
from explainers.n2g.settings import Settings
from explainers.n2g.substitutes import Substitute
from explainers.proposers import Proposal, Proposer
from explainers.queries import SharedStarts, SubjectQueries


@dataclass(frozen=True)
class Variant:
    """A prompt with a substitute that keeps the activation.

    Attributes:
        prompt: it, with the substitute in it and the origins of what it was made from.
        parent: the prompt that it was made from.
        number: the how manieth substituted prompt of its parent, from 1.
        start: the first position of the substitute.
        stop: the one after its last.
        shift: how many tokens longer it is than its parent.
    """

    prompt: Prompt
    parent: Prompt
    number: int
    start: int
    stop: int
    shift: int


def augment(
    prompts: Sequence[Prompt],
    examples: Examples,
    maxima: Float[np.ndarray, " n"],
    queries: SubjectQueries,
    proposer: Proposer,
    settings: Settings,
) -> tuple[list[Variant], list[list[Substitute]]]:
    """Try substitutes for every important token of every prompt, the pivot among them.

    Only one place is substituted at a time. A substitute that keeps `substitute_threshold` of the
    pivot's activation makes a further prompt.

    Returns:
        The further prompts, and for each neuron all substitutes that were tried.
    """
    pivotal = [pivot_example(examples, prompt) for prompt in prompts]
    contexts = [example.tokens for example in pivotal]
    threshold = settings.augment_threshold
    places = [
        [(place, place + 1) for place in important_places(example, threshold)]
        for example in pivotal
    ]
    room = queries.subject.n_ctx
    proposals = [
        one
        for one in proposer.propose(contexts, places)
        if one.length(contexts[one.context]) <= room
    ]
    made = [one.put_into(contexts[one.context]) for one in proposals]
    owners = np.array([prompts[one.context].owner for one in proposals], dtype=np.int64)
    shared = SharedStarts(
        contexts,
        np.array([one.context for one in proposals], dtype=np.int64),
        np.array([one.start for one in proposals], dtype=np.int64),
    )
    found = queries.activations_of_lengths(made, owners, shared)
    variants: list[Variant] = []
    numbers = [0] * len(prompts)
    tried: list[dict[tuple[int, tuple[int, ...], tuple[int, ...]], Substitute]] = [
        {} for _ in maxima
    ]
    for proposal, tokens, activation in zip(proposals, made, found.tolist(), strict=True):
        numbers[proposal.context] += 1
        if not math.isfinite(activation):  # nothing is known of it, and nothing can be saved
            continue
        prompt = prompts[proposal.context]
        kept = bool(activation >= settings.substitute_threshold * prompt.activation)
        if kept:
            number = numbers[proposal.context]
            variants.append(_variant(prompt, proposal, tokens, activation, number, room))
        original = tuple(prompt.tokens[proposal.start : proposal.stop].tolist())
        distance = prompt.pivot + 1 - proposal.stop
        # Last digits depend on the machine, and two are shown.
        part = round(activation / float(maxima[prompt.owner]), 4)
        # One entry for each replacement, the strongest context speaking for the others.
        key = (distance, original, proposal.replacement)
        known = tried[prompt.owner].get(key)
        if known is None or part > known.activation:
            tried[prompt.owner][key] = Substitute(
                distance, original, proposal.replacement, part, kept
            )
    ordered = [
        sorted(ones.values(), key=lambda one: (-one.activation, one.distance, one.replacement))
        for ones in tried
    ]
    return variants, ordered


def further_examples(
    variants: Sequence[Variant],
    examples: Examples,
    maxima: Float[np.ndarray, " n"],
    bos: int,
    texts: Sequence[Int[np.ndarray, "k ctx"]],
    queries: SubjectQueries,
    settings: Settings,
) -> list[Example]:
    """Make the examples that substituted prompts add, with their importances.

    What was important in the prompt that they were made from stays so, and what is substituted
    in a pivot's context is literal. With `remeasure` their own importances are measured, too, and
    every token from the substitute on may enter; else the pivot alone.
    """
    prompts = [one.prompt for one in variants]
    activations: Sequence[Float[np.ndarray, " pos"]]
    if settings.remeasure:
        activations = measure_prompts(prompts, queries)
    else:
        prompts = [replace(one, tokens=one.tokens[: one.pivot + 1]) for one in prompts]
        activations = [_at_pivot(one) for one in prompts]
    further: list[Example] = []
    inherited: list[Float[np.ndarray, " pos"]] = []
    for variant, prompt, found in zip(variants, prompts, activations, strict=True):
        maximum = float(maxima[prompt.owner])
        entering = values_of(
            prompt,
            found,
            maximum,
            bos,
            settings,
            variant=variant.number,
            first=variant.start,
        )
        for place, values in entering.items():
            pivot = place == prompt.pivot
            further.append(
                Example(
                    prompt.owner,
                    prompt.tokens[: place + 1],
                    float(found[place]),
                    values,
                    prompt.at_start,
                    substituted=tuple(range(variant.start, variant.stop)) if pivot else (),
                )
            )
            inherited.append(inherited_importances(variant, place, examples))
    if settings.remeasure:
        measure_saliency(further, maxima, texts, queries, settings)
        for example, weights in zip(further, inherited, strict=True):
            example.importances = np.maximum(example.importances, weights)
    else:
        for example, weights in zip(further, inherited, strict=True):
            example.importances = weights
    return further


def inherited_importances(
    variant: Variant, place: int, examples: Examples
) -> Float[np.ndarray, " pos"]:
    """Return the importances of the same token in the prompt that a variant was made from.

    A substitute has those of what it replaces. All are 0 where that token did not enter the trie.
    """
    weights = np.zeros(place + 1, dtype=np.float32)
    weights[place] = 1
    before = place - variant.shift
    if variant.start <= place < variant.stop and place != variant.prompt.pivot:
        return weights
    parent = examples.ending_at(variant.parent, before)
    if parent is None or not (parent.values or before == variant.parent.pivot):
        return weights
    start, stop = variant.start, variant.stop
    weights[:start] = parent.importances[:start]
    weights[stop:] = parent.importances[stop - variant.shift :]
    weights[start:stop] = parent.importances[start : stop - variant.shift].max()
    weights[place] = 1
    return weights


def pivot_example(examples: Examples, prompt: Prompt) -> Example:
    """Return the example that ends at a prompt's pivot."""
    example = examples.ending_at(prompt, prompt.pivot)
    assert example is not None  # every pivot ends one
    return example


def important_places(example: Example, threshold: float) -> list[int]:
    """Return the positions to substitute: the important tokens and the activating one."""
    places = np.flatnonzero(example.importances >= threshold)
    return [int(place) for place in places if place > 0]


def _variant(
    prompt: Prompt,
    proposal: Proposal,
    tokens: Int[np.ndarray, " pos"],
    activation: float,
    number: int,
    room: int,
) -> Variant:
    shift = len(tokens) - (prompt.pivot + 1)
    whole = np.concatenate([tokens, prompt.tokens[prompt.pivot + 1 :]])[:room]
    made = Prompt(
        prompt.owner,
        whole,
        len(tokens) - 1,
        activation,
        prompt.at_start,
        prompt.origins,
        # Its activations are rescaled as those of the prompt that it was made from.
        prompt.pruned,
    )
    stop = proposal.start + len(proposal.replacement)
    return Variant(made, prompt, number, proposal.start, stop, shift)


def _at_pivot(prompt: Prompt) -> Float[np.ndarray, " pos"]:
    activations = np.full(len(prompt.tokens), -np.inf, dtype=np.float32)
    activations[prompt.pivot] = prompt.activation
    return activations
