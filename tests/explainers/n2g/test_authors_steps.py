"""Several pivots, the tokens after them, and the scale of the exemplar, each on its own."""

from __future__ import annotations

import pytest
import torch

from benchmark.interface import Failure
from explainers.n2g import N2G
from explainers.n2g.counts import DROPPED
from tests.explainers.rule_subject import BOS, RuleSubject, evidence_of


def explained(rule, contexts, *, maximum=None, anchors=None, tokenizer=None, **options):
    subject = RuleSubject(rule)
    if tokenizer is not None:
        subject.tokenizer = tokenizer
    evidence = evidence_of(subject, contexts, maximum=maximum, anchors=anchors)
    (one,) = N2G(**{"augmenter": "none", "mask_token": 49, **options}).measured(evidence, subject)
    return one, subject


def paths(one):
    return {path.tokens: path.activation for path in one.paths}


def strong(tokens):
    """5.5 on 7, and 9 where three tokens stand before it; the largest, 10, is elsewhere."""
    return {7: 9.0 if len(tokens) > 4 else 5.5}.get(tokens[-1], 0.0)


EXEMPLAR = [[BOS, 1, 2, 3, 7, 4]]


def test_a_pruned_prompt_that_keeps_little_enters_with_the_activation_of_its_exemplar():
    """At 90 % of the maximum, and at 55 % once it is pruned: it enters, and with 90 %."""
    kept, _ = explained(strong, EXEMPLAR, maximum=10.0)
    assert paths(kept) == {(7,): pytest.approx(0.9)}
    assert kept.simulate(torch.tensor([[BOS, 7]]))[0, 1] == pytest.approx(9.0)
    # What is pruned to less than half of the maximum enters, too.
    assert paths(explained(strong, EXEMPLAR, maximum=11.5)[0]) == {(7,): pytest.approx(9 / 11.5)}
    without, _ = explained(strong, EXEMPLAR, maximum=10.0, rescale=False)
    assert paths(without) == {(7,): pytest.approx(0.55)}
    assert paths(explained(strong, EXEMPLAR, maximum=11.5, rescale=False)[0]) == {}


def test_importances_are_of_the_pruned_prompt_whatever_its_scale():
    def rule(tokens):
        if tokens[-1] != 7:
            return 0.0
        return (2.0 if len(tokens) > 5 else 1.2) * (1.0 if tokens[-2] == 5 else 0.1)

    one, _ = explained(rule, [[BOS, 1, 2, 3, 5, 7]])
    assert paths(one) == {(7, 5): 1.0}
    assert one.paths[0].importances == (1.0, pytest.approx(0.9, abs=1e-3))


def test_every_strong_token_of_an_exemplar_is_a_pivot():
    does = {10: 4.0, 11: 3.0, 12: 2.9}
    rule = lambda tokens: does.get(tokens[-1], 0.0)  # noqa: E731
    context = [[BOS, 10, *[1] * 6, 11, *[1] * 6, 12]]
    assert paths(explained(rule, context)[0]) == {(10,): 1.0, (11,): 0.75}
    assert paths(explained(rule, context, pivot_threshold=0.7)[0]) == {
        (10,): 1.0,
        (11,): 0.75,
        (12,): pytest.approx(0.725),
    }
    assert paths(explained(rule, context, pivot_threshold=1)[0]) == {(10,): 1.0}


def test_a_threshold_of_one_is_the_anchor_alone_where_others_are_as_strong():
    rule = lambda tokens: float(tokens[-1] in (10, 11))  # noqa: E731
    context = [[BOS, 10, *[1] * 6, 11]]
    assert paths(explained(rule, context, anchors=[8], pivot_threshold=1)[0]) == {(11,): 1.0}
    assert paths(explained(rule, context, anchors=[8])[0]) == {(10,): 1.0, (11,): 1.0}


def test_a_pivot_is_text_and_above_the_threshold():
    rule = lambda tokens: 5.0 if tokens[-1] == BOS else float(tokens[-1])  # noqa: E731
    one, _ = explained(rule, [[BOS, 4, BOS, 3, 1]], maximum=5.0, pivot_threshold=0.2)
    assert paths(one) == {(4,): pytest.approx(0.8), (3,): pytest.approx(0.6)}


def test_tokens_after_the_pivot_enter_with_importances_of_their_own():
    def rule(tokens):
        if tokens[-1] == 10:
            return 4.0
        return 2.5 * (tokens[-1] == 11 and tokens[-3:-2] == [10])

    context = [[BOS, 1, 1, 10, 2, 11, 1, 1, 1, 11]]
    assert paths(explained(rule, context)[0]) == {(10,): 1.0, (11, -1, 10): pytest.approx(0.625)}
    for after, expected in ((0, 1), (1, 1), (2, 2)):
        assert len(paths(explained(rule, context, after=after)[0])) == expected


def test_tokens_before_the_pivot_enter_too_and_all_have_one_scale():
    def rule(tokens):
        near = tokens[-2:] == [11, 10]
        full = 1.0 if len(tokens) > 5 else 0.8
        return full * (4.0 * near + 2.8 * (tokens[-1] == 11))

    one, _ = explained(rule, [[BOS, 1, 2, 3, 4, 11, 10]], pivot_threshold=1)
    assert paths(one) == {(10, 11): 1.0, (11,): pytest.approx(0.7)}


@pytest.mark.parametrize(("after", "kept"), [(0, 1), (3, 4), (5, 6), (9, 7)])
def test_a_prompt_keeps_so_many_tokens_after_its_pivot(after, kept):
    rule = lambda tokens: float(tokens[-1] == 7)  # noqa: E731
    _, subject = explained(rule, [[BOS, 1, 7, *range(20, 26), BOS, 30]], after=after)
    assert max(len(context) for context in subject.asked) == kept + 1
    assert not any(30 in context for context in subject.asked)


def test_the_tokens_after_a_pivot_end_with_its_sentence_where_that_is_wanted():
    class Sentences:
        def decode(self, ids):
            return "".join(" end." if token == 22 else f" t{token}" for token in ids)

    rule = lambda tokens: float(tokens[-1] == 7)  # noqa: E731
    context = [[BOS, 1, 7, 20, 21, 22, 23]]
    _, subject = explained(rule, context, tokenizer=Sentences())
    assert (BOS, 7, 20, 21, 22, 23) in subject.asked
    _, subject = explained(rule, context, tokenizer=Sentences(), after_sentence=True)
    assert (BOS, 7, 20, 21, 22) in subject.asked
    assert not any(23 in context for context in subject.asked)


def test_a_context_in_which_another_token_is_stronger_may_be_refused():
    def rule(tokens):
        return {10: 3.0, 11: 2.6 if 10 in tokens[:-1] else 1.0}.get(tokens[-1], 0.0)

    context = [[BOS, 1, 10, 2, 11]]
    _, subject = explained(rule, context, after=0)
    assert (BOS, 10, 2, 11) in subject.asked
    one, _ = explained(rule, context, after=0)
    refused, _ = explained(rule, context, after=0, pivot_leads=True, cutoff=3)
    assert (one.counts.whole, refused.counts.whole) == (0, 1)


def test_a_substituted_prompt_is_measured_again_and_all_its_tokens_may_enter():
    def rule(tokens):
        strength = {3: 4.0, 2: 4.0, 20: 4.0}.get(tokens[-1], 0.0)
        # Behind a 2, a token that did nothing before fires as well.
        return strength + 3.5 * (tokens[-1] == 11 and 2 in tokens)

    context = [[BOS, 1, 20, 11]]
    one, _ = explained(rule, context, augmenter="subject")
    assert paths(one) == {(20,): 1.0, (2,): 1.0, (3,): 1.0, (11, 2): pytest.approx(0.875)}
    without, _ = explained(rule, context, augmenter="subject", remeasure=False)
    assert paths(without) == {(20,): 1.0, (2,): 1.0, (3,): 1.0}


DIFFERENT = [
    [BOS, 1, 2, 3, 7, 4],  # enters
    [BOS, 2, 6, 2, 2, 2],  # too weak
    [BOS, 1, 1, 1, 7, 4],  # enters
    [BOS, 1, 1, 8, 9, 4],  # enters only with its scale
]


def fates(tokens):
    if tokens[-1] == 9:
        return 6.0 if len(tokens) > 3 else 4.0
    return 4.0 if tokens[-1] == 6 else strong(tokens)


def test_counts_tell_used_exemplars_from_those_in_the_trie_and_why_others_are_not():
    one, _ = explained(fates, DIFFERENT, maximum=10.0)
    assert (one.counts.exemplars, one.counts.used, one.counts.reached) == (4, 3, 3)
    assert one.counts.dropped == {"weak": 1}
    without, _ = explained(fates, DIFFERENT, maximum=10.0, rescale=False)
    assert (without.counts.used, without.counts.reached) == (3, 2)
    assert without.counts.dropped == {"weak": 1, "faded": 1}
    half, _ = explained(fates, DIFFERENT, maximum=10.0, exemplars=2)
    assert half.counts.dropped == {"not_chosen": 2}
    assert "left out: 2 not chosen" in half.describe()
    for made in (one, without, half):
        assert made.counts.exemplars == made.counts.reached + sum(made.counts.dropped.values())
        assert set(made.counts.dropped) <= set(DROPPED)
        first = made.describe().splitlines()[0]
        assert f" from {made.counts.reached} of 4 exemplars;" in first


def test_an_exemplar_that_does_not_fire_at_all_breaks_nothing():
    one, _ = explained(lambda tokens: -1.0 * (tokens[-1] > 0), [[BOS, 1, 2]], maximum=1.0)
    assert paths(one) == {}
    assert one.counts.dropped == {"weak": 1}
    nothing, _ = explained(lambda tokens: 0.0, [[BOS, 1, 2]])
    assert isinstance(nothing, Failure)


@pytest.mark.parametrize("threshold", [0.0, 0.001])
def test_a_pruned_activation_near_zero_is_not_divided_by(threshold):
    rule = lambda tokens: (tokens[-1] == 7) * (2.0 if len(tokens) > 3 else 1e-7)  # noqa: E731
    one, _ = explained(rule, [[BOS, 1, 2, 7]], prune_threshold=threshold, after=0)
    assert all(0 < value <= 1 for value in paths(one).values())
