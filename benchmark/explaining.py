"""From a configuration to an explainer, and from an explainer to checked explanations."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, cast

from benchmark.errors import BenchmarkError
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
from benchmark.results import DESCRIPTIVE, SavedExplanation, explanation_bytes


def build_explainer(config: Mapping[str, Any]) -> Explainer:
    """Make the explainer that a config names by `_target_`, its other keys being its options.

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
    label = f"'{target}'"
    if config.get("name") not in (None, target.rpartition(".")[2]):
        label = f"'{config['name']}' ({target})"
    _import_target(target, label)
    options = {key: value for key, value in config.items() if key not in DESCRIPTIVE}
    try:
        explainer = instantiate(options, _convert_="all")
    except InstantiationException as error:
        reason = error.__cause__ or error
        raise BenchmarkError(f"explainer {label} could not be made: {reason}") from error
    _check_explainer(explainer, target)
    return cast(Explainer, explainer)


def _import_target(target: str, label: str) -> None:
    module_name, _, class_name = target.rpartition(".")
    if not module_name:
        raise BenchmarkError(
            f"explainer._target_={target} names no module; write package.module.Class."
        )
    try:
        module = importlib.import_module(module_name)
    # A module may also end the program when it is imported.
    except (Exception, SystemExit) as error:
        raise BenchmarkError(
            f"explainer {label}: module '{module_name}' could not be imported: "
            f"{' '.join(f'{type(error).__name__}: {error}'.split())}"
        ) from error
    if not hasattr(module, class_name):
        raise BenchmarkError(f"explainer {label}: module '{module_name}' has no '{class_name}'.")


def _check_explainer(explainer: Any, target: str) -> None:
    for name in ("explain", "evidence", "explanation_class"):
        if not hasattr(explainer, name):
            raise BenchmarkError(
                f"explainer '{target}' has no '{name}'; benchmark.interface.Explainer says what "
                "an explainer needs."
            )
    evidence = explainer.evidence
    if evidence not in EVIDENCE_KINDS:
        raise BenchmarkError(
            f"explainer '{target}' asks for evidence '{evidence}'; it can be "
            f"{' or '.join(EVIDENCE_KINDS)}."
        )
    _check_text(explainer, target)


def _check_text(explainer: Any, target: str) -> None:
    """Check that `prepare`, which reads text, and an evidence that includes text go together."""
    evidence, reads = explainer.evidence, isinstance(explainer, ReadsExplainText)
    if includes(evidence, TEXT) and not reads:
        raise BenchmarkError(
            f"explainer '{target}' asks for evidence '{evidence}' and has no 'prepare' to read the "
            "text with; benchmark.interface.ReadsExplainText says what it gets."
        )
    # An option may leave the text out; a class that never includes it would go unprepared.
    by_class = getattr(type(explainer), "evidence", None) == evidence
    if reads and by_class and not includes(evidence, TEXT):
        raise BenchmarkError(
            f"explainer '{target}' has 'prepare', which reads the text of the explain split, and "
            f"its evidence is '{evidence}'; say evidence = '{evidence}+{TEXT}', so that the tables "
            "show it."
        )


def load_explanation(explainer: Explainer, data: Mapping[str, Any], neuron: str) -> Explanation:
    """The explanation that an explainer's `to_dict` saved of a neuron such as `3.400`.

    Raises:
        BenchmarkError: it is not what this explainer saves.
    """
    kind = explainer.explanation_class
    try:
        return cast(Explanation, kind.from_dict(data))
    except Exception as error:
        raise BenchmarkError(
            f"the saved explanation of neuron {neuron} cannot be read by "
            f"{kind.__module__}.{kind.__qualname__}: {type(error).__name__}: {error}. "
            "It is damaged, or the explainer has changed since; run the explainer again."
        ) from error


def prepare_explainer(explainer: Explainer, text: ExplainText, storage: Storage) -> None:
    """Let an explainer whose evidence includes text learn from it; others are left alone.

    Raises:
        BenchmarkError: it could not.
    """
    if not (isinstance(explainer, ReadsExplainText) and includes(explainer.evidence, TEXT)):
        return
    try:
        explainer.prepare(text, storage)
    except BenchmarkError:
        raise
    except Exception as error:
        kind = type(explainer)
        raise BenchmarkError(
            f"explainer '{kind.__module__}.{kind.__qualname__}' could not be prepared: "
            f"{type(error).__name__}: {error}"
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
        explanation.bind(subject)
    return explanation


def explain_block(
    explainer: Explainer, evidence: Evidence, subject: SubjectModel
) -> list[Explanation | Failure]:
    """Ask an explainer about a block; whatever goes wrong becomes the neurons' failure.

    A neuron that is never above zero on the `explain` split has nothing to explain: the explainer
    is not asked about it, and it is a failure too. If the explainer breaks on the block, it is
    asked about each neuron alone, so that one bad neuron costs no other its explanation.
    """
    living = [row for row, maximum in enumerate(evidence.max_activation.tolist()) if maximum > 0]
    results: list[Explanation | Failure] = [
        Failure("dead: never above zero on the explain split")
    ] * evidence.n_neurons
    if not living:
        return results
    evidence = evidence.restricted_to(explainer.evidence)
    asked = evidence if len(living) == evidence.n_neurons else _rows(evidence, living)
    try:
        answers = list(explainer.explain(asked, subject))
        if len(answers) != len(living):
            raise BenchmarkError(f"gave {len(answers)} explanations for {len(living)} neurons")
    except MemoryError:
        raise
    except Exception as error:
        if len(living) == 1:
            answers = [Failure(f"{type(error).__name__}: {error}")]
        else:
            answers = [
                explain_block(explainer, _rows(asked, [row]), subject)[0]
                for row in range(len(living))
            ]
    for row, answer in zip(living, answers, strict=True):
        results[row] = _checked(answer)
    return results


def _checked(answer: Explanation | Failure) -> Explanation | Failure:
    """An explanation that cannot be saved is a failure: its scores could not be repeated."""
    if isinstance(answer, Failure):
        return answer if answer.error else Failure("the explainer failed and gave no reason")
    try:
        explanation_bytes(answer.to_dict())
    except Exception as error:
        return Failure(f"the explanation cannot be saved: {type(error).__name__}: {error}")
    return answer


def _rows(evidence: Evidence, rows: list[int]) -> Evidence:
    import torch

    return evidence.select(torch.tensor(rows))
