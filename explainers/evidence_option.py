"""Option `evidence` of explainers: which kind of evidence one learns from."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.errors import BenchmarkError, unknown
from benchmark.interface import EXEMPLARS, EXEMPLARS_AND_SAMPLE, SAMPLE, Evidence, Sample, includes

WITH_OR_WITHOUT_SAMPLE = (EXEMPLARS, EXEMPLARS_AND_SAMPLE)


def checked_evidence(
    kind: object, explainer: str, known: Sequence[str] = WITH_OR_WITHOUT_SAMPLE
) -> str:
    """Return a kind of evidence that an explainer was configured with.

    Args:
        kind: the value of the option.
        explainer: name of the explainer, for the message.
        known: the kinds that it can learn from.

    Raises:
        BenchmarkError: it is none of them.
    """
    if not isinstance(kind, str) or kind not in known:
        raise unknown(f"evidence of {explainer}", str(kind), known)
    return kind


def chosen_sample(evidence: Evidence, kind: str, explainer: str) -> Sample | None:
    """Return the sample that an explainer learns from, None where its kind includes none.

    Raises:
        BenchmarkError: the kind includes the sample and the evidence has none.
    """
    if not includes(kind, SAMPLE):
        return None
    if evidence.sample is None:
        raise BenchmarkError(
            f"{explainer} needs the sample (evidence={kind}), and the evidence has "
            f"none; use evidence={kind.replace(f'+{SAMPLE}', '')}."
        )
    return evidence.sample
