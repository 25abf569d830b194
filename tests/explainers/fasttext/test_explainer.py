"""The explainer on neurons whose words are known: activating words, neighbours, what is asked."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from benchmark.errors import BenchmarkError
from benchmark.interface import Exemplars, Failure, Sample
from explainers.fasttext import FastText, training
from explainers.fasttext.vectors import coherence
from tests.explainers.fasttext.toy import (
    ANIMALS,
    BOS,
    COLOURS,
    Memory,
    Subject,
    context,
    corpus_tokens,
    evidence,
    explain_text,
    ids,
    word_ending,
)
from tests.explainers.rule_subject import evidence_of

SMALL = {"dimensions": 12, "epochs": 8, "buckets": 500, "words": 4, "neighbour_min_count": 1}
STORAGE = Memory()


def explained(subject, *texts, **options):
    explainer = FastText(**{**SMALL, **options})
    explainer.prepare(explain_text(), STORAGE)
    found = evidence(subject, *texts)
    return explainer, found, explainer.explain(found, subject)


def predicted(one, text):
    """The prediction on the last token of a text."""
    return float(one.simulate(torch.tensor([[BOS, *ids(text)]]))[0, -1])


def test_a_word_of_several_tokens_is_one_word():
    subject = Subject(word_ending("catlike", "dog"))
    _, _, (one,) = explained(subject, " the catlike hen", " red dog", " cat hen")
    assert [word.name for word in one.words] == ["catlike", "dog"]
    assert [(word.before, word.inside, word.after) for word in one.words] == [
        (" the", " catlike", " hen.."),
        (" red", " dog", "..."),
    ]
    assert predicted(one, " catlike") == pytest.approx(2, rel=1e-2)
    assert predicted(one, " the red cat") < 1.0  # half of another word


def test_the_last_token_of_a_split_word_gets_what_it_was_seen_to_do():
    subject = Subject(word_ending("catlike", "doglike", "cowlike"))
    _, _, (one,) = explained(subject, " catlike", " the doglike", " cowlike hen")
    assert one.table.profile == (0, 1000, 1000)  # no word had an inner token
    found = one.simulate(torch.tensor([[BOS, *ids(" catlike")]]))[0, 1:]
    assert found.tolist() == pytest.approx([one.table.rest / 1000 * 2, 2], abs=0.01)


def test_activation_in_the_middle_of_a_word_counts_for_the_word():
    subject = Subject(lambda tokens: 3.0 * (tokens[-1] == ids(" cow")[0]))
    _, _, (one,) = explained(subject, " the cowlike", " cows", " hens")
    assert {word.name for word in one.words} == {"cowlike", "cows"}
    assert one.table.profile == (1000, 1000, 0)


def test_coherence_is_that_of_the_activating_words():
    animals = Subject(word_ending(*ANIMALS))
    mixed = Subject(word_ending("cat", "red", "hen", "teal"))
    single = Subject(word_ending("fox"))
    texts = [f" the {word} the" for word in (*ANIMALS, *COLOURS)]
    explainer, _, (one,) = explained(animals, *texts, words=10)
    units = explainer._language.units_of([word.name for word in one.words])
    pairs = [float(units[i] @ units[j]) for i in range(len(units)) for j in range(i)]
    assert one.coherence == pytest.approx(np.mean(pairs), abs=1e-3)
    _, _, (two,) = explained(mixed, *texts, words=10)
    assert one.coherence > two.coherence
    between = (one.coherence + two.coherence) / 2
    for subject, semantic in ((animals, True), (mixed, False)):
        _, _, (found,) = explained(subject, *texts, words=10, coherence_threshold=between)
        assert found.semantic is semantic
        assert found.to_dict()["shown"]["semantic"] is semantic
        assert f"({'' if semantic else 'not '}semantic: the threshold" in found.describe()
    _, _, (alone,) = explained(single, *texts, words=10)
    assert alone.coherence is None
    assert alone.to_dict()["shown"]["coherence"] is None
    assert alone.semantic is None
    assert "no two to compare" in alone.describe()
    assert coherence(units[:0]) is None


def test_neighbours_are_tried_in_the_context_and_kept_where_the_activation_holds():
    subject = Subject(word_ending("cat", "cats", "dog"))
    explainer, _, (one,) = explained(subject, " the red cat", " hen", keep="holds")
    nearest = explainer._language.neighbours(["cat"], 5, 1)[0]
    assert [(n.original, n.name) for n in one.neighbours] == [("cat", name) for name in nearest]
    left = [BOS, *ids(" the red")]
    expected = {
        # Somewhere in the word: "dogs" holds "dog".
        name: max(
            subject.rules[0](left + ids(f" {name}")[: at + 1]) / 2
            for at in range(len(ids(f" {name}")))
        )
        for name in nearest
    }
    assert {n.name: n.activation for n in one.neighbours} == expected
    assert {n.name for n in one.neighbours if n.kept} == {n for n in nearest if expected[n] == 1}
    for name in nearest:
        assert (one.simulate(torch.tensor([left + ids(f" {name}")])).max() > 1.5) == (
            expected[name] == 1
        ), name
    asked = {tuple(context) for context in subject.asked}
    assert asked == {(BOS, *ids(f" the red {name}")) for name in nearest}


def strengths(**of_word):
    """A rule: so much on the last token of each of these words."""
    spelt = {tuple(ids(f" {word}")): value for word, value in of_word.items()}

    def rule(tokens):
        return max(
            (value for word, value in spelt.items() if tuple(tokens[-len(word) :]) == word),
            default=0.0,
        )

    return rule


def test_holding_rising_and_how_much_counts_as_held():
    rule = strengths(cat=2.0, **{word: 1.7 for word in ANIMALS if word != "cat"}, cats=2.5)
    weaker = {f"{word}{end}" for word in ANIMALS for end in ("", "s", "like")} - {"catlike"}
    kept = {}
    for name, options in (
        ("rises", {}),  # as in the report
        ("holds", {"keep": "holds"}),
        ("strict", {"keep": "holds", "hold": 0.9}),
    ):
        subject = Subject(rule)
        _, _, (one,) = explained(subject, " the cat", " red", neighbours=8, **options)
        kept[name] = {n.name for n in one.neighbours if n.kept}
        tried = {n.name for n in one.neighbours}
    assert kept["holds"] == (weaker | {"catlike"}) & tried
    assert kept["rises"] == {"cats"} & tried
    assert kept["strict"] == {"cats", "catlike"} & tried
    assert kept["holds"] > kept["strict"]


def test_equal_contexts_run_once_and_every_token_is_counted():
    subject = Subject(word_ending("cat"), word_ending("cat", "hen"), word_ending("cat"))
    _, _, many = explained(subject, " the red cat", " hen", words=1)
    assert len(set(subject.asked)) == len(subject.asked)
    assert subject.tokens_run == sum(map(len, subject.asked))
    assert many[0].to_dict() == many[2].to_dict()


def test_a_shorter_context_is_measured_anew():
    # What fires depends on the first word of the context, which a short one has lost.
    subject = Subject(
        lambda tokens: 2.0 * (tokens[-1] == ids(" cat")[0]) * (1 + (tokens[1:2] == ids(" red")))
    )
    _, _, (one,) = explained(subject, " red the the cat", context=1, words=1, neighbours=2)
    assert (BOS, *ids(" the cat")) in subject.asked
    assert all(len(asked) <= 4 for asked in subject.asked)
    assert not any(n.kept for n in one.neighbours)


def test_words_that_the_subject_cannot_write_are_not_tried():
    subject = Subject(word_ending("cat"))
    subject.tokenizer = type("DecodesOnly", (), {"decode": subject.tokenizer.decode})()
    _, _, (one,) = explained(subject, " the red cat", " hen")
    assert one.neighbours  # the corpus shows how they are written
    explainer = FastText(**SMALL)
    (alone,) = explainer.explain(evidence(subject, " the red cat", " hen's"), subject)
    assert {n.name for n in alone.neighbours} <= {"hen's", "the", "red"}
    assert alone.words[0].name == "cat"


def test_unseen_words_are_known_by_their_pieces():
    subject = Subject(word_ending("runner", "runners", "runnerish"))
    _, _, (one,) = explained(subject, " the runner hen", " red runners", " runnerish", " cow")
    unseen = " runnerlike"
    rest = one.table.rest / 1000 * 2
    assert predicted(one, unseen) > rest + 0.3
    assert predicted(one, " foxlike") < rest + 0.05
    assert predicted(one, ".") < rest + 0.05


def test_similar_words_are_predicted_more_than_others():
    """Three of five animals are seen to activate; the floor is learnt by leaving each out."""
    subject = Subject(word_ending(*ANIMALS))
    texts = [f" the {word} the {colour}" for word, colour in zip(ANIMALS, COLOURS, strict=True)]
    _, _, (one,) = explained(subject, *texts[:4], neighbours=0, words=4)
    if one.floor < 1:
        assert predicted(one, " the fox") > 2 * predicted(one, " the teal")
    assert predicted(one, " the cat") == pytest.approx(2, rel=0.01)


def test_the_tables_are_bounded():
    subject = Subject(word_ending(*ANIMALS, "cats", "cowlike"))
    texts = [f" the {word} the" for word in (*ANIMALS, *COLOURS)]
    for words, pieces in ((0, 0), (2, 1), (7, 3)):
        _, _, (one,) = explained(subject, *texts, max_words=words, max_subwords=pieces, words=10)
        assert len(one.table.words) <= words
        assert len(one.table.pieces) <= pieces
        one.simulate(torch.tensor([[BOS, *ids(" the cat")]]))


def test_a_description_has_windows_of_seven_tokens_and_fits_a_screen():
    subject = Subject(word_ending(*ANIMALS, *COLOURS, "cats", "dogs", "cowlike", "hens"))
    words = (*ANIMALS, *COLOURS, "cats", "dogs", "cowlike", "hens")
    texts = [f" the the the {word} the the the the" for word in words]
    _, _, (one,) = explained(subject, *texts, words=20)
    lines = one.describe().splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100
    assert any("·the·the·the‹·cat›·the·the·the" in line for line in lines)
    for word in one.words:
        assert [len(ids(text)) for text in (word.before, word.after)] == [3, 3]
        assert word.inside == f" {word.name}"


def test_a_neuron_that_never_fires_on_a_word_fails():
    subject = Subject(lambda tokens: -1.0, word_ending("cat"))
    tokens = [context(" the cat", 8)]
    explainer = FastText(**SMALL)
    explainer.prepare(explain_text(), STORAGE)
    first, second = explainer.explain(evidence_of(subject, tokens), subject)
    assert isinstance(first, Failure)
    assert second.words[0].name == "cat"


def two_neurons():
    """A neuron each about animals and colours, on exemplars of their own."""
    subject = Subject(word_ending(*ANIMALS), word_ending(*COLOURS))
    found = evidence(subject, " the cat fox", " the dog hen", " cow", " red the", " teal pink")
    own = found.exemplars
    rows = torch.tensor([[0, 1, 2], [3, 4, 2]])
    neurons = torch.arange(2)[:, None]
    exemplars = Exemplars(
        own.tokens[0][rows], own.activations[neurons, rows], own.anchors[neurons, rows]
    )
    return subject, dataclasses.replace(found, exemplars=exemplars)


def test_from_exemplars_each_neuron_learns_the_words_of_its_own():
    subject, found = two_neurons()
    explainer = FastText(**SMALL, evidence="exemplars")
    first, second = explainer.explain(found, subject)
    alone = [explainer.explain(found.select(torch.tensor([row])), subject)[0] for row in (0, 1)]
    assert [one.to_dict() for one in alone] == [first.to_dict(), second.to_dict()]
    tried = {n.name for n in first.neighbours}
    assert tried <= {"cat", "fox", "dog", "hen", "cow", "the"}
    assert tried
    assert "its exemplars" in first.vectors
    assert predicted(first, " the cat") == pytest.approx(2, rel=0.01)


def test_from_the_sample_all_learn_its_text_once(monkeypatch):
    subject, found = two_neurons()
    tokens = corpus_tokens(n=60)
    found = dataclasses.replace(found, sample=Sample(tokens, subject.activations(tokens, 0)))
    explainer = FastText(**{**SMALL, "words": 20}, evidence="exemplars+sample")
    trainings = []
    train = training._train
    monkeypatch.setattr(training, "_train", lambda *given: trainings.append(given) or train(*given))
    first, second = explainer.explain(found, subject)
    assert [one.to_dict() for one in explainer.explain(found, subject)] == [
        first.to_dict(),
        second.to_dict(),
    ]
    assert len(trainings) == 1
    assert "the sample" in first.vectors
    # Words that stand in the contexts of the sample alone activate too.
    assert {word.name for word in first.words} - {"cat", "fox", "dog", "hen", "cow"}
    prepared = FastText(**SMALL, evidence="exemplars+sample+text")
    prepared.prepare(explain_text(), STORAGE)
    assert "the explain split" in prepared.explain(found, subject)[0].vectors
    with pytest.raises(BenchmarkError, match="fasttext needs the sample"):
        explainer.explain(found.without_sample(), subject)


def test_pretrained_vectors_are_used_instead(tmp_path):
    path = tmp_path / "small.vec"
    rows = {"cat": "1 0", "hen": "0.9 0.1", "red": "0 1", "zebra": "0.95 0.05"}
    path.write_text(f"{len(rows)} 2\n" + "".join(f"{w} {v}\n" for w, v in rows.items()))
    subject = Subject(word_ending("cat", "hen"))
    options = {"vectors": str(path), "keep": "holds"}
    _, _, (one,) = explained(subject, " the cat", " cows", neighbours=3, **options)
    # The tokenizer has no way to write " zebra".
    assert [(n.name, n.kept) for n in one.neighbours] == [("hen", True), ("red", False)]
    assert one.vectors.startswith(str(path))
    unprepared = FastText(**SMALL, **options)
    (two,) = unprepared.explain(evidence(subject, " the cat", " cows"), subject)
    assert two.neighbours == one.neighbours
