"""Client of servers that speak the OpenAI protocol: many requests side by side."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from benchmark.errors import BenchmarkError
from benchmark.interface import LabelError, LabelReply, LabelRequest, Reply, Request, Usage
from benchmark.llm import openai_labels
from benchmark.llm.errors import LanguageModelError
from benchmark.llm.options import OpenAIOptions
from benchmark.llm.prices import Price, price_of
from benchmark.llm.server_errors import Server, refusal_of
from benchmark.llm.spending import Spending
from benchmark.llm.token_estimate import TokenEstimate, prompt_bytes

CHAT, COMPLETIONS = "/chat/completions", "/completions"
RENAMED = "max_completion_tokens"  # what some servers call max_tokens
MOST_LOGPROBS = 20  # of one token, that chat endpoints give
WITHOUT_KEY = "none"  # what the client sends where there is no key
NO_SUCH_PATH = (404, 405, 501)
SHORTEST_KEY = 8  # a shorter one is no secret, and may be a word of a reply
# What not every server knows, by the key of the body; a request is asked again without it.
DISPENSABLE = {
    "response_format": ("response_format",),
    "logprobs": ("logprobs", "top_logprobs"),
    "seed": ("seed",),
}

Asked = TypeVar("Asked")
Given = TypeVar("Given")


class OpenAIClient:
    """Asks a server, at most `concurrency` requests at once.

    Retries, and the pauses between them that a server asks for, are the official client's.

    Args:
        options: where the server is and how it is asked.
        spending: what may be spent.

    Raises:
        BenchmarkError: the extra is not installed, there is no key, or a limit in US dollars is
            given for a model without a price.
    """

    def __init__(self, options: OpenAIOptions, spending: Spending) -> None:
        self._options, self._spending = options, spending
        self._key = os.environ.get(options.api_key_variable) or None
        self._server = Server(options, self._key)
        if self._key is None and options.base_url is None:
            raise BenchmarkError(
                f"llm=openai needs a key: set the environment variable {options.api_key_variable}, "
                "or name a server of your own with llm.base_url=http://localhost:8000/v1."
            )
        self._price: Price | None = price_of(options)
        self._dispensed: set[str] = set()  # what the server has turned out not to know
        self._renamed = options.base_url is None  # OpenAI's own newer models want it so
        self._echo: dict[str, Any] = {}  # how much of a prompt's log-probabilities it gives
        self._estimate = TokenEstimate()
        self._loop = _Loop()
        self._client = _async_client(options, self._key)
        self._label_checks: dict[tuple[tuple[str, ...], str], asyncio.Future[None]] = {}
        self._flying = 0
        self._settled: asyncio.Event | None = None

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Yield the answers with the places of their requests, as they arrive.

        Raises:
            BenchmarkError: the server cannot be reached, refuses or answers something else, or the
                budget is used up; answers under way are yielded first.
        """
        return self._side_by_side(requests, self._chat)

    def label_answers(self, requests: Sequence[LabelRequest]) -> Iterator[tuple[int, LabelReply]]:
        """Yield the probabilities of labels with the places of their requests, as they arrive.

        Raises:
            BenchmarkError: as `answers`; the server gives no log-probabilities of a prompt.
        """
        return self._side_by_side(requests, self._labels)

    def _side_by_side(
        self, requests: Sequence[Asked], ask: Callable[[Asked, _Batch], Awaitable[Given]]
    ) -> Iterator[tuple[int, Given]]:
        arrived: queue.SimpleQueue[tuple[int, Given] | None] = queue.SimpleQueue()

        async def work() -> None:
            waiting = iter(enumerate(requests))
            batch = _Batch()

            async def worker() -> None:
                for place, request in waiting:
                    if batch.error is not None:
                        return
                    try:
                        arrived.put((place, await ask(request, batch)))
                    except Exception as error:
                        batch.error = batch.error or error

            try:
                workers = min(self._options.concurrency, len(requests))
                await asyncio.gather(*(worker() for _ in range(workers)))
            finally:
                arrived.put(None)
            if batch.error is not None:
                raise batch.error

        future = self._loop.start(work())
        try:
            while (answer := arrived.get()) is not None:
                yield answer
            future.result()
        finally:
            future.cancel()

    async def _chat(self, request: Request, batch: _Batch) -> Reply:
        body: dict[str, Any] = {
            "messages": [
                {"role": message.role, "content": message.content} for message in request.messages
            ],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
        }
        if request.stop:
            body["stop"] = list(request.stop)
        if request.temperature > 0:
            body["seed"] = request.sample
        if request.top_logprobs:
            body |= {"logprobs": True, "top_logprobs": min(request.top_logprobs, MOST_LOGPROBS)}
        if request.schema is not None:
            schema = {"name": "answer", "schema": dict(request.schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        size = prompt_bytes(request)

        async def ask() -> tuple[Reply, Usage]:
            reply, usage = await self._posted(CHAT, body, self._reply_of)
            spent = self._usage_of(usage, size, len(reply.text.encode()))
            return Reply(reply.text, reply.finished, spent, reply.logprobs), spent

        return await self._within_budget(size, request.max_tokens, ask, batch)

    async def _labels(self, request: LabelRequest, batch: _Batch) -> LabelReply:
        body = openai_labels.body_of(request)
        size = len(body["prompt"].encode())
        await self._checked(request)

        async def ask() -> tuple[LabelReply, Usage]:
            found, usage = await self._posted(
                COMPLETIONS, body, lambda data: openai_labels.logprobs_of(request, data)
            )
            if found is None:
                raise self._server.without_prompt_logprobs()
            spent = self._usage_of(usage, size, 0)
            return LabelReply(found, spent), spent

        return await self._within_budget(size, 1, ask, batch)

    async def _checked(self, request: LabelRequest) -> None:
        """Check once that labels are tokens after a piece.

        Raises:
            LabelError: one is not.
        """
        piece = min(request.pieces, key=len, default="")
        key = (request.labels, piece[-1:])
        if key not in self._label_checks:

            async def check() -> None:
                body = openai_labels.check_body(request, piece)
                await self._posted(
                    COMPLETIONS,
                    body,
                    lambda data: openai_labels.check_labels(
                        request, piece, data, self._options.model
                    ),
                )

            self._label_checks[key] = asyncio.ensure_future(check())
        try:
            await self._label_checks[key]
        except LabelError:
            raise
        except Exception:
            self._label_checks.pop(key, None)  # it may pass
            raise

    async def _posted(
        self, path: str, body: Mapping[str, Any], read: Callable[[dict[str, Any]], Given]
    ) -> tuple[Given, Any]:
        """Return what is read of the server's answer, and the usage that it states.

        An answer that cannot be read is asked for once more.
        """
        for attempt in range(2):
            text, kind = await self._fitted(path, body)
            try:
                data = json.loads(text)
                if not isinstance(data, dict):
                    raise TypeError("it is no object")
                return read(data), data.get("usage")
            except (ValueError, KeyError, TypeError, IndexError, AttributeError):
                if attempt:
                    raise self._server.unreadable(text, kind) from None
        raise AssertionError

    async def _fitted(self, path: str, body: Mapping[str, Any]) -> tuple[str, str]:
        """Return the text of an answer; what the server does not know is left out and remembered.

        Raises:
            BenchmarkError: the server cannot be reached, or refuses.
        """
        chats = path == CHAT
        body = body if chats else {**body, **self._echo}
        left_out = set(self._dispensed) if chats else set()
        renamed = self._renamed
        first: Exception | None = None
        while True:
            error: Exception
            try:
                text, kind = await self._sent(path, self._body(body, left_out, renamed))
            except Exception as raised:
                error = raised
            else:
                if chats:
                    self._dispensed |= left_out
                    self._renamed = renamed
                else:
                    self._echo = {"logprobs": body["logprobs"]}
                return text, kind
            first = first or error
            said = refusal_of(error)
            if not chats and getattr(error, "status_code", None) in NO_SUCH_PATH:
                raise self._server.without_prompt_logprobs(first) from None
            more = [name for name in DISPENSABLE if name in body and name not in left_out]
            if said is None or (chats and not more and (renamed or RENAMED not in said)):
                raise self._server.failed(first) from None
            if not chats:
                less = openai_labels.humbler(body)
                if less is None:
                    raise self._server.without_prompt_logprobs(first) from None
                body = less
            elif not renamed and RENAMED in said:
                renamed = True
            else:
                left_out.add(next((name for name in more if name in said), more[0]))

    def _body(self, body: Mapping[str, Any], left_out: set[str], renamed: bool) -> dict[str, Any]:
        without = {key for name in left_out for key in DISPENSABLE[name]}
        found = {key: value for key, value in body.items() if key not in without}
        if renamed and "messages" in found:
            found[RENAMED] = found.pop("max_tokens")
        found = {"model": self._options.model, **found, **self._options.parameters}
        return {key: value for key, value in found.items() if value is not None}

    async def _sent(self, path: str, body: dict[str, Any]) -> tuple[str, str]:
        response = await self._client.post(path, body=body, cast_to=_response_class())
        text: str = response.text
        if self._key is not None and len(self._key) >= SHORTEST_KEY:
            text = text.replace(self._key, "[key]")  # a server may say it back
        return text, str(response.headers.get("content-type", ""))

    def _reply_of(self, data: Mapping[str, Any]) -> Reply:
        choice = data["choices"][0]
        text = choice["message"].get("content")
        if not isinstance(text, str | None):
            raise TypeError("its content is no text")
        logprobs = None
        content = (choice.get("logprobs") or {}).get("content")
        if content:
            logprobs = tuple(
                {one["token"]: float(one["logprob"]) for one in reversed(token["top_logprobs"])}
                or {token["token"]: float(token["logprob"])}
                for token in content
            )
        return Reply(text or "", choice.get("finish_reason") in ("stop", None), Usage(), logprobs)

    def _usage_of(self, said: Any, prompt_size: int, answer_size: int) -> Usage:
        """Return what an answer cost, as the server says; estimated where it does not."""
        usage = said if isinstance(said, Mapping) else {}
        read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if isinstance(read, int) and read > 0:
            self._estimate.learn(prompt_size, read)
        details = usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, Mapping) else None
        found = Usage(
            read if isinstance(read, int) else self._estimate.tokens(prompt_size),
            cached if isinstance(cached, int) else 0,
            written if isinstance(written, int) else self._estimate.tokens(answer_size),
        )
        if self._price is not None:
            return self._price.priced(found)
        paid = usage.get("cost")  # OpenRouter says it itself
        known = isinstance(paid, int | float) and not isinstance(paid, bool)
        return found + Usage(usd=float(paid)) if known else found  # type: ignore[arg-type]

    async def _within_budget(
        self,
        size: int,
        max_tokens: int,
        ask: Callable[[], Awaitable[tuple[Given, Usage]]],
        batch: _Batch,
    ) -> Given:
        """Return an answer whose cost the budget has room for.

        Raises:
            BudgetError: it has none, also when everything under way has been paid.
        """
        if not self._spending.limited:
            answer, _ = await ask()
            return answer
        reserved = await self._reserved(size, max_tokens, batch)
        spent = Usage()
        self._flying += 1
        try:
            answer, spent = await ask()
        finally:
            self._flying -= 1
            self._spending.settle(reserved, spent)
            if self._settled is not None:
                self._settled.set()
        return answer

    async def _reserved(self, size: int, max_tokens: int, batch: _Batch) -> Usage:
        while batch.error is None:
            # The first answer says how many tokens a text has, so it is waited for.
            if self._estimate.learnt or not self._flying:
                usage = Usage(self._estimate.tokens(size), 0, max_tokens)
                usage = usage if self._price is None else self._price.priced(usage)
                if self._spending.reserve(usage):
                    return usage
                if not self._flying:
                    raise self._spending.used_up()
            self._settled = self._settled or asyncio.Event()
            self._settled.clear()
            await self._settled.wait()
        raise batch.error


@dataclass
class _Batch:
    """Requests that are asked side by side; the first error ends it.

    Attributes:
        error: what ends it, when the others that are under way have arrived.
    """

    error: Exception | None = None


class _Loop:
    """An event loop in a thread of its own, so that a notebook's loop is left alone."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True, name="llm").start()

    def start(self, work: Any) -> Any:
        """Start a coroutine; return its future."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self._loop.call_soon_threadsafe(self._loop.stop)


def _async_client(options: OpenAIOptions, key: str | None) -> Any:
    try:
        from openai import AsyncOpenAI
    except ImportError as error:
        raise LanguageModelError(
            "llm=openai needs the package openai: pip install 'neuron-simulator-benchmark[llm]'."
        ) from error
    return AsyncOpenAI(
        api_key=key or WITHOUT_KEY,
        base_url=options.url,
        timeout=options.timeout,
        max_retries=options.retries,
    )


def _response_class() -> Any:
    """Return what the client gives for an answer that it shall not read itself."""
    try:
        return importlib.import_module("httpx2").Response
    except ImportError:
        return importlib.import_module("httpx").Response  # of earlier versions of the client
