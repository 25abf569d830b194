"""Options of the config group `llm`, checked before anything is loaded."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

from benchmark.errors import BenchmarkError, unknown

NO_MODEL, OPENAI, LOCAL = "none", "openai", "local"
OPENAI_URL = "https://api.openai.com/v1"
DTYPES = ("float32", "bfloat16", "float16")
DESCRIPTIVE = ("name", "description")
MOST = 10**12
MOST_AT_ONCE = 4096
# What a request says itself; anything else of its body is free.
RESERVED = ("messages", "model", "prompt", "stream", "n", "logprobs", "top_logprobs", "echo")


@dataclass(frozen=True)
class NoModel:
    """No language model besides the subject."""

    kind: ClassVar[str] = NO_MODEL


@dataclass(frozen=True)
class OpenAIOptions:
    """A server that speaks the OpenAI protocol.

    Attributes:
        model: its name at the server.
        base_url: where the server is; None for OpenAI's own.
        api_key_variable: the environment variable that holds the key.
        concurrency: requests under way at once.
        timeout: seconds until a request is given up.
        retries: of a request that was refused for now.
        max_tokens_total: most tokens, read and written, that a run may spend.
        max_usd: most US dollars that a run may spend.
        prices: a YAML file of prices; None for the shipped one.
        parameters: anything else of a request's body.
    """

    kind: ClassVar[str] = OPENAI
    model: str
    base_url: str | None = None
    api_key_variable: str = "OPENAI_API_KEY"
    concurrency: int = 16
    timeout: float = 120.0
    retries: int = 5
    max_tokens_total: int | None = None
    max_usd: float | None = None
    prices: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address of the server, without a slash at its end."""
        return (self.base_url or OPENAI_URL).rstrip("/")


@dataclass(frozen=True)
class LocalOptions:
    """A language model in this process.

    Attributes:
        source: a folder, or a repository id on the hub.
        revision: of the repository; None for its main branch.
        dtype: None for the checkpoint's own.
        device: None for CUDA where there is one.
        batch_tokens: tokens in one forward pass.
        max_tokens_total: most tokens, read and written, that a run may spend.
    """

    kind: ClassVar[str] = LOCAL
    source: str
    revision: str | None = None
    dtype: str | None = None
    device: str | None = None
    batch_tokens: int = 8192
    max_tokens_total: int | None = None


Options: typing.TypeAlias = NoModel | OpenAIOptions | LocalOptions
OPTIONS: dict[str, type[Options]] = {
    one.kind: one for one in (NoModel, OpenAIOptions, LocalOptions)
}
_KINDS: dict[Any, tuple[tuple[type, ...], str]] = {
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str, int), "text"),
    dict: ((dict,), "a group of keys such as {top_p: 0.9}"),
}
_LOWEST: dict[str, float] = {"retries": 0, "timeout": 0.001, "max_usd": 0, "max_tokens_total": 0}
_LARGEST = {"concurrency": MOST_AT_ONCE, "retries": 100, "timeout": 86_400}


def llm_options(config: Mapping[str, Any], key: str = "llm") -> Options:
    """Return the options that a configuration gives a language model by its `name`.

    Args:
        config: the keys of the config group `llm`.
        key: where they stand, such as `simulator.llm`.

    Raises:
        BenchmarkError: a kind or an option is not known, or has a value that it cannot have.
    """
    name = str(config.get("name", NO_MODEL))
    if name not in OPTIONS:
        raise unknown(key, name[:60], OPTIONS)
    kind = OPTIONS[name]
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    given = {entry: value for entry, value in config.items() if entry not in DESCRIPTIVE}
    for entry, value in given.items():
        if entry not in [one.name for one in fields]:
            raise unknown(f"option of {key}={name}", str(entry)[:60], [one.name for one in fields])
        _check(f"{key}.{entry}", value, hints[entry])
        if isinstance(value, int) and hints[entry] in (str, str | None):
            given[entry] = str(value)  # YAML reads a model called 2024 as a number
    for one in fields:
        if one.default is one.default_factory is dataclasses.MISSING and one.name not in given:
            raise BenchmarkError(
                f"{key}.{one.name} has no value; give it one: {key}.{one.name}=..."
            )
    options = kind(**given)
    if isinstance(options, OpenAIOptions):
        _check_server(options, key)
    elif isinstance(options, LocalOptions) and options.dtype not in (None, *DTYPES):
        raise unknown(f"{key}.dtype", str(options.dtype)[:60], DTYPES)
    return options


def own_config(given: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the config of a language model of one's own, whose kind its keys tell.

    Raises:
        BenchmarkError: they do not.
    """
    if "name" in given:
        return dict(given)
    kind = LOCAL if "source" in given else OPENAI if "model" in given else None
    if kind is None:
        raise BenchmarkError(
            f"{key} names no language model; give {key}.source=<hub id or folder>, or "
            f"{key}.model=<name at the server>."
        )
    return {"name": kind, **given}


def _check(key: str, value: Any, hint: Any) -> None:
    """Check the type and the range of one option."""
    choices = typing.get_args(hint) if type(None) in typing.get_args(hint) else (hint,)
    if value is None and type(None) in choices:
        return
    types, what = _KINDS[typing.get_origin(choices[0]) or choices[0]]
    if not isinstance(value, types) or isinstance(value, bool):
        also = " or null" if type(None) in choices else ""
        raise BenchmarkError(f"{key}={'null' if value is None else value} must be {what}{also}.")
    if isinstance(value, str) and not value.strip():
        raise BenchmarkError(f"{key} is empty; give it a value, or leave it out.")
    if isinstance(value, int | float) and types != (str, int):
        name = key.rpartition(".")[2]
        lowest, largest = _LOWEST.get(name, 1), _LARGEST.get(name, MOST)
        if not value >= lowest:
            raise BenchmarkError(f"{key}={value} is too small; the smallest is {lowest:g}.")
        if value > largest:
            raise BenchmarkError(f"{key}={value} is too large; the largest is {largest:g}.")


def _check_server(options: OpenAIOptions, key: str) -> None:
    """Check an address, which must hold no secret, since a run's record holds it."""
    if not re.fullmatch(r"[A-Za-z_]\w*", options.api_key_variable):
        raise BenchmarkError(
            f"{key}.api_key_variable is the name of an environment variable such as "
            "OPENAI_API_KEY, not the key itself; nothing of it is kept."
        )
    for name in options.parameters:
        if name in RESERVED:
            raise BenchmarkError(f"{key}.parameters.{name} is what each request says itself.")
    if options.base_url is None:
        return
    try:
        parts = urlsplit(options.base_url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname)
        secret = bool(parts.username or parts.password or parts.query or parts.fragment)
        _ = parts.port
    except ValueError:
        whole, secret = False, False
    if secret:
        raise BenchmarkError(
            f"{key}.base_url holds more than an address; leave out user, password and what follows "
            f"a question mark: the key is read from the variable {options.api_key_variable}."
        )
    if not whole:
        raise BenchmarkError(
            f"{key}.base_url={options.base_url:.200} is no address; write http://localhost:8000/v1."
        )
