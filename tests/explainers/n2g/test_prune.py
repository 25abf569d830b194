"""Pruning finds the shortest context that truly keeps the activation."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from explainers.anchors import anchored
from explainers.n2g.prune import prune
from explainers.n2g.settings import Settings
from explainers.queries import SubjectQueries
from tests.explainers.rule_subject import BOS, RuleSubject, evidence_of


def pruned(subject, evidence, **settings):
    queries = SubjectQueries(subject, 0, evidence.neurons, BOS)
    return prune(anchored(evidence.exemplars), BOS, queries, Settings(**settings))


def slow_prune(rule, context, anchor, activation, threshold, cutoff):
    """One exemplar, one length after the other."""
    for length in range(1, anchor + 1):
        if length > cutoff and length < anchor:
            continue
        candidate = [BOS, *context[anchor - length + 1 : anchor + 1]]
        if length == anchor:
            return length, activation, length <= cutoff
        if candidate[1] == BOS:
            continue
        found = rule(candidate)
        if found >= threshold * activation:
            return length, found, True
    raise AssertionError


def sums(tokens):
    """Something that depends on the whole context and does not grow with it."""
    return sum((token * (place + 3)) % 7 for place, token in enumerate(reversed(tokens))) % 11


@given(
    contexts=st.lists(st.lists(st.integers(0, 6), min_size=9, max_size=9), min_size=1, max_size=4),
    threshold=st.sampled_from([0.25, 0.5, 0.9]),
    cutoff=st.integers(1, 10),
)
def test_it_is_the_slow_search(contexts, threshold, cutoff):
    contexts = [[BOS, 1, *context] for context in contexts]
    subject = RuleSubject(sums, len, lambda tokens: tokens[-1])
    evidence = evidence_of(subject, contexts)
    found = pruned(subject, evidence, prune_threshold=threshold, cutoff=cutoff)
    rows = anchored(evidence.exemplars)
    for row, (owner, anchor) in enumerate(zip(rows.owners, rows.anchors, strict=True)):
        expected = slow_prune(
            subject.rules[owner],
            rows.tokens[row].tolist(),
            int(anchor),
            float(rows.activations[row]),
            threshold,
            cutoff,
        )
        got = (found.lengths[row], found.activations[row], found.accepted[row])
        assert got == expected


def test_the_anchor_alone_is_enough_where_it_is():
    subject = RuleSubject(lambda tokens: tokens[-1] == 7)
    found = pruned(subject, evidence_of(subject, [[BOS, 1, 2, 7, 3]]))
    assert found.lengths.tolist() == [1]
    assert subject.asked == [(BOS, 7)]


@pytest.mark.parametrize("before", range(5))
def test_few_tokens_before_the_anchor_break_nothing(before):
    """Public code crashed here."""
    subject = RuleSubject(lambda tokens: tokens[-1] == 7 and len(tokens) == before + 2)
    context = [BOS, *[1] * before, 7, *[2] * (6 - before)]
    found = pruned(subject, evidence_of(subject, [context]))
    assert found.lengths.tolist() == [before + 1]
    assert found.accepted.tolist() == [True]


@pytest.mark.parametrize("needed", range(1, 13))
def test_every_length_is_tried(needed):
    """Public code tried every fifth only."""
    subject = RuleSubject(lambda tokens: tokens[-1] == 7 and len(tokens) > needed)
    found = pruned(subject, evidence_of(subject, [[BOS, *range(10, 23), 7]]))
    assert found.lengths.tolist() == [needed]


def test_what_loses_the_activation_is_never_accepted():
    """Public code took the last candidate although it failed; and says that it kept the whole."""
    context = [BOS, *[1] * 20, 7]
    subject = RuleSubject(lambda tokens: 4.0 if tokens == context else 1.9 * (tokens[-1] == 7))
    found = pruned(subject, evidence_of(subject, [context]), cutoff=10)
    assert found.lengths.tolist() == [21]
    assert found.activations.tolist() == [4.0]
    assert found.accepted.tolist() == [False]


def test_the_whole_context_within_the_cutoff_needs_no_question():
    context = [BOS, 1, 2, 7]
    subject = RuleSubject(lambda tokens: tokens == context)
    found = pruned(subject, evidence_of(subject, [context]))
    assert found.lengths.tolist() == [3]
    assert found.accepted.tolist() == [True]
    assert subject.asked == [(BOS, 7), (BOS, 2, 7)]


def test_a_document_before_is_reached_by_one_bos():
    subject = RuleSubject(lambda tokens: tokens[-1] == 7 and len(tokens) >= 6)
    found = pruned(subject, evidence_of(subject, [[BOS, 3, 4, 5, BOS, 2, 7]]))
    assert found.lengths.tolist() == [5]
    assert (BOS, BOS, 2, 7) not in subject.asked


def test_equal_contexts_run_once_whoever_asks():
    subject = RuleSubject(*[lambda tokens, at=at: tokens[-1] == 7 for at in range(3)])
    pruned(subject, evidence_of(subject, [[BOS, 1, 7, 2], [BOS, 3, 4, 7]]))
    assert subject.asked == [(BOS, 7)]


def test_batches_hold_one_length_and_no_padding():
    class Spy(RuleSubject):
        shapes = ()

        def last_activations(self, tokens, layer, rows, neurons, prefixes=None):
            self.shapes += (tuple(tokens.shape),)
            found = self.activations(tokens, layer)[:, -1]
            return found[rows, neurons]

    spy = Spy(*[lambda tokens, at=at: len(tokens) > at + 1 for at in range(3)])
    evidence = evidence_of(spy, [[BOS, 1, 2, 3, 4], [BOS, 5, 6, 7, 8]], anchors=[4, 4])
    found = pruned(spy, evidence)
    assert found.lengths.tolist() == [1, 1, 2, 2, 3, 3]
    assert spy.shapes == ((2, 2), (2, 3), (2, 4))
    assert all(context[0] == BOS and BOS not in context[1:] for context in spy.asked)


def test_the_anchor_is_never_a_bos():
    """Public code took the argmax over padding; contexts here are never padded and BOS is out."""
    subject = RuleSubject(lambda tokens: 9.0 if tokens[-1] == BOS else tokens[-1] / 10)
    evidence = evidence_of(subject, [[BOS, 3, BOS, 2]])
    assert torch.equal(evidence.exemplars.anchors, torch.tensor([[1]]))
    assert pruned(subject, evidence).lengths.tolist() == [1]
