"""A server on this machine that speaks the OpenAI protocol, and misbehaves as a test says."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """What the last message says, or the prompt."""
        if "prompt" in self.body:
            return str(self.body["prompt"])
        return str(self.body["messages"][-1]["content"])


@dataclass(frozen=True)
class Answer:
    """What the server sends.

    Attributes:
        body: JSON values, or text as it is.
        delay: seconds before anything is sent.
        cut: how many bytes of the body are sent before the connection breaks; None for all.
    """

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: int | None = None


def chat(text: str | None, finish: str = "stop", **more: Any) -> dict[str, Any]:
    """An ordinary answer of a chat endpoint; a choice's `logprobs` and the `usage` may be given."""
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": finish,
        "logprobs": more.pop("logprobs", None),
    }
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    return {"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage, **more}


def echo(tokens: Sequence[str], top: Sequence[dict[str, float] | None]) -> dict[str, Any]:
    """An answer of a completions endpoint that echoes a prompt's tokens with the likeliest ones."""
    logprobs = {
        "tokens": list(tokens),
        "token_logprobs": [None, *[-1.0] * (len(tokens) - 1)],
        "top_logprobs": list(top),
        "text_offset": [0] * len(tokens),  # not to be relied on
    }
    choice = {"text": "".join(tokens), "index": 0, "finish_reason": "length", "logprobs": logprobs}
    return {"id": "x", "choices": [choice], "usage": {"prompt_tokens": len(tokens)}}


def refusal(message: str, code: str = "invalid_request_error") -> dict[str, Any]:
    """The body of an error."""
    return {"error": {"message": message, "type": code, "code": code, "param": None}}


class LoopbackServer:
    """A server in a thread of its own.

    Attributes:
        requests: what arrived, in order.
        most_at_once: how many requests were under way at the same time.
    """

    def __init__(self, answer: Callable[[Asked], Any] = lambda asked: chat("words")) -> None:
        """Start it; `answer` gives an `Answer`, or the JSON body of an ordinary one."""
        self.answer = answer
        self.requests: list[Asked] = []
        self.most_at_once = self._at_once = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._started(), self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def close(self) -> None:
        async def stop() -> None:
            self._server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _started(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 24)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        asked = Asked(head[0].split()[1], headers, json.loads(raw or b"{}"))
        self.requests.append(asked)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            given = self.answer(asked)
            answer = given if isinstance(given, Answer) else Answer(given)
            await asyncio.sleep(answer.delay)
        finally:
            self._at_once -= 1
        plain = isinstance(answer.body, str)
        body = (answer.body if plain else json.dumps(answer.body)).encode()
        sent = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **answer.headers,
        }
        lines = [f"HTTP/1.1 {answer.status} X", *(f"{k}: {v}" for k, v in sent.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + body[: answer.cut])
        await writer.drain()
        return answer.cut is None
