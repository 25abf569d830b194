"""N2G as it is obvious: its authors' steps, one exemplar after the other, in plain loops.

The same method as `explainers.n2g.N2G`, with every setting; it must find the same paths. Four
contexts run at a time, nothing is shared between them, and those of different length share a batch
by padding on the right, which a causal model does not see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmark.interface import Evidence
from explainers.n2g.explainer import default_mask
from explainers.n2g.settings import Settings
from explainers.proposers import Proposer

AT_A_TIME = 4
ANY = -1
END = "end"
Pattern = tuple[int, ...]
Found = dict[Pattern, float]
# A node: children by token, and under END the values at it in the order in which they were added.
Trie = dict[Any, Any]
Run = Callable[[Sequence[Sequence[int]]], list[list[float]]]


@dataclass
class Prompt:
    """What is left of an exemplar around a pivot, and what is known of the pivot."""

    tokens: list[int]
    pivot: int
    at_start: bool
    pruned: float
    original: float
    strong: bool


class SlowNeuron:
    """One neuron of a block, explained step by step."""

    def __init__(
        self,
        evidence: Evidence,
        row: int,
        subject: Any,
        settings: Settings,
        weak: bool,
        proposer: Proposer | None,
    ) -> None:
        self.subject, self.settings, self.weak, self.proposer = subject, settings, weak, proposer
        self.layer, self.bos = evidence.layer, evidence.bos
        self.neuron = int(evidence.neurons[row])
        self.maximum = float(evidence.max_activation[row])
        self.exemplars = evidence.exemplars.tokens[row].tolist()
        self.activations = evidence.exemplars.activations[row].tolist()
        self.anchors = evidence.exemplars.anchors[row].tolist()
        self.mask = settings.mask_token
        if self.mask is None:
            self.mask = default_mask(subject)

    def run(self, contexts: Sequence[Sequence[int]]) -> list[list[float]]:
        """Run contexts and return the neuron's activations at every position of each."""
        results: list[list[float]] = []
        for start in range(0, len(contexts), AT_A_TIME):
            part = contexts[start : start + AT_A_TIME]
            width = max(map(len, part))
            padded = [[*context, *[context[-1]] * (width - len(context))] for context in part]
            found = self.subject.activations(
                torch.tensor(padded), self.layer, torch.tensor([self.neuron])
            )
            results += [
                row[: len(context)]
                for row, context in zip(found[..., 0].tolist(), part, strict=True)
            ]
        return results

    def paths(self) -> Found:
        """Explain the neuron: patterns, backwards, `ANY` for any token, and their activations."""
        if not self.maximum > 0:
            return {}
        prompts = [prompt for pivot in self.pivots() for prompt in [self.pruned(*pivot)]]
        measured = self.run([prompt.tokens for prompt in prompts])
        for prompt, activations in zip(prompts, measured, strict=True):
            activations[prompt.pivot] = prompt.pruned
        self.at_start = self.starts(prompts, measured)
        trie: Trie = {}
        for prompt, activations in zip(prompts, measured, strict=True):
            lines = self.lines_of(prompt, activations)
            if prompt.strong or self.settings.weak:
                for pattern, value in lines:
                    add(trie, pattern, value)
        if self.settings.merge_wildcards:
            merge(trie)
        return {pattern: self.combined(values) for pattern, values in ends(trie)}

    def pivots(self) -> Iterator[tuple[list[int], int, float]]:
        """Yield every exemplar with each of its pivots and the activation there."""
        settings, k = self.settings, len(self.exemplars)
        chosen = set(range(k))
        if settings.exemplars is not None and settings.exemplars < k:
            chosen = {rank * k // settings.exemplars for rank in range(settings.exemplars)}
        for number in sorted(chosen):
            tokens, activations = self.exemplars[number], self.activations[number]
            anchor = self.anchors[number]
            for place in range(1, len(tokens)):
                share = settings.pivot_threshold * activations[anchor]
                strong = settings.pivot_threshold < 1 and activations[place] >= share
                if not (strong or place == anchor) or tokens[place] == self.bos:
                    continue
                enters = self.enters(activations[place])
                if activations[place] > 0 and (enters or settings.weak or self.weak):
                    yield tokens, place, activations[place]

    def enters(self, activation: float) -> bool:
        """Say whether an activation is strong enough for the trie."""
        return activation / self.maximum > self.settings.activation_threshold

    def pruned(self, exemplar: list[int], place: int, activation: float) -> Prompt:
        """Find the shortest context that keeps a pivot's activation, and put the rest after it."""
        settings, bos = self.settings, self.bos
        length, kept = place, activation  # the whole context, if no shorter one is accepted
        cutoff = place if settings.cutoff is None else settings.cutoff
        for shorter in range(1, min(cutoff + 1, place)):
            context = [bos, *exemplar[place - shorter + 1 : place + 1]]
            if context[1] == bos or shorter % settings.length_step:
                continue
            found = self.run([context])[0]
            text = [value for value, token in zip(found, context, strict=True) if token != bos]
            leads = found[-1] == max(text) or not settings.pivot_leads
            if leads and found[-1] >= settings.prune_threshold * activation:
                length, kept = shorter, found[-1]
                break
        after: list[int] = []
        for following in range(place + 1, min(place + 1 + settings.after, len(exemplar))):
            before = self.subject.tokenizer.decode([exemplar[following - 1]])
            if exemplar[following] == bos:
                break
            if settings.after_sentence and re.search("[.!\n]", before):
                break
            after.append(exemplar[following])
        context = [bos, *exemplar[place - length + 1 : place + 1]]
        at_start = exemplar[place - length] == bos
        return Prompt(
            [*context, *after], length, at_start, kept, activation, self.enters(activation)
        )

    def scaled(self, prompt: Prompt, activations: Sequence[float]) -> list[float]:
        """Give a prompt's activations the scale of its exemplar."""
        if not self.settings.rescale or not prompt.pruned > 1e-3 * self.maximum:
            return list(activations)
        return [prompt.original * (value / prompt.pruned) for value in activations]

    def lines_of(
        self, prompt: Prompt, activations: Sequence[float]
    ) -> Iterator[tuple[Pattern, float]]:
        """Yield the lines of a prompt, then those of its substituted prompts."""
        settings = self.settings
        important = self.importances(prompt.tokens, activations)
        scaled = self.scaled(prompt, activations)
        places = [
            place
            for place in range(1, len(scaled))
            if self.enters(scaled[place]) and prompt.tokens[place] != self.bos
        ]
        literal: dict[int, set[int]] = {}
        for place in dict.fromkeys([*places, prompt.pivot]):
            needed = {at for at in range(1, place) if important[at][place] > self.threshold}
            if self.start_importance(prompt.tokens, place, activations[place]) > self.threshold:
                needed.add(0)
            literal[place] = needed
        for place in places:
            yield self.pattern(prompt.tokens, place, literal[place]), scaled[place] / self.maximum
        if self.proposer is None:
            return
        pivot = prompt.pivot
        wanted = [
            at for at in range(1, pivot) if important[at][pivot] >= settings.augment_threshold
        ]
        context = torch.tensor(prompt.tokens[: pivot + 1]).numpy()
        spans = [(at, at + 1) for at in [*wanted, pivot]]
        for proposal in self.proposer.propose([context], [spans]):
            (new,) = proposal.replacement  # one token for one, as the subject proposes
            tokens = [*prompt.tokens]
            tokens[proposal.start] = new
            found = self.run([tokens])[0]
            if not found[pivot] >= settings.substitute_threshold * prompt.pruned:
                continue
            yield from self.substituted(prompt, proposal.start, tokens, found, literal, places)

    def substituted(
        self,
        prompt: Prompt,
        at: int,
        tokens: list[int],
        activations: Sequence[float],
        literal: dict[int, set[int]],
        places: Sequence[int],
    ) -> Iterator[tuple[Pattern, float]]:
        """Yield the lines of a prompt with a substitute at one place."""
        scaled = self.scaled(prompt, activations)
        important = self.importances(tokens, activations) if self.settings.remeasure else None
        for place in range(at, len(tokens)):
            if not self.enters(scaled[place]) or tokens[place] == self.bos:
                continue
            if important is None and place != prompt.pivot:
                continue
            needed = set(literal[place]) if place in places or place == prompt.pivot else set()
            if place == at != prompt.pivot:
                needed = set()
            if place == prompt.pivot:
                needed |= {at} - {place}
            if important is not None:
                needed |= {one for one in range(1, place) if important[one][place] > self.threshold}
                if prompt.at_start:
                    start = self.probed(tokens, place, activations[place])
                    needed |= {0} if start > self.threshold else set()
            yield self.pattern(tokens, place, needed), scaled[place] / self.maximum

    @property
    def threshold(self) -> float:
        """The importance above which a token is literal."""
        return self.settings.importance_threshold

    def importances(
        self, tokens: Sequence[int], activations: Sequence[float]
    ) -> dict[int, list[float]]:
        """Mask each token in turn: what every other one loses, as a part of its activation."""
        places = range(1, len(tokens) - 1)
        masked = self.run([[*tokens[:at], int(self.mask or 0), *tokens[at + 1 :]] for at in places])
        near = 1e-3 * self.maximum
        return {
            at: [
                1 - after / before if before > near else 0.0
                for before, after in zip(activations, found, strict=True)
            ]
            for at, found in zip(places, masked, strict=True)
        }

    def starts(
        self, prompts: Sequence[Prompt], measured: Sequence[Sequence[float]]
    ) -> dict[Pattern, bool]:
        """For each context, whether it was only ever met right after a BOS."""
        same: dict[tuple[Pattern, int], bool] = {}
        for prompt in prompts:
            key = (tuple(prompt.tokens), prompt.pivot)
            same[key] = same.get(key, True) and prompt.at_start
        found: dict[Pattern, bool] = {}
        for prompt, activations in zip(prompts, measured, strict=True):
            prompt.at_start = same[tuple(prompt.tokens), prompt.pivot]
            for place, value in enumerate(self.scaled(prompt, activations)):
                if self.enters(value) or place == prompt.pivot:
                    context = tuple(prompt.tokens[: place + 1])
                    found[context] = found.get(context, True) and prompt.at_start
        return found

    def start_importance(self, tokens: Sequence[int], place: int, activation: float) -> float:
        """Measure what a token of a prompt loses if other text stands before the prompt."""
        if not self.at_start[tuple(tokens[: place + 1])]:
            return 0.0
        return self.probed(tokens, place, activation)

    def probed(self, tokens: Sequence[int], place: int, activation: float) -> float:
        """Measure the least that a token loses behind the ends of exemplars."""
        probes = [end for end in (one[-4:] for one in self.exemplars) if self.bos not in end]
        context = [*tokens[: place + 1]]
        probed = [
            [self.bos, *probe, *context[1:]] for probe in probes[: self.settings.start_probes]
        ]
        probed = [one for one in probed if len(one) <= self.subject.n_ctx]
        if not probed:
            return 0.0
        return min(1 - found[-1] / activation for found in self.run(probed))

    def pattern(self, tokens: Sequence[int], place: int, needed: set[int]) -> Pattern:
        """Write a token and what stands before it backwards, up to the furthest needed one."""
        first = min(needed, default=place)
        return tuple(
            tokens[at] if at == place or at in needed else ANY for at in range(place, first - 1, -1)
        )

    def combined(self, values: Sequence[float]) -> float:
        """Make one of several values at a path."""
        if self.settings.combine == "first":
            return values[0]
        return max(values) if self.settings.combine == "max" else sum(values) / len(values)


def slow_n2g(
    evidence: Evidence,
    subject: Any,
    settings: Settings,
    *,
    weak: bool = True,
    proposer: Proposer | None = None,
) -> list[Found]:
    """For each neuron its patterns, backwards, -1 for any token, and their activations.

    Args:
        evidence: of a block.
        subject: the model.
        settings: the thresholds.
        weak: work on pivots below the activation threshold, too, and leave them out at the end.
        proposer: of substitutes, one token for one; without it there are none.
    """
    rows = range(evidence.n_neurons)
    return [SlowNeuron(evidence, row, subject, settings, weak, proposer).paths() for row in rows]


def add(trie: Trie, pattern: Pattern, *values: float) -> None:
    """Add a line to a trie; values at its end come after those that are there."""
    for token in pattern:
        trie = trie.setdefault(token, {})
    trie.setdefault(END, []).extend(values)


def ends(trie: Trie, before: Pattern = ()) -> Iterator[tuple[Pattern, list[float]]]:
    """Yield every path of a trie with the values at its end."""
    for token, child in trie.items():
        if token == END:
            yield before, child
        else:
            yield from ends(child, (*before, token))


def merge(trie: Trie) -> None:
    """Merge what stands beside a wildcard into it, level by level.

    Paths that go on behind such a child are added behind the wildcard; the child itself is then
    removed, unless a path ends at it.
    """
    level = [trie]
    while level:
        for node in level:
            if ANY not in node:
                continue
            for token in [token for token in node if token not in (ANY, END)]:
                for path, values in list(ends(node[token])):
                    if path:
                        add(node[ANY], path, *values)
                if END not in node[token]:
                    del node[token]
        level = [child for node in level for token, child in node.items() if token != END]


def search(paths: Found, tokens: Sequence[int], default: float = 0.0) -> float:
    """Predict the last token's activation: literal children before wildcards, no way back."""
    trie: Trie = {}
    for pattern, value in paths.items():
        add(trie, pattern, value)
    found = default
    for token in reversed(tokens):
        if token not in trie and ANY not in trie:
            break
        trie = trie[token] if token in trie else trie[ANY]
        if END in trie:
            (found,) = trie[END]
    return found
