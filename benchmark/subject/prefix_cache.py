"""Prefix cache: keys and values that contexts with a shared beginning are continued from.

A causal model computes the same for the first tokens of a context whatever follows. Of a context
that begins as a prefix does, only the tokens after what they share need to be run: the keys and
values that the prefix's attention computed stand for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

# What a call costs beside its tokens, in tokens. On a CPU the best of some that were tried on
# solu-tiny; on a GPU a guess, as calls of few tokens leave it idle.
CPU_CALL_TOKENS = 128
CUDA_CALL_TOKENS = 4096
# The most tokens that a call's contexts have with those that are left out, in batches: of so many
# the keys and values are held.
HELD_BATCHES = 4
# How often the tokens of a call are halved in the search for a cheaper plan.
HALVINGS = 6

KeysValues = tuple[
    Float[Tensor, "batch kv_heads pos d_head"], Float[Tensor, "batch kv_heads pos d_head"]
]


class KeyValues(Protocol):
    """The keys and values of a model's attention, to be read and to be given back."""

    def kept(self, run: Callable[[Mapping[str, Any]], object]) -> list[KeysValues]:
        """Return the keys and values of each layer that `run` reaches.

        Args:
            run: calls the model with the options it is given.
        """
        ...

    def given(
        self, past: Sequence[KeysValues], n_tokens: int, /
    ) -> AbstractContextManager[Mapping[str, Any]]:
        """Let a call of `n_tokens` tokens with these options continue after `past`."""
        ...


@dataclass(frozen=True)
class Plan:
    """Calls that together run the rest of every context.

    Attributes:
        calls: for each, the first context, the one after the last, in the order of how much they
            share, and how many tokens all contexts of the call leave out.
        cost: tokens that are run, and those that the calls are worth.
    """

    calls: list[tuple[int, int, int]]
    cost: int


def call_tokens(device: torch.device) -> int:
    """Return what a call costs beside its tokens, in tokens."""
    return CUDA_CALL_TOKENS if device.type == "cuda" else CPU_CALL_TOKENS


def plan_calls(
    n_shared: Int[np.ndarray, " contexts"], length: int, batch_tokens: int, call_cost: int
) -> Plan:
    """Return which contexts run together.

    A call leaves out what its contexts share at least. Small calls leave out more, large ones are
    fewer; the size is the cheapest of the batch's and some halves of it. A call also holds the keys
    and values of what it leaves out, which bounds its contexts.

    Args:
        n_shared: how many tokens each context shares with its prefix, largest first.
        length: tokens of every context.
        batch_tokens: tokens that run at once, at most.
        call_cost: what a call costs, in tokens.
    """
    most = max(1, HELD_BATCHES * batch_tokens // length)
    plans = [_plan(n_shared, length, batch_tokens, most, call_cost)]
    size = batch_tokens // 2
    for _ in range(HALVINGS):
        if size < call_cost:
            break
        plans.append(_plan(n_shared, length, size, most, call_cost))
        size //= 2
    return min(plans, key=lambda plan: plan.cost)


def _plan(
    n_shared: Int[np.ndarray, " contexts"], length: int, size: int, most: int, call_cost: int
) -> Plan:
    calls, cost, start = [], 0, 0
    while start < len(n_shared):
        offered = n_shared[start : start + most]
        tokens = np.arange(1, len(offered) + 1) * (length - offered)
        together = max(1, int(np.searchsorted(tokens, size, side="right")))
        calls.append((start, start + together, int(n_shared[start + together - 1])))
        cost += int(tokens[together - 1]) + call_cost
        start += together
    return Plan(calls, cost)


def whole_cost(n_contexts: int, length: int, batch_tokens: int, call_cost: int) -> int:
    """Return what running the contexts whole costs, as `Plan.cost`."""
    together = max(1, batch_tokens // max(1, length))
    return n_contexts * length + -(-n_contexts // together) * call_cost
