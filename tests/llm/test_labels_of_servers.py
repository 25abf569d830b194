"""Probabilities of labels from servers that echo a prompt with its log-probabilities."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import BenchmarkError
from benchmark.interface import LabelError, LabelRequest
from tests.llm.test_openai_client import model_of
from tests.loopback_server import Answer, LoopbackServer, chat, echo, refusal

REQUEST = LabelRequest(
    "unknown things\n", ("the\t", "\ncafé\t", "\nend\t"), "unknown", ("0", "1", "2")
)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    started = LoopbackServer()
    yield started
    started.close()


def likely(place: int) -> dict[str, float]:
    """What stands at the n-th place: label n is the likeliest, and a tab is likelier still."""
    return {"\t": -0.1, **{str(n): -1.0 - abs(n - place) for n in range(3)}, "cat": -9.0}


def echoing(asked: Any, start: tuple[str, ...] = ()) -> dict[str, Any]:
    """The prompt in tokens of words, tabs and line ends, as a server echoes it."""
    tokens = [*start, *re.findall(r"\w+|\s", asked.body["prompt"])]
    places = [at for at, token in enumerate(tokens) if token == "unknown"][1:]
    top = [likely(places.index(at)) if at in places else {"x": -1.0} for at in range(len(tokens))]
    return echo(tokens, [None, *top[1:]])


EXPECTED = torch.tensor([[likely(place)[str(n)] for n in range(3)] for place in range(3)])


@pytest.mark.parametrize("start", [(), ("<s>",), ("<|begin_of_text|>", "x")])
def test_labels_are_read_where_placeholders_stand(
    start: tuple[str, ...], server: LoopbackServer, tmp_path: Path
) -> None:
    server.answer = lambda asked: echoing(asked, start)
    (reply,) = model_of(server, tmp_path).read_labels([REQUEST])
    torch.testing.assert_close(reply.logprobs, EXPECTED.log_softmax(-1))
    check, asked = server.requests
    assert check.text == "the\t0\nthe\t1\nthe\t2\n"
    assert asked.path == "/v1/completions"
    assert asked.text == "unknown things\nthe\tunknown\ncafé\tunknown\nend\tunknown"
    assert asked.body["echo"] is True
    assert (asked.body["max_tokens"], asked.body["logprobs"]) == (1, 20)
    assert reply.usage.prompt_tokens > 8


def test_parts_of_a_character_move_nothing(server: LoopbackServer, tmp_path: Path) -> None:
    def answer(asked: Any) -> dict[str, Any]:
        found = echoing(asked)
        if "unknown" not in asked.text:
            return found  # the check of the labels
        said = found["choices"][0]["logprobs"]
        at = said["tokens"].index("café")
        for key, parts in (("tokens", ["caf", "\ufffd", "\ufffd"]), ("top_logprobs", [{}] * 3)):
            said[key][at : at + 1] = parts
        return found

    server.answer = answer
    (reply,) = model_of(server, tmp_path).read_labels([REQUEST])
    torch.testing.assert_close(reply.logprobs, EXPECTED.log_softmax(-1))


def test_a_place_that_cannot_be_read_is_no_number(server: LoopbackServer, tmp_path: Path) -> None:
    def answer(asked: Any) -> dict[str, Any]:
        found = echoing(asked)
        if "unknown" not in asked.text:
            return found  # the check of the labels
        said = found["choices"][0]["logprobs"]
        places = [at for at, token in enumerate(said["tokens"]) if token == "unknown"][1:]
        said["top_logprobs"][places[0]] = {"a": -0.5}  # no label among the likeliest
        said["top_logprobs"][places[1]] = {"2": -3.0}  # one alone
        said["tokens"][places[2] - 1 : places[2] + 1] = ["\tunknown"]  # merged
        del said["top_logprobs"][places[2] - 1]
        return found

    server.answer = answer
    (reply,) = model_of(server, tmp_path).read_labels([REQUEST])
    assert reply.logprobs[0].isnan().all()
    assert reply.logprobs[1].exp().tolist() == [0, 0, 1]
    assert reply.logprobs[2].isnan().all()
    (again,) = model_of(server, tmp_path).read_labels([REQUEST])  # kept, NaN and all
    assert torch.equal(again.logprobs.isnan(), reply.logprobs.isnan())
    assert math.isinf(again.logprobs[1, 0])


def test_a_server_that_gives_less_is_asked_for_less(server: LoopbackServer, tmp_path: Path) -> None:
    def answer(asked: Any) -> Any:
        if asked.body["logprobs"] > 5:
            return Answer(refusal("logprobs: at most 5"), status=400)
        return echoing(asked)

    server.answer = answer
    model = model_of(server, tmp_path, concurrency=1)
    other = LabelRequest("unknown\n", ("a\t", "\nb\t", "\nc\t"), "unknown", ("0", "1", "2"))
    replies = model.read_labels([REQUEST, other])
    torch.testing.assert_close(replies[1].logprobs, EXPECTED.log_softmax(-1))
    bodies = [(asked.body["max_tokens"], asked.body["logprobs"]) for asked in server.requests]
    assert bodies == [(1, 20), (1, 15), (1, 5), (1, 5), (1, 5)]


def test_labels_are_checked_and_the_check_is_kept(server: LoopbackServer, tmp_path: Path) -> None:
    def single_digits(asked: Any) -> dict[str, Any]:
        tokens = re.findall(r"\d|\w+|\s", asked.body["prompt"])
        return echo(tokens, [{"1": -1.0}] * len(tokens))

    server.answer = single_digits
    labels = tuple(map(str, range(11)))
    ten, nine = (LabelRequest("x\n", ("a\t",), "unknown", some) for some in (labels, labels[:10]))
    for model in (model_of(server, tmp_path), model_of(server, tmp_path)):
        with pytest.raises(LabelError, match=r"label '10' is not one token of the language model"):
            model.read_labels([ten])
        assert model.read_labels([nine])[0].logprobs.shape == (1, 10)
        server.answer = lambda asked: Answer("", status=500)  # what is said once is kept


@pytest.mark.parametrize(
    "answer",
    [
        Answer(refusal("echo is not supported with logprobs"), status=400),
        Answer(refusal("no such route"), status=404),
        chat("a chat endpoint alone"),
        {"choices": [{"text": "unknown things", "logprobs": None}]},
        echo(["the", " answer"], [None, {"a": -1.0}]),
    ],
)
def test_a_server_without_log_probabilities_of_a_prompt(
    answer: Any, server: LoopbackServer, tmp_path: Path
) -> None:
    server.answer = lambda asked: answer
    with pytest.raises(BenchmarkError) as found:
        model_of(server, tmp_path).read_labels([REQUEST])
    said = str(found.value)
    assert said.startswith(f"the server at {server.url} gives no log-probabilities of a prompt")
    assert said.endswith(
        "take simulator=json, or a model in this process: simulator.llm.source=<hub id or folder>."
    )


def test_only_a_server_of_ones_own_is_said_to_read_labels(
    server: LoopbackServer, tmp_path: Path
) -> None:
    assert model_of(server, tmp_path).reads_labels
    assert not model_of(server, tmp_path, base_url=None).reads_labels
