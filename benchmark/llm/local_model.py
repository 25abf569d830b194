"""A language model in this process: weights and tokenizer, and token ids of its texts."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmark.errors import BenchmarkError, is_out_of_memory, named
from benchmark.interface import Message
from benchmark.llm.errors import LanguageModelError
from benchmark.llm.local_files import checkpoint_folder
from benchmark.llm.options import LocalOptions
from benchmark.terminal.quiet import quiet

SAFE: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
ANCHOR = "\n"  # what stands before a text whose own first token is wanted


@dataclass(frozen=True, eq=False)
class LocalModel:
    """A causal language model with its tokenizer.

    Attributes:
        name: its source, for messages.
        model: the weights.
        tokenizer: the tokenizer.
        device: where the weights are.
        batch_tokens: tokens in one forward pass.
    """

    name: str
    model: Any
    tokenizer: Any
    device: torch.device
    batch_tokens: int

    @property
    def n_ctx(self) -> int | None:
        """Return how many tokens it reads; None where its config does not say."""
        for key in ("max_position_embeddings", "n_positions", "n_ctx"):
            value = getattr(self.model.config, key, None)
            if isinstance(value, int) and value > 0:
                return value
        return None

    @functools.cached_property
    def start(self) -> list[int]:
        """Return the ids that its tokenizer puts before every text: a BOS, or nothing."""
        given = list(self.tokenizer(ANCHOR)["input_ids"])
        bos = self.tokenizer.bos_token_id
        return [bos] if given and bos is not None and given[0] == bos else []

    @functools.cached_property
    def ends(self) -> frozenset[int]:
        """Return the ids that end an answer."""
        found: set[int] = set()
        for holder in (self.tokenizer, self.model.config, self.model.generation_config):
            value = getattr(holder, "eos_token_id", None)
            values = value if isinstance(value, list | tuple) else [value]
            found |= {int(one) for one in values if one is not None}
        return frozenset(found)

    def ids(self, text: str) -> list[int]:
        """Return a text that follows another one as token ids; nothing is put before it."""
        if not self._marks_starts:
            return self._encoded(text)
        anchor, whole = self._encoded(ANCHOR), self._encoded(ANCHOR + text)
        return whole[len(anchor) :] if whole[: len(anchor)] == anchor else self._encoded(text)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Return a conversation as token ids, up to where the answer begins.

        A model without a chat template reads the messages one after another.

        Raises:
            BenchmarkError: its chat template refuses the conversation.
        """
        if not getattr(self.tokenizer, "chat_template", None):
            text = "\n\n".join(message.content for message in messages)
            text += "" if messages[-1].role == "assistant" else "\n\n"
            return [*self.start, *self._encoded(text)]
        try:
            text = self._templated(messages)
        except Exception:
            try:
                text = self._templated(_without_system(messages))
            except Exception as error:
                raise LanguageModelError(
                    f"the chat template of '{self.name}' refuses the messages: {named(error)}."
                ) from error
        return self._encoded(text)

    def text(self, ids: Sequence[int]) -> str:
        """Return token ids of an answer as text."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    @functools.cached_property
    def _marks_starts(self) -> bool:
        """Return whether the tokenizer puts a mark before each text, as SentencePiece does."""
        tokens = self.tokenizer.convert_ids_to_tokens(self._encoded("0"))
        return bool(tokens) and str(tokens[0]).startswith("▁")

    def _encoded(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _templated(self, messages: Sequence[Message]) -> str:
        continues = messages[-1].role == "assistant"
        return str(
            self.tokenizer.apply_chat_template(
                [{"role": message.role, "content": message.content} for message in messages],
                tokenize=False,
                add_generation_prompt=not continues,
                continue_final_message=continues,
            )
        )


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """Return a conversation in which the user says what the system message said."""
    system = "\n\n".join(one.content for one in messages if one.role == "system")
    others = [one for one in messages if one.role != "system"]
    if not system or not others:
        return list(messages)
    return [replace(others[0], content=f"{system}\n\n{others[0].content}"), *others[1:]]


@functools.lru_cache(maxsize=4)
def load_tokenizer(options: LocalOptions, download: bool = True) -> LocalModel:
    """Return a language model without its weights, for the tokens of its texts alone.

    Raises:
        BenchmarkError: it is not there, or its tokenizer cannot be loaded.
    """
    folder = checkpoint_folder(options.source, options.revision, download=download)
    return LocalModel(
        options.source, None, _tokenizer(options, folder), torch.device("cpu"), options.batch_tokens
    )


@functools.lru_cache(maxsize=2)
def load_model(options: LocalOptions, download: bool = True) -> LocalModel:
    """Load a language model; the last two are kept.

    Nothing that a checkpoint brings is run: weights are safetensors, and code of it is refused.

    Raises:
        BenchmarkError: it is not there, or cannot be loaded.
    """
    from transformers import AutoModelForCausalLM

    folder = checkpoint_folder(options.source, options.revision, download=download)
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = "auto" if options.dtype is None else getattr(torch, options.dtype)
    tokenizer = _tokenizer(options, folder)
    with _loading(options.source):
        model = AutoModelForCausalLM.from_pretrained(
            folder, use_safetensors=True, dtype=dtype, **SAFE
        )
        model = model.to(device).eval().requires_grad_(False)
    return LocalModel(options.source, model, tokenizer, device, options.batch_tokens)


def _tokenizer(options: LocalOptions, folder: Path) -> Any:
    from transformers import AutoTokenizer

    with _loading(options.source):
        tokenizer = AutoTokenizer.from_pretrained(folder, **SAFE)
    if not tokenizer("a", add_special_tokens=False)["input_ids"]:
        raise LanguageModelError(f"the language model '{options.source}' has no tokenizer.")
    return tokenizer


@contextlib.contextmanager
def _loading(source: str) -> Iterator[None]:
    """Make one sentence of what is wrong with a checkpoint."""
    try:
        with quiet():
            yield
    except Exception as error:
        if isinstance(error, BenchmarkError) or is_out_of_memory(error):
            raise
        raise LanguageModelError(
            f"the language model '{source}' cannot be loaded: {named(error)[:300]}"
        ) from error
