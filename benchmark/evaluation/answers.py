"""Answers of an explainer about a block of neurons: checked, and kept as they come."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from benchmark.errors import BenchmarkError
from benchmark.evaluation.explain import (
    OutageError,
    evidence_of,
    failure_or_end,
    load_explanation,
    name_of,
    saved_form,
)
from benchmark.interface import (
    Answer,
    Costs,
    Evidence,
    Explained,
    Explainer,
    Explanation,
    Failure,
    NeedsSubject,
    SubjectModel,
)
from benchmark.plugins.isolation import SharedStateError, isolated
from benchmark.results.columns import cost_column
from benchmark.results.journal import Journal
from benchmark.results.lines import explanation_line, parse_line

DEAD = Explained(Failure("dead: never above zero on the explain split"))
TOKENS, SECONDS = "subject_tokens", "seconds"


class KeptAnswers:
    """Answers about the neurons of a block, and what was spent on them, also by a killed process.

    Attributes:
        answers: what is known, by neuron.
        spent: what the harness measured for all of them together.
    """

    def __init__(
        self,
        layer: int,
        journal: Journal | None = None,
        restore: Callable[[dict[str, Any], str], Explanation] | None = None,
        tokens_run: Callable[[], int] = lambda: 0,
    ) -> None:
        """Read what a journal holds; where an explanation cannot be read, nothing counts.

        Args:
            layer: the layer of the block.
            journal: where answers are saved; without one they are kept in memory alone.
            restore: makes an explanation of its saved form and the neuron's name.
            tokens_run: tells how many tokens the subject has run so far.
        """
        self.answers: dict[int, Explained] = {}
        self.spent: dict[str, float] = {TOKENS: 0, SECONDS: 0.0}
        self._layer, self._journal, self._tokens_run = layer, journal, tokens_run
        if journal is not None and restore is not None:
            try:
                self._read(journal, restore)
            except BenchmarkError:
                self.forget()
        self._seen = self._now()

    def _read(
        self, journal: Journal, restore: Callable[[dict[str, Any], str], Explanation]
    ) -> None:
        for entry in journal.entries:
            line = parse_line(entry)
            answer: Explanation | Failure = Failure(line.error or "")
            if line.explanation is not None:
                answer = restore(line.explanation, line.name)
            others = tuple(restore(one, line.name) for one in entry.get("candidates", ()))
            self.answers[line.neuron] = Explained(answer, Costs(entry["costs"]), others)
            self._add(entry["spent"])

    def add(self, answers: Sequence[tuple[int, Explained, dict[str, Any] | None]]) -> None:
        """Keep answers: neuron, answer and the saved form of its explanation.

        Raises:
            BenchmarkError: the journal cannot be written.
        """
        if not answers:
            return
        entries = []
        spent = self.lap()
        for neuron, explained, data in answers:
            error = explained.answer.error if isinstance(explained.answer, Failure) else None
            line = explanation_line(self._layer, neuron, data, error)
            entry = {**line, "costs": explained.costs, "spent": spent}
            if explained.candidates:
                entry["candidates"] = [saved_form(one)[1] for one in explained.candidates]
            entries.append(entry)
            spent = dict.fromkeys(spent, 0)
        if self._journal is not None:
            self._journal.append(entries)
        self.answers.update({neuron: explained for neuron, explained, _ in answers})

    def forget(self, kept: int = 0) -> None:
        """Forget all answers but the first `kept`; what was spent on them stays spent."""
        for neuron in list(self.answers)[kept:]:
            del self.answers[neuron]
        if self._journal is not None:
            self._journal.forget(kept)

    def lap(self) -> dict[str, float]:
        """Return what was spent since the last time, and count it."""
        now = self._now()
        spent = {name: now[name] - self._seen[name] for name in now}
        self._seen = now
        self._add(spent)
        return spent

    def _add(self, spent: dict[str, float]) -> None:
        self.spent = {name: value + spent.get(name, 0) for name, value in self.spent.items()}

    def _now(self) -> dict[str, float]:
        return {TOKENS: self._tokens_run(), SECONDS: time.perf_counter()}


def restoring(explainer: Explainer, subject: SubjectModel) -> Callable[..., Explanation]:
    """Return what makes an explanation, ready to simulate, of its saved form."""

    def restored(data: dict[str, Any], neuron: str) -> Explanation:
        explanation = load_explanation(explainer, data, neuron)
        if isinstance(explanation, NeedsSubject):
            explanation.bind(subject)
        return explanation

    return restored


def explain_block(
    explainer: Explainer,
    evidence: Evidence,
    subject: SubjectModel,
    again: Callable[[], Evidence] | None = None,
    kept: KeptAnswers | None = None,
) -> list[Explained]:
    """Let an explainer explain a block; what is wrong with a neuron becomes its failure.

    A neuron that never fires on the `explain` split is not handed over: it is a failure too. If
    the explainer breaks on the block, it explains each neuron alone that it has not answered, so
    that one bad neuron costs no other its explanation. An outage stops it at once.

    Args:
        explainer: the explainer.
        evidence: the evidence of the block.
        subject: what explainers are handed of the subject.
        again: reads the evidence again, for an explainer that broke and may have changed what it
            was given; by default that is handed over as it is.
        kept: answers that are known, whose neurons are not handed over, and where new ones go.

    Returns:
        One answer per neuron, in the order of `evidence.neurons`.

    Raises:
        OutageError: an error of the network, a disk, a package, or a transient failure.
        BenchmarkError: another error of the surroundings, or the explainer changed something that
            others share.
    """
    kept = KeptAnswers(evidence.layer) if kept is None else kept
    neurons: list[int] = evidence.neurons.tolist()
    maxima = evidence.max_activation.tolist()
    living = [row for row, maximum in enumerate(maxima) if maximum > 0]
    left = [row for row in living if neurons[row] not in kept.answers]
    if left and left != living and getattr(explainer, "needs_block", False):
        kept.forget()
        left = living
    broke = _ask(explainer, evidence, left, subject, kept) if left else None
    if broke is not None and len(left) > 1:
        whole = evidence if again is None else again()
        for row in left:
            if neurons[row] not in kept.answers:
                failure = _ask(explainer, whole, [row], subject, kept)
                if failure is not None:
                    kept.add([(neurons[row], Explained(failure), None)])
    elif broke is not None:
        kept.add([(neurons[left[0]], Explained(broke), None)])
    return [
        kept.answers[neuron] if maximum > 0 else DEAD
        for neuron, maximum in zip(neurons, maxima, strict=True)
    ]


def _ask(
    explainer: Explainer,
    evidence: Evidence,
    rows: Sequence[int],
    subject: SubjectModel,
    kept: KeptAnswers,
) -> Failure | None:
    """Keep the answers about some neurons of a block, or return why the explainer broke.

    What a generator yields is kept one by one, what comes as a list together.

    Raises:
        BenchmarkError: as `explain_block`.
    """
    name, n = name_of(explainer), len(rows)
    neurons = [int(evidence.neurons[row]) for row in rows]
    where = f"explainer '{name}' on layer {evidence.layer}"
    shown, before, count = _shown(explainer, evidence, rows), len(kept.answers), 0
    transient: Failure | None = None
    waiting: list[tuple[int, Explained, dict[str, Any] | None]] = []
    kept.lap()
    try:
        with isolated(name, "while it explains"):
            given = explainer.explain(shown, subject)
            one_by_one = isinstance(given, Iterator)
            # One more than there should be tells that there are too many, however many.
            for answer in itertools.islice(given, n + 1):
                count += 1
                if count > n:
                    break
                explained, data = _checked(answer, name)
                failed = explained.answer
                if isinstance(failed, Failure) and failed.transient:
                    transient = transient or failed
                    if one_by_one:
                        break
                    continue
                waiting.append((neurons[count - 1], explained, data))
                if one_by_one:
                    kept.add(waiting)
                    waiting = []
            if one_by_one and hasattr(given, "close"):
                with contextlib.suppress(Exception):
                    given.close()
    except SharedStateError:
        kept.forget(before)
        raise
    except Exception as error:
        kept.add(waiting)
        return failure_or_end(error, where)
    if transient is None and count != n:
        kept.forget(before)
        return Failure(
            f"the explainer gave {f'more than {n}' if count > n else count} explanations for {n} "
            "neurons"
        )
    kept.add(waiting)
    if transient is not None:
        raise OutageError(f"{where}: {transient.error}")
    return None


def _shown(explainer: Explainer, evidence: Evidence, rows: Sequence[int]) -> Evidence:
    evidence = evidence.restricted_to(evidence_of(explainer))
    if len(rows) == evidence.n_neurons:
        return evidence
    return evidence.select(torch.tensor(rows))


def _checked(given: Answer, explainer: str) -> tuple[Explained, dict[str, Any] | None]:
    """Return an answer and what is saved of it; an explanation that cannot be saved is a failure.

    Raises:
        BenchmarkError: a cost is none, or the surroundings are at fault.
    """
    explained = Explained.of(given)
    try:
        answer, costs = explained.answer, Costs(explained.costs)
    except (BenchmarkError, TypeError, ValueError) as error:
        raise BenchmarkError(f"explainer '{explainer}': {error}") from error
    if not isinstance(answer, Failure):
        checked, data = saved_form(answer)
        others = [one for one in explained.candidates if saved_form(one)[1] is not None]
        return Explained(checked, costs, () if data is None else tuple(others)), data
    reason = answer.error if isinstance(answer.error, str) else ""
    if not reason.strip():
        reason = "the explainer failed and gave no reason"
    reason = reason.encode("utf-8", "backslashreplace").decode()
    return Explained(Failure(reason, answer.transient is True), costs), None


def cost_columns(answers: Sequence[Explained], spent: dict[str, float]) -> list[dict[str, float]]:
    """Return the costs of explaining each neuron of a block as columns of its row.

    What the harness measured of the block is divided among its neurons: evenly, or as the
    explainer says, which can only add to it.

    Args:
        answers: one per neuron.
        spent: what was measured for all of them together.
    """
    n = len(answers)
    columns: list[dict[str, float]] = [{} for _ in answers]
    for name, column in ((TOKENS, "subject_tokens"), (SECONDS, "explain_seconds")):
        own = [answer.costs.get(name, 0) for answer in answers]
        total = sum(own)
        factor = max(1.0, spent[name] / total) if total else 0.0
        for row, value in zip(columns, own, strict=True):
            row[cost_column(column)] = value * factor if total else spent[name] / n
    names = sorted({name for answer in answers for name in answer.costs} - {TOKENS, SECONDS})
    for row, answer in zip(columns, answers, strict=True):
        row.update({cost_column(name): float(answer.costs.get(name, 0)) for name in names})
    return columns
