"""Control `shuffled`: every neuron gets another one's explanation; a method's level of chance."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import is_of_surroundings
from benchmark.files.explanation_size import SHOWN
from benchmark.interface import (
    Evidence,
    Explained,
    Explainer,
    ExplainText,
    Explanation,
    Failure,
    NeedsSubject,
    Program,
    ReadsExplainText,
    Storage,
    SubjectModel,
)
from benchmark.plugins.isolation import contained, reason_of
from explainers.controls.hashing import key_of
from explainers.token_lookup import TokenLookup, TokenLookupExplanation


@dataclass(frozen=True, eq=False)
class ShuffledExplanation:
    """What an explanation of neuron `donor` predicts, times `scale`.

    Attributes:
        donor: the neuron that was explained; None where that was not saved.
        scale: the largest activation of this neuron over the donor's, so that a firing donor is
            a firing neuron.
        inner: the donor's explanation.
    """

    text_is_complete: ClassVar[bool] = False
    inner_class: ClassVar[type[Any]] = TokenLookupExplanation

    donor: int | None
    scale: float
    inner: Explanation

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Simulate as the donor does, scaled, `[batch, pos]`, raw units of this neuron."""
        return cast(Program, self.inner).simulate(tokens).float() * self.scale

    def bind(self, subject: SubjectModel) -> None:
        """Hand the subject on to an inner explanation that needs it."""
        if isinstance(self.inner, NeedsSubject):
            self.inner.bind(subject)

    def describe(self) -> str:
        """Say whose explanation it is, and show that explanation."""
        donor = "another neuron" if self.donor is None else f"neuron {self.donor}"
        return f"the explanation of {donor}, times {self.scale:.4g}:\n{self.inner.describe()}"

    def to_dict(self) -> dict[str, Any]:
        """Return the scale and the inner explanation, and under `shown` the donor."""
        inner = dict(self.inner.to_dict())
        shown: dict[str, Any] = {"donor": self.donor}
        if SHOWN in inner:
            shown["explanation"] = inner.pop(SHOWN)
        return {"scale": self.scale, "explanation": inner, SHOWN: shown}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ShuffledExplanation:
        """Return the explanation that `to_dict` or an earlier version saved.

        The inner explanation is of the class of this explainer's inner one.
        """
        shown, inner = data.get(SHOWN, data), data["explanation"]
        if SHOWN in data and "explanation" in shown:
            inner = {**inner, SHOWN: shown["explanation"]}
        donor = shown.get("donor")
        return cls(
            None if donor is None else int(donor),
            float(data["scale"]),
            cls.inner_class.from_dict(inner),
        )


class Shuffled:
    """Control: an inner explainer's explanations, handed round among the neurons of a block.

    No neuron keeps its own. What is left of the score is what any explanation of the method would
    get on any neuron: fitting text in general instead of this neuron. Neurons that the inner
    explainer fails on stay failures, the others share theirs, so coverage is the inner one's.
    """

    explanation_class: ClassVar[type[Any]] = ShuffledExplanation
    needs_block: ClassVar[bool] = True

    def __init__(self, inner: Explainer | None = None, seed: int = 0) -> None:
        """Choose whose explanations are shuffled.

        Args:
            inner: an explainer; in a config a nested `_target_`. By default `TokenLookup`.
            seed: another one hands them round in another order.
        """
        self.inner: Explainer = TokenLookup() if inner is None else inner
        self.seed = seed
        self.evidence = self.inner.evidence
        # The class that loads is told here what is inside; a results file never names a class.
        self.explanation_class = type(  # type: ignore[misc]
            ShuffledExplanation.__name__,
            (ShuffledExplanation,),
            {"inner_class": self.inner.explanation_class, "__module__": __name__},
        )

    def prepare(self, text: ExplainText, storage: Storage) -> None:
        """Let an inner explainer that learns from the `explain` split do so."""
        if isinstance(self.inner, ReadsExplainText):
            self.inner.prepare(text, storage)

    def explain(
        self, evidence: Evidence, subject: SubjectModel
    ) -> list[ShuffledExplanation | Failure | Explained]:
        """Return for each neuron the explanation of another one of the block, at its own cost."""
        given = self._inner_answers(evidence, subject)
        answers = [one.answer for one in given]
        donors = self._donors(evidence, answers)
        borrowed = [
            self._borrowed(evidence, answers, row, donors.get(row))
            for row in range(evidence.n_neurons)
        ]
        return [
            Explained(one, own.costs) if own.costs else one
            for one, own in zip(borrowed, given, strict=True)
        ]

    def simulate_block(
        self, explanations: Sequence[ShuffledExplanation], tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos n"]:
        """Simulate as the inner explainer does, jointly where it can, scaled."""
        joint = getattr(self.inner, "simulate_block", None)
        if joint is None:
            return torch.stack([one.simulate(tokens) for one in explanations], dim=-1)
        found: Tensor = joint([one.inner for one in explanations], tokens).float()
        return found * found.new_tensor([one.scale for one in explanations])

    def _inner_answers(self, evidence: Evidence, subject: SubjectModel) -> list[Explained]:
        n = evidence.n_neurons
        answers: list[Explained] = []
        try:
            with contained():
                given = self.inner.explain(evidence, subject)
                for one in itertools.islice(given, n + 1):
                    answers.append(Explained.of(one))
                    if _is_transient(answers[-1]):
                        return [answers[-1]] * n  # nothing can be handed round before all are there
            if len(answers) != n:
                raise ValueError(f"{len(answers)} explanations for {n} neurons")
            return answers
        except Exception as error:
            if is_of_surroundings(error):
                raise
            # Asked again one by one: a block of one neuron could not be shuffled from outside.
            if n == 1:
                return [Explained(Failure(reason_of(error)))]
            answers = []
            for row in range(n):
                answers += self._inner_answers(evidence.select(torch.tensor([row])), subject)
                if _is_transient(answers[-1]):
                    return [answers[-1]] * n
            return answers

    def _donors(
        self, evidence: Evidence, answers: Sequence[Explanation | Failure]
    ) -> dict[int, int]:
        """Return the row that each explained neuron borrows from: one circle, in random order.

        The order depends on seed, layer and neurons, not on how the block lists them.
        """
        explained = [row for row, one in enumerate(answers) if not isinstance(one, Failure)]
        if len(explained) < 2:
            return {}
        neurons = evidence.neurons.tolist()
        explained.sort(key=lambda row: key_of(self.seed, evidence.layer, neurons[row]))
        return dict(zip(explained, [*explained[1:], explained[0]], strict=True))

    def _borrowed(
        self,
        evidence: Evidence,
        answers: Sequence[Explanation | Failure],
        row: int,
        donor: int | None,
    ) -> ShuffledExplanation | Failure:
        own = answers[row]
        if isinstance(own, Failure):
            return own
        if donor is None:
            return Failure(
                "no other neuron of the block has an explanation to borrow; shuffled needs blocks "
                "of at least two neurons of a layer"
            )
        inner = answers[donor]
        assert not isinstance(inner, Failure)
        scale = _ratio(float(evidence.max_activation[row]), float(evidence.max_activation[donor]))
        made: ShuffledExplanation = self.explanation_class(
            int(evidence.neurons[donor]), scale, inner
        )
        return made


def _is_transient(explained: Explained) -> bool:
    answer = explained.answer
    return isinstance(answer, Failure) and answer.transient


def _ratio(own: float, donor: float) -> float:
    """Return the ratio of a neuron's maximum to its donor's; 1 where one of them is dead.

    Rounded to float32, in which simulations are, so that scaling one and many is the same.
    """
    if not own > 0 or not donor > 0:
        return 1.0
    ratio = float(torch.tensor(own / donor, dtype=torch.float32))
    return ratio if math.isfinite(ratio) else 1.0
