"""Simulators of runs: made of a configuration, and joined with the explainer that they read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, cast

from benchmark.errors import BenchmarkError, unknown
from benchmark.evaluation.explain import name_of, reading
from benchmark.interface import (
    Answer,
    Evidence,
    Explainer,
    NeedsTokenizer,
    Simulator,
    SubjectModel,
)
from benchmark.plugins.making import make
from benchmark.results.columns import SCORING_SETS


class SimulatedExplainer:
    """An explainer and the simulator that predicts from its explanations.

    Whatever scores or shows a run takes it for the explainer; `simulate` asks the simulator.

    Attributes:
        explainer: what made the explanations.
    """

    def __init__(self, explainer: Explainer, make: Callable[[], Simulator]) -> None:
        """Join an explainer with what makes the simulator when something is to be simulated."""
        self.explainer = explainer
        self._make = make
        self._tokenizer: Any = None

    @property
    def evidence(self) -> str:
        """Return the explainer's kind of evidence."""
        return self.explainer.evidence

    @property
    def explanation_class(self) -> type[Any]:
        """Return the class of the explainer's explanations."""
        return self.explainer.explanation_class

    def explain(self, evidence: Evidence, subject: SubjectModel) -> Iterable[Answer]:
        """Return the explainer's answers."""
        return self.explainer.explain(evidence, subject)

    @cached_property
    def simulator(self) -> Simulator:
        """Return the simulator, made on the first call."""
        simulator = self._make()
        if self._tokenizer is not None and isinstance(simulator, NeedsTokenizer):
            simulator.use_tokenizer(self._tokenizer)
        return simulator

    @cached_property
    def scoring_sets(self) -> tuple[str, ...] | None:
        """Return the scoring sets that the simulator predicts alone; None where it predicts all.

        Raises:
            BenchmarkError: one of them is none.
        """
        name = name_of(self.simulator)
        with reading(name, "scoring_sets"):
            found = getattr(self.simulator, "scoring_sets", None)
        if found is None:
            return None
        named = (found,) if isinstance(found, str) else tuple(found)
        for one in named:
            if one not in SCORING_SETS:
                raise unknown(f"scoring set of simulator '{name}'", str(one)[:60], SCORING_SETS)
        return named

    def bind(self, subject: SubjectModel) -> None:
        """Keep the subject's tokenizer for a simulator that needs one, and nothing else of it."""
        if self._tokenizer is None:
            self._tokenizer = subject.tokenizer


def with_simulator(
    explainer: Explainer,
    config: Mapping[str, Any],
    prepare: Callable[[Simulator], None] = lambda _: None,
) -> Explainer:
    """Return an explainer together with the simulator that a configuration names.

    Programs simulate themselves, and where their text is complete a simulator that is chosen reads
    the text instead.

    Args:
        explainer: the explainer.
        config: of the simulator.
        prepare: gives the simulator what it needs, such as its language model.

    Raises:
        BenchmarkError: the simulator cannot be made; its explanations need one and none is chosen,
            or one is, and they simulate themselves and have no complete text.
    """
    itself = simulates_itself(explainer)
    if is_own(config):
        if not itself:
            raise needs_simulator(name_of(explainer))
        return explainer
    if itself and not states_complete_text(explainer):
        raise BenchmarkError(
            f"simulator={config.get('name')} has nothing to read: the explanations of explainer "
            f"'{name_of(explainer)}' simulate themselves, and their text is not complete; leave "
            "simulator= out."
        )
    simulator = build_simulator(config)
    prepare(simulator)
    return cast(Explainer, SimulatedExplainer(explainer, lambda: simulator))


def explaining(explainer: Explainer | SimulatedExplainer) -> Explainer:
    """Return the explainer itself, of one that stands together with a simulator, too."""
    return explainer.explainer if isinstance(explainer, SimulatedExplainer) else explainer


def scoring_sets_of(explainer: Explainer | SimulatedExplainer) -> tuple[str, ...] | None:
    """Return the scoring sets that are predicted alone; None for all, as of programs."""
    return explainer.scoring_sets if isinstance(explainer, SimulatedExplainer) else None


def is_own(config: Mapping[str, Any]) -> bool:
    """Return whether a configuration says that explanations simulate themselves."""
    return "_target_" not in config


def simulates_itself(explainer: Explainer) -> bool:
    """Return whether an explainer's explanations are programs, as far as their class tells."""
    with reading(name_of(explainer), "explanation_class"):
        return callable(getattr(explainer.explanation_class, "simulate", None))


def states_complete_text(explainer: Explainer) -> bool:
    """Return whether the text of all explanations of an explainer's class is complete."""
    with reading(name_of(explainer), "explanation_class"):
        kind = explainer.explanation_class
        return getattr(kind, "text_is_complete", False) is True and callable(
            getattr(kind, "from_text", None)
        )


def needs_simulator(explainer: str) -> BenchmarkError:
    """Return the error for explanations that nobody simulates."""
    return BenchmarkError(
        f"the explanations of explainer '{explainer}' do not simulate themselves (they "
        "have no 'simulate'), so a simulator must predict from them; choose one: "
        "simulator._target_=package.module.Class, or name a language model, for which there is a "
        "default: llm=openai llm.model=<name>, or llm=local llm.source=<hub id or folder>."
    )


def build_simulator(config: Mapping[str, Any]) -> Simulator:
    """Make the simulator that a config names by `_target_`, its other keys being its options.

    Raises:
        BenchmarkError: the class cannot be imported, refuses its options or is no simulator.
    """
    return check_simulator(make(config, "simulator"), str(config["_target_"]))


def check_simulator(simulator: Any, target: str) -> Simulator:
    """Return an object that is a simulator.

    Raises:
        BenchmarkError: it is none.
    """
    if not isinstance(simulator, Simulator):
        raise BenchmarkError(
            f"simulator '{target}' has no 'simulate'; benchmark.interface.Simulator says what a "
            "simulator needs."
        )
    return simulator
