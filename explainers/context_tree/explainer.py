"""Context tree explainer: statistics of the n-grams of the sample and the exemplars."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.files.explanation_size import explanation_bytes
from benchmark.interface import (
    EXEMPLARS_AND_SAMPLE,
    SAMPLE,
    Evidence,
    Failure,
    SubjectModel,
    includes,
)
from benchmark.token_text import visible_token
from benchmark.vocabulary import Vocabulary
from explainers.context_tree.budget import (
    BYTES_PER_NODE,
    CHARACTERS_PER_NODE,
    FULL_OF_BYTES,
    FULL_OF_CHARACTERS,
    characters,
    nodes_within,
)
from explainers.context_tree.explanation import ContextTreeExplanation, simulate_together
from explainers.context_tree.fit import Candidates, FittedTree, Options, find_candidates, fit_tree
from explainers.context_tree.statistics import observe, observed_suffixes
from explainers.context_tree.summary import summarise
from explainers.context_tree.text import TextWriter
from explainers.evidence_option import checked_evidence, chosen_sample

# Neurons whose statistics are in memory at once.
AT_ONCE = 64
LEAST_BYTES, LEAST_CHARACTERS = 256, 64
# Values of a complete text are so many times coarser: fewer that differ take fewer characters.
TEXT_STEPS = 3


class ContextTree:
    """Explain a neuron by its mean activation after every n-gram of the evidence.

    A node of the tree is an n-gram that ends at the current one; its value is the mean
    activation there, shrunk towards that of the n-gram without its earliest token, and the longest
    n-gram that is known decides. The n-grams are those of the
    whole block. The subject is never queried.

    With `evidence=exemplars` there is no position at which a neuron was seen by chance: exemplars
    are chosen because it fires in them, so a mean over their positions says too much. Three things
    keep that in bounds. The root is not estimated from them: it is the neuron's mean over the
    whole `explain` split, which evidence gives in any case. An n-gram's mean is shrunk towards it,
    one position of an exemplar counting as `exemplar_weight` of one drawn by chance (.3, so that
    an n-gram seen once in an exemplar goes less than a quarter of the way from its parent's
    value). And what stands around the firing tokens of 20 contexts is fairly ordinary text, so
    common tokens are seen at rest there. What remains: an n-gram that was seen firing in every
    exemplar is taken to do so wherever it occurs.
    """

    evidence: str = EXEMPLARS_AND_SAMPLE
    explanation_class: ClassVar[type[Any]] = ContextTreeExplanation

    def __init__(
        self,
        depth: int = 8,
        shrinkage: float | Sequence[float] = 1.0,
        min_count: float = 0.0,
        exemplar_weight: float = 0.3,
        least_gain: float = 1e-7,
        step: float = 0.1,
        max_bytes: int | None = 16_384,
        max_characters: int | None = None,
        evidence: str = EXEMPLARS_AND_SAMPLE,
    ) -> None:
        """Choose how the tree is fitted.

        Args:
            depth: tokens in the longest n-gram.
            shrinkage: how strongly a node's value is drawn to its parent's, in positions: for
                every length of n-gram, or one list entry a length, the last for all longer ones.
            min_count: an n-gram seen less often has no node; an exemplar's position counts as
                `exemplar_weight` of one.
            exemplar_weight: positions of the sample that one of a neuron's exemplars counts as.
            least_gain: a node that removes less than this part of the activation's squared
                deviation is left out.
            step: values are multiples of this part of the activation's standard deviation; with
                `max_characters` of three times as much.
            max_bytes: bytes that an explanation may take, as `explanation_bytes` counts them (its
                compressed size, without what is for people); None for any number.
            max_characters: characters that the complete text of an explanation may take, besides
                `max_bytes`: `describe` then shows the whole tree, of the n-grams that remove
                most squared error per character. None: the tree is not shown as a whole.
            evidence: `exemplars+sample` or `exemplars`.

        Raises:
            BenchmarkError: an option has a value that it cannot have.
        """
        listed = list(shrinkage) if isinstance(shrinkage, Sequence) else [shrinkage]
        if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
            raise _wrong("depth", depth, "a whole number of at least 1")
        if not listed or any(not _is_number(each) or each <= 0 for each in listed):
            raise _wrong("shrinkage", shrinkage, "a number above 0, or a list of such")
        for name, value in (
            ("min_count", min_count),
            ("exemplar_weight", exemplar_weight),
            ("least_gain", least_gain),
        ):
            if not _is_number(value) or value < 0:
                raise _wrong(name, value, "a number of at least 0")
        if not _is_number(step) or not 0 < step <= 1:
            raise _wrong("step", step, "a number above 0 and at most 1")
        for name, budget, least in (
            ("max_bytes", max_bytes, LEAST_BYTES),
            ("max_characters", max_characters, LEAST_CHARACTERS),
        ):
            whole = isinstance(budget, int) and not isinstance(budget, bool)
            if budget is not None and (not whole or budget < least):
                raise _wrong(name, budget, f"null or a whole number from {least} on")
        self.evidence = checked_evidence(evidence, "context_tree")
        if not includes(self.evidence, SAMPLE) and not exemplar_weight:
            raise _wrong("exemplar_weight", exemplar_weight, "above 0 with evidence=exemplars")
        self.depth = depth
        self.max_bytes = max_bytes
        self.max_characters = max_characters
        self.options = Options(
            shrinkage=tuple(float(listed[min(at, len(listed) - 1)]) for at in range(depth)),
            min_count=float(min_count),
            least_gain=float(least_gain),
            exemplar_weight=float(exemplar_weight),
            step=float(step),
        )

    def explain(
        self, evidence: Evidence, subject: SubjectModel
    ) -> list[ContextTreeExplanation | Failure]:
        """Return one tree per neuron; a neuron whose activations are not finite fails.

        Raises:
            BenchmarkError: the sample was asked for and the evidence has none.
        """
        sample = chosen_sample(evidence, self.evidence, "context_tree")
        evidence = replace(evidence, sample=sample)
        seen = observe(evidence, self.options.exemplar_weight > 0)
        suffixes = observed_suffixes(seen, self.depth)
        text_of = functools.cache(functools.partial(visible_token, subject.tokenizer))
        writer, costs = None, None
        if self.max_characters is not None:
            writer = TextWriter(Vocabulary.of(subject))
            costs = characters(suffixes, writer.lengths)
        explanations: list[ContextTreeExplanation | Failure] = []
        for start in range(0, evidence.n_neurons, AT_ONCE):
            part = slice(start, min(start + AT_ONCE, evidence.n_neurons))
            for candidates in find_candidates(suffixes, seen, part, self.options, costs):
                if not np.isfinite([candidates.centre, candidates.total, candidates.spread]).all():
                    explanations.append(Failure("the evidence has activations that are not finite"))
                elif writer is not None:
                    explanations.append(self._readable(candidates, writer))
                else:
                    explanations.append(self._explanation(candidates, text_of))
        return explanations

    def simulate_block(
        self, explanations: Sequence[ContextTreeExplanation], tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos n"]:
        """Simulate all trees at once: the n-grams of the text are found once."""
        return simulate_together(explanations, tokens)

    def _explanation(
        self, candidates: Candidates, text_of: Callable[[int], str]
    ) -> ContextTreeExplanation:
        def fitted(most: int) -> tuple[FittedTree, ContextTreeExplanation]:
            tree = fit_tree(candidates, candidates.best(most), self.options)
            return tree, ContextTreeExplanation(tree.root, tree.step, tree.levels)

        tree, explanation = fitted(
            self._within_bytes(lambda n: fitted(n)[1], len(candidates.nodes))
        )
        return replace(explanation, shown=summarise(candidates, tree, text_of))

    def _readable(self, candidates: Candidates, writer: TextWriter) -> ContextTreeExplanation:
        """Return the largest tree whose complete text fits."""
        assert self.max_characters is not None
        step = TEXT_STEPS * self.options.step * candidates.spread

        def fitted(most: int) -> ContextTreeExplanation:
            tree = fit_tree(candidates, candidates.best(most), self.options, step)
            text = writer.write(tree.root, tree.step, tree.levels)
            return ContextTreeExplanation(tree.root, tree.step, tree.levels, text=text)

        most = nodes_within(
            lambda n: len(fitted(n).describe()),
            len(candidates.nodes),
            self.max_characters,
            CHARACTERS_PER_NODE,
            FULL_OF_CHARACTERS,
        )
        return fitted(self._within_bytes(fitted, most))

    def _within_bytes(self, fitted: Callable[[int], ContextTreeExplanation], most: int) -> int:
        """Return how many of at most `most` nodes there is room for in `max_bytes`."""
        if self.max_bytes is None:
            return most
        return nodes_within(
            lambda n: explanation_bytes(fitted(n).to_dict()),
            most,
            self.max_bytes,
            BYTES_PER_NODE,
            FULL_OF_BYTES,
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)


def _wrong(name: str, value: object, wanted: str) -> BenchmarkError:
    return BenchmarkError(f"{name} of context_tree must be {wanted}, not {value}.")
