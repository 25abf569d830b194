"""N2G as it is obvious: one exemplar after the other, four candidates at a time, padded.

The same method as `explainers.n2g.N2G` without substitutes, told as a loop; it must find the same
paths. As in the authors' code every exemplar is pruned and masked, and those below the activation
threshold are left out where the trie is built; that they could be left out at once is one of the
things that `N2G` saves. Contexts of different length share a batch by padding on the right, which a
causal model does not see.
"""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor

from benchmark.interface import Evidence
from benchmark.subject import Subject
from explainers.n2g.explainer import default_mask
from explainers.n2g.settings import Settings

AT_A_TIME = 4
Found = dict[tuple[int, ...], float]


def slow_n2g(
    evidence: Evidence, subject: Subject, settings: Settings, *, weak: bool = True
) -> list[Found]:
    """For each neuron its patterns, backwards, -1 for any token, and their activations.

    Args:
        evidence: of a block.
        subject: the model.
        settings: the thresholds.
        weak: work on exemplars below the activation threshold, too, and leave them out at the end.
    """
    rows = range(evidence.n_neurons)
    return [_one_neuron(evidence, row, subject, settings, weak) for row in rows]


def _one_neuron(
    evidence: Evidence, row: int, subject: Subject, settings: Settings, weak: bool
) -> Found:
    neuron = int(evidence.neurons[row])
    maximum = float(evidence.max_activation[row])
    mask = default_mask(subject) if settings.mask_token is None else settings.mask_token

    def ask(contexts: list[list[int]]) -> list[float]:
        results: list[float] = []
        for start in range(0, len(contexts), AT_A_TIME):
            results += _activations(subject, evidence.layer, neuron, contexts[start:][:AT_A_TIME])
        return results

    exemplars = evidence.exemplars
    text = exemplars.tokens[row].tolist()
    contexts: dict[tuple[int, ...], list[tuple[float, bool, list[float]]]] = defaultdict(list)
    for tokens, anchor, activations in zip(
        text, exemplars.anchors[row].tolist(), exemplars.activations[row].tolist(), strict=True
    ):
        activation = activations[anchor]
        strong = activation > settings.activation_threshold * maximum
        if anchor == 0 or not activation > 0 or not (strong or weak):
            continue
        whole = [evidence.bos, *tokens[1 : anchor + 1]]
        context, kept = _pruned(whole, activation, evidence.bos, ask, settings)
        before = tokens[anchor - len(context) + 1]
        # A context that another exemplar of the neuron gave is masked again: nothing is shared.
        masked = [[*context[:at], mask, *context[at + 1 :]] for at in range(1, len(context) - 1)]
        found = ask(masked)
        if strong:
            contexts[tuple(context)].append((kept, before == evidence.bos, found))
    patterns: dict[tuple[int, ...], list[float]] = defaultdict(list)
    for found, seen in contexts.items():
        context = list(found)
        kept = sum(value for value, _, _ in seen) / len(seen)
        if not kept > settings.activation_threshold * maximum:
            continue
        important = [1 - value / kept > settings.importance_threshold for value in seen[0][2]]
        start = False
        if all(at_start for _, at_start, _ in seen):
            probes = [end for end in (one[-4:] for one in text) if evidence.bos not in end]
            probed = [[context[0], *probe, *context[1:]] for probe in probes]
            probed = [one for one in probed[: settings.start_probes] if len(one) <= subject.n_ctx]
            lost = [1 - value / kept for value in ask(probed)]
            start = bool(lost) and min(lost) > settings.importance_threshold
        literal = [start, *important, True]
        pattern = [token if keep else -1 for token, keep in zip(context, literal, strict=True)]
        pattern.reverse()
        while pattern[-1] == -1:
            pattern.pop()
        patterns[tuple(pattern)] += [kept / maximum] * len(seen)
    return {pattern: sum(values) / len(values) for pattern, values in patterns.items()}


def _pruned(
    whole: list[int], activation: float, bos: int, ask: object, settings: Settings
) -> tuple[list[int], float]:
    assert callable(ask)
    cutoff = len(whole) - 1 if settings.cutoff is None else settings.cutoff
    lengths = [
        length
        for length in range(1, min(cutoff, len(whole) - 2) + 1)
        if whole[len(whole) - length] != bos
    ]
    for start in range(0, len(lengths), AT_A_TIME):
        candidates = [[bos, *whole[-length:]] for length in lengths[start : start + AT_A_TIME]]
        for candidate, found in zip(candidates, ask(candidates), strict=True):
            if found >= settings.prune_threshold * activation:
                return candidate, found
    return whole, activation


def _activations(
    subject: Subject, layer: int, neuron: int, contexts: list[list[int]]
) -> list[float]:
    width = max(map(len, contexts))
    padded = [[*context, *[context[-1]] * (width - len(context))] for context in contexts]
    found: Tensor = subject.activations(torch.tensor(padded), layer, [neuron])[..., 0]
    return [float(found[row, len(context) - 1]) for row, context in enumerate(contexts)]
