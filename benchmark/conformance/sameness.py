"""Checks of what must not change an explanation, or what it predicts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch

from benchmark.conformance.answers import described, same_numbers
from benchmark.conformance.results import NotCheckedError, WrongError
from benchmark.conformance.trial import Answer, Trial, text_of
from benchmark.files.explanation_size import SHOWN
from benchmark.interface import Explanation, Failure, NeedsSubject
from benchmark.plugins.isolation import contained, reason_of


def repeats(trial: Trial) -> str:
    """Check that the same object and a new one give the same explanations again."""
    rows = range(len(trial.answers))
    _same(
        trial,
        trial.differing(trial.answers, trial.again.answers, rows),
        "explained twice with the same options, {} came out different; draw random numbers from "
        "a generator of your own, seeded by an option (as `seed: ${{seed}}` in a config), and "
        "never from random, numpy or torch as they are.",
    )
    _same(
        trial,
        trial.differing(trial.answers, trial.ask(by=trial.explainer).answers, rows),
        "asked a second time, the same explainer object explains {} otherwise; keep nothing of "
        "one block for the next: a run that is continued begins elsewhere.",
    )
    return "the same explanations again, whatever the state of Python's and torch's randomness"


def saves(trial: Trial) -> str:
    """Check that an explanation simulates, describes and saves the same after JSON and back."""
    for row, one in trial.explanations:
        text = text_of(one)
        loaded = _load(trial, row, json.loads(text))
        texts = trial.setting.texts
        predicted = trial.simulated(one, texts)
        if not same_numbers(predicted, trial.simulated(loaded, texts)):
            raise WrongError(
                f"{trial.names([row])} predicts other numbers after saving and loading; to_dict "
                "must keep everything that simulate uses, without rounding."
            )
        counted = {key: value for key, value in json.loads(text).items() if key != SHOWN}
        without = _load(trial, row, counted)
        if not same_numbers(predicted, trial.simulated(without, texts)):
            raise WrongError(
                f"{trial.names([row])} predicts other numbers without '{SHOWN}'; to_dict may keep "
                "there only what is for people, because it does not count as size."
            )
        if text_of(loaded) != text:
            raise WrongError(f"{trial.names([row])} saves something else after loading.")
        if described(loaded) != described(one):
            raise WrongError(
                f"{trial.names([row])} describes itself otherwise after loading; to_dict must "
                "keep what describe shows, `show` reads nothing else."
            )
    _saves_the_same_later(trial)
    return "to_dict and from_dict lose nothing, through JSON text"


def _load(trial: Trial, row: int, data: dict[str, Any]) -> Explanation:
    """Load an explanation from its saved form.

    Raises:
        WrongError: its class cannot.
    """
    kind = trial.explainer.explanation_class
    try:
        with contained():
            loaded: Explanation = kind.from_dict(data)
            if isinstance(loaded, NeedsSubject):
                loaded.bind(trial.subject)
    except Exception as error:
        raise WrongError(
            f"{kind.__qualname__}.from_dict cannot read what to_dict gave for "
            f"{trial.names([row])}: {reason_of(error)}. It gets what JSON keeps: lists for "
            f"tuples, text for the keys of a dict; and it must do without '{SHOWN}'."
        ) from error
    return loaded


def _saves_the_same_later(trial: Trial) -> None:
    """Check that an explanation that has simulated saves what it saved before."""
    for row, one in enumerate(trial.ask().answers):  # new ones, which have not simulated yet
        if isinstance(one, Failure):
            continue
        before = text_of(one)
        trial.simulated(one, trial.setting.texts)
        if text_of(one) != before:
            raise WrongError(
                f"{trial.names([row])} saves something else after it has simulated; to_dict must "
                "give the same whenever it is called."
            )


def order(trial: Trial) -> str:
    """Check that the order of the neurons in the block changes no explanation."""
    n = len(trial.answers)
    if n < 2:
        raise NotCheckedError("the block has a single neuron")
    # Neither the first nor the last neuron stays where it was.
    rows = [*range(1, n, 2), *range(0, n, 2)][::-1]
    asked = trial.ask(trial.setting.evidence.select(torch.tensor(rows)))
    _same(
        trial,
        trial.differing([trial.answers[row] for row in rows], asked.answers, rows),
        "with the neurons of the block in another order, {} is explained otherwise; answer in "
        "the order of evidence.neurons, and let no neuron depend on its place.",
    )
    return "in any order the neurons have the same explanations"


def blocks(trial: Trial) -> str:
    """Check that a neuron explained alone has the explanation that it has among others."""
    if trial.needs_block:
        raise NotCheckedError("it says of itself that it needs the other neurons (needs_block)")
    if len(trial.answers) < 2:
        raise NotCheckedError("the block has a single neuron")
    alone: list[Answer] = []
    for row in range(len(trial.answers)):
        alone += trial.ask(trial.setting.evidence.select(torch.tensor([row]))).answers
    _same(
        trial,
        trial.differing(trial.answers, alone, range(len(alone))),
        "explained alone, {} gets another explanation than in the block; what is computed over "
        "the whole block (a mean, a maximum, a random draw) must be computed neuron by neuron. "
        "A control whose point this is says needs_block = True.",
    )
    return "alone and among others, a neuron has the same explanation"


def contexts(trial: Trial) -> str:
    """Check that a context is predicted the same again, alone, and among other contexts."""
    texts = trial.setting.texts
    found = trial.explanations
    backwards = texts.flip(0)
    for row, one in found:
        whole = trial.simulated(one, texts)
        if not same_numbers(trial.simulated(one, texts), whole):
            raise WrongError(
                f"{trial.names([row])} predicts other numbers when asked again; simulate may "
                "depend on the tokens alone."
            )
        if trial.simulator is not None:  # which contexts it predicts may depend on the others
            continue
        parts = torch.cat([trial.simulated(one, texts[[at]]) for at in range(len(texts))])
        turned = trial.simulated(one, backwards).flip(0)
        if not same_numbers(parts, whole) or not same_numbers(turned, whole):
            raise WrongError(
                f"simulate of {trial.names([row])} depends on the other contexts of the batch; "
                "predict every context from its own tokens (no mean or maximum over the batch)."
            )
    if trial.simulator is not None:
        return "predicted again, every token has the same number"
    explanations = [one for _, one in found]
    whole_block = trial.jointly(explanations, texts)
    turned_block = trial.jointly(explanations, backwards)
    if whole_block is not None and turned_block is not None:
        single = [trial.jointly(explanations, texts[[at]]) for at in range(len(texts))]
        together = torch.cat([part for part in single if part is not None])
        if not same_numbers(together, whole_block) or not same_numbers(
            turned_block.flip(0), whole_block
        ):
            raise WrongError("simulate_block depends on the other contexts of the batch.")
    return "every context is predicted from its own tokens"


def _same(trial: Trial, rows: Sequence[int], text: str) -> None:
    if rows:
        raise WrongError(text.format(trial.names(rows)))
