"""N2G with what its paper leaves out: exemplars of every strength, and a check on the sample."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmark.errors import BenchmarkError
from benchmark.interface import EXEMPLARS_AND_SAMPLE, Evidence, Failure, Sample, SubjectModel
from explainers.anchors import Anchored
from explainers.evidence_option import checked_evidence, chosen_sample
from explainers.n2g.checking import check_against
from explainers.n2g.counts import count_exemplars
from explainers.n2g.decile_exemplars import across_deciles
from explainers.n2g.exemplars_alone import check_on_exemplars
from explainers.n2g.explainer import N2G
from explainers.n2g.explanation import N2GExplanation
from explainers.n2g.pivots import Pivots, chosen_exemplars, find_pivots
from explainers.n2g.prune import prune


class N2GPlus(N2G):
    """N2G, improved by the sample.

    The strongest exemplars show only the top of a neuron's range, and nothing of where else their
    patterns occur. Here exemplars are also drawn across the deciles of activation, each pattern's
    activation is checked against the sample, and where no pattern matches the neuron's mean is
    predicted instead of zero.
    """

    evidence: str = EXEMPLARS_AND_SAMPLE

    def __init__(
        self,
        *args: Any,
        deciles: int = 10,
        per_decile: int = 4,
        prior: float = 2.0,
        least: float = 0.0,
        evidence: str = EXEMPLARS_AND_SAMPLE,
        **options: Any,
    ) -> None:
        """Choose what is taken from the sample.

        Args:
            args: as `N2G`.
            deciles: parts of the range of activation that exemplars are drawn from.
            per_decile: exemplars from each.
            prior: places of the sample that a pattern's measured activation counts as.
            least: part of the maximum below which a checked pattern is dropped.
            evidence: `exemplars+sample`, or `exemplars`, which stand in for the sample.
            options: as `N2G`; `activation_threshold` should be low, as the sample decides. It is
                also where the range that exemplars are drawn from begins.

        Raises:
            BenchmarkError: an option has a value that it cannot have.
        """
        super().__init__(*args, **options)
        self.evidence = checked_evidence(evidence, "n2g_plus")
        for name, count in (("deciles", deciles), ("per_decile", per_decile)):
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise BenchmarkError(
                    f"{name} of n2g_plus must be a whole number of at least 1, not {count!r}."
                )
        if isinstance(prior, bool) or not isinstance(prior, (int, float)) or prior <= 0:
            raise BenchmarkError(f"prior of n2g_plus must be above 0, not {prior!r}.")
        if isinstance(least, bool) or not isinstance(least, (int, float)) or not 0 <= least < 1:
            raise BenchmarkError(f"least of n2g_plus must be at least 0, below 1, not {least!r}.")
        self.deciles = deciles
        self.per_decile = per_decile
        self.prior = float(prior)
        self.least = float(least)

    def measured(self, evidence: Evidence, subject: SubjectModel) -> list[N2GExplanation | Failure]:
        """Return one trie per neuron, checked against the sample, with all digits.

        Raises:
            BenchmarkError: the sample was asked for and the evidence has none, or the augmenter
                cannot be loaded.
        """
        sample = chosen_sample(evidence, self.evidence, "n2g_plus")
        if sample is None:
            return check_on_exemplars(
                evidence, lambda own, stand_in: self._explain(own, stand_in, subject)
            )
        return self._explain(evidence, sample, subject)

    def _explain(
        self, evidence: Evidence, sample: Sample, subject: SubjectModel
    ) -> list[N2GExplanation | Failure]:
        proposer = self.proposers.of(subject)
        queries = self._queries(evidence, subject)
        maxima = evidence.max_activation.float().cpu().numpy()
        top = find_pivots(evidence.exemplars, maxima, evidence.bos, self.settings)
        k = evidence.exemplars.tokens.shape[1]
        drawn = numbered(self._drawn(evidence, sample, maxima), first=k)
        pivots = joined(top, drawn)
        pruned = prune(pivots.anchored, evidence.bos, queries, self.settings)
        # A weak exemplar that needs its whole context would cost most and match nothing else.
        kept = pruned.accepted | (np.arange(len(pivots.exemplars)) < len(top.exemplars))
        rows = np.flatnonzero(kept)
        examples, substitutes = self._examples(
            pivots.select(rows), pruned.select(rows), evidence, queries, proposer
        )
        tries, defaults = check_against(
            sample,
            self._tries(examples, len(maxima)),
            maxima,
            evidence.bos,
            prior=self.prior,
            least=self.least,
            match=self.settings.match,
        )
        counts = count_exemplars(
            k + np.bincount(drawn.anchored.owners, minlength=len(maxima)),
            chosen_exemplars(k, self.settings.exemplars),
            pivots,
            pruned,
            kept,
            examples,
        )
        found = self._explanations(tries, maxima, counts, substitutes, subject)
        return [
            replace(one, default=default) if isinstance(one, N2GExplanation) else one
            for one, default in zip(found, defaults, strict=True)
        ]

    def _drawn(self, evidence: Evidence, sample: Sample, maxima: np.ndarray) -> Anchored:
        return across_deciles(
            sample,
            maxima,
            evidence.bos,
            deciles=self.deciles,
            per_decile=self.per_decile,
            floor=self.settings.activation_threshold,
        )


def numbered(drawn: Anchored, first: int) -> Pivots:
    """Number each neuron's exemplars from `first` on, each with its anchor as the one pivot."""
    starts = np.searchsorted(drawn.owners, drawn.owners, side="left")
    return Pivots(drawn, first + np.arange(len(drawn.owners)) - starts)


def joined(first: Pivots, second: Pivots) -> Pivots:
    """Return the pivots of both, in this order."""
    one, other = first.anchored, second.anchored
    return Pivots(
        Anchored(
            np.concatenate([one.owners, other.owners]),
            np.concatenate([one.tokens, other.tokens]),
            np.concatenate([one.anchors, other.anchors]),
            np.concatenate([one.activations, other.activations]),
        ),
        np.concatenate([first.exemplars, second.exemplars]),
    )
