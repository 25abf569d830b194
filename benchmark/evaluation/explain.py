"""From a configuration to an explainer, and from an explainer to checked explanations."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from benchmark.errors import (
    BenchmarkError,
    described,
    is_of_surroundings,
    is_out_of_memory,
)
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
from benchmark.plugins.isolation import EndsProgramError, contained, isolated, reason_of
from benchmark.plugins.objects import class_of, object_of
from benchmark.results import DESCRIPTIVE, SavedExplanation
from benchmark.results.encoding import explanation_text

TRIES_AGAIN = "What is explained is kept; the same command tries again."


class OutageError(BenchmarkError):
    """Neurons cannot be explained for now; `reason` says why, without a full stop."""

    def __init__(self, reason: str, left: str = "") -> None:
        self.reason = reason
        super().__init__(f"{reason}. {left}{TRIES_AGAIN}")


def build_explainer(config: Mapping[str, Any]) -> Explainer:
    """Make the explainer that a config names by `_target_`, its other keys being its options.

    One that a program handed over as an object is that object.

    Raises:
        BenchmarkError: the class cannot be imported, refuses its options or is no explainer.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    target = config.get("_target_")
    if not isinstance(target, str) or not target:
        raise BenchmarkError(
            "the explainer has no class; name one with explainer._target_=package.module.Class."
        )
    given = object_of(config)
    if given is not None:
        check_explainer(given, target)
        return cast(Explainer, given)
    label = f"'{target}'"
    if config.get("name") not in (None, target.rpartition(".")[2]):
        label = f"'{config['name']}' ({target})"
    imported_class(target, label)
    options = {key: value for key, value in config.items() if key not in DESCRIPTIVE}
    try:
        with isolated(target, "while it is made", warn=True):
            explainer = instantiate(options, _convert_="all")
    except (InstantiationException, EndsProgramError) as error:
        reason = error.__cause__ if isinstance(error, InstantiationException) else None
        raise BenchmarkError(
            f"explainer {label} could not be made: {described(reason or error)}"
        ) from error
    check_explainer(explainer, target)
    return cast(Explainer, explainer)


def imported_class(target: str, label: str, group: str = "explainer") -> Any:
    """Import the class that `package.module.Class` names; `label` is what messages call it.

    Raises:
        BenchmarkError: there is none, or its module cannot be imported.
    """
    handed_over = class_of(target)
    if handed_over is not None:
        return handed_over
    module_name, _, class_name = target.rpartition(".")
    if not module_name:
        raise BenchmarkError(
            f"{group}._target_={target} names no module; write package.module.Class."
        )
    try:
        with isolated(target, "while it is imported", warn=True):
            module = importlib.import_module(module_name)
            known = hasattr(module, class_name)
    except Exception as error:
        raise BenchmarkError(
            f"{group} {label}: module '{module_name}' could not be imported: {reason_of(error)}"
        ) from error
    if not known:
        raise BenchmarkError(f"{group} {label}: module '{module_name}' has no '{class_name}'.")
    return getattr(module, class_name)


def check_explainer(explainer: Any, target: str) -> None:
    """Check that an object has what an explainer needs.

    Raises:
        BenchmarkError: something is missing, or it asks for evidence that there is not.
    """
    for name in ("explain", "evidence", "explanation_class"):
        try:
            with contained():
                known = hasattr(explainer, name)
        except Exception as error:
            raise BenchmarkError(
                f"explainer '{target}': its '{name}' cannot be read: {reason_of(error)}"
            ) from error
        if not known:
            way = "benchmark.interface.Explainer says what an explainer needs."
            if name == "explanation_class" and isinstance(explainer, BaseExplainer):
                way = (
                    "say what explain_neuron returns, as in `-> MyExplanation`, or set "
                    "explanation_class = MyExplanation."
                )
            raise BenchmarkError(f"explainer '{target}' has no '{name}'; {way}")
    evidence_of(explainer)


def evidence_of(explainer: Explainer) -> str:
    """Return the kind of evidence that an explainer uses.

    Raises:
        BenchmarkError: it is none that there is, or the explainer cannot say.
    """
    try:
        with contained():
            evidence = explainer.evidence
            known = isinstance(evidence, str) and evidence in EVIDENCE_KINDS
            shown = f"{evidence}"
    except Exception as error:
        raise BenchmarkError(
            f"explainer '{name_of(explainer)}': its 'evidence' cannot be read: {reason_of(error)}"
        ) from error
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
    explanation = load_explanation(explainer, saved.explanation, f"{saved.layer}.{saved.neuron}")
    if isinstance(explanation, NeedsSubject):
        explanation.bind(handed(subject))
    return explanation


def saved_form(
    answer: Explanation,
) -> tuple[Explanation, dict[str, Any]] | tuple[Failure, None]:
    """Return an explanation with what is saved of it, or the failure of one that cannot be saved.

    Raises:
        BenchmarkError: the surroundings are at fault.
    """
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


def saved_forms(
    answers: Sequence[Explanation | Failure],
) -> tuple[list[Explanation | Failure], list[dict[str, Any] | None]]:
    """Return the answers and what is saved of each, None for a failure; see `saved_form`."""
    kept: list[Explanation | Failure] = []
    saved: list[dict[str, Any] | None] = []
    for answer in answers:
        one, data = (answer, None) if isinstance(answer, Failure) else saved_form(answer)
        kept.append(one)
        saved.append(data)
    return kept, saved


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
