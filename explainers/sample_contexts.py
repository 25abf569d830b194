"""Contexts of the sample beside a neuron's exemplars, for explainers that learn from contexts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.interface import Evidence, Exemplars, Sample, text_mask
from explainers.evidence_option import chosen_sample

# Equal parts of the range up to the largest activation, from which contexts are taken alike.
PARTS = 10


def learnt_contexts(evidence: Evidence, kind: str, explainer: str) -> Evidence:
    """Return evidence whose exemplars are all contexts that an explainer learns from.

    Without the sample these are the exemplars. With it, each neuron gets as many contexts of the
    sample besides: the range from zero to its largest activation is cut into ten equal parts, and
    contexts are taken from each alike by their own largest activation, so that what the neuron
    does at every strength is seen and not only at the top. All are ordered by that activation,
    strongest first.

    Args:
        evidence: a block's evidence.
        kind: the kind of evidence that the explainer was configured with.
        explainer: its name, for messages.

    Raises:
        BenchmarkError: the kind includes the sample and the evidence has none.
    """
    sample = chosen_sample(evidence, kind, explainer)
    if sample is None:
        return evidence
    own = evidence.exemplars
    n, k, _ = own.tokens.shape
    m = len(sample.tokens)
    count = min(k, max(0, m - k))  # so many there are, even if every exemplar is in the sample
    if not count:
        return evidence
    peaks, anchors = _peaks(sample, evidence.bos)
    free = ~_among(sample.tokens, own.tokens)
    maxima = evidence.max_activation.double().cpu().numpy()
    rows = torch.from_numpy(
        np.stack([spread(peaks[row], free[row], maxima[row], count) for row in range(n)])
    ).to(own.tokens.device)
    neurons = torch.arange(n, device=rows.device)[:, None]
    tokens = torch.cat([own.tokens, sample.tokens[rows]], 1)
    activations = torch.cat(
        [own.activations, sample.activations.permute(2, 0, 1)[neurons, rows]], 1
    )
    places = torch.cat([own.anchors, anchors.to(rows.device)[neurons, rows]], 1)
    strength = activations.gather(2, places[..., None])[..., 0]
    order = strength.argsort(dim=1, descending=True, stable=True)
    return replace(
        evidence,
        exemplars=Exemplars(
            tokens[neurons, order], activations[neurons, order], places[neurons, order]
        ),
    )


def spread(
    peaks: Float[np.ndarray, " m"], free: Bool[np.ndarray, " m"], maximum: float, count: int
) -> Int[np.ndarray, " count"]:
    """Choose contexts alike from every part of a neuron's range.

    From the strongest part to the weakest, each gives an equal share of what is still to be taken,
    evenly over its contexts by their strength; what a part lacks, the weaker ones give. What is
    below zero belongs to the weakest part.

    Args:
        peaks: the largest activation of every context.
        free: which of them may be chosen, at least `count`.
        maximum: the neuron's largest activation.
        count: how many are chosen.
    """
    order = np.flatnonzero(free)
    order = order[np.argsort(-peaks[order], kind="stable")]
    part = np.zeros(len(order), dtype=np.int64)
    if maximum > 0:
        # An activation on a boundary belongs to the part below it.
        parts = np.nan_to_num(np.ceil(peaks[order] / maximum * PARTS))
        part = parts.clip(1, PARTS).astype(np.int64) - 1
    chosen = np.zeros(len(order), dtype=bool)
    left = count
    for number in range(PARTS - 1, -1, -1):
        members = np.flatnonzero(part == number)
        share = min(len(members), -(-left // (number + 1)))
        chosen[members[np.linspace(0, len(members) - 1, share).round().astype(np.int64)]] = True
        left = count - int(chosen.sum())
    # Where the weak parts lack contexts, the strongest that are left.
    chosen[np.flatnonzero(~chosen)[:left]] = True
    return order[chosen]


def _peaks(sample: Sample, bos: int) -> tuple[Float[np.ndarray, "n m"], Int[Tensor, "n m"]]:
    """Return the largest activation of every context for each neuron, and where it is."""
    hidden = ~text_mask(sample.tokens, bos)
    hidden[:, 0] = True
    found = sample.activations.float().masked_fill(hidden[..., None], -torch.inf).max(1)
    return found.values.T.double().cpu().numpy(), found.indices.T


def _among(
    contexts: Int[Tensor, "m ctx"], exemplars: Int[Tensor, "n k ctx"]
) -> Bool[np.ndarray, "n m"]:
    """Tell for each neuron which contexts are among its exemplars."""
    n, k, ctx = exemplars.shape
    together = torch.cat([contexts, exemplars.reshape(n * k, ctx)]).cpu()
    group = torch.unique(together, dim=0, return_inverse=True)[1].numpy()
    of_contexts, own = group[: len(contexts)], group[len(contexts) :].reshape(n, k)
    return np.stack([np.isin(of_contexts, row) for row in own])
