"""Substitutes of important tokens are tried, kept with what they did, and learnt from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.errors import BenchmarkError
from explainers.n2g.augment import augment, further_examples, important_places
from explainers.n2g.examples import Example, Examples, Value
from explainers.n2g.prompts import Origin, Prompt
from explainers.n2g.settings import Settings
from explainers.proposers import Proposal
from explainers.proposers.subject import SubjectProposer
from explainers.queries import SubjectQueries
from tests.explainers.rule_subject import BOS, RuleSubject

TEXTS = np.array([[BOS, 1, 2, 3, 31, 32, 33, 34]])


def example(tokens, importances, activation=1.0, owner=0):
    weights = np.array([0.0, *importances, 1.0], dtype=np.float32)
    values = [Value(0, len(tokens), 0, len(tokens), activation)]
    return Example(owner, np.array([BOS, *tokens]), activation, values, False, weights)


class Fixed:
    def __init__(self, *proposals):
        self.proposals = list(proposals)

    def propose(self, examples, places):
        return self.proposals


def augmented(rule, given, augmenter, maximum=2.0, after=(), **settings):
    """What substitutes in prompts make, the last token before `after` being the pivot of each."""
    settings = Settings(**{"remeasure": False, "activation_threshold": 0.0, **settings})
    subject = RuleSubject(rule)
    queries = SubjectQueries(subject, 0, torch.arange(1), 49)
    maxima = np.array([maximum], dtype=np.float32)
    prompts, activations = [], []
    for row, one in enumerate(given):
        tokens = np.concatenate([one.tokens, np.array(after, dtype=np.int64)])
        origins = (Origin(row, one.length, one.activation),)
        prompts.append(
            Prompt(0, tokens, one.length, one.activation, False, origins, one.activation)
        )
        activations.append(np.full(len(tokens), -1.0, dtype=np.float32))
        activations[-1][one.length] = one.activation
    examples = Examples(prompts, activations, maxima, BOS, settings)
    for prompt, one in zip(prompts, given, strict=True):
        examples.ending_at(prompt, prompt.pivot).importances = one.importances
    variants, tried = augment(prompts, examples, maxima, queries, augmenter, settings)
    further = further_examples(variants, examples, maxima, BOS, [TEXTS], queries, settings)
    return further, tried[0], subject


def test_important_tokens_and_the_activating_one_are_substituted():
    one = example([5, 6, 7, 8], [0.79, 0.8, 0.1])
    assert important_places(one, 0.8) == [2, 4]
    start = example([5, 8], [0.0])
    start.importances[0] = 1
    assert important_places(start, 0.8) == [2]


def test_positive_and_negative_substitutes_are_kept_with_their_activations():
    does = {11: 1.0, 12: 0.5, 13: 0.49, 14: -0.2}
    proposals = [Proposal(0, 1, 2, (token,)) for token in does]
    one = example([5, 6, 8], [1.0, 0.1])
    further, tried, subject = augmented(
        lambda tokens: does.get(tokens[min(1, len(tokens) - 1)], 0), [one], Fixed(*proposals)
    )
    assert [(s.replacement, s.activation, s.kept) for s in tried] == [
        ((11,), 0.5, True),
        ((12,), 0.25, True),
        ((13,), pytest.approx(0.245), False),
        ((14,), pytest.approx(-0.1), False),
    ]
    assert {(s.original, s.distance) for s in tried} == {((5,), 2)}
    assert [made.tokens.tolist() for made in further] == [[BOS, 11, 6, 8], [BOS, 12, 6, 8]]
    assert [made.activation for made in further] == [1.0, 0.5]
    assert all(made.importances.tolist() == one.importances.tolist() for made in further)
    assert all(made.substituted == (1,) and len(made.values) == 1 for made in further)
    assert len(subject.asked) == 4


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_substitute_on_which_the_subject_gives_no_number_is_left_out(value):
    further, tried, _ = augmented(
        lambda tokens: value if 11 in tokens else 1.0,
        [example([5, 8], [1.0])],
        Fixed(Proposal(0, 1, 2, (11,)), Proposal(0, 1, 2, (12,))),
    )
    assert [one.replacement for one in tried] == [(12,)]
    assert [one.tokens.tolist() for one in further] == [[BOS, 12, 8]]


def test_a_replacement_of_several_tokens_moves_the_rest_along():
    one = example([5, 6, 8], [0.9, 0.2])
    further, tried, _ = augmented(lambda tokens: 1.0, [one], Fixed(Proposal(0, 1, 2, (11, 12))))
    assert further[0].tokens.tolist() == [BOS, 11, 12, 6, 8]
    assert further[0].importances.tolist() == pytest.approx([0, 0.9, 0.9, 0.2, 1])
    assert further[0].substituted == (1, 2)
    assert tried[0].replacement == (11, 12)


def test_a_longer_activating_word_fires_at_its_last_token():
    one = example([5, 8], [0.9])
    further, _, _ = augmented(lambda tokens: 1.0, [one], Fixed(Proposal(0, 2, 3, (11, 12))))
    assert further[0].tokens.tolist() == [BOS, 5, 11, 12]
    assert further[0].importances.tolist() == pytest.approx([0, 0.9, 1, 1])


def test_what_does_not_fit_the_subject_is_not_tried():
    long = example([*range(1, 63), 8], [0.0] * 62)
    assert len(long.tokens) == RuleSubject.n_ctx
    _, tried, _ = augmented(lambda tokens: 1.0, [long], Fixed(Proposal(0, 1, 2, (1, 2))))
    assert tried == []


def test_of_several_contexts_the_strongest_speaks():
    two = [example([5, 8], [0.9]), example([6, 5, 8], [0.0, 0.9])]
    _, tried, _ = augmented(
        lambda tokens: 2.0 if 6 in tokens else 0.1,
        two,
        Fixed(Proposal(0, 1, 2, (9,)), Proposal(1, 2, 3, (9,))),
    )
    assert [(s.replacement, s.activation, s.kept) for s in tried] == [((9,), 1.0, True)]


def test_the_subject_proposes_no_original_and_nothing_special():
    subject = RuleSubject(len)
    proposer = SubjectProposer(subject, 3)
    two = [example([2, 7, 8], [1.0, 1.0]), example([5, 8], [1.0])]
    found = proposer.propose([one.tokens for one in two], [[(1, 2)], [(1, 2), (2, 3)]])
    assert found == [
        *[Proposal(0, 1, 2, (token,)) for token in (1, 3, 4)],
        *[Proposal(1, 1, 2, (token,)) for token in (1, 2, 3)],
        *[Proposal(1, 2, 3, (token,)) for token in (1, 2, 3)],
    ]
    # One pass over what stands to the left of the furthest place; equal ones once.
    assert subject.tokens_run == 1 + 2


def test_what_the_subject_expects_depends_on_the_left_alone():
    class Echo(RuleSubject):
        def likely_next(self, tokens, k):
            return (tokens[..., None] + torch.arange(1, k + 1)) % self.d_vocab

    context = np.array([BOS, 20, 30, 8])
    found = SubjectProposer(Echo(len), 2).propose([context], [[(2, 3), (3, 4)]])
    assert [(one.start, one.replacement) for one in found] == [
        (2, (21,)),
        (2, (22,)),
        (3, (31,)),
        (3, (32,)),
    ]


def test_a_subject_that_predicts_nothing_says_so():
    class Silent:
        name = "silent"
        has_unembedding = False

    with pytest.raises(BenchmarkError, match="'silent' does not predict tokens"):
        SubjectProposer(Silent(), 3)
