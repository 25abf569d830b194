"""Check of tries against the sample: what a neuron does where a path decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from benchmark.interface import Sample
from explainers.float32 import shortest
from explainers.n2g.compiled import NOWHERE
from explainers.n2g.settings import LONGEST
from explainers.n2g.simulate import winners
from explainers.n2g.trie import Path, strongest_first

# Contexts matched at once: bounds the array of winners.
TOKENS_AT_ONCE = 1 << 16


def check_against(
    sample: Sample,
    tries: Sequence[Sequence[Path]],
    maxima: Float[np.ndarray, " n"],
    bos: int,
    *,
    prior: float,
    least: float,
    match: str = LONGEST,
) -> tuple[list[tuple[Path, ...]], list[float]]:
    """Give every path the activation that the sample shows where it decides the prediction.

    A path's activation becomes the mean of what it was and of the truth at all places that it
    decides, the former counting as `prior` places: one that fires wrongly is weighted down, and
    one that the sample does not show stays as it was. A path that then lies below `least` is
    dropped. Where no path matches, the neuron's mean there is predicted.

    Args:
        sample: contexts with the activations of all neurons of the block.
        tries: the paths of each neuron.
        maxima: each neuron's largest activation, raw units.
        bos: places that do not count.
        prior: places that what was measured counts as.
        least: part of the maximum below which a path is dropped.
        match: which path decides, as `simulate_tries`.

    Returns:
        The paths, strongest first, and the mean elsewhere as a part of each maximum.
    """
    sizes = [len(paths) for paths in tries]
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    total = int(first[-1])
    sums, counts = np.zeros(total), np.zeros(total)
    rest, rest_counts = np.zeros(len(tries)), np.zeros(len(tries))
    length = sample.tokens.shape[1]
    step = max(1, TOKENS_AT_ONCE // max(1, length))
    for start in range(0, len(sample.tokens), step):
        tokens = sample.tokens[start : start + step].cpu().numpy()
        truth = sample.activations[start : start + step].float().cpu().numpy()
        truth = np.moveaxis(truth, 2, 0)
        text = tokens != bos
        decided = winners(tries, tokens, [match] * len(tries))
        some = (decided != NOWHERE) & text
        paths = decided[some]
        sums += np.bincount(paths, weights=truth[some], minlength=total)
        counts += np.bincount(paths, minlength=total)
        nowhere = (decided == NOWHERE) & text
        rest += np.where(nowhere, truth, 0).sum((1, 2), dtype=np.float64)
        rest_counts += nowhere.sum((1, 2))
    checked, defaults = [], []
    for owner, (paths_of, maximum) in enumerate(zip(tries, maxima.tolist(), strict=True)):
        kept = []
        for number, path in enumerate(paths_of, start=int(first[owner])):
            before = path.activation * prior
            activation = (sums[number] / maximum + before) / (counts[number] + prior)
            if activation >= least:
                kept.append(replace(path, activation=shortest(activation)))
        checked.append(strongest_first(kept))
        mean = rest[owner] / max(1, rest_counts[owner]) / maximum if maximum > 0 else 0.0
        defaults.append(shortest(mean))
    return checked, defaults
