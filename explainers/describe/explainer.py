"""Explainer by description: another explainer's structure, said in one sentence."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError, unknown
from benchmark.interface import (
    SAMPLE,
    Evidence,
    Explained,
    Explainer,
    ExplainText,
    Explanation,
    Failure,
    ReadsExplainText,
    Storage,
    SubjectModel,
    includes,
)
from benchmark.vocabulary import Vocabulary
from explainers.describe.choosing import Observed, choose_clues
from explainers.describe.explanation import LEVELS, Description, simulate_together
from explainers.describe.positions import Positions
from explainers.describe.structure import Ngram, ngrams_of
from explainers.describe.text import MOST, TENTHS, Clue

LEAST_CHARACTERS = 60
# Positions of the sample that one of a neuron's exemplars counts as.
EXEMPLAR_WEIGHT = 0.3
# Characters of a clue beside its tokens, about: quotes, comma, part of a level; `after`.
OF_A_CLUE, OF_A_CONTEXT = 8, 9

KNOWN: Mapping[str, str] = {
    "context_tree": "explainers.context_tree.ContextTree",
    "fasttext": "explainers.fasttext.FastText",
    "local_search": "explainers.local_search.LocalSearch",
    "max_examples": "explainers.max_examples.MaxExamples",
    "n2g": "explainers.n2g.N2G",
    "n2g_plus": "explainers.n2g.N2GPlus",
    "rules": "explainers.rules.Rules",
    "token_lookup": "explainers.token_lookup.TokenLookup",
}
"""Explainers by name; another one is given by its class, and offers a neuron graph."""


class Describe:
    """Say in one sentence what another explainer found, without a language model.

    The tokens and contexts that the other explanation is about are its candidates; those that say
    most in the evidence per character are taken, each with the neuron's mean activation there as a
    level of 0 to 10. The sentence is all that predicts.
    """

    explanation_class: ClassVar[type[Any]] = Description

    def __init__(
        self,
        of: str | Explainer = "context_tree",
        max_characters: int = 200,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Choose whose structure is said, and in how many characters.

        Args:
            of: an explainer by name, or in Python any that offers a neuron graph.
            max_characters: characters that the sentence may have.
            options: of the explainer that is named.

        Raises:
            BenchmarkError: an option has a value that it cannot have.
        """
        if isinstance(max_characters, bool) or not isinstance(max_characters, int):
            raise BenchmarkError(f"max_characters of describe is no number: {max_characters!r}.")
        if max_characters < LEAST_CHARACTERS:
            raise BenchmarkError(
                f"max_characters of describe must be at least {LEAST_CHARACTERS}, "
                f"not {max_characters}."
            )
        self.inner = _made(of, options or {}) if isinstance(of, str) else of
        if not isinstance(self.inner, Explainer):
            raise BenchmarkError(f"of of describe is no explainer: {self.inner!r:.80}.")
        self.evidence = self.inner.evidence
        self.max_characters = max_characters

    def prepare(self, text: ExplainText, storage: Storage) -> None:
        """Let an inner explainer that learns from the `explain` split do so."""
        if isinstance(self.inner, ReadsExplainText):
            self.inner.prepare(text, storage)

    def explain(
        self, evidence: Evidence, subject: SubjectModel
    ) -> list[Description | Failure | Explained]:
        """Return a sentence for each neuron that the inner explainer explains."""
        vocabulary = Vocabulary.of(subject)
        given = [Explained.of(one) for one in self.inner.explain(evidence, subject)]
        sample = evidence.sample if includes(self.evidence, SAMPLE) else None
        evidence = replace(evidence, sample=sample)
        shared = None if sample is None else Positions(sample.tokens.cpu().numpy())
        answers: list[Description | Failure | Explained] = []
        for row, one in enumerate(given):
            answer = (
                one.answer
                if isinstance(one.answer, Failure)
                else self._described(one.answer, evidence, row, shared, vocabulary)
            )
            answers.append(Explained(answer, one.costs) if one.costs else answer)
        return answers

    def simulate_block(
        self, explanations: Sequence[Description], tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos n"]:
        """Simulate all sentences in one walk over the text."""
        return simulate_together(explanations, tokens)

    def _described(
        self,
        explanation: Explanation,
        evidence: Evidence,
        row: int,
        shared: Positions | None,
        vocabulary: Vocabulary,
    ) -> Description | Failure:
        ngrams = ngrams_of(explanation)
        if ngrams is None:
            raise BenchmarkError(
                f"explainer=describe cannot say what a {type(explanation).__name__} is about; it "
                f"knows {', '.join(KNOWN)}, and explanations that offer a neuron graph."
            )
        maximum = float(evidence.max_activation[row])
        maximum = float(f"{maximum:.4g}") if maximum > 0 else 1.0
        mean = float(evidence.mean_activation[row])
        activations, weights = _observations(evidence, row)
        if not all(np.isfinite(each).all() for each in (activations, maximum, mean)):
            return Failure("the evidence has activations that are not finite")
        level = functools.partial(_level, scale=maximum / LEVELS)
        n_drawn = 0 if shared is None else len(shared)
        observed = Observed(
            activations, weights, n_drawn, mean, lambda value: level(value) * maximum / LEVELS
        )

        def sentence(said: Mapping[Ngram, float]) -> Description:
            clues = [Clue(level(value), ngram) for ngram, value in said.items()]
            clues.sort(key=lambda one: -one.level)
            return Description.made(maximum, level(observed.elsewhere, step=1), clues, vocabulary)

        taken = choose_clues(
            ngrams,
            _finder(shared, evidence.exemplars.tokens[row]),
            observed,
            functools.partial(_characters, vocabulary=vocabulary),
            lambda said: len(sentence(said).text) <= self.max_characters,
        )
        return sentence(taken)


def _made(name: str, options: Mapping[str, Any]) -> Explainer:
    """Make an explainer by its name.

    Raises:
        BenchmarkError: it is not known, or refuses its options.
    """
    if name not in KNOWN:
        raise unknown("of of describe", name, tuple(KNOWN))
    module, _, kind = KNOWN[name].rpartition(".")
    try:
        made: Explainer = getattr(import_module(module), kind)(**options)
    except TypeError as error:
        raise BenchmarkError(f"options of describe do not fit {name}: {error}.") from error
    return made


def _observations(
    evidence: Evidence, row: int
) -> tuple[Float[np.ndarray, " positions"], Float[np.ndarray, " positions"]]:
    """Return activations in the sample and a neuron's exemplars, and what each position counts."""
    tokens, activations = [evidence.exemplars.tokens[row]], [evidence.exemplars.activations[row]]
    weight = [1.0]
    if evidence.sample is not None:
        tokens.insert(0, evidence.sample.tokens)
        activations.insert(0, evidence.sample.activations[..., row])
        weight = [1.0, EXEMPLAR_WEIGHT]
    counted = [
        each * (ids != evidence.bos).double() for each, ids in zip(weight, tokens, strict=True)
    ]
    values, weights = (
        torch.cat([each.cpu().flatten() for each in parts]).double().numpy()
        for parts in (activations, counted)
    )
    # A BOS is never scored, whatever the neuron does there.
    return np.where(weights > 0, values, 0.0), weights


def _finder(
    shared: Positions | None, exemplars: Int[Tensor, "k ctx"]
) -> Callable[[Ngram], Int[np.ndarray, " positions"]]:
    """Return what finds n-grams in the sample and, behind it, a neuron's exemplars."""
    own = Positions(exemplars.cpu().numpy())

    def find(ngram: Ngram) -> Int[np.ndarray, " positions"]:
        if shared is None:
            return own.find(ngram)
        return np.concatenate([shared.find(ngram), len(shared) + own.find(ngram)])

    return find


def _characters(ngram: Ngram, vocabulary: Vocabulary) -> int:
    spelt = sum(len(vocabulary.spell(token)) for token in ngram)
    return spelt + OF_A_CLUE + OF_A_CONTEXT * (len(ngram) > 1)


def _level(value: float, scale: float, step: int = TENTHS) -> int:
    """Return raw units as tenths of a level, in steps; `scale` is a tenth of a level."""
    return max(-MOST, min(MOST, step * round(value / (step * scale))))
