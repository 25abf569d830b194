"""Explainer by rules: few patterns that say most, chosen for all neurons of a block at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.interface import EXEMPLARS_AND_SAMPLE, Evidence, Failure, SubjectModel
from benchmark.vocabulary import Vocabulary
from explainers.evidence_option import checked_evidence, chosen_sample
from explainers.rules.candidates import choose_candidates
from explainers.rules.explanation import RulesExplanation, Seen, simulate_together
from explainers.rules.features import find_families
from explainers.rules.growth import grow
from explainers.rules.lines import Line, fitting, judged, lines_of, pattern_costs
from explainers.rules.observations import Observations, observe
from explainers.rules.regression import regression
from explainers.rules.rule import MOST
from explainers.rules.text import first_line

# Neurons whose equations are in memory at once.
AT_ONCE = 64
LEAST_CHARACTERS = 60
# Candidates for each character of the budget, and their number at least and at most.
PER_CHARACTER, FEWEST, MOST_CANDIDATES = 0.6, 200, 1500
# Part of the sample's positions that lie below the floor.
BELOW_FLOOR = 0.001
# Positions at which that is looked up, about.
POSITIONS = 1 << 15


class Rules:
    """Explain a neuron by rules that add up, on at most so many characters.

    A rule is a pattern that ends at a token and a value; the text shows every rule, and the text
    is all that predicts. The rules are chosen together for many neurons from all patterns in the
    evidence. The subject is never queried.
    """

    evidence: str = EXEMPLARS_AND_SAMPLE
    explanation_class: ClassVar[type[Any]] = RulesExplanation

    def __init__(
        self,
        max_characters: int = 1000,
        depth: int = 6,
        shrinkage: float = 1.0,
        exemplar_weight: float = 0.3,
        evidence: str = EXEMPLARS_AND_SAMPLE,
    ) -> None:
        """Choose how much is said, and how it is learnt.

        Args:
            max_characters: characters that the text may have, values, brackets and line ends
                among them.
            depth: tokens in the longest pattern.
            shrinkage: positions by which the value of a pattern is drawn to zero.
            exemplar_weight: positions of the sample that one of a neuron's exemplars counts as.
            evidence: `exemplars+sample` or `exemplars`.

        Raises:
            BenchmarkError: an option has a value that it cannot have.
        """
        for name, number, least in (
            ("max_characters", max_characters, LEAST_CHARACTERS),
            ("depth", depth, 1),
        ):
            if isinstance(number, bool) or not isinstance(number, int) or number < least:
                raise _wrong(name, number, f"a whole number of at least {least}")
        for name, value in (("shrinkage", shrinkage), ("exemplar_weight", exemplar_weight)):
            real = isinstance(value, int | float) and not isinstance(value, bool)
            if not real or not 0 < value < float("inf"):
                raise _wrong(name, value, "a number above 0")
        self.evidence = checked_evidence(evidence, "rules")
        self.max_characters = max_characters
        self.depth = depth
        self.shrinkage = float(shrinkage)
        self.exemplar_weight = float(exemplar_weight)

    def explain(
        self, evidence: Evidence, subject: SubjectModel
    ) -> list[RulesExplanation | Failure]:
        """Return the rules of each neuron; one whose activations are not finite fails.

        Raises:
            BenchmarkError: the sample was asked for and the evidence has none.
        """
        sample = chosen_sample(evidence, self.evidence, "rules")
        evidence = replace(evidence, sample=sample)
        vocabulary = Vocabulary.of(subject)
        answers: list[RulesExplanation | Failure] = []
        for start in range(0, evidence.n_neurons, AT_ONCE):
            rows = torch.arange(start, min(start + AT_ONCE, evidence.n_neurons))
            answers += self._explain(evidence.select(rows), vocabulary)
        return answers

    def simulate_block(
        self, explanations: Sequence[RulesExplanation], tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos n"]:
        """Simulate all explanations in one walk over the text."""
        return simulate_together(explanations, tokens)

    def _explain(
        self, evidence: Evidence, vocabulary: Vocabulary
    ) -> list[RulesExplanation | Failure]:
        finite = _finite(evidence)
        seen = observe(evidence, self.exemplar_weight)
        for values in (seen.activations, seen.own, seen.centre):
            values[..., ~finite] = 0
        scale = _scales(evidence, finite)
        lowest = _parts(_lowest(seen), scale)
        elsewhere = seen.centre
        lines: list[list[tuple[Line, Seen]]] = [[] for _ in finite]
        families = find_families(seen.tokens, seen.text, self.depth)
        if families:
            lengths = _lengths(vocabulary, int(seen.tokens.max()))
            most = min(MOST_CANDIDATES, max(FEWEST, int(PER_CHARACTER * self.max_characters)))
            candidates = choose_candidates(families, seen, lengths, most, self.shrinkage)
            equations = regression(families, candidates, seen)
            costs = pattern_costs(families, candidates, lengths)
            room = [
                self.max_characters - len(first_line(maximum, -MOST, low))
                for maximum, low in zip(scale.tolist(), lowest.tolist(), strict=True)
            ]
            grown = grow(equations, costs, scale, torch.tensor(room), self.shrinkage)
            fitted = [
                fitting(of_neuron, characters, vocabulary)
                for of_neuron, characters in zip(
                    lines_of(grown, families, candidates), room, strict=True
                )
            ]
            fires = _fires(seen, evidence.firing_threshold.cpu())
            lines, beside = judged(fitted, scale, families, candidates, equations, seen, fires)
            elsewhere = seen.centre + beside
        base = _parts(elsewhere, scale)
        answers: list[RulesExplanation | Failure] = []
        for row in range(len(finite)):
            if not finite[row]:
                answers.append(Failure("the evidence has activations that are not finite"))
                continue
            rules = [line.rule() for line, _ in lines[row]]
            numbers = float(scale[row]), int(base[row]), min(int(base[row]), int(lowest[row]))
            told = [each for _, each in lines[row]]
            answers.append(RulesExplanation.made(*numbers, rules, vocabulary, told))
        return answers


def _finite(evidence: Evidence) -> Bool[Tensor, " n"]:
    """Tell for which neurons all numbers of the evidence are finite."""
    known = evidence.max_activation.isfinite() & evidence.mean_activation.isfinite()
    known &= evidence.exemplars.activations.isfinite().flatten(1).all(1)
    if evidence.sample is not None:
        known &= evidence.sample.activations.isfinite().flatten(0, 1).all(0)
    return known.cpu()


def _scales(evidence: Evidence, finite: Bool[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return the largest activations with the digits that are shown; 1 where there is none."""
    scales = evidence.max_activation.float().cpu()
    scales = scales.masked_fill(~finite | (scales <= 0), 1.0)
    return torch.tensor([float(f"{scale:.4g}") for scale in scales.tolist()])


def _lowest(seen: Observations) -> Float[Tensor, " n"]:
    """Return what a thousandth of the activations lies below, raw units."""
    values = seen.activations if seen.has_sample else seen.own
    if not len(values):
        return seen.centre
    values = values[:: max(1, len(values) // POSITIONS)]
    place = max(1, int(BELOW_FLOOR * len(values)))
    return values.kthvalue(place, dim=0).values + seen.centre


def _parts(values: Float[Tensor, " n"], scale: Float[Tensor, " n"]) -> Int[Tensor, " n"]:
    """Return raw activations as thousandths of the largest ones."""
    return (1000 * values / scale).round().long().clamp(-MOST, MOST)


def _fires(seen: Observations, threshold: Float[Tensor, " n"]) -> Bool[Tensor, "positions n"]:
    """Tell where each neuron fires: in the sample, or without one in its exemplars."""
    values = seen.activations if seen.has_sample else seen.own
    return values + seen.centre >= threshold


def _lengths(vocabulary: Vocabulary, last: int) -> Int[Tensor, " tokens"]:
    """Return the characters of each token up to the last one."""
    return torch.tensor([len(vocabulary.spell(token)) for token in range(last + 1)])


def _wrong(name: str, value: object, wanted: str) -> BenchmarkError:
    return BenchmarkError(f"{name} of rules must be {wanted}, not {value}.")
