"""Candidate patterns of each neuron: those that predict the other half of the documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
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
        best = self.score.topk(min(most, self.score.shape[1]), dim=1).indices
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
    means: list[Float[Tensor, "features n"]] = []
    for number, family in enumerate(families):
        quota, looked_at = most, torch.arange(family.size)
        if not family.is_ngram:
            quota = max(1, int(most * OF_A_SHAPE))
            often = torch.bincount(family.features, minlength=family.size)
            kept = often >= SELDOMEST
            if family.shape[0] == SOMEWHERE:
                kept &= often <= OFTENEST * seen.n_text
            looked_at = kept.nonzero()[:, 0]
            family = family.select(looked_at)
        counts, sums = _statistics(family, seen)
        score = _removed(counts, sums, shrinkage)
        if family.parents is not None:
            above = (means[-1] if family.is_ngram else means[0])[family.parents]
            beyond = _removed(counts, sums - counts * above[:, None], shrinkage)
            score = torch.maximum(beyond, ALONE * score)
        if family.is_ngram:
            means.append(sums.sum(1) / (counts.sum(1) + shrinkage))
        characters = lengths[family.tokens].sum(1) + AROUND
        score = (score / characters[:, None]).clamp_min_(0).T.contiguous()
        values, best = score.topk(min(quota, family.size), dim=1)
        neuron = torch.arange(len(best))[:, None]
        chosen.append(
            Candidates(
                torch.full_like(best, number),
                looked_at[best],
                values,
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
    value = sums.flip(1) / (counts.flip(1) + shrinkage)
    return (2 * sums * value - counts * value.square()).sum(1)
