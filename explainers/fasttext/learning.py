"""Learning of a language: from the `explain` split, the sample, or a neuron's exemplars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from benchmark.interface import Evidence, Storage, SubjectModel
from explainers.fasttext.joints import Joints, token_texts
from explainers.fasttext.language import Language, Text
from explainers.fasttext.training import Training, trained
from explainers.fasttext.vectors import Vectors

CORPUS = "corpus"


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The tokens of a subject.

    Attributes:
        bos: the token that is no word.
        joints: which tokens join.
        texts: the text of every token id.
    """

    bos: int
    joints: Joints
    texts: Sequence[str]

    @classmethod
    def of(cls, tokenizer: Any, d_vocab: int, bos: int) -> Vocabulary:
        """Read all tokens of a tokenizer."""
        texts = token_texts(tokenizer, d_vocab)
        return cls(bos, Joints.of(texts, bos), texts)


class Learner:
    """Reads text and gives its words vectors, trained on it or pretrained.

    Args:
        vectors: `corpus`, a file or folder, or a repository of the hub.
        training: how vectors are trained, for `corpus`.
    """

    def __init__(self, vectors: str, training: Training) -> None:
        self._source = vectors
        self._training = training
        self._pretrained: Vectors | None = None
        self._of_sample: tuple[Int[Tensor, "m ctx"], Language] | None = None

    def read(
        self,
        tokens: Int[np.ndarray, "n ctx"],
        vocabulary: Vocabulary,
        source: str,
        storage: Storage | None = None,
    ) -> Language:
        """Learn a language from contexts.

        Args:
            tokens: the contexts.
            vocabulary: the subject's.
            source: what the text is called.
            storage: where trained vectors are kept.

        Raises:
            BenchmarkError: pretrained vectors cannot be read.
        """
        text = Text.read(tokens, vocabulary.bos, vocabulary.joints, vocabulary.texts)
        if self._source == CORPUS:
            return Language(text, trained(text, self._training, source, storage))
        if self._pretrained is None:
            from explainers.fasttext.pretrained import pretrained

            self._pretrained = pretrained(self._source)
        return Language(text, self._pretrained, trained=False)

    def from_evidence(self, evidence: Evidence, subject: SubjectModel) -> list[Language]:
        """Learn from evidence without the text of the `explain` split: a language per neuron.

        With a sample all neurons have the one of its text. Without, each has that of its own
        exemplars, so that no neuron's words depend on which others are explained with it.
        """
        vocabulary = Vocabulary.of(subject.tokenizer, subject.d_vocab, evidence.bos)
        if evidence.sample is not None:
            language = self._sampled(evidence.sample.tokens, vocabulary)
            return [language] * evidence.n_neurons
        exemplars = evidence.exemplars.tokens.cpu().numpy()
        return [self.read(own, vocabulary, "its exemplars") for own in exemplars]

    def _sampled(self, tokens: Int[Tensor, "m ctx"], vocabulary: Vocabulary) -> Language:
        # The sample is the same for all blocks of a run: it is learnt from once.
        if self._of_sample is None or not torch.equal(self._of_sample[0], tokens):
            language = self.read(tokens.cpu().numpy(), vocabulary, "the sample")
            self._of_sample = (tokens, language)
        return self._of_sample[1]
