"""Statistics of n-grams: how often each was seen, and the sum of each neuron's activations."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.interface import Evidence, text_mask
from explainers.context_tree.suffixes import Suffixes, find_suffixes


@dataclass(frozen=True)
class Observations:
    """The evidence of a block as one table of positions.

    A context that is in the sample and among a neuron's exemplars counts once.

    Attributes:
        tokens: contexts of the sample, then the exemplars' that are not in it, `[m + e, ctx]`;
            without a sample `m` is 0.
        text: positions that count: all but BOS, `[m + e, ctx]`.
        activations: of the sample, raw units less `centre`, zero on BOS, `[m * ctx, n]`.
        own_places: positions of exemplars (`row * ctx + column`), `[p]`.
        own_neurons: the row of the neuron whose exemplar each is, `[p]`.
        own_activations: the activation there, raw units less `centre`, `[p]`.
        centre: each neuron's mean activation on the `explain` split, raw units, `[n]`.
        has_sample: whether positions that were drawn uniformly are among them. If not, what is
            expected of any position is not learnt from them: it is `centre`.
    """

    tokens: Int[Tensor, "contexts ctx"]
    text: Bool[Tensor, "contexts ctx"]
    activations: Float[Tensor, "positions n"]
    own_places: Int[Tensor, " p"]
    own_neurons: Int[Tensor, " p"]
    own_activations: Float[Tensor, " p"]
    centre: Float[Tensor, " n"]
    has_sample: bool


def observe(evidence: Evidence, use_exemplars: bool = True) -> Observations:
    """Lay out the evidence of a block, on the CPU; without a sample, its exemplars alone."""
    n, k, ctx = evidence.exemplars.tokens.shape
    centre = evidence.mean_activation.float().cpu()
    exemplars = evidence.exemplars.tokens.cpu().reshape(n * k, ctx)
    own = evidence.exemplars.activations.float().cpu().reshape(n * k, ctx)
    sample = evidence.sample
    if sample is None:
        tokens, activations = exemplars[:0], torch.zeros(0, ctx, n)
    else:
        tokens = sample.tokens.cpu()
        activations = sample.activations.float().cpu() - centre
        activations.masked_fill_(~text_mask(tokens, evidence.bos)[..., None], 0)
    m, ctx = tokens.shape
    if not use_exemplars:
        exemplars, own = tokens[:0], torch.zeros(0, ctx)
    # Equal contexts share a row, and one that is in the sample is not taken from the exemplars.
    distinct, group = torch.unique(torch.cat([tokens, exemplars]), dim=0, return_inverse=True)
    sampled = torch.zeros(len(distinct), dtype=torch.bool)
    sampled[group[:m]] = True
    fresh = ~sampled
    row_of = m + torch.cumsum(fresh, 0) - 1
    chosen = fresh[group[m:]].nonzero()[:, 0]  # exemplars, counted through all neurons
    neurons = chosen // max(1, k)
    together = torch.cat([tokens, distinct[fresh]])
    text = text_mask(together, evidence.bos)
    values = own[chosen]
    rows = row_of[group[m:][chosen]]
    places = rows[:, None] * ctx + torch.arange(ctx)
    keep = text[rows]
    return Observations(
        tokens=together,
        text=text,
        activations=activations.reshape(m * ctx, n),
        own_places=places[keep],
        own_neurons=neurons[:, None].expand(-1, ctx)[keep],
        own_activations=(values - centre[neurons][:, None])[keep],
        centre=centre,
        has_sample=sample is not None,
    )


def observed_suffixes(observations: Observations, depth: int) -> Suffixes:
    """Find the n-grams that end at the positions that count."""
    return find_suffixes(observations.tokens, depth, observations.text, beyond_one=False)


def spreads(seen: Observations, neurons: slice) -> Float[Tensor, " n"]:
    """Return the standard deviation of some neurons of the block on the sample's text, raw units.

    Without a sample, the root mean square of what their own exemplars deviate from the centre.
    Rows are added pair by pair, so that each neuron's sum is the same in whatever block it is.
    """
    if not seen.has_sample:
        n = len(seen.centre)
        squares = seen.own_activations.double().square()
        sums = torch.zeros(n, dtype=torch.double).index_add_(0, seen.own_neurons, squares)
        sizes = torch.bincount(seen.own_neurons, minlength=n)
        return (sums / sizes.clamp_min(1)).sqrt().float()[neurons]
    rows = seen.activations[:, neurons].square()
    n_text = int(seen.text.reshape(-1)[: len(rows)].sum())
    while len(rows) > 1:
        half = len(rows) // 2
        folded = rows[:half] + rows[half : 2 * half]
        rows = torch.cat([folded, rows[2 * half :]]) if len(rows) % 2 else folded
    return (rows.sum(0) / max(1, n_text)).sqrt()


@dataclass(frozen=True)
class Statistics:
    """What was seen at every n-gram, nodes counted through all levels of the suffix tree.

    Attributes:
        counts: positions that end with the n-gram, weighted, `[nodes, n]`.
        sums: the weighted sum of the activations there, less the centre, `[nodes, n]`.
    """

    counts: Float[Tensor, "nodes n"]
    sums: Float[Tensor, "nodes n"]


def statistics(
    suffixes: Suffixes, seen: Observations, neurons: slice, exemplar_weight: float
) -> Statistics:
    """Return counts and sums of some neurons of the block at every n-gram.

    One segment sum over all positions, each added to the longest n-gram that ends there; then one a
    level from the longest n-grams up. A position of a neuron's exemplars counts as
    `exemplar_weight` positions of the sample.
    """
    activations = seen.activations[:, neurons]
    n, first = activations.shape[1], neurons.start
    nodes = suffixes.deepest[: len(activations)]
    places = (nodes >= 0).nonzero()[:, 0]
    nodes = nodes[places]
    sums = torch.zeros(suffixes.size, n).index_add_(0, nodes, activations[places])
    seen_here = torch.zeros(suffixes.size).index_add_(0, nodes, torch.ones(len(nodes)))
    counts = seen_here[:, None].repeat(1, n)
    mine = (seen.own_neurons >= first) & (seen.own_neurons < first + n)
    mine &= suffixes.deepest[seen.own_places] >= 0
    where = suffixes.deepest[seen.own_places[mine]] * n + seen.own_neurons[mine] - first
    sums.view(-1).index_add_(0, where, exemplar_weight * seen.own_activations[mine])
    counts.view(-1).index_add_(0, where, torch.full((len(where),), exemplar_weight))
    upwards = list(zip(suffixes.parts, suffixes.levels, strict=True))[::-1]
    for (lower, level), (upper, _) in pairwise(upwards):
        counts[upper].index_add_(0, level.parents, counts[lower])
        sums[upper].index_add_(0, level.parents, sums[lower])
    return Statistics(counts, sums)
