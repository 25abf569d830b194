"""Neighbours: each activating word's nearest words, tried in its place in the exemplar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from benchmark.interface import Evidence, SubjectModel
from explainers.fasttext.activating import Occurrence, SeenWord
from explainers.fasttext.language import Language
from explainers.fasttext.settings import Settings
from explainers.fasttext.word_activations import word_activations
from explainers.fasttext.words import affixes


@dataclass(frozen=True)
class Tried:
    """A neighbour that replaced an activating word.

    Attributes:
        original: the activating word.
        neighbour: the word that was put in its place.
        tokens: how that was written.
        activation: what the neuron then did, raw units.
        before: what it did on the original in the same context, raw units.
        kept: whether the activation held or rose, as the settings ask.
    """

    original: str
    neighbour: str
    tokens: tuple[int, ...]
    activation: float
    before: float
    kept: bool


def try_neighbours(
    evidence: Evidence,
    activating: Sequence[Sequence[SeenWord]],
    languages: Sequence[Language],
    subject: SubjectModel,
    settings: Settings,
) -> list[list[Tried]]:
    """Try the neighbours of all activating words of all neurons, each with its language.

    A word is replaced where it activates most. What follows it is left out, as a causal model
    does not look there. A neighbour that the tokenizer cannot write in that place is not tried.

    Returns:
        For each neuron what was tried, in the order of its words, nearest neighbours first.
    """
    exemplars = evidence.exemplars.tokens.cpu().numpy()
    contexts: list[Int[np.ndarray, " pos"]] = []
    lengths: list[int] = []
    owners: list[int] = []
    questions: list[tuple[SeenWord, str, tuple[int, ...], int]] = []
    for owner, (words, language) in enumerate(zip(activating, languages, strict=True)):
        nearest = language.neighbours(
            [word.name for word in words], settings.neighbours, settings.neighbour_min_count
        )
        for word, names in zip(words, nearest, strict=True):
            at = word.strongest
            context = exemplars[owner, at.exemplar]
            left = _left(context, at, settings.context, evidence.bos)
            original = context[at.start : at.stop]
            base = -1
            for name in names:
                tokens = written(name, original.tolist(), language, subject.tokenizer)
                if tokens is None or len(left) + len(tokens) > subject.n_ctx:
                    continue
                if settings.context is not None and base < 0:
                    base = len(contexts)
                    contexts.append(np.concatenate([left, original]))
                    lengths.append(len(original))
                    owners.append(owner)
                questions.append((word, name, tokens, base))
                contexts.append(np.concatenate([left, np.array(tokens, dtype=left.dtype)]))
                lengths.append(len(tokens))
                owners.append(owner)
    found = word_activations(
        subject,
        evidence.layer,
        evidence.neurons.cpu().numpy(),
        contexts,
        np.array(lengths, dtype=np.int64),
        np.array(owners, dtype=np.int64),
    )
    return _results(questions, found.tolist(), owners, settings, len(activating))


def _results(
    questions: Sequence[tuple[SeenWord, str, tuple[int, ...], int]],
    found: Sequence[float],
    owners: Sequence[int],
    settings: Settings,
    n: int,
) -> list[list[Tried]]:
    results: list[list[Tried]] = [[] for _ in range(n)]
    bases = {base for *_, base in questions}
    answers = [at for at in range(len(found)) if at not in bases]
    for (word, name, tokens, base), at in zip(questions, answers, strict=True):
        before = word.strongest.activation if base < 0 else found[base]
        activation = found[at]
        if settings.keep == "rises":
            kept = activation > before
        else:
            kept = activation >= settings.hold * before
        results[owners[at]].append(
            Tried(word.name, name, tokens, activation, before, bool(kept and activation > 0))
        )
    return results


def written(
    name: str, original: Sequence[int], language: Language, tokenizer: Any
) -> tuple[int, ...] | None:
    """Write the tokens of a word with what stood around the original in its own tokens.

    As they are written in the text, or else as the tokenizer writes them; None if neither gives
    exactly this text.
    """
    texts = language.text.texts
    before, after = affixes("".join(texts[token] for token in original))
    wanted = f"{before}{name}{after}"
    known = language.text.spellings.get(wanted)
    if known is not None:
        return known
    if not hasattr(tokenizer, "encode"):
        return None
    # SentencePiece puts a space before a text of its own accord.
    for text in dict.fromkeys((wanted, wanted.lstrip(" "))):
        tokens = tuple(tokenizer.encode(text, add_special_tokens=False))
        inside = all(0 <= token < len(texts) for token in tokens)
        if tokens and inside and "".join(texts[token] for token in tokens) == wanted:
            return tokens
    return None


def _left(
    context: Int[np.ndarray, " ctx"], at: Occurrence, most: int | None, bos: int
) -> Int[np.ndarray, " pos"]:
    """Return BOS and the tokens before a word, only the last ones where a limit is set."""
    left = context[: at.start]
    if most is None or len(left) <= most + 1:
        return left
    start = np.array([bos], dtype=left.dtype)
    return np.concatenate([start, left[len(left) - most :]])
