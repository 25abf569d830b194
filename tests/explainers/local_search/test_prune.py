"""Pruning in lockstep against cutting one exemplar after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explainers.anchored import Anchored, anchored, firing
from explainers.asking import Asking
from explainers.local_search.prune import prune
from explainers.local_search.sentences import sentence_starts
from explainers.local_search.settings import Settings
from tests.explainers.rule_subject import BOS, RuleSubject, evidence_of

STOP = 6  # this token ends a sentence


def text_of(token):
    return ". " if token == STOP else f" t{token}"


def pruned(subject, evidence, **settings):
    asking = Asking(subject, 0, evidence.neurons)
    maxima = evidence.max_activation.numpy()
    used: Anchored = firing(anchored(evidence.exemplars), maxima, 0.0)
    sentences = np.array([sentence_starts(row, BOS, text_of) for row in used.tokens])
    return used, prune(
        used, sentences.reshape(used.tokens.shape), BOS, asking, Settings(**settings)
    )


def slow_prune(rule, context, anchor, settings):
    """One cut after the other: sentences, then tokens, until one loses too much."""
    whole = [BOS, *context[1 : anchor + 1]]
    activation = rule(whole)
    last = max(1, anchor - settings.window)

    def tried(start):
        found = rule([BOS, *context[start : anchor + 1]])
        return found if 1 - found / activation <= settings.max_drop else None

    start, now = 1, activation
    sentences = [at for at in range(2, len(context)) if context[at - 1] in (STOP, BOS)]
    for by_token in (False, True):
        while True:
            after = [at for at in sentences if at > start]
            cut = start + 1 if by_token else after[0] if after else len(context)
            if cut < len(context) and context[cut] == BOS:
                cut += 1
            found = tried(cut) if cut <= last else None
            if found is None:
                break
            start, now = cut, found
    return start, now


def sums(tokens):
    """Something that depends on the whole context and does not grow with it."""
    return 1 + sum((token * (place + 3)) % 7 for place, token in enumerate(reversed(tokens))) % 11


@settings(max_examples=60, deadline=None)
@given(
    contexts=st.lists(st.lists(st.integers(0, 7), min_size=9, max_size=9), min_size=1, max_size=4),
    max_drop=st.sampled_from([0.2, 0.6, 0.9]),
    window=st.sampled_from([0, 0, 3]),
)
def test_it_is_the_slow_search(contexts, max_drop, window):
    contexts = [[BOS, 1, *context] for context in contexts]
    subject = RuleSubject(sums, len, lambda tokens: tokens[-1])
    evidence = evidence_of(subject, contexts)
    settings = Settings(max_drop=max_drop, window=window)
    used, found = pruned(subject, evidence, max_drop=max_drop, window=window)
    for row, (owner, anchor) in enumerate(zip(used.owners, used.anchors, strict=True)):
        rule = subject.rules[owner]
        expected = slow_prune(rule, used.tokens[row].tolist(), int(anchor), settings)
        assert (found.starts[row], found.activations[row]) == pytest.approx(expected)


def left(context, rule, **settings):
    subject = RuleSubject(rule)
    used, found = pruned(subject, evidence_of(subject, [context]), **settings)
    return used.tokens[0, found.starts[0] : used.anchors[0] + 1].tolist(), subject


CONTEXT = [BOS, 1, 2, STOP, 3, 4, STOP, 5, 7, 8, 9]


def test_sentences_go_before_tokens_and_the_end_costs_nothing():
    kept, subject = left(CONTEXT, lambda tokens: tokens[-1] == 8)
    assert kept == [8]
    assert subject.asked == [
        (BOS, 3, 4, STOP, 5, 7, 8),
        (BOS, 5, 7, 8),
        (BOS, 7, 8),
        (BOS, 8),
    ]


def test_what_loses_too_much_is_taken_back():
    kept, subject = left(CONTEXT, lambda tokens: (tokens[-1] == 8) * (1 if 4 in tokens else 0.39))
    assert kept == [4, STOP, 5, 7, 8]
    assert subject.asked[1] == (BOS, 5, 7, 8)  # the second sentence was tried as a whole


def test_a_drop_of_exactly_the_threshold_is_allowed():
    kept, _ = left(CONTEXT, lambda tokens: (tokens[-1] == 8) * (1 if 4 in tokens else 0.4))
    assert kept == [8]


def test_the_window_is_never_cut():
    kept, subject = left(CONTEXT, lambda tokens: tokens[-1] == 8, window=2)
    assert kept == [5, 7, 8]
    assert (BOS, 7, 8) not in subject.asked


def test_a_document_before_goes_with_its_bos():
    kept, subject = left([BOS, 1, 2, BOS, 3, 8], lambda tokens: tokens[-1] == 8)
    assert kept == [8]
    assert not any(BOS in context[1:] for context in subject.asked)


def test_equal_contexts_run_once_and_batches_hold_one_length():
    subject = RuleSubject(*[lambda tokens, at=at: tokens[-1] == 7 for at in range(3)])
    pruned(subject, evidence_of(subject, [[BOS, 1, STOP, 7, 2], [BOS, 3, STOP, 7, 2]]))
    assert subject.asked == [(BOS, 7)]


@pytest.mark.parametrize(
    ("texts", "begins"),
    [
        (["", "One", " two", ".", " Three", "!", "?", '"', " Four"], [4, 8]),
        (["", "a", ".", "b", " 3", ".", "5", " x"], []),
        (["", "line", "\n", "next", "\n\n", "  ", "\n", "last"], [3, 7]),
        (["", "end. Next", " more", "…\n", "x"], [2, 4]),
        (["", "e.g", ".,", " no"], []),
        (["", "stop", "."], []),
    ],
)
def test_where_sentences_begin(texts, begins):
    tokens = np.arange(len(texts))
    found = sentence_starts(tokens, BOS, lambda token: texts[token])
    assert np.flatnonzero(found[2:]).tolist() == [at - 2 for at in begins]


def test_a_document_begins_a_sentence():
    found = sentence_starts(np.array([BOS, 1, BOS, 2]), BOS, lambda token: "a")
    assert np.flatnonzero(found).tolist() == [1, 3]
