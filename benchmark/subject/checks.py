"""Checks of tokens, layers, neurons and shared prefixes against a subject."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.interface import SharedPrefixes


def is_integer(tensor: Tensor) -> bool:
    """Return whether a tensor's dtype can hold ids."""
    return not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)


def checked_tokens(tokens: Any, n_ctx: int, d_vocab: int, subject: str) -> Tensor:
    """Return token ids `[batch, pos]` as int64.

    Raises:
        BenchmarkError: not an integer tensor of two dimensions, longer than the subject's
            context, or ids outside its vocabulary.
    """
    if not isinstance(tokens, Tensor):
        raise BenchmarkError(f"tokens must be a tensor of token ids, not {type(tokens).__name__}")
    if tokens.ndim != 2:
        raise BenchmarkError(f"tokens must have shape [batch, pos], not {list(tokens.shape)}")
    if not is_integer(tokens):
        raise BenchmarkError(f"tokens must be integers, not {tokens.dtype}")
    if tokens.shape[1] > n_ctx:
        raise BenchmarkError(
            f"a context of {tokens.shape[1]} tokens is longer than the {n_ctx} that '{subject}' "
            "takes; use shorter contexts."
        )
    ids: Tensor = tokens.long()
    if ids.numel():
        low, high = (int(bound) for bound in torch.stack(ids.aminmax()).tolist())
        if low < 0 or high >= d_vocab:
            bad = low if low < 0 else high
            raise BenchmarkError(
                f"token id {bad} is outside the vocabulary of '{subject}' (0 to {d_vocab - 1}); "
                "are these tokens of another tokenizer?"
            )
    return ids


def checked_layer(layer: Any, n_layers: int, subject: str) -> int:
    """Return a layer as an int.

    Raises:
        BenchmarkError: the subject has no such layer; negative ones do not count from the end.
    """
    try:
        number = operator.index(layer)
    except TypeError:
        raise BenchmarkError(f"layer must be an integer, not {layer!r}") from None
    if not 0 <= number < n_layers:
        raise BenchmarkError(
            f"layer {number} is out of range: '{subject}' has layers 0 to {n_layers - 1}."
        )
    return number


def checked_neurons(
    neurons: Tensor | Sequence[int] | None, n_units: int, subject: str, device: torch.device
) -> Tensor | None:
    """Return neuron indices `[n]` as int64 on a device, or None for all neurons of a layer.

    Raises:
        BenchmarkError: not a list of integers, or a neuron that the subject does not have.
    """
    if neurons is None:
        return None
    try:
        wanted = torch.as_tensor(neurons)
    except (TypeError, ValueError, RuntimeError):
        raise BenchmarkError(f"neurons must be a list of integers, not {neurons!r}") from None
    if wanted.ndim == 1 and wanted.numel() == 0:
        return torch.empty(0, dtype=torch.long, device=device)
    if wanted.ndim != 1 or not is_integer(wanted):
        raise BenchmarkError(
            f"neurons must be a list of integers, not {wanted.dtype} of shape {list(wanted.shape)}"
        )
    low, high = (int(bound) for bound in torch.stack(wanted.aminmax()).tolist())
    if low < 0 or high >= n_units:
        bad = low if low < 0 else high
        raise BenchmarkError(
            f"neuron {bad} is out of range: '{subject}' has neurons 0 to {n_units - 1} in a layer."
        )
    return wanted.to(device=device, dtype=torch.long)


def checked_rows(rows: Tensor, n_contexts: int, neurons: Tensor | Sequence[int]) -> Tensor:
    """Return rows of contexts `[pairs]`, one for each neuron of `neurons`, as int64.

    Raises:
        BenchmarkError: not as many as neurons, or a context that is not there.
    """
    if not isinstance(rows, Tensor) or rows.ndim != 1 or not is_integer(rows):
        raise BenchmarkError("rows must be a one-dimensional tensor of integers")
    if len(rows) != len(neurons):
        raise BenchmarkError(f"{len(rows)} rows do not pair with {len(neurons)} neurons")
    if len(rows) and not (int(rows.min()) >= 0 and int(rows.max()) < n_contexts):
        raise BenchmarkError(f"rows must be 0 to {n_contexts - 1}, the contexts given")
    return rows.long()


def checked_prefixes(
    prefixes: SharedPrefixes, tokens: Tensor, n_ctx: int, d_vocab: int, subject: str
) -> SharedPrefixes:
    """Return the shared prefixes of contexts whose tokens have been checked, on their device.

    Raises:
        BenchmarkError: a context has no prefix, or does not begin as its prefix does.
    """
    begin = checked_tokens(prefixes.tokens, n_ctx, d_vocab, subject)
    prefix_of = checked_rows(prefixes.prefix_of, len(begin), tokens).to(tokens.device)
    n_shared = prefixes.n_shared.to(tokens.device)
    if n_shared.shape != prefix_of.shape or not is_integer(n_shared):
        raise BenchmarkError(
            "n_shared must hold a whole number for every context: how many tokens it shares with "
            "its prefix."
        )
    if len(n_shared) == 0:
        return SharedPrefixes(begin, prefix_of, n_shared)
    most = min(begin.shape[1], tokens.shape[1] - 1)
    if int(n_shared.min()) < 1 or int(n_shared.max()) > most:
        raise BenchmarkError(f"contexts must share 1 to {most} tokens with their prefixes.")
    other = begin.to(tokens.device)[prefix_of, :most] != tokens[:, :most]
    if bool((other & (torch.arange(most, device=tokens.device) < n_shared[:, None])).any()):
        raise BenchmarkError("a context does not begin as its prefix.")
    return SharedPrefixes(begin, prefix_of, n_shared)
