"""Prompts of the llm explainer: records, levels, styles, and the sentences of answers."""

from __future__ import annotations

import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import BenchmarkError
from benchmark.interface import EXEMPLARS, EXEMPLARS_AND_SAMPLE, Explainer, Failure, Reply
from explainers.llm import LLM
from explainers.llm.prompts import (
    UnusableAnswerError,
    conversation,
    marked_tokens,
    prompt_hash,
    sentence_of,
    written,
)
from explainers.llm.records import (
    Record,
    across_the_range,
    levels_of,
    near_misses,
    records_of,
    window,
)
from explainers.llm.style import Style, load_style, style_names, style_path
from explainers.sentence import Sentence
from tests.explainers.planted import BOS, VOCABULARY, PlantedSubject, make_evidence
from tests.language_models import ScriptedModel

STYLES = ("contrastive", "highlight", "highlight_values", "pairs", "snippets", "token_list")
WORDS = [word.replace("\n", "\\n").replace("\t", "\\t") for word in VOCABULARY]


def text_of(token: int) -> str:
    return WORDS[token]


def style(**changes: object) -> Style:
    plain = {"name": "x", "version": 1, "system": "", "question": "{records}", "form": "pairs"}
    return Style(**{**plain, **changes})


def asking(answer, **options):
    explainer = LLM(**options)
    model = ScriptedModel(answer)
    explainer.use_language_model(model)
    return explainer, model


class TestLevels:
    @given(st.lists(st.lists(st.floats(-5, 50), min_size=1, max_size=6), min_size=1, max_size=4))
    def test_against_a_slow_twin(self, values):
        records = [Record(("a",) * len(one), tuple(one)) for one in values]
        largest = max(max(one) for one in values)
        for record, levels in zip(records, levels_of(records), strict=True):
            for value, level in zip(record.activations, levels, strict=True):
                positive = value if value > 0 else 0.0
                want = 0 if largest <= 0 else min(10, math.floor(10 * positive / largest))
                assert level == want

    def test_the_largest_of_the_records_shown_counts(self):
        one, other = Record(("a", "b"), (4.0, 2.0)), Record(("c",), (8.0,))
        assert levels_of([one]) == [[10, 5]]
        assert levels_of([one, other]) == [[5, 2], [10]]
        assert levels_of([Record(("a",), (-1.0,))]) == [[0]]


class TestRecords:
    @given(
        st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=30),
        st.integers(0, 29),
        st.integers(1, 12),
    )
    def test_a_window_is_text_of_one_document_around_its_place(self, tokens, anchor, length):
        tokens = torch.tensor([0, *tokens])
        anchor = 1 + anchor % (len(tokens) - 1)
        if tokens[anchor] == 0:
            return
        place = window(tokens, anchor, 0, length)
        assert place.start <= anchor < place.stop
        assert (tokens[place] != 0).all()
        assert place.stop - place.start <= length
        # As long as the document allows.
        lengthened = [
            one
            for one in (slice(place.start - 1, place.stop), slice(place.start, place.stop + 1))
            if one.start >= 0 and one.stop <= len(tokens) and (tokens[one] != 0).all()
        ]
        assert place.stop - place.start == length or not lengthened

    def test_most_of_a_window_stands_before_its_place(self):
        assert window(torch.arange(1, 101), 50, 0, 20) == slice(35, 55)
        assert window(torch.arange(1, 101), 3, 0, 20) == slice(0, 20)
        assert window(torch.arange(1, 101), 99, 0, 20) == slice(80, 100)

    def test_records_are_those_of_the_exemplars(self):
        evidence = make_evidence(PlantedSubject(), k=3)
        for row in range(evidence.n_neurons):
            records = records_of(evidence, row, 2, 64, text_of)
            assert len(records) == 2
            for context, record in enumerate(records):
                tokens = evidence.exemplars.tokens[row, context].tolist()
                activations = evidence.exemplars.activations[row, context].tolist()
                pairs = list(zip(record.tokens, record.activations, strict=True))
                assert "<bos>" not in record.tokens
                assert max(record.activations) == pytest.approx(
                    max(a for t, a in zip(tokens, activations, strict=True) if t != BOS)
                )
                shown = [(WORDS[t], a) for t, a in zip(tokens, activations, strict=True)]
                assert any(shown[at : at + len(pairs)] == pairs for at in range(len(shown)))

    def test_near_misses_hold_a_token_of_the_exemplars_and_are_silent(self):
        subject = PlantedSubject()
        evidence = make_evidence(subject, n_sample=30, k=2)
        found = 0
        for row in range(evidence.n_neurons):
            limit = 0.1 * float(evidence.max_activation[row])
            anchors = {
                WORDS[int(tokens[place])]
                for tokens, place in zip(
                    evidence.exemplars.tokens[row], evidence.exemplars.anchors[row], strict=True
                )
            }
            for record in near_misses(evidence, row, 4, 3, text_of):
                assert anchors & set(record.tokens)
                assert max(record.activations) < limit
                found += 1
        assert found > 3

    def test_quantiles_show_the_whole_range(self):
        evidence = make_evidence(PlantedSubject(), n_sample=30, k=6)
        spread = across_the_range(evidence, 6, "llm")
        for row in range(evidence.n_neurons):
            peaks = [max(one.activations) for one in records_of(spread, row, 6, 64, text_of)]
            top = [max(one.activations) for one in records_of(evidence, row, 6, 64, text_of)]
            assert len(peaks) == 6
            assert peaks == sorted(peaks, reverse=True)
            assert peaks[0] == top[0]
            assert peaks[-1] < top[-1]


class TestForms:
    def test_pairs(self):
        records = [Record(("a", " b", "\\n"), (1.0, 0.0, 4.0)), Record(("c",), (0.5,))]
        assert written(style(), records) == (
            "<start>\na\t2\n b\t0\n\\n\t10\n<end>\n<start>\nc\t1\n<end>"
        )

    @pytest.mark.parametrize(("n_zero", "repeats"), [(3, False), (4, False), (5, True)])
    def test_lines_above_zero_are_repeated_if_they_are_few(self, n_zero, repeats):
        """One in five is a fifth, and a fifth is not below it."""
        record = Record(("z",) * n_zero + ("a",), (0.0,) * n_zero + (1.0,))
        text = written(style(repeat_below=0.2, repeat_heading="Again:"), [record])
        assert ("Again:\n<start>\na\t10\n<end>" in text) == repeats
        assert text.count("a\t10") == 1 + repeats

    def test_marks_surround_runs_of_tokens_and_leave_spaces_outside(self):
        record = Record((" the", " ra", "in", " fell", " down"), (0.0, 3.0, 10.0, 2.9, 3.0))
        shown = written(style(form="marked", threshold=0.3), [record])
        assert shown == " the <<rain>> fell <<down>>"

    def test_nothing_below_zero_is_marked(self):
        plain = style(form="marked", threshold=0.3)
        assert marked_tokens(plain, Record(("a", "b"), (-1.0, -3.0))) == [False, False]
        assert marked_tokens(plain, Record(("a", "b"), (0.0, 0.0))) == [False, False]

    def test_values_list_the_marked_tokens_with_levels(self):
        records = [Record((" a", " b", " c"), (8.0, 1.0, 4.0)), Record((" d",), (10.0,))]
        shown = written(style(form="marked", values=True), records)
        assert shown.splitlines() == [
            " <<a>> b <<c>>",
            'levels: " a" 8, " c" 4',
            " <<d>>",
            'levels: " d" 10',
        ]

    def test_tokens_are_listed_by_their_mean_activation(self):
        records = [Record(("a", "b", "a"), (9.0, 5.0, 0.0)), Record(("c", "d"), (0.1, -2.0))]
        assert written(style(form="tokens", threshold=0.1), records) == "b\na"

    def test_snippets_begin_with_the_strongest_tokens(self):
        records = [Record((" a", " b"), (1.0, 2.0)), Record(("c",), (1.0,))]
        assert written(style(form="snippets"), records) == "Tokens:\n b\nc\n\nTexts:\n a b\nc"


class TestStyles:
    def test_the_built_in_ones(self):
        assert style_names() == sorted(STYLES)

    @pytest.mark.parametrize("name", STYLES)
    def test_a_prompt_shows_the_evidence(self, name):
        """Example neurons first, each with its answer, then the neuron in the same form."""
        subject = PlantedSubject()
        evidence = make_evidence(subject, n_sample=30, k=3)
        explainer = LLM(style=name, examples=3)
        prompts = explainer.conversations(load_style(name), evidence, subject)
        assert len({prompt_hash(one) for one in prompts}) == evidence.n_neurons
        loaded = load_style(name)
        for row, messages in enumerate(prompts):
            roles = [one.role for one in messages]
            assert roles == ["system", *["user", "assistant"] * len(loaded.neurons), "user"]
            assert len(loaded.neurons) >= 2
            records = records_of(evidence, row, 3, loaded.record_tokens, text_of)
            question = messages[-1].content
            for record in records:
                if loaded.form == "pairs":
                    assert "\n".join(record.tokens) in re.sub(r"\t[0-9]+", "", question)
                elif loaded.form == "tokens":
                    assert record.tokens[record.anchor] in question
                else:
                    assert "".join(record.tokens) in re.sub("<<|>>", "", question)

    def test_near_misses_stand_below_the_records(self):
        subject = PlantedSubject()
        evidence = make_evidence(subject, n_sample=30, k=2)
        loaded = load_style("contrastive")
        prompts = LLM(style="contrastive").conversations(loaded, evidence, subject)
        shown = 0
        for row, messages in enumerate(prompts):
            misses = near_misses(evidence, row, loaded.near_misses, loaded.record_tokens, text_of)
            above, _, below = messages[-1].content.partition(loaded.near_miss_heading)
            assert below.strip("\n").splitlines() == ["".join(one.tokens) for one in misses]
            assert "<<" in above
            assert "<<" not in below
            shown += bool(misses)
        assert shown

    def test_text_that_looks_like_a_place_is_left_alone(self):
        record = Record(("{number}", "{records}"), (1.0, 0.0))
        messages = conversation(style(question="{number}: {records}"), [record])
        assert messages[-1].content == "1: <start>\n{number}\t10\n{records}\t0\n<end>"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (("version: 1", "vers: 1"), "key of style .* 'vers' is not known; did you mean"),
            (("name: pairs\n", ""), "has no key 'name'"),
            (("form: pairs", "form: pear"), "form of style .* 'pear' is not known"),
            (("{records}", "records"), "'question' has no {records}"),
            (("examples: 5", "examples: five"), "'examples' has a value that it cannot have"),
            (("examples: 5", "examples: -5"), "'examples' has a value that it cannot have"),
            (('stop: ["\\n"]', "stop: 3"), "'stop' has a value that it cannot have"),
            (("rain^10", "rain^ten"), "each of 'neurons' has an 'answer'"),
            (("  - answer: words", "  - says: words"), "each of 'neurons' has an 'answer'"),
        ],
    )
    def test_what_is_no_style(self, change, message, tmp_path):
        text = style_path("pairs").read_text()
        assert change[0] in text
        path = tmp_path / "mine.yaml"
        path.write_text(text.replace(*change))
        with pytest.raises(BenchmarkError, match=message):
            load_style(str(path))

    def test_names_that_are_none(self, tmp_path):
        with pytest.raises(BenchmarkError, match="style 'pear' is not known"):
            LLM(style="pear")
        with pytest.raises(BenchmarkError, match="there is no such file"):
            load_style(str(tmp_path / "none.yaml"))
        (tmp_path / "empty.yaml").write_text("")
        with pytest.raises(BenchmarkError, match="holds no keys"):
            load_style(str(tmp_path / "empty.yaml"))


class TestAnswers:
    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (" words for rain", "words for rain"),
            ('"words for rain"\n', "words for rain"),
            ("**words for rain**", "words for rain"),
            ("words for rain.\n\nNeuron 5", "words for rain."),
        ],
    )
    def test_the_sentence_of_an_answer(self, text, sentence):
        assert sentence_of(style(), Reply(text)) == sentence

    def test_the_sentence_stands_behind_a_mark(self):
        marked = style(after="EXPLANATION:")
        text = "They all rain. EXPLANATION: no.\nEXPLANATION: words for rain"
        assert sentence_of(marked, Reply(text)) == "words for rain"
        with pytest.raises(UnusableAnswerError, match="does not say 'EXPLANATION:'"):
            sentence_of(marked, Reply("words for rain"))

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            (Reply("words for", finished=False), "was cut"),
            (Reply(""), "is empty"),
            (Reply(' ""\n'), "is empty"),
            (Reply("I cannot say what this neuron does."), "refused: I cannot say"),
            (Reply("As an AI language model, I"), "refused"),
        ],
    )
    def test_what_is_no_sentence(self, reply, reason):
        with pytest.raises(UnusableAnswerError, match=reason):
            sentence_of(style(), reply)


class TestExplaining:
    def test_all_neurons_are_asked_at_once(self):
        subject = PlantedSubject()
        evidence = make_evidence(subject).without_sample()
        explainer, model = asking(lambda request: f"text {request.sample}", candidates=3)
        rounds = []
        inner = model.ask
        model.ask = lambda requests: rounds.append(len(requests)) or inner(requests)
        found = explainer.explain(evidence, subject)
        assert isinstance(explainer, Explainer)
        assert rounds == [3 * evidence.n_neurons]
        for one, maximum in zip(found, evidence.max_activation.tolist(), strict=True):
            assert isinstance(one.answer, Sentence)
            assert one.answer.text == "text 0"
            assert [other.text for other in one.candidates] == ["text 1", "text 2"]
            assert one.answer.max_activation == pytest.approx(maximum)
            assert one.answer.shown["candidates"] == ["text 0", "text 1", "text 2"]
            assert one.costs["llm_requests"] == 3
            assert one.costs["llm_tokens"] > 3
        assert {one.temperature for one in model.requests} == {1.0}
        assert subject.tokens_run == 0

    def test_equal_candidates_are_one(self):
        explainer, _ = asking(lambda request: "the same", candidates=3)
        evidence = make_evidence(PlantedSubject()).without_sample()
        assert all(not one.candidates for one in explainer.explain(evidence, PlantedSubject()))

    def test_a_candidate_that_is_no_sentence_is_left_out(self):
        explainer, _ = asking(lambda r: "" if r.sample < 2 else "rain", candidates=3)
        evidence = make_evidence(PlantedSubject()).without_sample()
        for one in explainer.explain(evidence, PlantedSubject()):
            assert isinstance(one.answer, Sentence)
            assert (one.answer.text, one.candidates) == ("rain", ())

    def test_no_sentence_at_all_is_a_failure_with_its_cost(self):
        explainer, _ = asking(lambda r: Reply("I'm sorry, no"))
        evidence = make_evidence(PlantedSubject()).without_sample()
        for one in explainer.explain(evidence, PlantedSubject()):
            assert isinstance(one.answer, Failure)
            assert "refused" in one.answer.error
            assert one.costs["llm_requests"] == 1

    def test_one_sentence_is_the_likeliest(self):
        explainer, model = asking(lambda r: "rain", max_tokens=7)
        explainer.explain(make_evidence(PlantedSubject()).without_sample(), PlantedSubject())
        assert {(r.temperature, r.max_tokens, r.stop) for r in model.requests} == {
            (0.0, 7, ("\n",))
        }

    @pytest.mark.parametrize(
        ("options", "evidence"),
        [
            ({}, EXEMPLARS),
            ({"style": "contrastive"}, EXEMPLARS_AND_SAMPLE),
            ({"evidence_range": "quantiles"}, EXEMPLARS_AND_SAMPLE),
            ({"evidence": "exemplars+sample"}, EXEMPLARS_AND_SAMPLE),
        ],
    )
    def test_the_evidence_is_what_style_and_range_need(self, options, evidence):
        assert LLM(**options).evidence == evidence

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"candidates": 0}, "candidates of llm must be a whole number from 1 to 100"),
            ({"candidates": True}, "candidates of llm must be a whole number"),
            ({"examples": 0}, "examples of llm must be"),
            ({"record_tokens": 1.5}, "record_tokens of llm must be"),
            ({"max_tokens": "many"}, "max_tokens of llm must be"),
            ({"evidence_range": "all"}, "evidence_range of llm 'all' is not known"),
            ({"temperature": 3}, "temperature of llm is 3"),
            ({"evidence": "text"}, "evidence of llm 'text' is not known"),
            ({"style": "contrastive", "evidence": "exemplars"}, "needs the sample"),
        ],
    )
    def test_options_that_cannot_be(self, options, message):
        with pytest.raises(BenchmarkError, match=message):
            LLM(**options)

    def test_without_a_language_model(self):
        with pytest.raises(BenchmarkError, match="asks a language model; choose one"):
            LLM().explain(make_evidence(PlantedSubject()), PlantedSubject())
