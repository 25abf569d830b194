"""N2G explainer: prune, saliency, augment and trie, for all neurons of a block together."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.interface import EXEMPLARS, Evidence, Failure, SubjectModel
from benchmark.token_text import visible_token
from benchmark.vocabulary import Vocabulary
from explainers.float32 import shortest
from explainers.n2g.augment import augment, further_examples
from explainers.n2g.counts import Counts, count_exemplars
from explainers.n2g.examples import Example, Examples
from explainers.n2g.explanation import N2GExplanation
from explainers.n2g.pivots import Pivots, chosen_exemplars, find_pivots
from explainers.n2g.prompts import measure_prompts, prompts_of
from explainers.n2g.prune import Pruned, prune
from explainers.n2g.saliency import measure_saliency
from explainers.n2g.settings import Settings
from explainers.n2g.simulate import simulate_tries
from explainers.n2g.substitutes import Substitute
from explainers.n2g.trie import Path, build_paths
from explainers.proposers import MASKED_MODEL, Proposer, Proposers
from explainers.queries import SubjectQueries


class N2G:
    """Neuron to Graph (Foote et al. 2023, arXiv 2305.19911): a neuron as a trie of patterns.

    Every strong token of an exemplar is a pivot, which is pruned to the shortest context that
    keeps its activation; saliency tells the tokens that matter from those that do not; likely
    substitutes of important tokens are tried; every token that fires in what comes of it goes into
    a trie that is read backwards from it, with the activation that the exemplar had.

    docs/n2g.md lists where the defaults differ from the authors' code.
    """

    evidence: str = EXEMPLARS
    explanation_class: ClassVar[type[Any]] = N2GExplanation

    def __init__(
        self, augmenter: str = "subject", masked_model: str = MASKED_MODEL, **thresholds: Any
    ) -> None:
        """Choose the source of substitutes and the thresholds.

        Args:
            augmenter: `subject`, `distilbert` or `none`.
            masked_model: for `distilbert`, the repository id or folder of a masked language model.
            thresholds: see `Settings`.

        Raises:
            BenchmarkError: an option has a value that it cannot have.
        """
        self.settings = Settings(**thresholds)
        self.proposers = Proposers(
            augmenter, masked_model, self.settings.substitutes, ("augmenter", "n2g")
        )

    def explain(self, evidence: Evidence, subject: SubjectModel) -> list[N2GExplanation | Failure]:
        """Return one trie per neuron, with the numbers that its text shows.

        Raises:
            BenchmarkError: as `measured`.
        """
        vocabulary = Vocabulary.of(subject)
        return [
            one if isinstance(one, Failure) else one.as_shown(vocabulary)
            for one in self.measured(evidence, subject)
        ]

    def measured(self, evidence: Evidence, subject: SubjectModel) -> list[N2GExplanation | Failure]:
        """Return one trie per neuron, with all digits; one that does not fire fails.

        Raises:
            BenchmarkError: the augmenter cannot be had, or the mask token is none of the subject's.
        """
        proposer = self.proposers.of(subject)  # first: without it all else would be for nothing
        queries = self._queries(evidence, subject)
        maxima = evidence.max_activation.float().cpu().numpy()
        pivots = find_pivots(evidence.exemplars, maxima, evidence.bos, self.settings)
        pruned = prune(pivots.anchored, evidence.bos, queries, self.settings)
        examples, substitutes = self._examples(pivots, pruned, evidence, queries, proposer)
        k = evidence.exemplars.tokens.shape[1]
        counts = count_exemplars(
            np.full(len(maxima), k),
            chosen_exemplars(k, self.settings.exemplars),
            pivots,
            pruned,
            np.ones(len(pivots.exemplars), dtype=bool),
            examples,
        )
        tries = self._tries(examples, len(maxima))
        return self._explanations(tries, maxima, counts, substitutes, subject)

    def simulate_block(
        self, explanations: Sequence[N2GExplanation], tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos n"]:
        """Simulate all tries in one walk, equal to one by one."""
        found = simulate_tries(
            [one.paths for one in explanations],
            [one.max_activation for one in explanations],
            [one.default for one in explanations],
            tokens.cpu().numpy(),
            [one.match for one in explanations],
        )
        return torch.from_numpy(found).to(tokens.device).permute(1, 2, 0)

    def _queries(self, evidence: Evidence, subject: SubjectModel) -> SubjectQueries:
        mask = self.settings.mask_token
        if mask is None:
            mask = default_mask(subject)
        elif mask >= subject.d_vocab:
            raise BenchmarkError(
                f"mask_token={mask} of n2g is no token of '{subject.name}', whose ids are 0 to "
                f"{subject.d_vocab - 1}; leave it out for the default."
            )
        return SubjectQueries(subject, evidence.layer, evidence.neurons, mask)

    def _examples(
        self,
        pivots: Pivots,
        pruned: Pruned,
        evidence: Evidence,
        queries: SubjectQueries,
        proposer: Proposer | None,
    ) -> tuple[list[Example], list[list[Substitute]]]:
        """Make the examples of pruned prompts and of their substituted ones, with importances.

        Returns:
            The examples, and for each neuron the substitutes that were tried.
        """
        settings, bos = self.settings, evidence.bos
        maxima = evidence.max_activation.float().cpu().numpy()
        texts = list(evidence.exemplars.tokens.cpu().numpy())
        text_of = None
        if settings.after_sentence:
            text_of = functools.cache(lambda token: str(queries.subject.tokenizer.decode([token])))
        prompts = prompts_of(pivots, pruned, bos, settings, text_of)
        known = Examples(prompts, measure_prompts(prompts, queries), maxima, bos, settings)
        # A pivot that is too weak to enter only matters for what can be put into its context.
        examples = [one for one in known.all() if one.values or proposer is not None]
        measure_saliency(examples, maxima, texts, queries, settings)
        if proposer is None:
            return examples, [[] for _ in maxima]
        variants, substitutes = augment(prompts, known, maxima, queries, proposer, settings)
        further = further_examples(variants, known, maxima, bos, texts, queries, settings)
        return [*examples, *further], substitutes

    def _tries(self, examples: Sequence[Example], n: int) -> list[tuple[Path, ...]]:
        by_neuron: list[list[Example]] = [[] for _ in range(n)]
        for example in examples:
            by_neuron[example.owner].append(example)
        return [build_paths(members, self.settings) for members in by_neuron]

    def _explanations(
        self,
        tries: Sequence[tuple[Path, ...]],
        maxima: Float[np.ndarray, " n"],
        counts: Sequence[Counts],
        substitutes: Sequence[Sequence[Substitute]],
        subject: SubjectModel,
    ) -> list[N2GExplanation | Failure]:
        """Return tries with the text of their tokens, which is decoded for a person alone."""
        text_of = functools.cache(functools.partial(visible_token, subject.tokenizer))
        results: list[N2GExplanation | Failure] = []
        for paths, maximum, count, tried in zip(
            tries, maxima.tolist(), counts, substitutes, strict=True
        ):
            if not np.isfinite(maximum) or maximum <= 0:
                results.append(Failure("the neuron never fires on the explain split"))
                continue
            results.append(
                N2GExplanation(
                    shortest(maximum),
                    paths,
                    counts=count,
                    substitutes=tuple(tried),
                    bos=subject.bos,
                    texts=texts_of(paths, tried, subject.bos, text_of),
                    match=self.settings.match,
                )
            )
        return results


def default_mask(subject: SubjectModel) -> int:
    """Return the tokenizer's padding token, or BOS where it names none.

    The authors' code masks with id 1, the padding token of their models' tokenizer; that of
    solu-tiny has none.
    """
    padding = getattr(subject.tokenizer, "pad_token_id", None)
    return padding if isinstance(padding, int) and 0 <= padding < subject.d_vocab else subject.bos


def texts_of(
    paths: Sequence[Path],
    substitutes: Sequence[Substitute],
    bos: int,
    text_of: Callable[[int], str],
) -> dict[int, str]:
    """Return the text of every token of an explanation."""
    ids = {token for path in paths for token in path.tokens}
    ids |= {token for one in substitutes for token in (*one.original, *one.replacement)}
    return {token: text_of(token) for token in sorted(ids) if token >= 0 and token != bos}
