"""Local search explainer: prune exemplars, substitute words, for all neurons of a block."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.interface import EXEMPLARS, Evidence, Failure, SubjectModel
from benchmark.token_text import text_within, visible_within
from explainers.anchors import Anchored, anchored, firing
from explainers.evidence_option import checked_evidence
from explainers.float32 import shortest
from explainers.local_search.examples import Example, examples_of
from explainers.local_search.explanation import LocalSearchExplanation
from explainers.local_search.prune import prune
from explainers.local_search.search import search
from explainers.local_search.settings import Settings
from explainers.local_search.simulate import simulate_patterns
from explainers.proposers import MASKED_MODEL, Proposers
from explainers.queries import SubjectQueries
from explainers.sample_contexts import learnt_contexts
from explainers.shown_texts import shown_texts


class LocalSearch:
    """Explains a neuron by minimal activating examples and what their words may be replaced by.

    "Investigating Neuron Behaviour via Dataset Example Pruning and Local Search" (Foote et al.
    2022). Each exemplar is pruned to the shortest context in which the neuron keeps enough of its
    activation; then each word of what is left is substituted in turn: what keeps the activation is
    a positive example, what breaks it a negative one. The report's substitutes are BERT's
    predictions (`proposer=distilbert`, from the hub); the subject's own, which see only what
    stands to the left, are the default because they need no second model.

    The report stops at that table. Here it also simulates: each example is a pattern of slots, and
    a text is compared with what was seen to keep and to break the activation in each. Where a slot
    holds what was never tried, it counts by the share of what was tried there that kept the
    activation: a slot where everything did is a wildcard, one where nothing did needs its word. A
    slot that was never tried at all (a stop word, say) needs its word if it is the activating one,
    and elsewhere counts as the neuron's other slots do on average.
    """

    evidence: str = EXEMPLARS
    explanation_class: ClassVar[type[Any]] = LocalSearchExplanation

    def __init__(
        self,
        proposer: str = "subject",
        masked_model: str = MASKED_MODEL,
        evidence: str = EXEMPLARS,
        **thresholds: Any,
    ) -> None:
        """Choose the source of substitutes, the evidence and the thresholds.

        Args:
            proposer: `subject`, `distilbert` (a masked language model, as in the report) or `none`.
            masked_model: for `distilbert`, the repository id or folder of a masked language model;
                the report's is BERT.
            evidence: `exemplars`, as in the report, or `exemplars+sample`, which prunes contexts
                of the sample too (see `learnt_contexts`).
            thresholds: see `Settings`.

        Raises:
            BenchmarkError: an option has a value that it cannot have.
        """
        self.evidence = checked_evidence(evidence, "local_search")
        self.settings = Settings(**thresholds)
        self.proposers = Proposers(
            proposer, masked_model, self.settings.substitutes, ("proposer", "local_search")
        )

    def explain(
        self, evidence: Evidence, subject: SubjectModel
    ) -> list[LocalSearchExplanation | Failure]:
        """Return the examples of each neuron; one that never fires fails.

        Raises:
            BenchmarkError: the proposer cannot be loaded, or there is no sample to learn from.
        """
        evidence = learnt_contexts(evidence, self.evidence, "local_search")
        queries = SubjectQueries(subject, evidence.layer, evidence.neurons)
        maxima = evidence.max_activation.float().cpu().numpy()
        used = firing(anchored(evidence.exemplars), maxima, self.settings.activation_threshold)
        used = used.select(np.flatnonzero(np.isfinite(used.activations)))
        text_of = functools.cache(functools.partial(text_within, subject.tokenizer))
        pruned = prune(used, evidence.bos, queries, self.settings)
        examples = examples_of(used, pruned, len(maxima), self.settings.window)
        found = search(
            examples, evidence.bos, queries, self.proposers.of(subject), text_of, self.settings
        )
        return self._explanations(found, used, evidence, subject)

    def simulate_block(
        self, explanations: Sequence[LocalSearchExplanation], tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos n"]:
        """Simulate all neurons' patterns together, equal to one by one."""
        result = torch.empty(*tokens.shape, len(explanations), device=tokens.device)
        options = [(one.bos, one.least) for one in explanations]
        for bos, least in set(options):  # one, unless explanations of several runs are mixed
            columns = [at for at, other in enumerate(options) if other == (bos, least)]
            members = [explanations[at] for at in columns]
            found = simulate_patterns(
                [one.patterns for one in members],
                [one.resting for one in members],
                tokens.cpu().numpy(),
                bos,
                least,
            )
            if len(columns) == len(explanations):
                return torch.from_numpy(found).to(tokens.device)
            result[..., columns] = torch.from_numpy(found).to(tokens.device)
        return result

    def _explanations(
        self,
        examples: Sequence[Sequence[Example]],
        used: Anchored,
        evidence: Evidence,
        subject: SubjectModel,
    ) -> list[LocalSearchExplanation | Failure]:
        resting = evidence.mean_activation.float()
        if self.settings.resting == "zero":
            resting = torch.zeros_like(resting)
        counts = np.bincount(used.owners, minlength=len(examples)).tolist()
        text_of = functools.cache(functools.partial(visible_within, subject.tokenizer))
        results: list[LocalSearchExplanation | Failure] = []
        maxima = map(shortest, evidence.max_activation.tolist())
        rests = map(shortest, resting.tolist())
        for own, maximum, rest, count in zip(examples, maxima, rests, counts, strict=True):
            if not np.isfinite([maximum, rest]).all() or maximum <= 0:
                results.append(Failure("the neuron never fires on the explain split"))
                continue
            one = LocalSearchExplanation(
                maximum, rest, tuple(own), count, self.settings.least, evidence.bos
            )
            results.append(replace(one, texts=shown_texts(one.describe_with, text_of)))
        return results
