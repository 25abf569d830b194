"""The check of neurons that nothing can be said about."""

from __future__ import annotations

from dataclasses import replace

import torch

from benchmark.conformance.results import WrongError
from benchmark.conformance.trial import Answer, Trial
from benchmark.evidence import NEVER_FIRES
from benchmark.interface import Evidence, Exemplars, Failure


def bad_neurons(trial: Trial) -> str:
    """Check that a dead neuron, or no exemplars, end in failures or in finite numbers."""
    evidence = trial.setting.evidence
    n = evidence.n_neurons
    dead = n // 2
    answers = _asked(trial, with_dead(evidence, dead), "with a dead neuron in the block")
    _check_answer(trial, answers[dead], "a dead neuron")
    if not trial.needs_block:
        others = [row for row in range(n) if row != dead]
        corrupted = trial.differing(
            [trial.answers[row] for row in others], [answers[row] for row in others], others
        )
        if corrupted:
            raise WrongError(
                f"a dead neuron in the block changes the explanation of {trial.names(corrupted)}; "
                "compute neuron by neuron."
            )
    for answer in _asked(trial, without_exemplars(evidence), "for neurons without exemplars"):
        _check_answer(trial, answer, "a neuron without exemplars")
    return "a dead neuron and neurons without exemplars break nothing"


def with_dead(evidence: Evidence, row: int) -> Evidence:
    """Return the evidence with one neuron that is zero everywhere."""
    rows = torch.arange(evidence.n_neurons) == row
    exemplars, sample = evidence.exemplars, evidence.sample
    quiet = exemplars.activations.masked_fill(rows[:, None, None], 0)
    return replace(
        evidence,
        max_activation=evidence.max_activation.masked_fill(rows, 0),
        mean_activation=evidence.mean_activation.masked_fill(rows, 0),
        firing_threshold=evidence.firing_threshold.masked_fill(rows, NEVER_FIRES),
        exemplars=replace(exemplars, activations=quiet),
        sample=sample and replace(sample, activations=sample.activations.masked_fill(rows, 0)),
    )


def without_exemplars(evidence: Evidence) -> Evidence:
    """Return the evidence with no exemplars, `k = 0`."""
    exemplars = evidence.exemplars
    return replace(
        evidence,
        exemplars=Exemplars(
            exemplars.tokens[:, :0],
            exemplars.activations[:, :0],
            exemplars.anchors[:, :0],
            None if exemplars.documents is None else exemplars.documents[:, :0],
        ),
    )


def _asked(trial: Trial, evidence: Evidence, where: str) -> list[Answer]:
    try:
        return trial.ask(evidence).answers
    except WrongError as error:
        raise WrongError(f"{where}: {error}") from error


def _check_answer(trial: Trial, answer: Answer, what: str) -> None:
    if isinstance(answer, Failure):
        if not answer.error:
            raise WrongError(f"the Failure of {what} gives no reason.")
        return
    try:
        values = trial.simulated(answer, trial.setting.texts)
    except WrongError as error:
        raise WrongError(f"the explanation of {what}: {error} Return a Failure instead.") from error
    if not torch.isfinite(values).all():
        raise WrongError(
            f"{what} is predicted a number that is infinite or NaN; return Failure('why') for it."
        )
