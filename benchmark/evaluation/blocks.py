"""Blocks of neurons: how the neurons of a run are cut when it is made and when it is reopened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from benchmark.evidence import Block


def cut_blocks(neurons: Iterable[tuple[int, Tensor | Sequence[int]]], size: int) -> list[Block]:
    """Cut neurons into blocks of at most `size` neurons of one layer, numbered in their order.

    What is saved of an unfinished run and what is cached of a block depend on where it is cut.

    Args:
        neurons: each layer with its neurons.
        size: `neurons.block_size` of the run.
    """
    parts = [(layer, part) for layer, some in neurons for part in torch.as_tensor(some).split(size)]
    whole = [(layer, part) for layer, part in parts if len(part)]
    return [Block(number, layer, part) for number, (layer, part) in enumerate(whole)]
