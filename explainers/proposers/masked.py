"""Proposer of a masked language model: substitutes word by word, as in the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from explainers.proposers.proposal import Context, Proposal, Span
from explainers.proposers.words import Word, in_casing_of, word_at


class FillsGaps(Protocol):
    """What predicts words; `MaskedWords` is one."""

    gap: str

    def likely(self, sentences: Sequence[str], k: int) -> list[list[str]]:
        """Return the likeliest words for the gap of each sentence, likeliest first."""
        ...


class MaskedProposer:
    """Proposes the words that a masked language model expects instead of another.

    A word is replaced whole, whichever of its tokens the place holds, and written in the original's
    casing; the original, in whatever casing, is never proposed. Only the tokens of the word are
    tokenised again. Tokens that are no part of a word get no substitutes.

    Args:
        model: what predicts words.
        tokenizer: the subject's.
        special: ids that never stand in text.
        wanted: substitutes for each word.
    """

    def __init__(
        self, model: FillsGaps, tokenizer: Any, special: frozenset[int], wanted: int
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._special = special
        self._wanted = wanted

    def propose(
        self, contexts: Sequence[Context], places: Sequence[Sequence[Span]]
    ) -> list[Proposal]:
        """Propose likely words for the words that the given places are part of."""
        gaps: list[tuple[int, Word]] = []
        for number, (tokens, spans) in enumerate(zip(contexts, places, strict=True)):
            text = tokens[1:].tolist()  # without BOS
            positions = [place for start, stop in spans for place in range(start, stop)]
            words = [word_at(text, place - 1, self._tokenizer) for place in positions]
            gaps += [(number, word) for word in dict.fromkeys(words) if word is not None]
        sentences = [word.sentence(self._model.gap) for _, word in gaps]
        distinct = list(dict.fromkeys(sentences))
        # One more than wanted: the original is usually among them.
        found = self._model.likely(distinct, self._wanted + 1)
        likely = dict(zip(distinct, found, strict=True))
        return [
            proposal
            for (number, word), sentence in zip(gaps, sentences, strict=True)
            for proposal in self._proposals(number, word, likely[sentence])
        ]

    def _proposals(self, number: int, word: Word, likely: Sequence[str]) -> list[Proposal]:
        original = word.text.casefold()
        written = [in_casing_of(one, word.text) for one in likely if one.casefold() != original]
        proposals = []
        for one in list(dict.fromkeys(written))[: self._wanted]:
            ids = word.tokens_of(one, self._tokenizer)
            if ids and not self._special.intersection(ids):
                # Positions count BOS.
                proposals.append(Proposal(number, word.start + 1, word.stop + 1, ids))
        return proposals
