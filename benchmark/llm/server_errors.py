"""Errors of servers in one sentence each, without the key."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from benchmark.llm.errors import AGAIN, LanguageModelError
from benchmark.llm.options import OpenAIOptions

LONGEST = 300  # letters of what a server says
REFUSED = (400, 422)  # of a request that the server does not understand


@dataclass(frozen=True)
class Server:
    """A server whose errors are told.

    Attributes:
        options: where it is and how it is asked.
        key: what no message may hold.
    """

    options: OpenAIOptions
    key: str | None

    def failed(self, error: Exception) -> LanguageModelError:
        """Return the error for a request that the client gave up."""
        import openai

        if not isinstance(error, openai.OpenAIError):
            return self._told(f"cannot be asked ({type(error).__name__}: {self._line(error)})")
        if isinstance(error, openai.APITimeoutError):
            return self._told(
                f"gave no answer within {self.options.timeout:g} seconds{self._retried()}; "
                "llm.timeout=... waits longer, llm.concurrency=... asks less at once"
            )
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__ or error
            return self._told(
                f"cannot be reached ({self._line(cause)}){self._retried()}; is the server running?",
                stop="",
            )
        status = getattr(error, "status_code", None)
        said = self._said(error)
        if status == 401:
            return self._told(f"refuses the key, {self._variable()}: {said}")
        if status == 403:
            return self._told(f"does not allow this, {self._variable()}: {said}")
        if status == 404:
            return self._told(
                f"is not found: {said}; look at llm.model, and whether llm.base_url needs /v1 at "
                "its end"
            )
        if status == 429:
            return self._told(
                f"refuses for now{self._retried()}: {said}; llm.concurrency=... asks less at once"
            )
        if isinstance(status, int) and status >= 500:
            return self._told(f"fails with status {status}{self._retried()}: {said}")
        way = "; llm.parameters={temperature: null} leaves it out" if "temperature" in said else ""
        return self._told(f"refuses the request (status {status}): {said}{way}")

    def unreadable(self, text: str, kind: str) -> LanguageModelError:
        """Return the error for an answer that is none of the protocol."""
        if "html" in kind.lower() or text.lstrip()[:1] == "<":
            title = re.search(r"<title[^>]*>([^<]*)", text, re.IGNORECASE)
            called = f" '{self._line(title[1])}'" if title and title[1].strip() else ""
            return self._told(
                f"answers with a web page{called} instead of JSON; does llm.base_url need /v1 at "
                "its end?",
                stop="",
            )
        start = self._line(text)[:80]
        return self._told(f"gave an answer that cannot be read, twice: '{start}'")

    def without_prompt_logprobs(self, error: Exception | None = None) -> LanguageModelError:
        """Return the error for a server that does not say how likely the tokens of a text are."""
        said = f" ({self._said(error)})" if error is not None else ""
        return LanguageModelError(
            f"the server at {self.options.url} gives no log-probabilities of a prompt{said}, "
            "which this simulator reads; take simulator=json, or a model in this process: "
            "simulator.llm.source=<hub id or folder>."
        )

    def _told(self, what: str, stop: str = ".") -> LanguageModelError:
        what = what.removesuffix(".")
        return LanguageModelError(
            f"the language model '{self.options.model}' at {self.options.url} {what}{stop} {AGAIN}"
        )

    def _variable(self) -> str:
        name = self.options.api_key_variable
        return f"which is read from {name}" if self.key else f"and {name} holds none"

    def _retried(self) -> str:
        times = self.options.retries
        return f", also after {times} retries" if times > 1 else ""

    def _said(self, error: Exception) -> str:
        """Return what a server says in an error, of JSON its message alone."""
        body: Any = getattr(error, "body", None)
        if isinstance(body, dict):
            inner = body.get("error", body)
            said = inner.get("message") if isinstance(inner, dict) else inner
            if isinstance(said, str) and said.strip():
                return self._line(said)
            return self._line(json.dumps(body))
        response: Any = getattr(error, "response", None)
        text = getattr(response, "text", "") or str(error)
        if text.lstrip()[:1] == "<":
            text = "a web page"
        return self._line(text)

    def _line(self, said: object) -> str:
        """Return what is said on one line, without the key."""
        text = " ".join(str(said).split()) or type(said).__name__
        if self.key:
            text = text.replace(self.key, "[key]")
        return text[:LONGEST].rstrip(". ")


def refusal_of(error: Exception) -> str | None:
    """Return what a server says that does not understand a request; None for other errors."""
    if getattr(error, "status_code", None) not in REFUSED:
        return None
    response: Any = getattr(error, "response", None)
    return str(getattr(response, "text", "") or error)
