"""Token lookup explainer: which evidence decides a token's mean, and what is kept."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError, unknown
from benchmark.interface import EXEMPLARS_AND_SAMPLE, Evidence, Failure, SubjectModel
from benchmark.token_text import visible_token
from explainers.evidence_option import checked_evidence, chosen_sample
from explainers.float32 import shortest
from explainers.token_lookup.counting import (
    SampleMeans,
    TokenMeans,
    exemplar_means,
    merged,
    no_sample,
    sample_means,
)
from explainers.token_lookup.explanation import TokenLookupExplanation

DEFAULTS = ("mean", "zero")
# Tokens that `describe` shows, and whose text and counts are kept for it.
N_STRONGEST = 15


class TokenLookup:
    """Explains a neuron by its mean activation on every token id of the evidence.

    It is the simplest simulator that uses the text, and the baseline of "Language models can
    explain neurons in language models" (Bills et al. 2023, token lookup table).

    With `evidence=exemplars+sample` a token's mean is taken from the sample wherever the sample
    shows the token at least `min_count` times, and from the exemplars only for other tokens. The
    two are never pooled: exemplars are the contexts on which the neuron fires strongest, so a mean
    over them is biased (an unremarkable token is seen mostly around firing ones), while the
    sample's is not. A context that is in both therefore counts once for each of its tokens: in the
    sample if that decides the token, else among the exemplars. With `evidence=exemplars` the
    biased mean is the only one that exists. BOS is never counted.
    """

    explanation_class: ClassVar[type[Any]] = TokenLookupExplanation

    def __init__(
        self,
        evidence: str = EXEMPLARS_AND_SAMPLE,
        default: str = "mean",
        min_count: int = 1,
    ) -> None:
        """Choose what is looked at.

        Args:
            evidence: `exemplars` or `exemplars+sample`.
            default: prediction for a token not seen: `mean`, the neuron's mean activation on the
                `explain` split, or `zero`.
            min_count: a token seen less often counts as not seen.

        Raises:
            BenchmarkError: an option has a value that it cannot have.
        """
        if default not in DEFAULTS:
            raise unknown("default of token_lookup", str(default), DEFAULTS)
        if not isinstance(min_count, int) or isinstance(min_count, bool) or min_count < 1:
            raise BenchmarkError(
                f"min_count of token_lookup must be a whole number of at least 1, not {min_count}."
            )
        self.evidence = checked_evidence(evidence, "token_lookup")
        self.default = default
        self.min_count = min_count

    def explain(
        self, evidence: Evidence, subject: SubjectModel
    ) -> list[TokenLookupExplanation | Failure]:
        """Return one table per neuron; one whose activations are not finite fails.

        Raises:
            BenchmarkError: a sample was asked for and the evidence has none.
        """
        shared = self._sampled(evidence).seen(self.min_count)
        own = exemplar_means(evidence.exemplars, evidence.bos, self.min_count, shared.ids)
        defaults = evidence.mean_activation.float().cpu()
        if self.default == "zero":
            defaults = torch.zeros_like(defaults)
        text_of = functools.cache(functools.partial(visible_token, subject.tokenizer))
        return [
            _explanation(
                merged(TokenMeans(shared.ids, means, shared.counts), rest), default, text_of
            )
            for means, rest, default in zip(shared.means, own, defaults, strict=True)
        ]

    def simulate_block(
        self, explanations: Sequence[TokenLookupExplanation], tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos n"]:
        """Simulate all tables at once: each looks up only the distinct tokens of the batch."""
        distinct, where = torch.unique(tokens, return_inverse=True)
        table = torch.cat([one.simulate(distinct[None]) for one in explanations]).T.contiguous()
        return table.index_select(0, where.flatten()).reshape(*tokens.shape, len(explanations))

    def _sampled(self, evidence: Evidence) -> SampleMeans:
        sample = chosen_sample(evidence, self.evidence, "token_lookup")
        if sample is None:
            return no_sample(evidence.n_neurons)
        return sample_means(sample, evidence.bos)


def _explanation(
    seen: TokenMeans, default: Float[Tensor, ""], text_of: Callable[[int], str]
) -> TokenLookupExplanation | Failure:
    if not torch.isfinite(seen.means).all() or not torch.isfinite(default):
        return Failure("the evidence has activations that are not finite")
    top = seen.means.topk(min(N_STRONGEST, len(seen.means))).indices.tolist()
    top.sort(key=lambda at: (-float(seen.means[at]), at))
    strongest = tuple((int(seen.ids[at]), int(seen.counts[at])) for at in top)
    return TokenLookupExplanation(
        seen.ids,
        seen.means,
        shortest(float(default)),
        tuple((token, text_of(token), count) for token, count in strongest),
    )
