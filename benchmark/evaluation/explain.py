"""From a configuration to an explainer, and from an explainer to checked explanations."""

from __future__ import annotations

import importlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
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
    Evidence,
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
from benchmark.plugins.handed import handed
from benchmark.plugins.isolation import EndsProgramError, contained, isolated, reason_of
from benchmark.plugins.objects import class_of, object_of
from benchmark.results import DESCRIPTIVE, SavedExplanation
from benchmark.results.encoding import explanation_text

BEGINS_AGAIN = "Nothing of these neurons is saved; the same command tries again."


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


def imported_class(target: str, label: str) -> Any:
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
            f"explainer._target_={target} names no module; write package.module.Class."
        )
    try:
        with isolated(target, "while it is imported", warn=True):
            module = importlib.import_module(module_name)
            known = hasattr(module, class_name)
    except Exception as error:
        raise BenchmarkError(
            f"explainer {label}: module '{module_name}' could not be imported: {reason_of(error)}"
        ) from error
    if not known:
        raise BenchmarkError(f"explainer {label}: module '{module_name}' has no '{class_name}'.")
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
            raise BenchmarkError(
                f"explainer '{target}' has no '{name}'; benchmark.interface.Explainer says what "
                "an explainer needs."
            )
    evidence_of(explainer)


def evidence_of(explainer: Explainer) -> str:
    """The kind of evidence that an explainer uses.

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
    """An explainer's class, for messages."""
    kind = type(explainer)
    return f"{kind.__module__}.{kind.__qualname__}"


def load_explanation(explainer: Explainer, data: Mapping[str, Any], neuron: str) -> Explanation:
    """The explanation that an explainer's `to_dict` saved of a neuron such as `3.400`.

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
    """The explanation that was saved of a neuron, ready to simulate, or its failure.

    Raises:
        BenchmarkError: as `load_explanation`.
    """
    if saved.explanation is None:
        return Failure(saved.error or "failed")
    explanation = load_explanation(explainer, saved.explanation, f"{saved.layer}.{saved.neuron}")
    if isinstance(explanation, NeedsSubject):
        explanation.bind(handed(subject))
    return explanation


def explain_block(
    explainer: Explainer,
    evidence: Evidence,
    subject: SubjectModel,
    again: Callable[[], Evidence] | None = None,
) -> list[Explanation | Failure]:
    """Let an explainer explain a block; what is wrong with a neuron becomes its failure.

    A neuron that never fires on the `explain` split is not handed over: it is a failure too. If
    the explainer breaks on the block, it explains each neuron alone, so that one bad neuron costs
    no other its explanation.

    Args:
        explainer: the explainer.
        evidence: the evidence of the block.
        subject: what explainers are handed of the subject.
        again: reads the evidence again, for an explainer that broke and may have changed what it
            was given; by default that is handed over as it is.

    Raises:
        BenchmarkError: the surroundings are at fault (a disk, a network, a package, an option),
            or the explainer changed something that others share.
    """
    living = [row for row, maximum in enumerate(evidence.max_activation.tolist()) if maximum > 0]
    results: list[Explanation | Failure] = [
        Failure("dead: never above zero on the explain split")
    ] * evidence.n_neurons
    if not living:
        return results
    answers = _answers(explainer, _shown(explainer, evidence, living), subject)
    if isinstance(answers, Failure) and len(living) > 1:
        whole = evidence if again is None else again()
        answers = []
        for row in living:
            alone = _answers(explainer, _shown(explainer, whole, [row]), subject)
            answers += [alone] if isinstance(alone, Failure) else alone
    elif isinstance(answers, Failure):
        answers = [answers]
    for row, answer in zip(living, answers, strict=True):
        results[row] = answer
    return results


def _shown(explainer: Explainer, evidence: Evidence, rows: Sequence[int]) -> Evidence:
    """What an explainer sees of some neurons of a block."""
    import torch

    evidence = evidence.restricted_to(evidence_of(explainer))
    if len(rows) == evidence.n_neurons:
        return evidence
    return evidence.select(torch.tensor(rows))


def _answers(
    explainer: Explainer, evidence: Evidence, subject: SubjectModel
) -> list[Explanation | Failure] | Failure:
    """One checked answer per neuron, or why the explainer gave none.

    Raises:
        BenchmarkError: as `explain_block`.
    """
    name, n = name_of(explainer), evidence.n_neurons
    try:
        with isolated(name, "while it explains"):
            given = explainer.explain(evidence, subject)
            # One more than there should be tells that there are too many, however many.
            answers = list(itertools.islice(given, n + 1))
            checked = [_checked(answer) for answer in answers]
    except Exception as error:
        return _failure_or_end(error, f"explainer '{name}' on layer {evidence.layer}")
    if len(checked) != n:
        count = f"more than {n}" if len(checked) > n else str(len(checked))
        return Failure(f"the explainer gave {count} explanations for {n} neurons")
    return checked


def _checked(answer: Explanation | Failure) -> Explanation | Failure:
    """An explanation that cannot be saved is a failure: its scores could not be repeated."""
    if not isinstance(answer, Failure):
        return saved_form(answer)[0]
    reason = answer.error if isinstance(answer.error, str) else ""
    if not reason.strip():
        return Failure("the explainer failed and gave no reason")
    return Failure(reason.encode("utf-8", "backslashreplace").decode())


def saved_form(
    answer: Explanation,
) -> tuple[Explanation, dict[str, Any]] | tuple[Failure, None]:
    """An explanation with what is saved of it, or the failure of one that cannot be saved.

    Raises:
        BenchmarkError: the surroundings are at fault.
    """
    try:
        with contained():
            data = answer.to_dict()
    except Exception as error:
        failure = _failure_or_end(error, "an explanation cannot be saved")
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
    """The answers and what is saved of each, None for a failure; see `saved_form`."""
    kept: list[Explanation | Failure] = []
    saved: list[dict[str, Any] | None] = []
    for answer in answers:
        one, data = (answer, None) if isinstance(answer, Failure) else saved_form(answer)
        kept.append(one)
        saved.append(data)
    return kept, saved


def _failure_or_end(error: Exception, where: str) -> Failure:
    """The failure that an error is, unless the surroundings are at fault for it.

    Raises:
        BenchmarkError: they are; the run ends with it.
    """
    if not is_of_surroundings(error):
        return Failure(reason_of(error))
    if isinstance(error, BenchmarkError) or is_out_of_memory(error):
        raise error
    raise BenchmarkError(f"{where}: {reason_of(error)}. {BEGINS_AGAIN}") from error
