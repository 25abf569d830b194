"""The client of servers that speak the OpenAI protocol, against one that misbehaves on demand."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import BenchmarkError
from benchmark.interface import LanguageModel, Message, Request
from benchmark.llm.making import language_model
from tests.loopback_server import Answer, LoopbackServer, chat, refusal

KEY = "sk-very-secret-0123456789"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    started = LoopbackServer()
    yield started
    started.close()


def model_of(server: LoopbackServer, folder: Path, **options: Any) -> LanguageModel:
    config = {"name": "openai", "model": "m", "base_url": server.url, "retries": 0, **options}
    return language_model(config, folder)


def question(text: str, **options: Any) -> Request:
    return Request((Message("user", text),), **{"max_tokens": 8, **options})


def test_answers_come_in_the_order_of_the_requests(server: LoopbackServer, tmp_path: Path) -> None:
    def answer(asked: Any) -> Answer:
        number = int(asked.text)
        return Answer(chat(f"answer {number}"), delay=0.002 * (20 - number))

    server.answer = answer
    model = model_of(server, tmp_path, concurrency=20)
    replies = model.ask([question(str(number)) for number in range(20)])
    assert [reply.text for reply in replies] == [f"answer {number}" for number in range(20)]
    assert replies[0].usage.tokens == 12
    assert server.most_at_once > 10


def test_what_a_request_says(server: LoopbackServer, tmp_path: Path) -> None:
    messages = (Message("system", "short"), Message("user", "what?"), Message("assistant", "it is"))
    schema = {"type": "object"}
    model = model_of(server, tmp_path, parameters={"top_p": 0.5})
    model.ask([Request(messages, 7, 0.5, 3, ("\n",), 30, schema)])
    (asked,) = server.requests
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "short"},
            {"role": "user", "content": "what?"},
            {"role": "assistant", "content": "it is"},
        ],
        "max_tokens": 7,
        "temperature": 0.5,
        "seed": 3,
        "stop": ["\n"],
        "logprobs": True,
        "top_logprobs": 20,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        },
        "top_p": 0.5,
    }


def test_equal_requests_are_asked_once_and_samples_apart(
    server: LoopbackServer, tmp_path: Path
) -> None:
    texts = iter("abc")
    server.answer = lambda asked: chat(next(texts))
    same = [question("x", temperature=1.0, sample=sample) for sample in (0, 1, 0)]
    model = model_of(server, tmp_path, concurrency=1)
    assert [reply.text for reply in model.ask(same)] == ["a", "b", "a"]
    assert len(server.requests) == 2


def test_a_second_process_asks_nothing(
    server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = model_of(server, tmp_path).ask([question("x", top_logprobs=2)])
    server.answer = lambda asked: Answer("", status=500)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert model_of(server, tmp_path).ask([question("x", top_logprobs=2)]) == first
    assert len(server.requests) == 1


def test_log_probabilities_of_an_answer(server: LoopbackServer, tmp_path: Path) -> None:
    likely = [{"token": "yes", "logprob": -0.1}, {"token": "no", "logprob": -2.5}]
    content = [{"token": "yes", "logprob": -0.1, "top_logprobs": likely}]
    server.answer = lambda asked: chat("yes", logprobs={"content": content})
    (reply,) = model_of(server, tmp_path).ask([question("x", top_logprobs=2)])
    assert reply.logprobs == ({"yes": -0.1, "no": -2.5},)


def test_a_cut_answer_says_so(server: LoopbackServer, tmp_path: Path) -> None:
    server.answer = lambda asked: chat("half a", finish="length")
    (reply,) = model_of(server, tmp_path).ask([question("x")])
    assert (reply.text, reply.finished) == ("half a", False)


@pytest.mark.parametrize("known", ["nothing", "all but schemas", "all but log-probabilities"])
def test_what_a_server_does_not_know_is_left_out_and_remembered(
    known: str, server: LoopbackServer, tmp_path: Path
) -> None:
    unknown = {
        "nothing": ("response_format", "logprobs", "seed"),
        "all but schemas": ("response_format",),
        "all but log-probabilities": ("logprobs",),
    }[known]

    def answer(asked: Any) -> Any:
        wrong = [name for name in unknown if name in asked.body]
        return Answer(refusal(f"Unknown field: {wrong[0]}"), status=400) if wrong else chat("fine")

    server.answer = answer
    model = model_of(server, tmp_path, concurrency=1)
    options = {"schema": {"type": "object"}, "top_logprobs": 3, "temperature": 1.0}
    replies = model.ask([question("a", **options), question("b", **options)])
    assert [(reply.text, reply.logprobs) for reply in replies] == [("fine", None)] * 2
    assert len(server.requests) == len(unknown) + 2
    kept = {"response_format", "logprobs", "seed"} - {*unknown}
    assert kept <= server.requests[-1].body.keys()


def test_a_server_that_calls_the_length_otherwise(server: LoopbackServer, tmp_path: Path) -> None:
    said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."

    def answer(asked: Any) -> Any:
        if "max_tokens" in asked.body:
            return Answer(refusal(said), status=400)
        return chat(str(asked.body["max_completion_tokens"]))

    server.answer = answer
    (reply,) = model_of(server, tmp_path).ask([question("x")])
    assert reply.text == "8"


HTML = "<!DOCTYPE html><html><head><title>Sign in</title></head><body></body></html>"
PAGE = {"Content-Type": "text/html"}
MISBEHAVIOUR: dict[str, tuple[Answer, str]] = {
    "a page": (
        Answer(HTML, headers=PAGE),
        "answers with a web page 'Sign in' instead of JSON; does llm.base_url need /v1 at its end?",
    ),
    "cut JSON": (Answer('{"choices": [{"mess'), "gave an answer that cannot be read, twice: '{"),
    "no choices": (Answer({"choices": []}), "gave an answer that cannot be read, twice: '{"),
    "a list": (Answer([1, 2]), "gave an answer that cannot be read, twice: '[1, 2]'"),
    "nothing": (Answer(""), "gave an answer that cannot be read, twice: 'str'"),
    "a broken connection": (Answer(chat("x"), cut=9), "cannot be reached ("),
    "500": (Answer(refusal("boom"), status=500), "fails with status 500: boom"),
    "502 as a page": (Answer(HTML, status=502, headers=PAGE), "fails with status 502: a web page"),
    "429": (
        Answer(refusal("slow down"), status=429),
        "refuses for now: slow down; llm.concurrency=... asks less at once",
    ),
    "401": (
        Answer(refusal(f"Incorrect API key provided: {KEY}"), status=401),
        "refuses the key, which is read from OPENAI_API_KEY: Incorrect API key provided: [key]",
    ),
    "403": (Answer(refusal("not for you"), status=403), "does not allow this, which is read from"),
    "404": (Answer(refusal("The model `m` does not exist"), status=404), "look at llm.model"),
    "400": (
        Answer(refusal("maximum context length is 10 tokens"), status=400),
        "refuses the request (status 400): maximum context length is 10 tokens.",
    ),
    "temperature": (
        Answer(refusal("'temperature' does not support 0"), status=400),
        "llm.parameters={temperature: null} leaves it out",
    ),
    "silence": (Answer(chat("late"), delay=2.0), "gave no answer within 0.3 seconds"),
}


@pytest.mark.parametrize("how", MISBEHAVIOUR)
def test_a_server_that_misbehaves(how: str, server: LoopbackServer, tmp_path: Path) -> None:
    wrong, said = MISBEHAVIOUR[how]
    server.answer = lambda asked: chat("fine") if asked.text == "good" else wrong
    model = model_of(server, tmp_path, concurrency=1, timeout=0.3)
    with pytest.raises(BenchmarkError) as found:
        model.ask([question("good"), question("bad")])
    message = str(found.value)
    assert said in message
    assert message.startswith(f"the language model 'm' at {server.url} ")
    assert message.endswith("Every answer that arrived is kept; the same command tries again.")
    assert KEY not in message
    assert "\n" not in message
    server.answer = lambda asked: chat("now")
    before = len(server.requests)
    replies = model_of(server, tmp_path).ask([question("good"), question("bad")])
    assert [reply.text for reply in replies] == ["fine", "now"]
    assert len(server.requests) == before + 1


def test_a_server_that_is_down(server: LoopbackServer, tmp_path: Path) -> None:
    model = model_of(server, tmp_path)
    server.close()
    with pytest.raises(BenchmarkError, match=r"cannot be reached \(.*is the server running\?"):
        model.ask([question("x")])


def test_a_server_that_asks_for_a_pause_gets_it(server: LoopbackServer, tmp_path: Path) -> None:
    times: list[float] = []

    def answer(asked: Any) -> Any:
        times.append(time.monotonic())
        if len(times) < 3:
            headers = {"Retry-After": "0.3"}
            return Answer(refusal("later"), status=429 if len(times) == 1 else 500, headers=headers)
        return chat("at last")

    server.answer = answer
    (reply,) = model_of(server, tmp_path, retries=2).ask([question("x")])
    assert reply.text == "at last"
    assert min(times[1] - times[0], times[2] - times[1]) >= 0.29


def test_an_answer_that_cannot_be_read_is_asked_for_once_more(
    server: LoopbackServer, tmp_path: Path
) -> None:
    given = iter(['{"choi', chat("whole")])
    server.answer = lambda asked: next(given)
    (reply,) = model_of(server, tmp_path).ask([question("x")])
    assert reply.text == "whole"


def test_the_key_stands_in_no_file(server: LoopbackServer, tmp_path: Path) -> None:
    server.answer = lambda asked: chat(f"your key is {asked.headers['authorization']}")
    (reply,) = model_of(server, tmp_path).ask([question("x")])
    assert reply.text == "your key is Bearer [key]"
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes()


def test_a_key_is_needed_for_openai_alone(
    server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)  # the configuration alone says who is asked
    with pytest.raises(BenchmarkError, match="set the environment variable OPENAI_API_KEY, or"):
        language_model({"name": "openai", "model": "m"}, tmp_path).ask([question("x")])
    model_of(server, tmp_path).ask([question("x")])
    assert server.requests[0].headers["authorization"] == "Bearer none"


def test_without_the_extra(
    server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(BenchmarkError, match=r"pip install 'neuron-simulator-benchmark\[llm\]'"):
        model_of(server, tmp_path).ask([question("x")])


def test_a_killed_process_loses_what_was_under_way_alone(
    server: LoopbackServer, tmp_path: Path
) -> None:
    import subprocess
    import sys

    n, concurrency, kill_after = 100, 4, 25
    arrived: list[str] = []

    def answer(asked: Any) -> Answer:
        arrived.append(asked.text)
        if len(arrived) == kill_after:
            child.kill()
        return Answer(chat("words"), delay=0.02)

    server.answer = answer
    code = f"""
from pathlib import Path
from benchmark.interface import Message, Request
from benchmark.llm.making import language_model
config = {{"name": "openai", "model": "m", "base_url": "{server.url}"}}
model = language_model({{**config, "concurrency": {concurrency}}}, Path({str(tmp_path)!r}))
model.ask([Request((Message("user", str(number)),), 8) for number in range({n})])
"""
    child = subprocess.Popen([sys.executable, "-c", code])
    assert child.wait(60) != 0
    before = len(arrived)
    assert kill_after <= before < n
    model_of(server, tmp_path).ask([question(str(number)) for number in range(n)])
    assert {*arrived} == {str(number) for number in range(n)}
    assert len(arrived) <= n + concurrency


def test_kept_answers_are_canonical_json(server: LoopbackServer, tmp_path: Path) -> None:
    import sqlite3

    model_of(server, tmp_path).ask([question("x")])
    with sqlite3.connect(tmp_path / "llm" / "replies.sqlite") as connection:
        rows = connection.execute("SELECT model, reply, prompt_tokens, usd FROM replies").fetchall()
    assert [(row[0], json.loads(row[1])["text"], *row[2:]) for row in rows] == [
        ("m", "words", 10, 0.0)
    ]
