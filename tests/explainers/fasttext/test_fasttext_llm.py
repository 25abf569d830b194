"""Sentences about FastText's words: what a language model is asked, and what becomes of it."""

from __future__ import annotations

import json

import pytest

from benchmark.errors import BenchmarkError
from benchmark.interface import Explained, Failure, NeedsLanguageModel, Reply, Request, Usage
from explainers.fasttext import FastText
from explainers.fasttext_llm import FastTextLLM
from explainers.sentence import Sentence
from tests.explainers.fasttext.test_explainer import SMALL, STORAGE
from tests.explainers.fasttext.toy import ANIMALS, Subject, evidence, explain_text, word_ending
from tests.language_models import ScriptedModel

TEXTS = (" the catlike hen", " red dog", " cat hen")


def explained(model: ScriptedModel | None, subject: Subject, **options: object) -> list[Explained]:
    explainer = FastTextLLM(FastText(**SMALL), **options)
    assert isinstance(explainer, NeedsLanguageModel)
    if model is not None:
        explainer.use_language_model(model)
    explainer.prepare(explain_text(), STORAGE)
    return explainer.explain(evidence(subject, *TEXTS), subject)


def answer_to(text: str, **options: object) -> Sentence | Failure:
    model = ScriptedModel(lambda _: Reply(text, **options))
    (found,) = explained(model, Subject(word_ending("catlike", "dog")))
    assert isinstance(found, Explained)
    return found.answer


def test_words_are_shown_in_windows_of_seven_tokens() -> None:
    model = ScriptedModel(lambda _: "animals")
    explained(model, Subject(word_ending("catlike", "dog")))
    (request,) = model.requests
    system, user = request.messages
    assert (system.role, user.role) == ("system", "user")
    lines = user.content.splitlines()
    assert lines[1] == "10 catlike:  the<< catlike>> hen.."
    assert lines[2] == "10 dog:  red<< dog>>..."
    assert lines[-1] == "Complete this sentence: The neuron is active on ..."
    assert (request.max_tokens, request.temperature) == (60, 0)


def test_the_answer_is_the_explanation_and_its_cost_is_counted() -> None:
    usage = Usage(prompt_tokens=200, completion_tokens=5, usd=0.25)
    model = ScriptedModel(lambda _: Reply(" Animals, small ones.\nAnd more", usage=usage))
    (found,) = explained(model, Subject(word_ending("catlike", "dog")))
    assert found.answer == Sentence("Animals, small ones.", 2.0)
    assert found.costs == {"llm_tokens": 205, "llm_requests": 1, "usd": 0.25}
    assert found.answer.shown["words"] == ["catlike", "dog"]
    json.dumps(found.answer.to_dict())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("The neuron is active on names of pets.", "names of pets"),
        ('"names of pets"', "names of pets"),
        ("**names of pets**", "names of pets"),
    ],
)
def test_what_frames_a_sentence_is_left_out(text: str, sentence: str) -> None:
    answer = answer_to(text)
    assert isinstance(answer, Sentence)
    assert answer.text == sentence


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("", {}, "empty"),
        (" \n ", {}, "empty"),
        ("names of", {"finished": False}, "cut"),
        ("I'm sorry, but I cannot tell.", {}, "refused"),
    ],
)
def test_what_is_no_sentence_is_a_failure(text: str, options: dict, said: str) -> None:
    answer = answer_to(text, **options)
    assert isinstance(answer, Failure)
    assert said in answer.error


def test_a_neuron_without_words_asks_nothing() -> None:
    model = ScriptedModel(lambda _: "animals")
    (found,) = explained(model, Subject(lambda _: 0.0))
    assert isinstance(found, Failure)
    assert model.asked == 0


@pytest.mark.parametrize(("threshold", "asked"), [(-1.0, 1), (1.0, 0)])
def test_only_coherent_words_are_described_where_that_is_asked(threshold, asked) -> None:
    model = ScriptedModel(lambda _: "animals")
    subject = Subject(word_ending(*ANIMALS))
    inner = FastText(**SMALL, coherence_threshold=threshold)
    explainer = FastTextLLM(inner, only_coherent=True)
    explainer.use_language_model(model)
    explainer.prepare(explain_text(), STORAGE)
    (found,) = explainer.explain(evidence(subject, " the cat", " red dog", " a cow"), subject)
    assert model.asked == asked
    assert isinstance(found, Failure) == (asked == 0)
    if not asked:
        assert "not alike" in found.error


def test_all_neurons_of_a_block_are_asked_together() -> None:
    calls: list[int] = []

    class Counting(ScriptedModel):
        def ask(self, requests: list[Request]) -> list[Reply]:
            calls.append(len(requests))
            return super().ask(requests)

    subject = Subject(word_ending("catlike"), lambda _: 0.0, word_ending("dog"))
    found = explained(Counting(lambda _: "animals"), subject)
    assert calls == [2]
    assert [isinstance(one, Failure) for one in found] == [False, True, False]
    assert [one.answer.shown["words"] for one in (found[0], found[2])] == [["catlike"], ["dog"]]


def test_without_a_language_model_it_says_how_to_choose_one() -> None:
    with pytest.raises(BenchmarkError, match="llm=openai"):
        explained(None, Subject(word_ending("dog")))


@pytest.mark.parametrize("options", [{"max_tokens": 0}, {"max_tokens": True}, {"inner": 3}])
def test_options_that_cannot_be(options: dict) -> None:
    with pytest.raises(BenchmarkError, match="fasttext_llm"):
        FastTextLLM(**options)
