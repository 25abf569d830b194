"""Checks of what an explainer gives: answers, numbers, words."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmark.conformance.results import NotCheckedError, WrongError
from benchmark.conformance.trial import Trial, changed, text_of
from benchmark.interface import Explanation, Failure, has_complete_text
from benchmark.plugins.isolation import contained, reason_of

# What a person sees at once; longer lines count as several.
SCREEN_LINES, SCREEN_COLUMNS = 50, 120


def explains(trial: Trial) -> str:
    """Check that there is one explanation or failure per neuron, and not failures alone."""
    failures = [one for one in trial.answers if isinstance(one, Failure)]
    for one in failures:
        if not isinstance(one.error, str) or not one.error.strip():
            raise WrongError("a Failure has no reason; say why in one sentence: Failure('why').")
    n = len(trial.answers)
    if len(failures) == n:
        raise WrongError(
            f"all {n} neurons failed, the first because: {failures[0].error}. Explain at least one "
            "of these neurons, or check on another model=... or dataset=..."
        )
    return f"{n - len(failures)} explanations, {len(failures)} failures for {n} living neurons"


def shapes(trial: Trial) -> str:
    """Check that predictions are a floating point number per token, for contexts of any size."""
    explanations = [one for _, one in trial.explanations]
    texts = trial.setting.texts
    # A simulator may choose what it predicts; of no context that is nothing.
    every = (texts, texts[:0], texts[:2, :1]) if trial.simulator is None else (texts,)
    for tokens in every:
        for one in explanations:
            trial.simulated(one, tokens)
        trial.jointly(explanations, tokens)
        trial.jointly(explanations[:1], tokens)
    if trial.simulator is not None:
        return "the simulator gives a floating point number for every token that it predicts"
    return "a floating point number per token, also of no context and of contexts of one token"


def costs(trial: Trial) -> str:
    """Check that costs by name are the same whenever it explains."""
    names = trial.first.costs
    if names != trial.again.costs:
        raise WrongError(
            f"it returned the costs {', '.join(names) or 'none'} once and "
            f"{', '.join(trial.again.costs) or 'none'} another time; name the same ones always."
        )
    returned = f"; returned by name: {', '.join(names)}" if names else ""
    return f"subject tokens and seconds are measured{returned}"


def finite(trial: Trial) -> str:
    """Check that neither predictions nor saved explanations hold infinities or NaN."""
    for row, values in _predictions(trial):
        if not torch.isfinite(values).all():
            raise WrongError(
                f"{trial.names([row])} is predicted a number that is infinite or NaN; look for a "
                "division by zero or a mean of nothing, or return a Failure."
            )
    return "every predicted number is finite"


def _predictions(trial: Trial) -> Iterator[tuple[int, Tensor]]:
    found = trial.explanations
    for row, one in found:
        yield row, trial.simulated(one, trial.setting.texts)
    together = trial.jointly([one for _, one in found], trial.setting.texts)
    if together is not None:
        for column, (row, _) in enumerate(found):
            yield row, together[..., column]


def describes(trial: Trial) -> str:
    """Check that a description is text, at most a screen unless it is the whole explanation."""
    longest = 0
    for row, one in trial.explanations:
        text = described(one)
        if not isinstance(text, str):
            raise WrongError(f"describe gave no text but {type(text).__name__}; return text.")
        if not text.strip():
            raise WrongError(
                f"describe is empty for {trial.names([row])}; say what the neuron does, for the "
                "person who reads `show <run> <neuron>`."
            )
        lines = sum(max(1, math.ceil(len(line) / SCREEN_COLUMNS)) for line in text.splitlines())
        # A program's text that is the whole explanation leaves nothing out; its length is a cost.
        if lines > SCREEN_LINES and not (trial.simulator is None and has_complete_text(one)):
            raise WrongError(
                f"describe gives {lines} lines for {trial.names([row])}, more than one screen; "
                f"show the strongest part, at most {SCREEN_LINES} lines of {SCREEN_COLUMNS} signs."
            )
        longest = max(longest, lines)
    shown = f"{longest} of {SCREEN_LINES}" if longest <= SCREEN_LINES else str(longest)
    return f"every explanation describes itself; the longest has {shown} lines"


def described(explanation: Explanation) -> str:
    """Return the description of an explanation.

    Raises:
        WrongError: it cannot.
    """
    try:
        with contained():
            return explanation.describe()
    except Exception as error:
        raise WrongError(f"describe raised {reason_of(error)}.") from error


def evidence_unchanged(trial: Trial) -> str:
    """Check that nothing that an explainer does changes the evidence."""
    asked = trial.first
    names = changed(asked.before, asked.given)
    if not names:
        for _, one in trial.explanations:
            trial.simulated(one, trial.setting.texts)
            text_of(one)
            described(one)
        trial.jointly([one for _, one in trial.explanations], trial.setting.texts)
        names = changed(asked.before, asked.given)
    if names:
        raise WrongError(
            f"{', '.join(names)} was changed; other explainers read the same evidence: work on a "
            "copy (tensor.clone())."
        )
    return "the evidence is what it was"


def joint_is_single(trial: Trial) -> str:
    """Check that the joint simulation equals the single ones to the last bit, in any order."""
    found = trial.explanations
    texts = trial.setting.texts
    single = {row: trial.simulated(one, texts) for row, one in found}
    for chosen in (found, found[::-1], found[:1]):
        together = trial.jointly([one for _, one in chosen], texts)
        if together is None:
            raise NotCheckedError("it has no simulate_block: neurons are simulated one by one")
        for column, (row, _) in enumerate(chosen):
            values = together[..., column]
            if not same_numbers(values, single[row]):
                difference = (values - single[row]).abs().max()
                if trial.simulator is not None:
                    raise WrongError(
                        f"the simulator predicts {trial.names([row])} otherwise among others than "
                        "alone; predict from each explanation by itself."
                    )
                raise WrongError(
                    f"simulate_block and simulate of {trial.names([row])} differ by up to "
                    f"{float(difference):.2g}; they must agree exactly: compute both in the same "
                    "precision and order, or drop simulate_block."
                )
    if trial.simulator is not None:
        return "the simulator predicts from an explanation what it predicts from it alone"
    return "simulate_block gives what simulate gives, to the last bit"


def same_numbers(one: Tensor, other: Tensor) -> bool:
    """Return whether tensors are equal to the last bit; NaN equals NaN."""
    return torch.equal(torch.nan_to_num(one), torch.nan_to_num(other))
