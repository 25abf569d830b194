"""Language models made of their configuration, and what of it determines their answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.interface import LanguageModel
from benchmark.llm.errors import NotKeptError
from benchmark.llm.kept_model import Client, KeptLocalModel, KeptModel
from benchmark.llm.options import LocalOptions, OpenAIOptions, Options, llm_options
from benchmark.llm.reply_store import ReplyStore, reply_file
from benchmark.llm.spending import Spending


def language_model(
    config: Mapping[str, Any], cache_folder: Path, trust: Collection[str] | None = None
) -> LanguageModel:
    """Return the language model of a config; nothing is loaded or reached until it is asked.

    Args:
        config: the keys of the config group `llm`.
        cache_folder: where answers are kept, in `llm/replies.sqlite`.
        trust: addresses and repositories that may be asked although somebody else's file names
            them; None where the user named the model. Answers that are kept need no trust.

    Raises:
        BenchmarkError: the config names none, or has a value that it cannot have.
    """
    options = llm_options(config)
    store = ReplyStore(reply_file(cache_folder))
    if isinstance(options, OpenAIOptions):
        return KeptModel(
            options.model,
            lambda: llm_identity(config),
            store,
            lambda: _server(options, store, trust),
            reads_labels=options.base_url is not None,
        )
    if isinstance(options, LocalOptions):
        download = trust is None or options.source in trust
        return KeptLocalModel(
            options.source,
            lambda: _identity(options, download),
            store,
            lambda: _local(options, store, download),
            reads_labels=True,
        )
    raise BenchmarkError(f"no language model is chosen; {WAYS}.")


WAYS = "choose one: llm=openai llm.model=<name>, or llm=local llm.source=<hub id or folder>"


def llm_identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a language model's config determines its answers.

    Raises:
        BenchmarkError: a local model is not there.
    """
    return _identity(llm_options(config), download=True)


def _identity(options: Options, download: bool) -> dict[str, Any]:
    if isinstance(options, OpenAIOptions):
        return {
            "kind": options.kind,
            "model": options.model,
            "base_url": options.url,
            "parameters": options.parameters,
        }
    if isinstance(options, LocalOptions):
        from benchmark.llm.local_files import weights_digest

        weights = weights_digest(options.source, options.revision, download=download)
        return {"kind": options.kind, "weights": weights, "dtype": options.dtype}
    return {"kind": options.kind}


def _server(options: OpenAIOptions, store: ReplyStore, trust: Collection[str] | None) -> Client:
    if trust is not None and options.url not in trust:
        raise NotKeptError(
            f"an answer of the language model '{options.model}' at {options.url} is not kept here, "
            "and a file of results names the address, so nothing is sent there, nor the key "
            f"in {options.api_key_variable}. If you know it and trust it: --trust {options.url}"
        )
    from benchmark.llm.openai_client import OpenAIClient

    return OpenAIClient(options, Spending.of(options, store))


def _local(options: LocalOptions, store: ReplyStore, download: bool) -> Client:
    from benchmark.llm.local_client import LocalClient
    from benchmark.llm.local_model import load_model

    return LocalClient(lambda: load_model(options, download), Spending.of(options, store))
