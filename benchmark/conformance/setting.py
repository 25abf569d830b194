"""Setting of a check: a block of evidence, and text to simulate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from benchmark.config.run_config import RunConfig
from benchmark.conformance.files import Closed
from benchmark.conformance.watching import WatchedSubject, windows
from benchmark.evaluation.experiment import open_experiment
from benchmark.evidence import EvidenceStore
from benchmark.interface import Evidence, ExplainText

# Contexts of each kind that explanations simulate.
N_TEXTS = 6
# A run of so many tokens that occurs in held-out text alone was taken from there.
WINDOW = 16


@dataclass(frozen=True)
class Setting:
    """A subject, the evidence of some of its neurons, and text.

    Attributes:
        config: the configuration that names the explainer.
        subject: notes what it is asked.
        evidence: the block, with exemplars and sample.
        texts: contexts to simulate, held-out ones first, `[batch, pos]`.
        store: everything measured.
        explain_text: the text of the `explain` split, for an explainer that learns from it.
    """

    config: RunConfig
    subject: WatchedSubject
    evidence: Evidence
    texts: Int[Tensor, "batch pos"]
    store: EvidenceStore
    explain_text: ExplainText

    @property
    def control(self) -> bool:
        """Return whether the explainer bounds the scale and so may look at the truth."""
        return bool(self.config.explainer.get("control", False))

    @cached_property
    def closed(self) -> Closed:
        """Return the files that are not the explainer's."""
        return Closed(self.config, self.store.cache)

    @cached_property
    def held_out(self) -> set[bytes]:
        """Return the n-grams that occur in held-out text alone."""
        return self._windows("held_out") - self._windows("explain")

    @property
    def width(self) -> int:
        """Return the length of these n-grams."""
        return min(WINDOW, self.config.context_length)

    def _windows(self, split: str) -> set[bytes]:
        return windows(self.store.corpus.splits[split].tokens, self.width)

    def neuron(self, row: int) -> str:
        """Return the name of a neuron of the block, such as `0.12`."""
        return f"{self.evidence.layer}.{int(self.evidence.neurons[row])}"


def make_setting(config: RunConfig) -> Setting:
    """Load subject and corpus and measure the evidence of the first block of neurons."""
    experiment = open_experiment(config)
    block = experiment.blocks()[0]
    experiment.store.prepare([block])
    evidence = experiment.store.evidence(block)
    texts = [experiment.store.held_out.tokens[:N_TEXTS], evidence.exemplars.tokens[:N_TEXTS, 0]]
    return Setting(
        config,
        WatchedSubject(experiment.subject),
        evidence,
        torch.cat(texts),
        experiment.store,
        experiment.explain_text(),
    )
