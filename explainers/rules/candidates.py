"""Candidate patterns of each neuron: those that predict the other half of the documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from explainers.rules.features import Family
from explainers.rules.matching import SOMEWHERE
from explainers.rules.observations import HALVES, Observations

# What a pattern removes of the squared error although the shorter one in it is known counts whole,
# and this part of what it removes alone.
ALONE = 0.25
# Characters of a line beside its tokens, on average.
AROUND = 3
# Of patterns that are no n-grams, those that match less often are not looked at, nor those of
# tokens somewhere before that match at more than this part of all positions; and of each shape at
# most this part of the candidates is.
SELDOMEST, OFTENEST, OF_A_SHAPE = 6, 0.02, 0.125


@dataclass(frozen=True)
class Candidates:
    """The patterns that a neuron's rules are chosen from, the same number for each neuron.

    Attributes:
        family: which family each is of, `[n, k]`.
        feature: which pattern of the family it is, `[n, k]`.
        score: squared error removed per character; 0 where a neuron has fewer, `[n, k]`.
        counts: weighted positions at which it matches, by halves, `[n, k, halves]`.
        sums: weighted sum of the activation there, less the centre, by halves, `[n, k, halves]`.
    """

    family: Int[Tensor, "n k"]
    feature: Int[Tensor, "n k"]
    score: Float[Tensor, "n k"]
    counts: Float[Tensor, "n k halves"]
    sums: Float[Tensor, "n k halves"]

    def best(self, most: int) -> Candidates:
        """Return the candidates of highest score."""
        best = _best(self.score, most)
        wide = best[..., None].expand(-1, -1, HALVES)
        return Candidates(
            self.family.gather(1, best),
            self.feature.gather(1, best),
            self.score.gather(1, best),
            self.counts.gather(1, wide),
            self.sums.gather(1, wide),
        )


def choose_candidates(
    families: Sequence[Family],
    seen: Observations,
    lengths: Int[Tensor, " tokens"],
    most: int,
    shrinkage: float,
) -> Candidates:
    """Choose each neuron's candidates: what they explain of the other half of the documents.

    A pattern's mean on one half predicts the other one and the other way round; what that removes
    of the squared error, for each character of the pattern, decides.

    Args:
        families: the patterns.
        seen: the evidence.
        lengths: characters of each token.
        most: candidates of a neuron.
        shrinkage: positions that a mean is shrunk to zero by.
    """
    chosen: list[Candidates] = []
    singles: _Means | None = None
    above: _Means | None = None
    for number, family in enumerate(families):
        looked_at = _looked_at(family, seen)
        counts, sums = _statistics(family.select(looked_at), seen)
        score = _removed(counts, sums, shrinkage)
        shorter = above if family.is_ngram else singles
        if family.parents is not None and shorter is not None:
            mean = shorter.of(family.parents[looked_at])
            beyond = _removed(counts, sums - counts * mean[:, None], shrinkage)
            score = torch.maximum(beyond, ALONE * score)
        if family.is_ngram:
            above = _Means(sums.sum(1) / (counts.sum(1) + shrinkage), looked_at, family.size)
            singles = singles or above
        characters = lengths[family.tokens[looked_at]].sum(1) + AROUND
        score = (score / characters[:, None]).clamp_min_(0)
        quota = most
        if not family.is_ngram:
            quota = max(1, int(most * OF_A_SHAPE))
            score[_too_seldom_or_often(family, counts.sum(1), seen)] = 0
        score = score.T.contiguous()
        best = _best(score, quota)
        neuron = torch.arange(len(best))[:, None]
        chosen.append(
            Candidates(
                torch.full_like(best, number),
                looked_at[best],
                score.gather(1, best),
                counts[best, :, neuron],
                sums[best, :, neuron],
            )
        )
    return Candidates(
        *(
            torch.cat([getattr(each, name) for each in chosen], 1)
            for name in ("family", "feature", "score", "counts", "sums")
        )
    ).best(most)


@dataclass(frozen=True)
class _Means:
    """Means of some n-grams of one length: `means[i]` is that of n-gram `features[i]`."""

    means: Float[Tensor, "kept n"]
    features: Int[Tensor, " kept"]
    size: int

    def of(self, features: Int[Tensor, " f"]) -> Float[Tensor, "f n"]:
        """Return the means of some of the n-grams that were kept."""
        place = torch.zeros(self.size, dtype=torch.long)
        place[self.features] = torch.arange(len(self.features))
        return self.means[place[features]]


def _looked_at(family: Family, seen: Observations) -> Int[Tensor, " kept"]:
    """Return the patterns that any neuron may have: all others are in one half of the documents
    alone, or too seldom or too often for every neuron.
    """
    slots = family.features * HALVES + seen.half[family.places]
    often = torch.bincount(slots, minlength=family.size * HALVES).view(-1, HALVES)
    kept = (often > 0).all(1)
    if not family.is_ngram:
        kept &= often.sum(1) >= SELDOMEST
    if family.shape[0] == SOMEWHERE:
        sampled = family.features[family.places < seen.n_sampled]
        often_in_sample = torch.bincount(sampled, minlength=family.size)
        kept &= often_in_sample <= OFTENEST * seen.n_text
    return kept.nonzero()[:, 0]


def _too_seldom_or_often(
    family: Family, counts: Float[Tensor, "features n"], seen: Observations
) -> Bool[Tensor, "features n"]:
    """Tell which patterns match too seldom, or too often, in a neuron's own evidence."""
    one = 1.0 if seen.has_sample else seen.weight
    found = counts < SELDOMEST * one
    if family.shape[0] == SOMEWHERE:
        found |= counts > OFTENEST * seen.totals()
    return found


def _best(scores: Float[Tensor, "n f"], most: int) -> Int[Tensor, "n best"]:
    """Return the places of the largest scores, of equal ones the first first."""
    best = scores.topk(min(most, scores.shape[1]), dim=1).indices.sort(dim=1).values
    order = scores.gather(1, best).argsort(dim=1, descending=True, stable=True)
    return best.gather(1, order)


def _statistics(
    family: Family, seen: Observations
) -> tuple[Float[Tensor, "features halves n"], Float[Tensor, "features halves n"]]:
    """Return how often each pattern matches in either half, weighted, and the activations' sum."""
    n, sampled = len(seen.centre), seen.n_sampled
    slots = family.features * HALVES + seen.half[family.places]
    size = family.size * HALVES
    here = family.places < sampled
    sums = torch.zeros(size, n).index_add_(0, slots[here], seen.activations[family.places[here]])
    counts = torch.bincount(slots[here], minlength=size).float()[:, None].repeat(1, n)
    if not bool(here.all()):
        slots, places = slots[~here], family.places[~here] - sampled
        sums.index_add_(0, slots, seen.own[places], alpha=seen.weight)
        owned = seen.owned[places // seen.tokens.shape[1]].float()
        counts.index_add_(0, slots, owned, alpha=seen.weight)
    return counts.view(-1, HALVES, n), sums.view(-1, HALVES, n)


def _removed(
    counts: Float[Tensor, "features halves n"],
    sums: Float[Tensor, "features halves n"],
    shrinkage: float,
) -> Float[Tensor, "features n"]:
    """Return the squared error that each half's mean removes in the other one."""
    removed = torch.zeros_like(sums[:, 0])
    for half in range(HALVES):
        value = sums[:, 1 - half] / (counts[:, 1 - half] + shrinkage)
        removed += value * (2 * sums[:, half] - counts[:, half] * value)
    return removed
