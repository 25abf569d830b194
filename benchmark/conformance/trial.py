"""One explainer on one setting: asking it, and comparing what it answers."""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.conformance.files import opened_files
from benchmark.conformance.results import NotCheckedError, WrongError
from benchmark.conformance.setting import Setting
from benchmark.conformance.watching import Seen
from benchmark.explaining import build_explainer, prepare_explainer
from benchmark.interface import Evidence, Explainer, Explanation, Failure
from benchmark.results.encoding import explanation_text

Answer = Explanation | Failure


@dataclasses.dataclass(frozen=True)
class Asked:
    """What an explainer answered once.

    Attributes:
        answers: one per neuron.
        seen: what the subject was asked meanwhile.
        opened: the files that were opened meanwhile.
        given, before: the evidence as it was handed over, and a copy made before.
    """

    answers: list[Answer]
    seen: Seen
    opened: list[str]
    given: Evidence
    before: Evidence


class Trial:
    """An explainer that is checked."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.opened_preparing: list[str] = []
        """The files that were opened while explainers learnt from text."""

    def build(self) -> Explainer:
        """The explainer, made anew, and prepared where its evidence includes text."""
        explainer = build_explainer(self.setting.config.explainer)
        with opened_files() as opened:
            prepare_explainer(explainer, self.setting.explain_text, self.setting.store.cache)
        self.opened_preparing += opened
        return explainer

    def ask(
        self, evidence: Evidence | None = None, *, by: Explainer | None = None, seed: int = 0
    ) -> Asked:
        """Ask an explainer (a new one by default) about a copy of some evidence.

        Python's, NumPy's and torch's own random numbers are those of `seed` meanwhile.

        Raises:
            WrongError: it raises, or gives something else than one answer per neuron.
        """
        explainer = self.build() if by is None else by
        evidence = self.setting.evidence if evidence is None else evidence
        evidence = evidence.restricted_to(explainer.evidence)
        given: Evidence = copied(evidence)
        subject = self.setting.subject
        with random_numbers(seed), subject.watching() as seen, opened_files() as opened:
            try:
                found: Any = explainer.explain(given, subject)
                answers = list(found)
            except (MemoryError, KeyboardInterrupt):
                raise
            except BaseException as error:
                raise WrongError(
                    f"explain raised {named(error)}. For a neuron that cannot be explained return "
                    "Failure('why') in its place: an exception costs the whole block a second "
                    "explaining, neuron by neuron."
                ) from error
        if len(answers) != evidence.n_neurons:
            raise WrongError(
                f"explain gave {len(answers)} answers for {evidence.n_neurons} neurons; give one "
                "explanation or Failure per neuron, in the order of evidence.neurons."
            )
        for row, answer in enumerate(answers):
            if not isinstance(answer, Explanation | Failure):
                name = f"{evidence.layer}.{int(evidence.neurons[row])}"
                raise WrongError(
                    f"neuron {name} was answered with a {type(answer).__name__}; an explanation "
                    "has simulate, describe, to_dict and from_dict, anything else is a Failure."
                )
        return Asked(answers, seen, opened, given, evidence)

    @cached_property
    def explainer(self) -> Explainer:
        """The explainer whose answers most checks are about."""
        return self.build()

    @cached_property
    def first(self) -> Asked:
        """What it answered about the whole block."""
        return self.ask(by=self.explainer)

    @cached_property
    def again(self) -> Asked:
        """What another one of the same options answered, with other random numbers about."""
        return self.ask(seed=1)

    @property
    def answers(self) -> list[Answer]:
        """One answer per neuron of the block."""
        return self.first.answers

    @property
    def explanations(self) -> list[tuple[int, Explanation]]:
        """The rows that have an explanation.

        Raises:
            NotCheckedError: there is none.
        """
        found = [(i, one) for i, one in enumerate(self.answers) if not isinstance(one, Failure)]
        if not found:
            raise NotCheckedError("no neuron has an explanation")
        return found

    @property
    def needs_block(self) -> bool:
        """Whether explanations may depend on the other neurons of the block."""
        return bool(getattr(self.explainer, "needs_block", False))

    def names(self, rows: Sequence[int]) -> str:
        """Some neurons of the block, for a message."""
        shown = ", ".join(self.setting.neuron(row) for row in rows[:3])
        noun = "neuron" if len(rows) == 1 else "neurons"
        return f"{noun} {shown}{', ...' if len(rows) > 3 else ''}"

    def simulated(
        self, explanation: Explanation, tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos"]:
        """A simulation on a copy of some tokens.

        Raises:
            WrongError: it raises, changes the tokens, or does not give a number per token.
        """
        given = tokens.clone()
        with torch.no_grad():
            try:
                found: Any = explanation.simulate(given)
            except Exception as error:
                raise WrongError(
                    f"simulate raised {named(error)} for tokens of shape {list(tokens.shape)}."
                ) from error
        check_numbers(found, tuple(tokens.shape), "simulate", "[batch, pos]")
        if not torch.equal(given, tokens):
            raise WrongError("simulate changes the tokens that it is given; work on a copy.")
        result: Tensor = found.to("cpu", torch.float32)
        return result

    def jointly(
        self, explanations: Sequence[Explanation], tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos n"] | None:
        """The explainer's joint simulation, None where it has none. Raises as `simulated`."""
        joint = getattr(self.explainer, "simulate_block", None)
        if joint is None:
            return None
        given = tokens.clone()
        with torch.no_grad():
            try:
                found: Any = joint(list(explanations), given)
            except Exception as error:
                raise WrongError(
                    f"simulate_block raised {named(error)} for {len(explanations)} explanations "
                    f"and tokens of shape {list(tokens.shape)}."
                ) from error
        shape = (*tokens.shape, len(explanations))
        check_numbers(found, shape, "simulate_block", "[batch, pos, number of explanations]")
        if not torch.equal(given, tokens):
            raise WrongError("simulate_block changes the tokens that it is given; work on a copy.")
        result: Tensor = found.to("cpu", torch.float32)
        return result

    def differing(
        self, ours: Sequence[Answer], theirs: Sequence[Answer], rows: Sequence[int]
    ) -> list[int]:
        """Those of `rows` whose two answers are not the same explanation."""
        pairs = zip(ours, theirs, rows, strict=True)
        return [row for one, other, row in pairs if text_of(one) != text_of(other)]


def text_of(answer: Answer) -> str:
    """An explanation as it is saved; the reason of a failure does not count.

    Raises:
        WrongError: it cannot be saved.
    """
    if isinstance(answer, Failure):
        return "failure"
    try:
        return explanation_text(answer.to_dict())
    except Exception as error:
        raise WrongError(f"to_dict cannot be saved: {named(error)}") from error


def check_numbers(found: object, shape: tuple[int, ...], what: str, wanted: str) -> None:
    """Check type and shape of a simulation.

    Raises:
        WrongError: it is something else.
    """
    if not isinstance(found, Tensor):
        raise WrongError(f"{what} gave a {type(found).__name__}; return a torch tensor, {wanted}.")
    if tuple(found.shape) != shape:
        raise WrongError(
            f"{what} gave shape {list(found.shape)} where {list(shape)} is due; return {wanted}, "
            "also for no contexts and for contexts of one token."
        )
    if not found.is_floating_point():
        raise WrongError(f"{what} gave {found.dtype}; return floating point numbers in raw units.")


def named(error: BaseException) -> str:
    """An error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


@contextlib.contextmanager
def random_numbers(seed: int) -> Iterator[None]:
    """Give the three common sources of random numbers a seed, and put back what they were."""
    state, arrays = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(state)
            np.random.set_state(arrays)


def copied(value: Any) -> Any:
    """The same evidence with every tensor copied."""
    if isinstance(value, Tensor):
        return value.clone()
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    names = [field.name for field in dataclasses.fields(value)]
    return dataclasses.replace(value, **{name: copied(getattr(value, name)) for name in names})


def changed(before: Any, after: Any, where: str = "evidence") -> list[str]:
    """The names of the tensors that are no longer the same."""
    if isinstance(before, Tensor):
        same = isinstance(after, Tensor) and torch.equal(before, after)
        return [] if same else [where]
    if not dataclasses.is_dataclass(before):
        return [] if before == after else [where]
    return [
        name
        for field in dataclasses.fields(before)
        for name in changed(
            getattr(before, field.name), getattr(after, field.name), f"{where}.{field.name}"
        )
    ]
