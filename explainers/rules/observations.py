"""Evidence of a block as one table of weighted positions, in two halves of its documents."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.interface import Evidence, text_mask

HALVES = 2
# Odd, so that neighbouring documents, which may be alike, fall into either half.
_SCATTER = 0x9E3779B1


@dataclass(frozen=True)
class Observations:
    """Positions of the sample, then those of each neuron's exemplars.

    Attributes:
        tokens: contexts of the sample, then of exemplars, each distinct one of these once and none
            that is in the sample, `[m + e, ctx]`.
        text: positions that count: all but BOS, `[m + e, ctx]`.
        half: which half of the documents each position belongs to, `[(m + e) * ctx]`.
        activations: of the sample, raw units less `centre`, zero on BOS, `[m * ctx, n]`.
        owned: whether a context is an exemplar of a neuron, `[e, n]`.
        own: activations there, raw units less `centre`, zero on BOS and where it is not the
            neuron's, `[e * ctx, n]`.
        centre: each neuron's mean activation on the `explain` split, raw units, `[n]`.
        weight: positions of the sample that one of an exemplar counts as.
        has_sample: whether there is a sample. If not, what is predicted elsewhere is `centre`.
    """

    tokens: Int[Tensor, "contexts ctx"]
    text: Bool[Tensor, "contexts ctx"]
    half: Int[Tensor, " positions"]
    activations: Float[Tensor, "sampled n"]
    owned: Bool[Tensor, "e n"]
    own: Float[Tensor, "exemplar_positions n"]
    centre: Float[Tensor, " n"]
    weight: float
    has_sample: bool

    @property
    def n_sampled(self) -> int:
        """Return the number of positions of the sample."""
        return len(self.activations)

    @property
    def n_text(self) -> int:
        """Return the number of positions that count."""
        return int(self.text.sum())

    def weights(self) -> Float[Tensor, "positions n"]:
        """Return what each position counts for each neuron, zero on BOS."""
        n = len(self.centre)
        length = self.tokens.shape[1]
        sampled = torch.ones(self.n_sampled, n)
        own = self.weight * self.owned.repeat_interleave(length, 0).float()
        return torch.cat([sampled, own]) * self.text.reshape(-1, 1)

    def totals(self) -> Float[Tensor, " n"]:
        """Return what all positions count together for each neuron."""
        text = self.text.sum(1)
        m = len(text) - len(self.owned)
        own = (text[m:, None] * self.owned).sum(0)
        return int(text[:m].sum()) + self.weight * own.float()

    def deviations(self) -> Float[Tensor, "positions n"]:
        """Return activations less the centre at all positions."""
        return torch.cat([self.activations, self.own])


def observe(evidence: Evidence, weight: float) -> Observations:
    """Lay out the evidence of a block, on the CPU.

    Args:
        evidence: with or without a sample.
        weight: positions of the sample that one of an exemplar counts as.
    """
    n, k, length = evidence.exemplars.tokens.shape
    centre = evidence.mean_activation.float().cpu()
    exemplars = evidence.exemplars.tokens.cpu().reshape(n * k, length)
    sample = evidence.sample
    sampled = exemplars[:0] if sample is None else sample.tokens.cpu()
    m = len(sampled)
    distinct, group = torch.unique(torch.cat([sampled, exemplars]), dim=0, return_inverse=True)
    known = torch.zeros(len(distinct), dtype=torch.bool)
    known[group[:m]] = True
    row_of = torch.cumsum(~known, 0) - 1
    fresh = ~known[group[m:]]
    rows, neurons = row_of[group[m:]][fresh], torch.arange(n).repeat_interleave(k)[fresh]
    others = distinct[~known]
    tokens = torch.cat([sampled, others])
    text = text_mask(tokens, evidence.bos)
    owned = torch.zeros(len(others), n, dtype=torch.bool)
    owned[rows, neurons] = True
    own = torch.zeros(len(others), length, n)
    values = evidence.exemplars.activations.float().cpu().reshape(n * k, length)[fresh]
    own[rows, :, neurons] = values - centre[neurons][:, None]
    own.masked_fill_(~text[m:, :, None], 0)
    if sample is None:
        activations = torch.zeros(0, n)
    else:
        activations = (sample.activations.float().cpu() - centre).masked_fill_(
            ~text[:m, :, None], 0
        )
    return Observations(
        tokens=tokens,
        text=text,
        half=_halves(evidence, tokens, rows, fresh).reshape(-1),
        activations=activations.reshape(m * length, n),
        owned=owned,
        own=own.reshape(-1, n),
        centre=centre,
        weight=weight,
        has_sample=sample is not None,
    )


def _halves(
    evidence: Evidence,
    tokens: Int[Tensor, "contexts ctx"],
    rows: Int[Tensor, " exemplars"],
    fresh: Bool[Tensor, " exemplars"],
) -> Int[Tensor, "contexts ctx"]:
    """Return the half of every position; a context of unknown documents is one of its own."""
    sample, exemplars = evidence.sample, evidence.exemplars
    documents = torch.arange(len(tokens))[:, None].repeat(1, tokens.shape[1])
    m = 0 if sample is None else len(sample.tokens)
    known = exemplars.documents is not None and (sample is None or sample.documents is not None)
    if known:
        if sample is not None and sample.documents is not None:
            documents[:m] = sample.documents.cpu()
        assert exemplars.documents is not None
        documents[m + rows] = exemplars.documents.cpu().reshape(-1, tokens.shape[1])[fresh]
    return (documents * _SCATTER >> 16) % HALVES
