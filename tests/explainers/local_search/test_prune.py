"""Pruning in lockstep against trying every suffix of one exemplar after the other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explainers.anchors import Anchored, anchored, firing
from explainers.local_search.prune import prune
from explainers.local_search.settings import Settings
from explainers.queries import SubjectQueries
from tests.explainers.rule_subject import BOS, RuleSubject, evidence_of


def pruned(subject, evidence, **settings):
    queries = SubjectQueries(subject, 0, evidence.neurons)
    maxima = evidence.max_activation.numpy()
    used: Anchored = firing(anchored(evidence.exemplars), maxima, 0.0)
    return used, prune(used, BOS, queries, Settings(**settings))


def slow_prune(rule, context, anchor, settings):
    """Every suffix on its own, and then the shortest of those that keep enough."""
    activation = rule([BOS, *context[1 : anchor + 1]])
    found = {1: activation}
    for start in range(2, max(1, anchor - settings.window) + 1):
        kept = rule([BOS, *context[start : anchor + 1]])
        if context[start] != BOS and 1 - kept / activation <= settings.max_drop:
            found[start] = kept
    return max(found), found[max(found)]


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


CONTEXT = [BOS, 1, 2, 6, 3, 4, 6, 5, 7, 8, 9]


def test_the_shortest_comes_first_and_the_end_costs_nothing():
    kept, subject = left(CONTEXT, lambda tokens: tokens[-1] == 8)
    assert kept == [8]
    assert subject.asked == [(BOS, 8)]


def test_no_more_is_asked_than_up_to_the_shortest_that_keeps_enough():
    kept, subject = left(CONTEXT, lambda tokens: (tokens[-1] == 8) * (1 if 5 in tokens else 0.39))
    assert kept == [5, 7, 8]
    assert subject.asked == [(BOS, 8), (BOS, 7, 8), (BOS, 5, 7, 8)]


def test_a_shorter_suffix_is_found_beyond_one_that_loses_too_much():
    """The token 4 inhibits: cut by cut, the start would stop at the first suffix without it."""
    kept, _ = left(CONTEXT, lambda tokens: (tokens[-1] == 8) * (2.0 if tokens[1:2] != [4] else 0.1))
    assert kept == [8]
    kept, _ = left(
        CONTEXT, lambda tokens: (tokens[-1] == 8) * (0.1 if 4 < len(tokens) < 8 else 2.0)
    )
    assert kept == [8]


def test_a_drop_of_exactly_the_threshold_is_allowed():
    kept, _ = left(CONTEXT, lambda tokens: (tokens[-1] == 8) * (1 if 4 in tokens else 0.4))
    assert kept == [8]


def test_what_needs_everything_stays_whole():
    kept, _ = left(CONTEXT, lambda tokens: (tokens[-1] == 8) * (1 if 1 in tokens else 0.39))
    assert kept == CONTEXT[1:10]


def test_the_window_is_never_cut():
    kept, subject = left(CONTEXT, lambda tokens: tokens[-1] == 8, window=2)
    assert kept == [5, 7, 8]
    assert (BOS, 7, 8) not in subject.asked


def test_a_document_before_goes_with_its_bos():
    kept, subject = left(
        [BOS, 1, 2, BOS, 3, 8], lambda tokens: (tokens[-1] == 8) * (1 if 2 in tokens else 0.1)
    )
    assert kept == [2, BOS, 3, 8]
    assert not any(context[1] == BOS for context in subject.asked)


def test_equal_contexts_run_once_and_batches_hold_one_length():
    subject = RuleSubject(*[lambda tokens, at=at: tokens[-1] == 7 for at in range(3)])
    pruned(subject, evidence_of(subject, [[BOS, 1, 6, 7, 2], [BOS, 3, 6, 7, 2]]))
    assert subject.asked == [(BOS, 7)]
