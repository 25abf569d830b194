"""The explainer: prune, saliency, augment, trie, for all neurons of a block together."""

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
from benchmark.visible import visible_token
from explainers.anchored import Anchored, anchored, firing
from explainers.asking import Asking
from explainers.n2g.augment import augment
from explainers.n2g.examples import Example, examples_of
from explainers.n2g.explanation import Counts, N2GExplanation
from explainers.n2g.prune import Pruned, prune
from explainers.n2g.saliency import measure_saliency
from explainers.n2g.settings import Settings
from explainers.n2g.simulate import simulate_tries
from explainers.n2g.substitutes import Substitute
from explainers.n2g.trie import Path, build_paths, single
from explainers.proposers import MASKED_MODEL, Proposers


class N2G:
    """Neuron to Graph (Foote et al. 2023, arXiv 2305.19911): a neuron as a trie of patterns.

    Each exemplar is pruned to the shortest context that keeps the activation; saliency tells the
    tokens that matter from those that do not; likely substitutes of important tokens are tried;
    what still fires goes into a trie that is read backwards from the activating token.
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
        """One trie per neuron; one that does not fire fails.

        Raises:
            BenchmarkError: the augmenter cannot be had, or the mask token is none of the subject's.
        """
        proposer = self.proposers.of(subject)  # first: without it all else would be for nothing
        asking = self._asking(evidence, subject)
        maxima = evidence.max_activation.float().cpu().numpy()
        exemplars = anchored(evidence.exemplars)
        used = firing(exemplars, maxima, self.settings.activation_threshold)
        pruned = prune(used, evidence.bos, asking, self.settings)
        examples = self._examples(used, pruned, evidence, asking, maxima)
        further: list[Example] = []
        substitutes: list[list[Substitute]] = [[] for _ in maxima]
        if proposer is not None:
            further, substitutes = augment(examples, maxima, asking, proposer, self.settings)
        tries = self._tries([*examples, *further], maxima)
        shown = np.full(len(maxima), evidence.exemplars.tokens.shape[1])
        counts = counted(shown, used, pruned)
        return explanations(tries, maxima, counts, substitutes, subject)

    def simulate_block(
        self, explanations: Sequence[N2GExplanation], tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos n"]:
        """All tries in one walk; equal to simulating one by one."""
        found = simulate_tries(
            [one.paths for one in explanations],
            [one.max_activation for one in explanations],
            [one.default for one in explanations],
            tokens.cpu().numpy(),
        )
        return torch.from_numpy(found).to(tokens.device).permute(1, 2, 0)

    def _asking(self, evidence: Evidence, subject: SubjectModel) -> Asking:
        mask = self.settings.mask_token
        if mask is None:
            mask = default_mask(subject)
        elif mask >= subject.d_vocab:
            raise BenchmarkError(
                f"mask_token={mask} of n2g is no token of '{subject.name}', whose ids are 0 to "
                f"{subject.d_vocab - 1}; leave it out for the default."
            )
        return Asking(subject, evidence.layer, evidence.neurons, mask)

    def _examples(
        self,
        used: Anchored,
        pruned: Pruned,
        evidence: Evidence,
        asking: Asking,
        maxima: Float[np.ndarray, " n"],
    ) -> list[Example]:
        examples = examples_of(used, pruned, evidence.bos)
        texts = list(evidence.exemplars.tokens.cpu().numpy())
        measure_saliency(examples, maxima, texts, asking, self.settings)
        return examples

    def _tries(
        self, examples: Sequence[Example], maxima: Float[np.ndarray, " n"]
    ) -> list[tuple[Path, ...]]:
        by_neuron: list[list[Example]] = [[] for _ in maxima]
        for example in examples:
            by_neuron[example.owner].append(example)
        return [
            build_paths(members, maximum, self.settings) if maximum > 0 else ()
            for members, maximum in zip(by_neuron, maxima.tolist(), strict=True)
        ]


def default_mask(subject: SubjectModel) -> int:
    """The tokenizer's padding token, or BOS where it names none.

    The authors' code masks with id 1, the padding token of their models' tokenizer; that of
    solu-tiny has none.
    """
    padding = getattr(subject.tokenizer, "pad_token_id", None)
    return padding if isinstance(padding, int) and 0 <= padding < subject.d_vocab else subject.bos


def counted(shown: Int[np.ndarray, " n"], used: Anchored, pruned: Pruned) -> list[Counts]:
    """What became of each neuron's exemplars, of which it was shown so many."""
    n = len(shown)
    of_neuron = np.bincount(used.owners, minlength=n).tolist()
    whole = np.bincount(used.owners[~pruned.accepted], minlength=n).tolist()
    return [Counts(*numbers) for numbers in zip(shown.tolist(), of_neuron, whole, strict=True)]


def explanations(
    tries: Sequence[tuple[Path, ...]],
    maxima: Float[np.ndarray, " n"],
    counts: Sequence[Counts],
    substitutes: Sequence[Sequence[Substitute]],
    subject: SubjectModel,
) -> list[N2GExplanation | Failure]:
    """Tries with the text of their tokens, which is decoded here and nowhere else."""
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
                single(maximum),
                paths,
                counts=count,
                substitutes=tuple(tried),
                bos=subject.bos,
                texts=texts_of(paths, tried, subject.bos, text_of),
            )
        )
    return results


def texts_of(
    paths: Sequence[Path],
    substitutes: Sequence[Substitute],
    bos: int,
    text_of: Callable[[int], str],
) -> dict[int, str]:
    """How every token of an explanation reads."""
    ids = {token for path in paths for token in path.tokens}
    ids |= {token for one in substitutes for token in (*one.original, *one.replacement)}
    return {token: text_of(token) for token in sorted(ids) if token >= 0 and token != bos}
