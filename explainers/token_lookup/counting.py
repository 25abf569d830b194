"""Means per token id over evidence, for all neurons of a block at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.interface import Exemplars, Sample, text_mask

# Sampled tokens whose activations are summed at once: bounds the copy in double precision.
TOKENS_AT_ONCE = 1 << 14


class SampleMeans(NamedTuple):
    """Means over the sample, which all neurons share.

    Attributes:
        ids: token ids, ascending, `[u]`.
        means: raw units, float32, `[n, u]`.
        counts: how often each was seen, `[u]`.
    """

    ids: Int[Tensor, " u"]
    means: Float[Tensor, "n u"]
    counts: Int[Tensor, " u"]

    def seen(self, min_count: int) -> SampleMeans:
        """Return only the tokens that were seen at least `min_count` times."""
        often = self.counts >= min_count
        if bool(often.all()):
            return self
        return SampleMeans(self.ids[often], self.means[:, often], self.counts[often])


class TokenMeans(NamedTuple):
    """Means of one neuron: ids ascending, raw units in float32, and counts, `[t]` each."""

    ids: Int[Tensor, " t"]
    means: Float[Tensor, " t"]
    counts: Int[Tensor, " t"]


def no_sample(n_neurons: int) -> SampleMeans:
    """Return the means of no tokens."""
    nothing = torch.zeros(0, dtype=torch.long)
    return SampleMeans(nothing, torch.zeros(n_neurons, 0), nothing)


def sample_means(sample: Sample, bos: int) -> SampleMeans:
    """Return each token's mean over the sample without BOS, for all neurons, on the CPU."""
    tokens = sample.tokens.flatten()
    activations = sample.activations.flatten(0, 1)
    positions = text_mask(tokens, bos).nonzero()[:, 0]
    ids, where, counts = torch.unique(tokens[positions], return_inverse=True, return_counts=True)
    sums = activations.new_zeros(len(ids), activations.shape[1], dtype=torch.double)
    for start in range(0, len(positions), TOKENS_AT_ONCE):
        part = slice(start, start + TOKENS_AT_ONCE)
        sums.index_add_(0, where[part], activations[positions[part]].double())
    means = (sums / counts[:, None]).float()
    return SampleMeans(ids.cpu(), means.T.contiguous().cpu(), counts.cpu())


def exemplar_means(
    exemplars: Exemplars, bos: int, min_count: int, decided: Int[Tensor, " u"]
) -> list[TokenMeans]:
    """Return each neuron's token means over its own exemplars, BOS left out; on the CPU.

    Args:
        exemplars: the block's exemplars.
        bos: the token that is not counted.
        min_count: tokens that a neuron's exemplars show less often are left out.
        decided: ids of tokens that are left out, ascending.
    """
    tokens, keep = exemplars.tokens, text_mask(exemplars.tokens, bos)
    width = int(tokens.max()) + 1 if tokens.numel() else 1
    row = torch.arange(len(tokens), device=tokens.device)[:, None, None]
    # Ascending by neuron, then by token id.
    pairs, where, counts = torch.unique(
        (row * width + tokens)[keep], return_inverse=True, return_counts=True
    )
    sums = torch.zeros(len(pairs), dtype=torch.double, device=tokens.device)
    sums.index_add_(0, where, exemplars.activations[keep].double())
    pairs, means, counts = pairs.cpu(), (sums / counts).float().cpu(), counts.cpu()
    rows, ids = torch.div(pairs, width, rounding_mode="floor"), pairs % width
    kept = (counts >= min_count) & ~torch.isin(ids, decided)
    sizes = torch.bincount(rows[kept], minlength=len(tokens)).tolist()
    parts = (torch.split(values[kept], sizes) for values in (ids, means, counts))
    return [TokenMeans(*part) for part in zip(*parts, strict=True)]


def merged(first: TokenMeans, second: TokenMeans) -> TokenMeans:
    """Merge two tables without a common id."""
    if not len(second.ids):
        return first
    if not len(first.ids):
        return second
    # Both ascend already, so each id of the second goes to where it belongs without sorting.
    places = torch.searchsorted(first.ids, second.ids) + torch.arange(len(second.ids))
    of_second = torch.zeros(len(first.ids) + len(second.ids), dtype=torch.bool)
    of_second[places] = True
    columns = []
    for ours, theirs in zip(first, second, strict=True):
        column = torch.empty(len(of_second), dtype=ours.dtype)
        column[of_second], column[~of_second] = theirs, ours
        columns.append(column)
    return TokenMeans(*columns)
