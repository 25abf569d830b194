"""Refusing tokens, layers and neurons that a subject does not have."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.subject.prefix_cache import Stems


def is_integer(tensor: Tensor) -> bool:
    """Whether a tensor's dtype can hold ids."""
    return not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)


def checked_tokens(tokens: Any, n_ctx: int, d_vocab: int, subject: str) -> Tensor:
    """Token ids `[batch, pos]` as int64.

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
    """A layer of the subject. Raises BenchmarkError otherwise; negative layers do not count."""
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
    neurons: Tensor | Sequence[int] | None, d_mlp: int, subject: str, device: torch.device
) -> Tensor | None:
    """Neuron indices `[n]` as int64 on a device, or None for all neurons of a layer.

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
    if low < 0 or high >= d_mlp:
        bad = low if low < 0 else high
        raise BenchmarkError(
            f"neuron {bad} is out of range: '{subject}' has neurons 0 to {d_mlp - 1} in a layer."
        )
    return wanted.to(device=device, dtype=torch.long)


def checked_rows(rows: Tensor, n_contexts: int, neurons: Tensor | Sequence[int]) -> Tensor:
    """Rows of contexts `[pairs]`, one for each neuron of `neurons`, as int64.

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


def checked_stems(stems: Stems, tokens: Tensor, n_ctx: int, d_vocab: int, subject: str) -> Stems:
    """Stems of contexts whose tokens have been checked.

    Raises:
        BenchmarkError: not one of each context, or a context does not begin as it should.
    """
    begin = checked_tokens(stems.tokens, n_ctx, d_vocab, subject)
    of = checked_rows(stems.of, len(begin), tokens).to(tokens.device)
    shared = stems.shared.to(tokens.device)
    if shared.shape != of.shape or not is_integer(shared):
        raise BenchmarkError("of every context one must say how much it shares with its stem")
    if len(shared) == 0:
        return Stems(begin, of, shared)
    most = min(begin.shape[1], tokens.shape[1] - 1)
    if int(shared.min()) < 1 or int(shared.max()) > most:
        raise BenchmarkError(f"contexts must share 1 to {most} tokens with their stems")
    other = begin.to(tokens.device)[of, :most] != tokens[:, :most]
    if bool((other & (torch.arange(most, device=tokens.device) < shared[:, None])).any()):
        raise BenchmarkError("a context does not begin as its stem")
    return Stems(begin, of, shared)
