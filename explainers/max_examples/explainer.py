"""Max-examples explainer: exemplars, remembered as they are."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError, unknown
from benchmark.interface import EXEMPLARS, Evidence, Failure, SubjectModel
from benchmark.token_text import visible_within
from explainers.evidence_option import checked_evidence
from explainers.float32 import shortest as shortest_decimal
from explainers.max_examples.explanation import MaxExamplesExplanation
from explainers.max_examples.matching import COMBINE, Matching, Remembered, predict
from explainers.sample_contexts import learnt_contexts
from explainers.shown_texts import shown_texts

RESTING = ("mean", "zero")


class MaxExamples:
    """Explains a neuron by its max-activating dataset examples, as they are.

    That is what people are shown of a neuron (Neuroscope) and what explanations in words are
    written from. As a simulator they are searched: for each token of a text the exemplar positions
    with the same token and the longest common left context decide. It asks the subject nothing.

    Where no exemplar has the token, the neuron's resting value is predicted. Exemplars are the
    strongest contexts, so nothing in them tells what a neuron does elsewhere; by default it is the
    neuron's mean over the `explain` split, which evidence gives whether or not there is a sample.
    Of all constants it has the least squared error there, and as most neurons fire seldom, it lies
    near what they do most of the time.

    With `evidence=exemplars+sample` as many contexts of the sample, across the neuron's range of
    activation, are remembered besides (see `learnt_contexts`).
    """

    evidence: str = EXEMPLARS
    explanation_class: ClassVar[type[Any]] = MaxExamplesExplanation

    def __init__(
        self,
        longest: int | None = None,
        shortest: int = 1,
        combine: str = "mean",
        resting: str = "mean",
        exemplars: int | None = None,
        evidence: str = EXEMPLARS,
    ) -> None:
        """Choose what counts as a match.

        Args:
            longest: tokens up to which a match may grow, the predicted one among them; None for
                as long as it goes, 1 for the token alone.
            shortest: tokens that a match must have.
            combine: what becomes of equally long matches: `mean`, `max`, `min` or `median`.
            resting: prediction where nothing matches: `mean`, the neuron's mean activation on the
                `explain` split, or `zero`.
            exemplars: how many of the strongest are remembered; None for all there are.
            evidence: `exemplars` or `exemplars+sample`.

        Raises:
            BenchmarkError: an option has a value that it cannot have.
        """
        for name, value in (("longest", longest), ("exemplars", exemplars)):
            if value is not None:
                _check_count(name, value)
        _check_count("shortest", shortest)
        if longest is not None and longest < shortest:
            raise BenchmarkError(
                f"longest of max_examples is {longest} and shortest {shortest}: no match can be "
                "both; longest must be at least shortest."
            )
        if combine not in COMBINE:
            raise unknown("combine of max_examples", str(combine), COMBINE)
        if resting not in RESTING:
            raise unknown("resting of max_examples", str(resting), RESTING)
        self.evidence = checked_evidence(evidence, "max_examples")
        self.longest = longest
        self.shortest = shortest
        self.combine = combine
        self.resting = resting
        self.exemplars = exemplars

    def explain(
        self, evidence: Evidence, subject: SubjectModel
    ) -> list[MaxExamplesExplanation | Failure]:
        """Return the exemplars of each neuron; one whose activations are not finite fails.

        Raises:
            BenchmarkError: the sample was asked for and the evidence has none.
        """
        evidence = learnt_contexts(evidence, self.evidence, "max_examples")
        tokens = evidence.exemplars.tokens[:, : self.exemplars].cpu().numpy()
        activations = evidence.exemplars.activations[:, : self.exemplars].float().cpu().numpy()
        maxima = [shortest_decimal(value) for value in evidence.max_activation.tolist()]
        resting = evidence.mean_activation.float()
        if self.resting == "zero":
            resting = torch.zeros_like(resting)
        matching = Matching(evidence.bos, self.longest, self.shortest, self.combine)
        finite = np.isfinite(activations).all((1, 2)) & resting.isfinite().cpu().numpy()
        text_of = functools.cache(functools.partial(visible_within, subject.tokenizer))
        results: list[MaxExamplesExplanation | Failure] = []
        for row, value in enumerate(map(shortest_decimal, resting.tolist())):
            if not finite[row]:
                results.append(Failure("the evidence has activations that are not finite"))
                continue
            # Copies: an explanation does not keep the whole block alive.
            remembered = Remembered(tokens[row].copy(), activations[row].copy(), value)
            one = MaxExamplesExplanation(remembered, matching, maxima[row])
            results.append(replace(one, texts=shown_texts(one.describe_with, text_of)))
        return results

    def simulate_block(
        self, explanations: Sequence[MaxExamplesExplanation], tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos n"]:
        """Simulate all neurons' matches together, equal to one by one."""
        result = torch.empty(*tokens.shape, len(explanations), device=tokens.device)
        matchings = [one.matching for one in explanations]
        for matching in set(matchings):  # one, unless explanations of several runs are mixed
            columns = [at for at, other in enumerate(matchings) if other == matching]
            remembered = [explanations[at].remembered for at in columns]
            found = torch.from_numpy(predict(remembered, tokens.cpu().numpy(), matching))
            if len(columns) == len(explanations):
                return found.to(tokens.device)
            result[..., columns] = found.to(tokens.device)
        return result


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BenchmarkError(
            f"{name} of max_examples must be a whole number of at least 1, not {value!r}."
        )
