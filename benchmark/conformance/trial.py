"""One explainer on one setting: asking it, and comparing what it answers."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.conformance.files import opened_files
from benchmark.conformance.results import NotCheckedError, WrongError
from benchmark.conformance.setting import Setting
from benchmark.conformance.watching import Seen
from benchmark.errors import BenchmarkError, is_of_surroundings
from benchmark.evaluation.explain import (
    build_explainer,
    evidence_of,
    name_of,
    prepare_explainer,
)
from benchmark.evaluation.language_models import give_model
from benchmark.evaluation.predictions import is_unchanged, numbers_of
from benchmark.evaluation.simulate import simulate
from benchmark.evaluation.simulators import SimulatedExplainer, with_simulator
from benchmark.interface import (
    Costs,
    Evidence,
    Explained,
    Explainer,
    Explanation,
    Failure,
    Program,
    SubjectModel,
)
from benchmark.plugins.handed import HandedStorage, handed
from benchmark.plugins.isolation import SharedStateError, contained, isolated, reason_of
from benchmark.results.encoding import explanation_text

# What a simulation has to be, for messages.
WANTED = {
    "simulate": "floating point numbers in raw units, [batch, pos], also for no contexts and for "
    "contexts of one token",
    "simulate_block": "floating point numbers in raw units, [batch, pos, number of explanations]",
}
Answer = Explanation | Failure


@dataclasses.dataclass(frozen=True)
class Asked:
    """What an explainer answered once.

    Attributes:
        answers: one per neuron.
        costs: the names of the costs that were returned with them.
        seen: what the subject was asked meanwhile.
        opened: the files that were opened meanwhile.
        given, before: the evidence as it was handed over, and a copy made before.
    """

    answers: list[Answer]
    costs: list[str]
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
        """Return the explainer, made again, and prepared where its evidence includes text."""
        config = self.setting.config
        explainer = build_explainer(config.explainer)
        give_model(explainer, "explainer", config.explainer, config)
        storage = HandedStorage(self.setting.store.cache)
        with opened_files() as opened:
            prepare_explainer(explainer, self.setting.explain_text, storage)
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
        evidence = evidence.restricted_to(evidence_of(explainer))
        given: Evidence = copied(evidence)
        n, name = evidence.n_neurons, name_of(explainer)
        with (
            random_numbers(seed),
            self.setting.subject.watching() as seen,
            opened_files() as opened,
            told("explain"),
            isolated(name, "while it explains"),
        ):
            found: Any = explainer.explain(given, self.subject)
            answers = list(itertools.islice(found, n + 1))
        if len(answers) != n:
            count = f"more than {n}" if len(answers) > n else str(len(answers))
            raise WrongError(
                f"explain gave {count} answers for {n} neurons; give one explanation or Failure "
                "per neuron, in the order of evidence.neurons."
            )
        checked = [self._checked(one, evidence, row) for row, one in enumerate(answers)]
        costs = sorted({cost for one in checked for cost in one.costs})
        return Asked([one.answer for one in checked], costs, seen, opened, given, evidence)

    def _checked(self, given: object, evidence: Evidence, row: int) -> Explained:
        """Return an answer with its costs.

        Raises:
            WrongError: it is none, or a cost is none.
            NotCheckedError: it is a transient failure.
        """
        name = f"{evidence.layer}.{int(evidence.neurons[row])}"
        answer = given.answer if isinstance(given, Explained) else given
        if isinstance(answer, Failure) and answer.transient:
            raise NotCheckedError(
                f"neuron {name} cannot be explained for now: {answer.error}; check again later"
            )
        if not isinstance(answer, Explanation | Failure):
            raise WrongError(
                f"neuron {name} was answered with a {type(answer).__name__}; an explanation "
                "has describe, to_dict and from_dict (and simulate, where no simulator is chosen), "
                "anything else is a Failure."
            )
        try:
            return Explained(answer, Costs(given.costs if isinstance(given, Explained) else {}))
        except (BenchmarkError, TypeError, ValueError) as error:
            raise WrongError(f"neuron {name}: {error}") from error

    @cached_property
    def subject(self) -> SubjectModel:
        """Return the subject as explainers are handed it."""
        return handed(self.setting.subject)

    @cached_property
    def explainer(self) -> Explainer:
        """Return the explainer whose answers most checks are about."""
        return self.build()

    @cached_property
    def simulator(self) -> SimulatedExplainer | None:
        """Return the explainer with its simulator, None where explanations simulate themselves."""
        config = self.setting.config
        found = with_simulator(
            self.explainer,
            config.simulator,
            lambda made: give_model(made, "simulator", config.simulator, config),
        )
        if not isinstance(found, SimulatedExplainer):
            return None
        found.bind(self.subject)
        return found

    @cached_property
    def first(self) -> Asked:
        """Return its explanations of the whole block."""
        return self.ask(by=self.explainer)

    @cached_property
    def again(self) -> Asked:
        """Return the explanations of another one with the same options and other random numbers."""
        return self.ask(seed=1)

    @property
    def answers(self) -> list[Answer]:
        """Return one answer per neuron of the block."""
        return self.first.answers

    @property
    def explanations(self) -> list[tuple[int, Explanation]]:
        """Return the rows that have an explanation.

        Raises:
            NotCheckedError: there is none.
        """
        found = [(i, one) for i, one in enumerate(self.answers) if not isinstance(one, Failure)]
        if not found:
            raise NotCheckedError("no neuron has an explanation")
        return found

    @property
    def needs_block(self) -> bool:
        """Return whether explanations may depend on the other neurons of the block."""
        return bool(getattr(self.explainer, "needs_block", False))

    def names(self, rows: Sequence[int]) -> str:
        """Return some neurons of the block, for a message."""
        shown = ", ".join(self.setting.neuron(row) for row in rows[:3])
        noun = "neuron" if len(rows) == 1 else "neurons"
        return f"{noun} {shown}{', ...' if len(rows) > 3 else ''}"

    def simulated(
        self, explanation: Explanation, tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos"]:
        """Return a simulation on a copy of some tokens.

        Raises:
            WrongError: it raises, changes the tokens, or does not give a number per token.
        """
        if self.simulator is not None:
            return self._predicted([explanation], tokens)[0]
        program = cast(Program, explanation)
        return self._numbers(program.simulate, tokens, "simulate", tuple(tokens.shape))

    def _predicted(
        self, explanations: Sequence[Explanation], tokens: Tensor
    ) -> Float[Tensor, "n batch pos"]:
        """Return what the simulator predicts, zero where it does not. Raises as `simulated`."""
        assert self.simulator is not None
        try:
            found = simulate(self.simulator, explanations, tokens)
        except BenchmarkError as error:
            raise WrongError(str(error)) from error
        for one in found.explanations:
            if isinstance(one, Failure):
                raise WrongError(f"{one.error}.")
        return found.predictions

    def jointly(
        self, explanations: Sequence[Explanation], tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos n"] | None:
        """Return the joint simulation, None where there is none. Raises as `simulated`."""
        if self.simulator is not None:
            return self._predicted(explanations, tokens).permute(1, 2, 0)
        joint = getattr(self.explainer, "simulate_block", None)
        if joint is None:
            return None
        shape, asked = (*tokens.shape, len(explanations)), list(explanations)
        return self._numbers(lambda given: joint(asked, given), tokens, "simulate_block", shape)

    def _numbers(
        self, simulation: Callable[[Tensor], Any], tokens: Tensor, what: str, shape: tuple[int, ...]
    ) -> Tensor:
        given, name = tokens.clone(), name_of(self.explainer)
        about = f" for tokens of shape {list(tokens.shape)}"
        with told(what, about), isolated(name, "while it simulates"), torch.no_grad():
            found = simulation(given)
        values, problem = numbers_of(found, shape)
        if values is None:
            raise WrongError(f"{what} gave {problem}; return {WANTED[what]}.")
        if not is_unchanged(given, tokens):
            raise WrongError(f"{what} changes the tokens that it is given; work on a copy.")
        return values

    def differing(
        self, ours: Sequence[Answer], theirs: Sequence[Answer], rows: Sequence[int]
    ) -> list[int]:
        """Return those of `rows` whose two answers are not the same explanation."""
        pairs = zip(ours, theirs, rows, strict=True)
        return [row for one, other, row in pairs if text_of(one) != text_of(other)]


def text_of(answer: Answer) -> str:
    """Return an explanation as it is saved; the reason of a failure does not count.

    Raises:
        WrongError: it cannot be saved.
    """
    if isinstance(answer, Failure):
        return "failure"
    try:
        with contained():
            return explanation_text(answer.to_dict())
    except Exception as error:
        raise WrongError(f"to_dict cannot be saved: {reason_of(error)}") from error


@contextlib.contextmanager
def told(what: str, about: str = "") -> Iterator[None]:
    """Tell in words what an explainer's code raises inside.

    Raises:
        WrongError: it raised something; only memory that runs out stays what it is.
    """
    try:
        yield
    except MemoryError:
        raise
    except SharedStateError as error:
        raise WrongError(str(error)) from error
    except Exception as error:
        raise WrongError(
            f"{what} raised {reason_of(error)}{about}. {_advice(error, what)}"
        ) from error


def _advice(error: Exception, what: str) -> str:
    if is_of_surroundings(error):
        return "In a run this ends it with one message, and the same command tries again."
    if what != "explain":
        return "In a run the neuron fails, and scores as zero."
    return (
        "For a neuron that cannot be explained return Failure('why') in its place: an exception "
        "costs the whole block a second explaining, neuron by neuron."
    )


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
    """Return the same evidence with every tensor copied."""
    if isinstance(value, Tensor):
        return value.clone()
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    names = [field.name for field in dataclasses.fields(value)]
    return dataclasses.replace(value, **{name: copied(getattr(value, name)) for name in names})


def changed(before: Any, after: Any, where: str = "evidence") -> list[str]:
    """Return the names of the tensors that are no longer the same."""
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
