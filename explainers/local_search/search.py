"""Local search: every word of every example is substituted in turn, and the neuron queried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from explainers.local_search.examples import Example, Slot, Trial, context_of, saved
from explainers.local_search.prune import drop
from explainers.local_search.settings import Settings
from explainers.local_search.stop_words import STOP_WORDS
from explainers.proposers import Proposal, Proposer, Span
from explainers.proposers.words import word_spans
from explainers.queries import SharedStarts, SubjectQueries

Word = tuple[int, int, str]  # first token, the one after the last, the word, empty where it is none


@dataclass(frozen=True)
class _Tried:
    """A substitute and what it did: the activation, and the part that it lost."""

    proposal: Proposal
    activation: float
    lost: float


def search(
    examples: Sequence[Sequence[Example]],
    bos: int,
    queries: SubjectQueries,
    proposer: Proposer | None,
    text_of: Callable[[int], str],
    settings: Settings,
) -> list[list[Example]]:
    """Return the examples of each neuron with their slots, and in these what was tried.

    A substitute is judged by the drop from the example's own activation, at the activating token
    or what stands in its place. One word is substituted at a time. Everything that is proposed for
    the whole block is asked together.
    """
    flat = [example for own in examples for example in own]
    owners = np.repeat(np.arange(len(examples)), [len(own) for own in examples])
    words = [words_of(example, bos, text_of) for example in flat]
    tried: list[list[_Tried]] = [[] for _ in flat]
    if proposer is not None:
        contexts = [context_of(example, bos) for example in flat]
        # Positions in a context count its BOS.
        places: list[list[Span]] = [
            [(start + 1, stop + 1) for start, stop, word in own if _is_tried(word, settings)]
            for own in words
        ]
        proposals = []
        variants = []
        for one in proposer.propose(contexts, places):
            end = max(len(flat[one.context].tokens) + 1, one.stop)
            variant = one.put_into(contexts[one.context][:end])
            if len(variant) <= queries.subject.n_ctx:
                proposals.append(one)
                variants.append(variant)
        of = np.array([one.context for one in proposals], dtype=np.int64)
        places_of = np.array([one.start for one in proposals], dtype=np.int64)
        found = queries.activations_of_lengths(
            variants, owners[of], SharedStarts(contexts, of, places_of)
        )
        lost = drop(found, np.array([flat[number].activation for number in of]))
        for one, activation, part in zip(proposals, found.tolist(), lost.tolist(), strict=True):
            tried[one.context].append(_Tried(one, activation, part))
    searched = iter(
        replace(
            example,
            slots=tuple(_slot(example, start, stop, some, settings) for start, stop, _ in own),
        )
        for example, own, some in zip(flat, words, tried, strict=True)
    )
    return [[next(searched) for _ in own] for own in examples]


def words_of(example: Example, bos: int, text_of: Callable[[int], str]) -> list[Word]:
    """Return an example's words and single tokens, after its last BOS.

    A word that goes on after the activating token ends with it.
    """
    tokens = example.tokens
    first = max((at + 1 for at, token in enumerate(tokens) if token == bos), default=0)
    spans = word_spans([text_of(token) for token in tokens[first:]])
    return [(first + start, first + stop, word) for start, stop, word in spans]


def _is_tried(word: str, settings: Settings) -> bool:
    if not word:
        return settings.substitute_signs
    return not (settings.skip_stop_words and word.casefold().replace("’", "'") in STOP_WORDS)


def _slot(
    example: Example, start: int, stop: int, tried: Sequence[_Tried], settings: Settings
) -> Slot:
    """Return a slot with the substitutes tried in it, each as the tokens of the whole slot."""
    trials, unused = [], 0
    for one in tried:
        first, last = one.proposal.start - 1, one.proposal.stop - 1  # without BOS
        if not start <= first < stop:
            continue
        positive = one.lost < settings.positive_drop
        if not positive and not one.lost > settings.negative_drop:
            unused += 1
            continue
        rest = example.tokens[last:stop]
        whole = (*example.tokens[start:first], *one.proposal.replacement, *rest)
        trials.append(Trial(whole, saved(one.activation), positive))
    trials.sort(key=lambda trial: (-trial.activation, trial.replacement))
    return Slot(start, stop, tuple(trials), unused)
