"""What simulators ask language models, and what they make of the answers."""

from __future__ import annotations

import doctest
import json
import math

import pytest
import torch

from benchmark.errors import BenchmarkError
from benchmark.interface import LabelError, NeedsLanguageModel, NeedsTokenizer, Reply, Simulator
from benchmark.simulators import (
    AllAtOnce,
    FirstLogits,
    JsonCopy,
    TokenByToken,
    json_copy,
    levels,
    token_by_token,
)
from benchmark.simulators.all_at_once import pieces, prefix
from benchmark.simulators.examples import EXAMPLES
from benchmark.simulators.json_copy import aligned, entries
from benchmark.simulators.levels import NINE, TEN, expected
from benchmark.simulators.token_by_token import level_of
from explainers.sentence import Sentence
from tests.language_models import ScriptedModel
from tests.simulators.planted import (
    RAIN,
    TOKENS,
    TRUTH,
    WORDS,
    Tokenizer,
    perfect_digit,
    perfect_json,
    perfect_labels,
)


def made(kind, model):
    simulator = kind()
    simulator.use_tokenizer(Tokenizer())
    simulator.use_language_model(model)
    return simulator


@pytest.mark.parametrize("kind", [AllAtOnce, FirstLogits, JsonCopy, TokenByToken])
def test_what_a_simulator_needs_and_where_it_predicts(kind):
    simulator = kind()
    assert isinstance(simulator, Simulator)
    assert isinstance(simulator, NeedsTokenizer)
    assert isinstance(simulator, NeedsLanguageModel)
    with pytest.raises(BenchmarkError, match=f"simulator={kind.name} asks a language model"):
        simulator.simulate([RAIN], TOKENS)


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        (AllAtOnce, ScriptedModel(labels=perfect_labels)),
        (JsonCopy, ScriptedModel(perfect_json)),
        (TokenByToken, ScriptedModel(perfect_digit)),
    ],
)
def test_a_perfect_model_predicts_the_neuron(kind, model):
    """Level 10 of 10, or 9 of 9, is the largest activation; BOS is 0 and never shown."""
    found = made(kind, model).simulate([RAIN, Sentence("rain, too", 4.0)], TOKENS)
    assert torch.equal(found.values, torch.stack([TRUTH, TRUTH / 2]))
    assert found.predicted is None
    assert found.costs["unread_tokens"] == 0
    assert found.costs["llm_requests"] > 0
    assert "<bos>" not in str(model.requests) + str(model.label_requests)


class TestAllAtOnce:
    def test_no_place_depends_on_another(self):
        """The prompt says `unknown` at every place, and what stands before it is only text."""
        model = ScriptedModel(labels=perfect_labels)
        made(AllAtOnce, model).simulate([RAIN], TOKENS)
        probe, first, second = model.label_requests
        assert probe.labels == first.labels == TEN
        assert first.pieces == (" the\t", "\n rain\t", "\n fell\t", "\n\\n\t", "\n{\t")
        assert second.pieces == (" rain\t", "\n\\t\t", '\n"\t', "\n rain\t")
        assert first.placeholder == "unknown"
        assert first.prefix == second.prefix
        assert first.prefix.endswith("It looks for: rain in any text\n<start>\n")

    def test_the_expected_level_is_predicted(self):
        def labels(request):
            spread = torch.zeros(len(request.pieces), len(request.labels))
            spread[:, 0], spread[:, 5], spread[:, 10] = 0.25, 0.5, 0.25
            return spread

        found = made(AllAtOnce, ScriptedModel(labels=labels)).simulate([RAIN], TOKENS)
        text = TOKENS != 0
        assert found.values[0][text].tolist() == pytest.approx([4.0] * int(text.sum()))
        assert not found.values[0][~text].any()

    def test_levels_end_at_nine_where_ten_is_no_token(self):
        def labels(request):
            if "10" in request.labels:
                raise LabelError("'10' is two tokens")
            return perfect_labels(request)

        model = ScriptedModel(labels=labels)
        found = made(AllAtOnce, model).simulate([RAIN], TOKENS)
        assert torch.equal(found.values[0], TRUTH)
        assert model.label_requests[-1].labels == NINE
        assert "\t10" not in model.label_requests[-1].prefix
        assert "to 9, as strongly" in model.label_requests[-1].prefix

    def test_a_model_without_any_digit_is_refused(self):
        def labels(request):
            raise LabelError("'1' is two tokens")

        with pytest.raises(LabelError, match="is two tokens"):
            made(AllAtOnce, ScriptedModel(labels=labels)).simulate([RAIN], TOKENS)

    def test_a_place_that_cannot_be_read_is_zero_and_counted(self):
        def labels(request):
            probabilities = perfect_labels(request)
            probabilities[1] = math.nan
            return probabilities

        found = made(AllAtOnce, ScriptedModel(labels=labels)).simulate([RAIN], TOKENS)
        assert found.costs["unread_tokens"] == 2
        assert found.values[0].tolist() == [[0.0] * 6, [0, 8, 0, 0, 0, 8]]

    def test_a_model_without_probabilities_is_refused_at_the_start(self):
        with pytest.raises(BenchmarkError, match="take simulator=json"):
            made(AllAtOnce, ScriptedModel(perfect_json))

    def test_examples_hide_their_levels_up_to_an_index(self):
        text = prefix("x", TEN)
        for example in EXAMPLES:
            lines = [
                f"{token}\t{'unknown' if at < example.revealed else level}"
                for at, (token, level) in enumerate(
                    zip(example.tokens, example.levels, strict=True)
                )
            ]
            assert "\n".join(["<start>", *lines, "<end>"]) in text
            assert max(example.levels[example.revealed :]) > 0
        assert {min(map(len, (e.tokens, e.levels))) for e in EXAMPLES} == {
            len(e.tokens) for e in EXAMPLES
        }

    def test_pieces_of_no_token(self):
        assert pieces(()) == ()
        found = made(AllAtOnce, ScriptedModel(labels=perfect_labels)).simulate(
            [RAIN], TOKENS[:, :1]
        )
        assert found.values.tolist() == [[[0.0], [0.0]]]

    def test_the_expected_level_against_a_slow_twin(self):
        logprobs = torch.randn(5, 11).log_softmax(1)
        slow = [
            sum(level * math.exp(p) for level, p in enumerate(row)) / 10
            for row in logprobs.tolist()
        ]
        assert expected(logprobs).tolist() == pytest.approx(slow, abs=1e-6)


class TestTokenByToken:
    def test_levels_so_far_stand_in_each_question(self):
        model = ScriptedModel(perfect_digit)
        made(TokenByToken, model).simulate([RAIN], TOKENS[:1])
        question = model.requests[2].messages[-1].content
        assert question.endswith("Text:\n the\t0\n rain\t9\n fell\t?")
        assert [one.max_tokens for one in model.requests] == [1] * 5
        assert all(one.top_logprobs for one in model.requests)

    def test_one_request_a_token_and_contexts_side_by_side(self):
        rounds = []
        model = ScriptedModel(perfect_digit)
        inner = model.ask
        model.ask = lambda requests: rounds.append(len(requests)) or inner(requests)
        found = made(TokenByToken, model).simulate([RAIN, RAIN], TOKENS)
        assert rounds == [4, 4, 4, 4, 2]
        assert found.costs["llm_requests"] == 18

    def test_the_expected_level_of_log_probabilities(self):
        logprobs = ({"9": math.log(0.3), " 9": math.log(0.1), "0": math.log(0.4), "a": -1.0},)
        assert level_of(Reply("0", logprobs=logprobs)) == pytest.approx(0.5)

    @pytest.mark.parametrize(("text", "level"), [("3", 3 / 9), (" 0.", 0), ("9\n", 1)])
    def test_without_log_probabilities_the_digit_counts(self, text, level):
        assert level_of(Reply(text)) == level
        assert level_of(Reply(text, logprobs=({"a": 0.0},))) == level

    @pytest.mark.parametrize("text", ["", "10", "none", "3 4", "-1"])
    def test_what_is_no_digit_is_unread(self, text):
        assert math.isnan(level_of(Reply(text)))
        found = made(TokenByToken, ScriptedModel(lambda _: text)).simulate([RAIN], TOKENS[:1])
        assert found.costs["unread_tokens"] == found.costs["unread_replies"] == 5
        assert not found.values.any()


class TestJson:
    @pytest.mark.parametrize(
        ("change", "lost"),
        [
            (lambda listed: listed, []),
            (lambda listed: [{**one, "token": one["token"].strip()} for one in listed], []),
            (lambda listed: [*listed[:1], {"token": "Rain!", "level": 10}, *listed[2:]], [1]),
            (lambda listed: [*listed[:1], *listed[2:]], [1]),
            (lambda listed: [*listed[:2], {"token": "?", "level": 10}, *listed[2:]], []),
            (lambda listed: [*listed[:1], {"token": " rain", "level": 11}, *listed[2:]], [1]),
            (lambda listed: [*listed[:1], {"token": " rain", "level": True}, *listed[2:]], [1]),
            (lambda listed: [*listed[:1], {"token": " rain", "level": "10"}, *listed[2:]], []),
            (lambda listed: listed[:3], [3, 4]),
        ],
    )
    def test_a_miscopied_token_costs_that_token_alone(self, change, lost):
        tokens = (" the", " rain", " fell", "\\n", " rain")
        listed = [{"token": t, "level": 10 if t == " rain" else 0} for t in tokens]
        levels = aligned(tokens, entries(json.dumps({"levels": change(listed)})))
        want = [math.nan if at in lost else float(t == " rain") for at, t in enumerate(tokens)]
        assert levels.tolist() == pytest.approx(want, nan_ok=True)

    def test_an_answer_that_was_cut_costs_what_is_behind_the_cut(self):
        def cut(request):
            text = perfect_json(request)
            return Reply(text[: text.rindex('{"token"') + 12], finished=False)

        found = made(JsonCopy, ScriptedModel(cut)).simulate([RAIN], TOKENS[:1])
        assert found.values[0].tolist() == TRUTH[:1].tolist()
        assert found.costs["unread_tokens"] == 1

    @pytest.mark.parametrize(
        "text",
        ["", "I cannot do that.", "{" * 3000, '{"levels": 3}', "[1, 2]", "<html></html>", "{}"],
    )
    def test_what_is_no_json_of_levels_predicts_zero_and_is_counted(self, text):
        found = made(JsonCopy, ScriptedModel(lambda _: text)).simulate([RAIN], TOKENS)
        assert not found.values.any()
        assert found.costs["unread_tokens"] == 9
        assert found.costs["unread_replies"] == 2

    @pytest.mark.parametrize("around", ["{}", "```json\n{}\n```", "Here it is:\n{}\nDone {{"])
    def test_what_stands_around_the_json_is_passed_over(self, around):
        listed = '[{"token": "{", "level": 2}, {"token": "}", "level": 3.5}]'
        for text in (listed, f'{{"levels": {listed}}}'):
            text = around.replace("{}", text)
            assert entries(text) == [("{", 2.0), ("}", 3.5)]


class Fixed:
    """Logits that a test writes, and what was asked."""

    name, reads_labels = "fixed", False

    def __init__(self, tokenizer, logits):
        self.tokenizer, self.logits, self.calls = tokenizer, logits, []

    def ask(self, requests):
        raise NotImplementedError

    read_labels = ask

    def first_logits(self, prefixes, tokens, n):
        self.calls.append((list(prefixes), tokens.clone(), n))
        return self.logits[:, :, : tokens.shape[1], :n]


class TestFirstLogits:
    def test_the_softmax_of_the_first_eleven_logits_is_read_at_each_token(self):
        logits = torch.randn(2, 2, 5, 20)
        model = Fixed(Tokenizer(), logits)
        found = made(FirstLogits, model).simulate([RAIN, Sentence("snow\nhere", 3.0)], TOKENS)
        ((prefixes, tokens, n),) = model.calls
        assert prefixes[1] == "## Neuron Description: snow here\n\n ## Input: "
        assert torch.equal(tokens, TOKENS[:, 1:])
        assert n == 11
        for row, scale in enumerate((8.0, 3.0)):
            for context in range(2):
                for place in range(1, 6):
                    raw = [math.exp(x) for x in logits[row, context, place - 1, :11].tolist()]
                    level = sum(at * x for at, x in enumerate(raw)) / sum(raw)
                    want = 0.0 if TOKENS[context, place] == 0 else level / 10 * scale
                    assert float(found.values[row, context, place]) == pytest.approx(want, abs=1e-5)
        assert not found.values[:, :, 0].any()

    def test_another_vocabulary_is_refused(self):
        class Other(Tokenizer):
            def get_vocab(self):
                return {word: index for index, word in enumerate(WORDS[:3] + WORDS[4:])}

        with pytest.raises(BenchmarkError, match=r"must have the same vocabulary: token 3 is"):
            made(FirstLogits, Fixed(Other(), torch.randn(1, 2, 5, 20))).simulate([RAIN], TOKENS)

    def test_special_tokens_may_differ(self):
        class Other(Tokenizer):
            def get_vocab(self):
                return {("<s>" if at == 0 else word): at for at, word in enumerate(WORDS)}

        model = Fixed(Other(), torch.zeros(1, 2, 5, 20))
        found = made(FirstLogits, model).simulate([RAIN], TOKENS)
        assert found.values[0, 0].tolist() == pytest.approx([0, 4, 4, 4, 4, 4])

    def test_a_model_behind_an_endpoint_is_refused(self):
        with pytest.raises(BenchmarkError, match="take llm=local"):
            made(FirstLogits, ScriptedModel(labels=perfect_labels))


def test_a_text_without_a_scale_is_refused():
    class Text:
        def describe(self):
            return "rain"

    with pytest.raises(BenchmarkError, match="a Text does not say it"):
        made(AllAtOnce, ScriptedModel(labels=perfect_labels)).simulate([Text()], TOKENS)


@pytest.mark.parametrize("module", [levels, json_copy, token_by_token])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).attempted
    assert not doctest.testmod(module).failed
