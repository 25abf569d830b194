"""FastText explainer: activating words, their coherence, neighbours and similar words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.interface import (
    EVIDENCE_KINDS,
    EXEMPLARS_AND_TEXT,
    TEXT,
    Evidence,
    ExplainText,
    Failure,
    Storage,
    SubjectModel,
    includes,
)
from explainers.evidence_option import checked_evidence, chosen_sample
from explainers.fasttext.activating import Seen, SeenWord, seen_words
from explainers.fasttext.describe import Neighbour, Word
from explainers.fasttext.explanation import FastTextExplanation, simulate_together
from explainers.fasttext.generalise import Kept, fit_floor, make_table
from explainers.fasttext.language import Language
from explainers.fasttext.learning import CORPUS, Learner, Vocabulary
from explainers.fasttext.neighbours import Tried, try_neighbours
from explainers.fasttext.settings import Settings
from explainers.fasttext.training import Training
from explainers.fasttext.vectors import coherence
from explainers.float32 import shortest
from explainers.sample_contexts import learnt_contexts

# Windows of seven tokens: the word, as one however it is split, and three on either side.
BESIDE = 3


class FastText:
    """A neuron as the words that activate it, and the words that FastText finds like them.

    The method of "Automated identification of potential feature neurons": the activating words
    of the exemplars, how coherent they are, and which of their nearest words also activate. A
    token is then predicted from the similarity of its word to the words that were kept.

    Its evidence is more than exemplars: which words there are, how often each occurs and, with
    `vectors=corpus`, their vectors are learnt from the text of the whole `explain` split, without
    activations. By its other kinds of evidence they are learnt from less: from the text of the
    sample, or of each neuron's own exemplars. With the sample, as many contexts of it, across the
    neuron's range of activation, show words besides (see `learnt_contexts`).
    """

    evidence: str = EXEMPLARS_AND_TEXT
    explanation_class: ClassVar[type[Any]] = FastTextExplanation

    def __init__(
        self, vectors: str = CORPUS, evidence: str = EXEMPLARS_AND_TEXT, **options: Any
    ) -> None:
        """Choose the vectors, the evidence and the thresholds.

        Args:
            vectors: `corpus`, to train them on the text of the evidence; a `.bin` or `.vec` file,
                or a folder with one; or a repository of the hub.
            evidence: `exemplars+text`, `exemplars`, `exemplars+sample` or
                `exemplars+sample+text`.
            options: see `Settings` and, for `corpus`, `Training`.

        Raises:
            BenchmarkError: an option has a value that it cannot have.
        """
        if not isinstance(vectors, str) or not vectors.strip():
            raise BenchmarkError(
                f"vectors of fasttext must be '{CORPUS}', a file or a repository, not {vectors!r}."
            )
        self.evidence = checked_evidence(evidence, "fasttext", EVIDENCE_KINDS)
        of_training = {each.name for each in fields(Training)}
        training = Training(**{k: v for k, v in options.items() if k in of_training})
        self.settings = Settings(**{k: v for k, v in options.items() if k not in of_training})
        self._learner = Learner(vectors, training)
        self._language: Language | None = None

    def prepare(self, text: ExplainText, storage: Storage) -> None:
        """Read the `explain` split, and train vectors on it or load pretrained ones.

        Raises:
            BenchmarkError: the vectors cannot be read.
        """
        vocabulary = Vocabulary.of(text.tokenizer, text.d_vocab, text.bos)
        self._language = self._learner.read(
            text.tokens.cpu().numpy(), vocabulary, "the explain split", storage
        )

    def explain(
        self, evidence: Evidence, subject: SubjectModel
    ) -> list[FastTextExplanation | Failure]:
        """Return words and a table for each neuron; one that never fires fails.

        Without `prepare`, the text of the evidence is all there is to learn from.

        Raises:
            BenchmarkError: the sample was asked for and the evidence has none.
        """
        languages = self._languages(evidence, subject)
        evidence = learnt_contexts(evidence, self.evidence, "fasttext")
        seen, activating = self._words(evidence, languages)
        tried = try_neighbours(evidence, activating, languages, subject, self.settings)
        return [
            self._explanation(row, evidence, languages[row], seen[row], activating[row], tried[row])
            if activating[row]
            else Failure("the neuron never fires on a word of its exemplars")
            for row in range(evidence.n_neurons)
        ]

    def simulate_block(
        self, explanations: Sequence[FastTextExplanation], tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos n"]:
        """Simulate all tables at once, equal to one by one."""
        return simulate_together(explanations, tokens)

    def _languages(self, evidence: Evidence, subject: SubjectModel) -> list[Language]:
        """Return the language of each neuron."""
        if self._language is not None and includes(self.evidence, TEXT):
            return [self._language] * evidence.n_neurons
        sample = chosen_sample(evidence, self.evidence, "fasttext")
        return self._learner.from_evidence(replace(evidence, sample=sample), subject)

    def _words(
        self, evidence: Evidence, languages: Sequence[Language]
    ) -> tuple[list[Seen], list[list[SeenWord]]]:
        tokens = evidence.exemplars.tokens.cpu().numpy()
        activations = evidence.exemplars.activations.float().cpu().numpy()
        maxima = evidence.max_activation.float().cpu().tolist()
        seen, activating = [], []
        for row, maximum in enumerate(maxima):
            threshold = self.settings.activation_threshold * maximum
            text = languages[row].text
            found = seen_words(
                tokens[row], activations[row], evidence.bos, text.joints, text.texts, threshold
            )
            seen.append(found)
            strong = [
                word
                for word in found.words
                if maximum > 0 and word.strongest.activation >= max(threshold, 1e-6 * maximum)
            ]
            activating.append(strong[: self.settings.words])
        return seen, activating

    def _explanation(
        self,
        row: int,
        evidence: Evidence,
        language: Language,
        seen: Seen,
        activating: Sequence[SeenWord],
        tried: Sequence[Tried],
    ) -> FastTextExplanation:
        settings = self.settings
        maximum = shortest(float(evidence.max_activation[row]))
        rest = float(evidence.mean_activation[row]) / maximum
        kept, rejected = known_words(activating, tried, maximum)
        floor = fit_floor(seen, kept, maximum, rest, language)
        table = make_table(
            seen,
            kept,
            rejected,
            maximum=maximum,
            rest=rest,
            floor=floor,
            language=language,
            max_words=settings.max_words,
            max_pieces=settings.max_subwords,
        )
        found = coherence(language.units_of([word.name for word in activating]))
        tokens = evidence.exemplars.tokens[row].cpu().numpy()
        vectors = language.vectors
        return FastTextExplanation(
            tuple(
                shown(word, tokens, maximum, language.text.texts, evidence.bos)
                for word in activating
            ),
            tuple(
                Neighbour(one.original, one.neighbour, _part(one.activation, maximum), one.kept)
                for one in tried
            ),
            None if found is None else round(found, 4),
            settings.coherence_threshold,
            floor,
            f"{vectors.source} {vectors.fingerprint[:12]}",
            table,
            language.text.joints,
        )


def known_words(
    activating: Sequence[SeenWord], tried: Sequence[Tried], maximum: float
) -> tuple[list[Kept], list[Kept]]:
    """Return words that hand their activation on and neighbours that lost it, as parts.

    An activating word counts as much as it did on average over all its occurrences; a neighbour
    was measured once, where its original is strongest, and is scaled down as that one is.
    """
    kept = {
        word.name: Kept(word.name, word.mean / maximum, word.spellings, word.name)
        for word in activating
    }
    share = {word.name: word.mean / word.strongest.activation for word in activating}
    rejected: dict[str, Kept] = {}
    for one in tried:
        value = one.activation * share[one.original] / maximum
        found = Kept(one.neighbour, value, (one.tokens,), one.original)
        where = kept if one.kept else rejected
        before = where.get(one.neighbour)
        if before is None or (before.name != before.origin and before.value < value):
            where[one.neighbour] = found
    return list(kept.values()), [one for one in rejected.values() if one.name not in kept]


def shown(
    word: SeenWord,
    tokens: Int[np.ndarray, "k ctx"],
    maximum: float,
    texts: Sequence[str],
    bos: int,
) -> Word:
    """Return a word with the tokens on either side of it, where it activates most."""
    at = word.strongest
    context = tokens[at.exemplar]

    def text(start: int, stop: int) -> str:
        inside = context[max(0, start) : max(0, stop)].tolist()
        return "".join("" if token == bos else texts[token] for token in inside)

    return Word(
        word.name,
        _part(at.activation, maximum),
        _part(word.mean, maximum),
        word.count,
        text(at.start - BESIDE, at.start),
        text(at.start, at.stop),
        text(at.stop, at.stop + BESIDE),
    )


def _part(activation: float, maximum: float) -> float:
    return round(activation / maximum, 3)
