"""Budgets and prices: what a run may spend, before it spends it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import BenchmarkError
from benchmark.interface import Usage
from benchmark.llm.options import OpenAIOptions
from benchmark.llm.prices import price_of
from benchmark.llm.reply_store import ReplyStore
from benchmark.llm.spending import Spending, begin_session
from benchmark.llm.token_estimate import TokenEstimate
from tests.llm.test_openai_client import model_of, question
from tests.loopback_server import Answer, LoopbackServer, chat

PROMPT, WRITTEN = 30, 8  # tokens of each answer


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    started = LoopbackServer(costly)
    begin_session()
    yield started
    started.close()


def costly(asked: Any) -> Answer:
    usage = {"prompt_tokens": PROMPT, "completion_tokens": WRITTEN}
    return Answer(chat("words", usage=usage), delay=0.005)


def prices(folder: Path, text: str = "{models: {m: {prompt: 1.0, completion: 2.0}}}") -> str:
    path = folder / "prices.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def spent(model: Any, n: int) -> int:
    """How many of `n` requests are answered before the budget ends it."""
    with pytest.raises(BenchmarkError, match="the budget is used up: "):
        model.ask([question(f"{number:03d}") for number in range(n)])
    kept = model._store
    with kept._opened() as connection:
        return int(connection.execute("SELECT count(*) FROM replies").fetchone()[0])


@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize("room", [5, 12])
def test_no_token_more_than_the_budget(
    concurrency: int, room: int, server: LoopbackServer, tmp_path: Path
) -> None:
    most = room * (PROMPT + WRITTEN) + 20
    model = model_of(server, tmp_path, concurrency=concurrency, max_tokens_total=most)
    # The estimate of a prompt is a tenth above the truth, so one answer at most is given away.
    assert room - 1 <= spent(model, 40) <= room
    assert len(server.requests) <= room


def test_what_is_kept_is_not_spent_again(server: LoopbackServer, tmp_path: Path) -> None:
    model = model_of(server, tmp_path, max_tokens_total=400)
    done = spent(model, 40)
    begin_session()  # the same command again
    model = model_of(server, tmp_path, max_tokens_total=400)
    assert spent(model, 40) == 2 * done
    begin_session()
    model = model_of(server, tmp_path, max_tokens_total=10_000)
    assert len(model.ask([question(f"{number:03d}") for number in range(40)])) == 40
    assert len(server.requests) == 40


def test_no_cent_more_than_the_budget(server: LoopbackServer, tmp_path: Path) -> None:
    cost = (PROMPT * 1.0 + WRITTEN * 2.0) / 1e6
    options = {"prices": prices(tmp_path), "max_usd": 10.5 * cost}
    model = model_of(server, tmp_path, **options)
    assert 9 <= spent(model, 40) <= 10
    replies = model.ask([question("000")])
    assert replies[0].usage.usd == pytest.approx(cost)


def test_a_failing_request_gives_its_reservation_back(
    server: LoopbackServer, tmp_path: Path
) -> None:
    server.answer = lambda asked: Answer("{}", status=500)
    for _ in range(5):
        model = model_of(server, tmp_path, max_tokens_total=60)
        with pytest.raises(BenchmarkError, match="fails with status 500"):
            model.ask([question("x"), question("y")])
    server.answer = costly
    model.ask([question("x")])


def test_an_estimate_learns_from_the_first_answer() -> None:
    estimate = TokenEstimate()
    assert estimate.tokens(300) == 101
    estimate.learn(100, 10)
    assert estimate.tokens(300) == 34
    estimate.learn(100, 20)
    estimate.learn(100, 5)
    assert estimate.tokens(300) == 67


def test_processes_share_one_budget(tmp_path: Path) -> None:
    session = begin_session()
    parts = [
        Spending(ReplyStore(tmp_path / "replies.sqlite"), "m", max_tokens=1000) for _ in range(4)
    ]
    taken: list[int] = []

    def spend(part: Spending) -> None:
        while part.reserve(Usage(7)):
            taken.append(7)
            part.settle(Usage(7), Usage(5))

    threads = [threading.Thread(target=spend, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 990 < 5 * len(taken) <= 1000
    begin_session(session)
    assert not parts[0].reserve(Usage(20))
    begin_session()
    assert parts[0].reserve(Usage(20))


def test_shipped_prices() -> None:
    price = price_of(OpenAIOptions("gpt-4o-mini"))
    assert price is not None
    usage = price.priced(Usage(2_000_000, 1_000_000, 1_000_000))
    assert usage.usd == pytest.approx(price.prompt + price.cached + price.completion)
    assert price.cached < price.prompt < price.completion
    # A model of the same name on a server of one's own has no price.
    assert price_of(OpenAIOptions("gpt-4o-mini", base_url="http://localhost:1/v1")) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{models: {other: {prompt: 1, completion: 1}}}", "because 'm' has no price; give one in"),
        ("{models: {m: {prompt: 1}}}", "'completion' is None, and must be US dollars"),
        ("{models: {m: {prompt: -1, completion: 1}}}", "'prompt' is -1, and must be US dollars"),
        ("[1]", "is no file of prices: it has no 'models'"),
    ],
)
def test_prices_of_ones_own_that_are_none(text: str, said: str, tmp_path: Path) -> None:
    options = OpenAIOptions("m", prices=prices(tmp_path, text), max_usd=1.0)
    with pytest.raises(BenchmarkError) as found:
        price_of(options)
    assert said in str(found.value)


def test_a_file_of_prices_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="there is no such file"):
        price_of(OpenAIOptions("m", prices=str(tmp_path / "none.yaml")))


def test_what_a_server_says_that_it_cost_counts(server: LoopbackServer, tmp_path: Path) -> None:
    server.answer = lambda asked: chat("x", usage={"prompt_tokens": 3, "cost": 0.25})
    (reply,) = model_of(server, tmp_path).ask([question("x")])
    assert reply.usage.usd == 0.25
