"""Words are substituted in turn, and what becomes of the activation decides what they are."""

from __future__ import annotations

import pytest
import torch

from benchmark.errors import BenchmarkError
from benchmark.interface import Failure
from explainers.local_search import LocalSearch
from explainers.local_search.examples import Example, Slot
from explainers.local_search.search import search, words_of
from explainers.local_search.settings import Settings
from explainers.proposers import Proposal
from explainers.queries import SubjectQueries
from tests.explainers.proposers import masked_model
from tests.explainers.rule_subject import BOS, RuleSubject, evidence_of

TEXTS = ["<bos>", " red", " green", " the", " Li", "st", " cat", ".", " Ta", "ble", " dog", "<s>"]


class Tokenizer:
    all_special_ids = (BOS, 11)

    def decode(self, ids):
        return "".join(TEXTS[token] for token in ids)

    def encode(self, text, add_special_tokens):
        ids = []
        while text:
            fits = [at for at in range(1, 11) if text.startswith(TEXTS[at])]
            if not fits:
                return [11]
            ids.append(max(fits, key=lambda at: len(TEXTS[at])))
            text = text[len(TEXTS[ids[-1]]) :]
        return ids


class Subject(RuleSubject):
    d_vocab = len(TEXTS)

    def __init__(self, *rules):
        super().__init__(*rules)
        self.tokenizer = Tokenizer()


def explained(rule, *contexts, subject=Subject, **options):
    subject = subject(rule)
    evidence = evidence_of(subject, [[BOS, *context] for context in contexts])
    explainer = LocalSearch(**{"max_drop": 0.1, **options})
    (one,) = explainer.explain(evidence, subject)
    return one, subject


def tried(one):
    """Each slot of the only example: its tokens, and what was tried."""
    (example,) = one.examples
    return [
        (
            example.tokens[slot.start : slot.stop],
            {trial.replacement: (trial.activation, trial.positive) for trial in slot.trials},
            slot.unused,
        )
        for slot in example.slots
    ]


def test_positive_negative_and_between():
    """A drop below 0.4 is positive, one above 0.7 negative; the thresholds are between them."""
    does = {6: 10.0, 1: 6.1, 2: 6.0, 4: 3.0, 5: 2.9, 7: -1.0}
    one, _ = explained(lambda tokens: does.get(tokens[-1], 0), [6], substitutes=6)
    ((tokens, trials, unused),) = tried(one)
    assert tokens == (6,)
    assert trials == {
        (1,): (6.1, True),
        (5,): (2.9, False),
        (3,): (0.0, False),
        (7,): (-1.0, False),
    }
    assert unused == 2


def test_the_thresholds_are_options():
    rule = {6: 10.0, 1: 5.0, 2: 4.0, 3: 3.0}
    options = {"positive_drop": 0.55, "negative_drop": 0.65, "substitutes": 3}
    one, _ = explained(lambda tokens: rule.get(tokens[-1], 0), [6], **options)
    ((_, trials, unused),) = tried(one)
    assert trials == {(1,): (5.0, True), (3,): (3.0, False)}
    assert unused == 1


def test_stop_words_are_skipped_and_signs_are_options():
    def rule(tokens):
        return float(tokens[1:] == [1, 3, 7, 6])

    context = [1, 3, 7, 6]
    one, _ = explained(rule, context, substitutes=1)  # as in the report
    assert [bool(trials) for _, trials, _ in tried(one)] == [True, False, False, True]
    one, _ = explained(rule, context, substitutes=1, substitute_signs=True)
    assert [bool(trials) for _, trials, _ in tried(one)] == [True, False, True, True]
    one, _ = explained(rule, context, substitutes=1, substitute_signs=True, skip_stop_words=False)
    assert [bool(trials) for _, trials, _ in tried(one)] == [True] * 4


def test_a_word_is_substituted_whole_at_the_activating_token():
    def rule(tokens):
        return 2.0 * (tokens[-2:] == [4, 5] or tokens[-1] == 2)

    one, subject = explained(rule, [4, 5, 7], substitutes=2)
    ((tokens, trials, _),) = tried(one)
    assert tokens == (4, 5)
    assert trials == {(1,): (0.0, False), (2,): (2.0, True)}
    assert (BOS, 2) in subject.asked
    found = one.simulate(torch.tensor([[BOS, 4, 5, 7, 2, 5]]))[0]
    rest = float(found[1])
    assert found[1:].tolist() == pytest.approx([rest, 2.0, rest, 2.0, rest])


def test_all_that_was_asked_is_counted_and_asked_once():
    one, subject = explained(lambda tokens: float(tokens[-1] == 6), [1, 6], [2, 6], substitutes=3)
    assert one.examples[0].count == 2
    # Pruning asks for the bare token once for both; its three substitutes are asked together.
    assert subject.asked == [(BOS, 6), (BOS, 1), (BOS, 2), (BOS, 3)]
    proposing = 1  # the subject is shown BOS and says what it expects
    assert subject.tokens_run == 8 + proposing


def test_without_a_proposer_nothing_is_tried():
    one, subject = explained(lambda tokens: float(tokens[-1] == 6), [1, 6], proposer="none")
    assert tried(one) == [((6,), {}, 0)]
    assert subject.asked == [(BOS, 6)]
    assert one.simulate(torch.tensor([[BOS, 6, 1]]))[0, 1] == 1.0
    assert "no substitute decided anything" in one.describe()


def test_the_window_is_shown_and_has_no_say():
    one, _ = explained(lambda tokens: float(tokens[-1] == 6), [1, 6, 7], window=1)
    (example,) = one.examples
    assert (example.tokens, example.tail) == ((1, 6), (7,))
    assert "~red~ ‹cat›." in one.describe()


def test_words_after_another_documents_start():
    example = Example((1, BOS, 4, 5), (), 1.0, 1)
    assert words_of(example, BOS, lambda token: TEXTS[token]) == [(2, 4, "List")]


def test_a_masked_language_model_proposes_words(tmp_path):
    bias = {"list": 9.0, "Table": 7.0, "cat": 6.0, "dog": 5.0}
    checkpoint = masked_model.write(tmp_path / "model", bias)

    def rule(tokens):
        return 2.0 * (tokens[1:] in ([4, 5], [8, 9]))

    one, _ = explained(
        rule, [4, 5, 7], proposer="distilbert", masked_model=str(checkpoint), substitutes=1
    )
    assert tried(one) == [((4, 5), {(8, 9): (2.0, True)}, 0)]


def test_what_does_not_fit_the_subject_is_not_asked():
    class Long:
        def propose(self, contexts, places):
            return [Proposal(0, 1, 2, (2,)), Proposal(0, 1, 2, (1, 2))]

    subject = Subject(lambda tokens: 2.0 * (tokens[1:] == [1, 6]))
    subject.n_ctx = 3
    example = Example((1, 6), (), 2.0, 1)
    queries = SubjectQueries(subject, 0, torch.arange(1))
    text_of = TEXTS.__getitem__
    ((found,),) = search([[example]], BOS, queries, Long(), text_of, Settings())
    assert subject.asked == [(BOS, 2, 6)]
    assert [len(slot.trials) for slot in found.slots] == [1, 0]


def test_only_exemplars_above_the_threshold_are_looked_at():
    does = {6: 4.0, 10: 1.0, 1: 0.0}

    def rule(tokens):
        return does.get(tokens[-1], -1.0)

    one, _ = explained(rule, [6], [10], [1], proposer="none")
    assert [example.tokens for example in one.examples] == [(6,), (10,)]
    one, _ = explained(rule, [6], [10], [1], proposer="none", activation_threshold=0.5)
    assert [example.tokens for example in one.examples] == [(6,)]
    assert one.n_exemplars == 1


def test_a_dead_neuron_fails():
    one, _ = explained(lambda tokens: 0.0, [1, 6])
    assert isinstance(one, Failure)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"proposer": "distilbart"}, "proposer of local_search 'distilbart' is not known"),
        ({"max_drop": 1.2}, r"max_drop of local_search must be between 0 and 1, not 1\.2"),
        ({"positive_drop": "much"}, "must be a number, not 'much'"),
        ({"positive_drop": 0.8}, "a substitute would be both"),
        ({"least": 0}, "least of local_search must be above 0"),
        ({"window": -1}, "window of local_search must be a whole number of at least 0"),
        ({"substitutes": 0}, "at least 1, not 0"),
        ({"skip_stop_words": 1}, "true or false, not 1"),
        ({"resting": "median"}, "resting of local_search 'median' is not known"),
    ],
)
def test_an_option_that_cannot_be(options, message):
    with pytest.raises(BenchmarkError, match=message):
        LocalSearch(**options)


def test_slots_know_their_share():
    assert Slot(0, 1).share is None
