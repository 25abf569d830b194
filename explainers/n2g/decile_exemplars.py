"""Exemplars across the deciles of activation, taken from the sample."""

from __future__ import annotations

import numpy as np
import torch

from benchmark.interface import Sample
from explainers.anchors import Anchored


def across_deciles(
    sample: Sample,
    maxima: np.ndarray,
    bos: int,
    *,
    deciles: int,
    per_decile: int,
    floor: float,
) -> Anchored:
    """Return for each neuron, places of the sample from every part of its range.

    The range from `floor` of the neuron's largest activation up to the largest is cut into
    `deciles` equal parts; in each, the places taken are spread evenly over those that there are,
    in the order of the text. A BOS is never taken, and where a part has fewer places, all are.

    Args:
        sample: contexts with the activations of all neurons of the block.
        maxima: each neuron's largest activation, raw units, `[n]`.
        bos: never an anchor.
        deciles: number of parts.
        per_decile: exemplars of each.
        floor: part of the maximum below which nothing is taken.
    """
    tokens = sample.tokens.cpu().numpy()
    n_contexts, length = tokens.shape
    text = torch.from_numpy(tokens != bos).to(sample.activations.device)
    text[:, 0] = False
    owners, places, values = [], [], []
    for owner, maximum in enumerate(maxima.tolist()):
        if not maximum > 0:
            continue
        part = sample.activations[..., owner].double() / maximum
        bins = torch.floor((part - floor) / (1 - floor) * deciles).clamp(max=deciles - 1)
        at = torch.nonzero((text & (part >= floor)).reshape(-1))[:, 0]
        of_place = bins.reshape(-1)[at].cpu().numpy()
        at_cpu = at.cpu().numpy()
        for number in range(deciles):
            members = at_cpu[of_place == number]
            chosen = np.unique(np.linspace(0, len(members) - 1, per_decile).round().astype(int))
            taken = members[chosen] if len(members) else members
            owners.append(np.full(len(taken), owner))
            places.append(taken)
            values.append(sample.activations[..., owner].reshape(-1)[taken].float().cpu().numpy())
    if not owners:
        nothing = np.zeros(0, dtype=np.int64)
        return Anchored(nothing, tokens[:0], nothing, np.zeros(0, dtype=np.float32))
    flat = np.concatenate(places)
    rows, anchors = np.divmod(flat, length)
    assert n_contexts > int(rows.max(initial=-1))
    return Anchored(np.concatenate(owners), tokens[rows], anchors, np.concatenate(values))
