"""Tokenizer of a subject."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.files.checkpoint import VOCABULARIES
from benchmark.files.reading import first_line

# The BOS token of the built-in subjects.
BUILTIN_BOS = "<|bos|>"


def load_tokenizer(folder: Path, source: str) -> Any:
    """Return the fast tokenizer in a folder, exactly as its `tokenizer.json` describes it.

    Transformers 5 has classes that rebuild a tokenizer from its vocabulary alone: given the SoLU
    models' tokenizer as a `GPTNeoXTokenizer` it forgets that digits are split, and the model sees
    numbers that it never met in training. So `tokenizer.json`, where there is one, is read by the
    class that adds nothing of its own.

    Raises:
        BenchmarkError: there is none, or none that is fast.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if not any((folder / name).exists() for name in VOCABULARIES):
        raise BenchmarkError(
            f"'{source}' has no tokenizer: none of {', '.join(VOCABULARIES)} is in {folder}."
        )
    described = (folder / "tokenizer.json").exists()
    reader = PreTrainedTokenizerFast if described else AutoTokenizer
    options = {"trust_remote_code": False, "local_files_only": True}
    try:
        tokenizer = reader.from_pretrained(folder, **options)
    except Exception as error:
        raise BenchmarkError(
            f"the tokenizer of '{source}' cannot be read: {first_line(error)} (in {folder})"
        ) from error
    if described and tokenizer.bos_token is None and tokenizer.eos_token is None:
        # GPT-2's files, for one, do not name its special tokens; its class does.
        with suppress(Exception):
            named = AutoTokenizer.from_pretrained(folder, **options)
            for role in ("bos_token", "eos_token"):
                if getattr(named, role) in tokenizer.get_vocab():
                    setattr(tokenizer, role, getattr(named, role))
    if not getattr(tokenizer, "is_fast", False):
        raise BenchmarkError(
            f"'{source}' has no fast tokenizer (tokenizer.json), which the benchmark needs."
        )
    return tokenizer


def builtin_tokenizer(file: Path, bos_token: str) -> Any:
    """Return the tokenizer of a folder in the built-in layout: `tokenizer.json` and a BOS token.

    Raises:
        BenchmarkError: the file is missing or is not a tokenizer.
    """
    from transformers import PreTrainedTokenizerFast

    if not file.exists():
        raise BenchmarkError(f"there is no tokenizer.json in {file.parent}.")
    try:
        return PreTrainedTokenizerFast(
            tokenizer_file=str(file), bos_token=bos_token, eos_token=bos_token
        )
    except Exception as error:
        raise BenchmarkError(f"the tokenizer {file} cannot be read: {first_line(error)}") from error


def bos_of(tokenizer: Any, config: Mapping[str, Any], d_vocab: int, source: str) -> int:
    """Return the id that starts every context.

    The tokenizer's BOS, or its EOS where it has no BOS (as in GPT-2), or else those of the model's
    `config.json`.

    Raises:
        BenchmarkError: there is none of them, or the model has no embedding for it.
    """
    candidates = [tokenizer.bos_token_id, tokenizer.eos_token_id]
    candidates += [config.get("bos_token_id"), config.get("eos_token_id")]
    bos = next((candidate for candidate in candidates if isinstance(candidate, int)), None)
    if bos is None:
        raise BenchmarkError(
            f"'{source}' has neither a BOS nor an EOS token; contexts must start with one. "
            'Set "bos_token" in its tokenizer_config.json.'
        )
    if not 0 <= bos < d_vocab:
        raise BenchmarkError(
            f"the BOS token of '{source}' has id {bos}, but the model knows only {d_vocab} "
            "tokens: tokenizer and model do not belong together."
        )
    return bos


def for_bridge(tokenizer: Any) -> Any:
    """Return a copy for TransformerLens, which adds special tokens to the tokenizer it is given.

    Marked as one that needs no second reading with `add_bos_token`: the library would fetch it
    again by its name.
    """
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.init_kwargs.setdefault("name_or_path", tokenizer.name_or_path)
    tokenizer.init_kwargs["add_bos_token"] = True
    return tokenizer
