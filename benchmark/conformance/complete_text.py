"""Checks of texts that are said to be the whole explanation: read back, they simulate the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from benchmark.conformance.answers import described, same_numbers
from benchmark.conformance.results import WrongError
from benchmark.conformance.trial import Trial
from benchmark.errors import BenchmarkError
from benchmark.evaluation.explain import name_of
from benchmark.evaluation.text_lines import deciding_lines, lines_of
from benchmark.interface import Explanation, Program
from benchmark.plugins.isolation import contained, isolated, reason_of
from benchmark.vocabulary import Vocabulary

# Contexts of each kind that explanations simulate before and after.
N_TEXTS = 32
# No line of any notation: marks that are opened and not closed, and a value that is no number.
NONSENSE = "‹[ garbled |~ ‹ 0.x"


def reads_back(trial: Trial) -> str:
    """Check that a complete text is always the same, and that only such a text is read back."""
    complete = [
        (row, one) for row, one in trial.explanations if is_said_complete(one, trial.names([row]))
    ]
    if trial.simulator is not None:
        return "the text is the whole explanation: a simulator predicts from it"
    if not complete:
        return "no explanation says that its text is complete, so none is on the track 'readable'"
    vocabulary = Vocabulary.of(trial.subject)
    tokens = texts_of(trial)
    again = [_read_back(trial, row, one, vocabulary, tokens) for row, one in complete]
    before = trial.jointly([one for _, one in complete], tokens)
    after = trial.jointly(again, tokens)
    if before is not None and after is not None and not same_numbers(before, after):
        raise WrongError(
            "simulate_block predicts other numbers from explanations that from_text gave; it may "
            "use nothing of an explanation that its text does not say."
        )
    for row, one in complete:
        _refuses_nonsense(trial, row, one, vocabulary)
    judged = sum(_is_judged(trial, row, one, tokens) for row, one in complete)
    lines = f"; {judged} say what their lines do" if judged else ""
    return (
        f"{len(complete)} of {len(trial.explanations)} texts are complete: read back by from_text "
        f"they simulate the same, and garbled ones are refused{lines}"
    )


def is_said_complete(explanation: Explanation, name: str) -> bool:
    """Return whether an explanation says that its text is complete.

    Raises:
        WrongError: it says something else than True or False, or nothing that can be read.
    """
    try:
        with contained():
            said = getattr(explanation, "text_is_complete", False)
    except Exception as error:
        raise WrongError(
            f"text_is_complete of {name} cannot be read: {reason_of(error)}; say True or False."
        ) from error
    if not isinstance(said, bool):
        raise WrongError(
            f"text_is_complete of {name} is a {type(said).__name__}; say True or False, as an "
            "attribute of the class or a property."
        )
    return said


def texts_of(trial: Trial) -> Int[Tensor, "batch pos"]:
    """Return held-out text, random token ids, and tokens of held-out text in a random order."""
    held_out = trial.setting.store.held_out.tokens[:N_TEXTS].long()
    generator = torch.Generator().manual_seed(0)
    anything = torch.randint(trial.subject.d_vocab, held_out.shape, generator=generator)
    mixed = held_out.flatten()[torch.randperm(held_out.numel(), generator=generator)]
    return torch.cat([held_out, anything, mixed.reshape(held_out.shape)])


def _read_back(
    trial: Trial, row: int, one: Any, vocabulary: Vocabulary, tokens: Tensor
) -> Explanation:
    """Return the explanation that a text gives, which simulates what the original one does.

    Raises:
        WrongError: it does not, or there is none.
    """
    name, kind = trial.names([row]), type(one).__qualname__
    if not callable(getattr(one, "from_text", None)):
        raise WrongError(
            f"{name} says that its text is complete, but {kind} has no from_text(text, vocabulary) "
            "to read it back; write it, or leave text_is_complete False."
        )
    text = described(one)
    before = trial.simulated(one, tokens)
    if not isinstance(text, str) or described(one) != text:
        raise WrongError(
            f"describe of {name} gives another text when it is asked again; a complete text is "
            "always the same."
        )
    try:
        again = _read(trial, one, text, vocabulary)
    except Exception as error:
        raise WrongError(
            f"{kind}.from_text cannot read what describe gave for {name}: {reason_of(error)}"
        ) from error
    if not isinstance(again, Program):
        raise WrongError(
            f"{kind}.from_text gave a {type(again).__name__} for {name}; return an explanation."
        )
    after = trial.simulated(again, tokens)
    if not same_numbers(before, after):
        n_other = int((before != after).sum())
        raise WrongError(
            f"{name} predicts {n_other} of {tokens.numel()} tokens otherwise when its text is read "
            "back; describe must show everything that simulate uses, and simulate must use no more "
            "digits than describe shows."
        )
    return again


def _refuses_nonsense(trial: Trial, row: int, one: Any, vocabulary: Vocabulary) -> None:
    """Check that a text that says nothing, or a line too much, is not read.

    Raises:
        WrongError: it is, or it raises something else than a ValueError.
    """
    name, kind = trial.names([row]), type(one).__qualname__
    for what, text in garbled(described(one)):
        try:
            _read(trial, one, text, vocabulary)
        except ValueError:
            continue
        except Exception as error:
            raise WrongError(
                f"{kind}.from_text raised {reason_of(error)} for {what}; raise a ValueError that "
                "names the line that cannot be read."
            ) from error
        raise WrongError(
            f"{kind}.from_text accepts {what} ('{NONSENSE}', {name}); raise a ValueError that "
            "names the line that cannot be read: who changes a text must not be misled."
        )


def _is_judged(trial: Trial, row: int, one: Any, tokens: Tensor) -> bool:
    """Return whether a text says what its lines do and which one decides a token.

    Raises:
        WrongError: the lines are not its own, or one that decides is none of them.
    """
    try:
        lines = lines_of(one, described(one))
        if lines:
            deciding_lines(one, tokens, len(lines))
    except BenchmarkError as error:
        raise WrongError(f"{trial.names([row])}: {error}") from error
    return bool(lines)


def garbled(text: str) -> Iterator[tuple[str, str]]:
    """Yield texts that no explanation gives, each with what it is."""
    yield "a text that says nothing", NONSENSE
    yield "a line of nonsense after the text", f"{text}\n{NONSENSE}"
    yield "a line of nonsense before the text", f"{NONSENSE}\n{text}"


def _read(trial: Trial, one: Any, text: str, vocabulary: Vocabulary) -> object:
    with isolated(name_of(trial.explainer), "while it reads a text"):
        return one.from_text(text, vocabulary)
