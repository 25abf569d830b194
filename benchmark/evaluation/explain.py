"""From a configuration to an explainer, and from an explainer to checked explanations."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from benchmark.errors import BenchmarkError, described, is_of_surroundings, is_out_of_memory
from benchmark.interface import (
    EVIDENCE_KINDS,
    TEXT,
    Explainer,
    ExplainText,
    Explanation,
    Failure,
    NeedsSubject,
    ReadsExplainText,
    Storage,
    SubjectModel,
    includes,
)
from benchmark.plugins.base import BaseExplainer
from benchmark.plugins.handed import handed
from benchmark.plugins.isolation import contained, isolated, reason_of
from benchmark.plugins.making import make
from benchmark.results import SavedExplanation
from benchmark.results.encoding import explanation_text

TRIES_AGAIN = "What is explained is kept; the same command tries again."


class OutageError(BenchmarkError):
    """Neurons cannot be explained for now; `reason` says why, without a full stop."""

    def __init__(self, reason: str, left: str = "") -> None:
        self.reason = reason
        super().__init__(f"{reason}. {left}{TRIES_AGAIN}")

    def __reduce__(self) -> tuple[type[OutageError], tuple[str]]:
        """Return how another process makes it again."""
        return OutageError, (self.reason,)


def build_explainer(config: Mapping[str, Any]) -> Explainer:
    """Make the explainer that a config names by `_target_`, its other keys being its options.

    One that a program handed over as an object is that object.

    Raises:
        BenchmarkError: the class cannot be imported, refuses its options or is no explainer.
    """
    target = config.get("_target_")
    if not isinstance(target, str) or not target:
        raise BenchmarkError(
            "the explainer has no class; name one with explainer._target_=package.module.Class."
        )
    explainer = make(config, "explainer")
    check_explainer(explainer, target)
    return cast(Explainer, explainer)


def check_explainer(explainer: Any, target: str) -> None:
    """Check that an object has what an explainer needs.

    Raises:
        BenchmarkError: something is missing, or it asks for evidence that there is not.
    """
    for name in ("explain", "evidence", "explanation_class"):
        with reading(target, name):
            known = hasattr(explainer, name)
        if not known:
            way = "benchmark.interface.Explainer says what an explainer needs."
            if name == "explanation_class" and isinstance(explainer, BaseExplainer):
                way = (
                    "say what explain_neuron returns, as in `-> MyExplanation`, or set "
                    "explanation_class = MyExplanation."
                )
            raise BenchmarkError(f"explainer '{target}' has no '{name}'; {way}")
    evidence_of(explainer)


@contextlib.contextmanager
def reading(explainer: str, attribute: str) -> Iterator[None]:
    """Let an attribute of an explainer be read, which may be code that raises anything.

    Raises:
        BenchmarkError: it cannot be read.
    """
    try:
        with contained():
            yield
    except Exception as error:
        raise BenchmarkError(
            f"explainer '{explainer}': its '{attribute}' cannot be read: {reason_of(error)}"
        ) from error


def evidence_of(explainer: Explainer) -> str:
    """Return the kind of evidence that an explainer uses.

    Raises:
        BenchmarkError: it is none that there is, or the explainer cannot say.
    """
    with reading(name_of(explainer), "evidence"):
        evidence = explainer.evidence
        known = isinstance(evidence, str) and evidence in EVIDENCE_KINDS
        shown = f"{evidence}"
    if not known:
        raise BenchmarkError(
            f"explainer '{name_of(explainer)}' asks for evidence '{shown}'; it can be "
            f"{' or '.join(EVIDENCE_KINDS)}."
        )
    return str(evidence)


def name_of(explainer: object) -> str:
    """Return an explainer's class, for messages."""
    kind = type(explainer)
    return f"{kind.__module__}.{kind.__qualname__}"


def load_explanation(explainer: Explainer, data: Mapping[str, Any], neuron: str) -> Explanation:
    """Return the explanation that an explainer's `to_dict` saved of a neuron such as `3.400`.

    Raises:
        BenchmarkError: it is not what this explainer saves.
    """
    kind = explainer.explanation_class
    try:
        with contained():
            return cast(Explanation, kind.from_dict(data))
    except Exception as error:
        raise BenchmarkError(
            f"the saved explanation of neuron {neuron} cannot be read by "
            f"{kind.__module__}.{kind.__qualname__}: {reason_of(error)}. "
            "It is damaged, or the explainer has changed since; run the explainer again."
        ) from error


def prepare_explainer(explainer: Explainer, text: ExplainText, storage: Storage) -> None:
    """Let an explainer whose evidence includes text learn from it; others are left alone.

    Raises:
        BenchmarkError: it could not, or its evidence does not tell whether it reads text.
    """
    name, evidence = name_of(explainer), evidence_of(explainer)
    if not isinstance(explainer, ReadsExplainText):
        if includes(evidence, TEXT):
            raise BenchmarkError(
                f"explainer '{name}' asks for evidence '{evidence}' and has no 'prepare' to read "
                "the text with; benchmark.interface.ReadsExplainText says what it gets."
            )
        return
    if not includes(evidence, TEXT):
        # An option, set on the object, may leave the text out; a class that never includes it
        # would go unprepared in silence.
        if "evidence" not in getattr(explainer, "__dict__", {}):
            raise BenchmarkError(
                f"explainer '{name}' has 'prepare', which reads the text of the explain split, and "
                f"its evidence is '{evidence}'; say evidence = '{evidence}+{TEXT}', so that the "
                "tables show it."
            )
        return
    try:
        with isolated(name, "while it is prepared"):
            explainer.prepare(text, storage)
    except (BenchmarkError, MemoryError):
        raise
    except Exception as error:
        raise BenchmarkError(
            f"explainer '{name}' could not be prepared: {reason_of(error)}"
        ) from error


def restore(
    saved: SavedExplanation, explainer: Explainer, subject: SubjectModel
) -> Explanation | Failure:
    """Return the explanation that was saved of a neuron, ready to simulate, or its failure.

    Raises:
        BenchmarkError: as `load_explanation`.
    """
    if saved.explanation is None:
        return Failure(saved.error or "failed")
    if isinstance(explainer, NeedsSubject):  # its simulator may need the tokenizer
        explainer.bind(handed(subject))
    explanation = load_explanation(explainer, saved.explanation, saved.name)
    if isinstance(explanation, NeedsSubject):
        explanation.bind(handed(subject))
    return explanation


def saved_form(
    answer: Explanation | Failure,
) -> tuple[Explanation | Failure, dict[str, Any] | None]:
    """Return an answer and what is saved of it: None of a failure.

    An explanation that cannot be saved is a failure: its scores could not be repeated.

    Raises:
        BenchmarkError: the surroundings are at fault.
    """
    if isinstance(answer, Failure):
        return answer, None
    try:
        with contained():
            data = answer.to_dict()
    except Exception as error:
        failure = failure_or_end(error, "an explanation cannot be saved")
        return Failure(f"the explanation cannot be saved: {failure.error}"), None
    try:
        with contained():
            saved: dict[str, Any] = json.loads(explanation_text(data))
    except Exception as error:
        return Failure(f"the explanation cannot be saved: {described(error)}"), None
    return answer, saved


def failure_or_end(error: Exception, where: str) -> Failure:
    """Return the failure that an error is, unless the surroundings are at fault for it.

    Raises:
        BenchmarkError: they are; the run ends with it.
    """
    if not is_of_surroundings(error):
        return Failure(reason_of(error))
    if isinstance(error, BenchmarkError) or is_out_of_memory(error):
        raise error
    raise OutageError(f"{where}: {reason_of(error)}") from error
