"""Prefixes that texts share: run once, their keys and values reused for all of them."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmark.llm.local_model import LocalModel

KEPT = 4  # prefixes whose keys and values are kept
WORTH_IT = 16  # fewer tokens that texts have in common are run with each of them


@dataclass
class Prefix:
    """A prefix that was run.

    Attributes:
        ids: its token ids.
        cache: its keys and values, of a batch of one; None for an empty one.
    """

    ids: list[int]
    cache: Any


class PrefixRunner:
    """Runs texts of a model in batches, what they have in common once.

    Attributes:
        positions: token positions that were run so far.
    """

    def __init__(self, model: LocalModel) -> None:
        self.positions = 0
        self._model = model
        self._kept: OrderedDict[tuple[int, ...], Prefix] = OrderedDict()

    def prefix(self, ids: Sequence[int]) -> Prefix:
        """Return a prefix with its keys and values; what another one shares with it is reused."""
        key = tuple(ids)
        if not key:
            return Prefix([], None)
        if key not in self._kept:
            self._kept[key] = self._run(list(key))
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def logits(
        self, prefix: Prefix, texts: Sequence[Sequence[int]], places: Sequence[Sequence[int]]
    ) -> list[Tensor]:
        """Return the logits at some places of texts that follow a prefix, in one forward pass.

        Args:
            prefix: what stands before each text.
            texts: token ids, none empty.
            places: positions in each text.

        Returns:
            For each text `[places, vocabulary]`.
        """
        width = max(map(len, texts))
        ids = torch.zeros(len(texts), width, dtype=torch.long)
        mask = torch.zeros(len(texts), len(prefix.ids) + width, dtype=torch.long)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = torch.tensor(text)
            mask[row, : len(prefix.ids) + len(text)] = 1
        wanted = sorted({place for some in places for place in some})
        column = {place: number for number, place in enumerate(wanted)}
        positions = torch.arange(len(prefix.ids), len(prefix.ids) + width).expand(ids.shape)
        output = self.forward(
            ids, mask, positions, self.repeated(prefix, len(texts)), keep=torch.tensor(wanted)
        )
        return [
            output.logits[row, [column[place] for place in some]] for row, some in enumerate(places)
        ]

    def repeated(self, prefix: Prefix, n: int) -> Any:
        """Return a copy of a prefix's keys and values for a batch of `n` texts."""
        if prefix.cache is None:
            return None
        cache = copy.deepcopy(prefix.cache)
        if n > 1:
            cache.batch_repeat_interleave(n)
        return cache

    def forward(
        self, ids: Tensor, mask: Tensor, positions: Tensor, cache: Any, keep: Tensor | int = 0
    ) -> Any:
        """Run the model; logits are of the columns `keep`, of all for 0."""
        self.positions += ids.numel()
        device = self._model.device
        with torch.no_grad():
            return self._model.model(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                position_ids=positions.to(device),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=keep.to(device) if isinstance(keep, Tensor) else keep,
            )

    def _run(self, ids: list[int]) -> Prefix:
        start, cache = self._longest(ids)
        rest = torch.tensor([ids[start:]])
        mask = torch.ones(1, len(ids), dtype=torch.long)
        positions = torch.arange(start, len(ids))[None]
        output = self.forward(rest, mask, positions, cache, keep=1)
        return Prefix(ids, output.past_key_values)

    def _longest(self, ids: list[int]) -> tuple[int, Any]:
        """Return how much of a prefix another one has in common, and its keys and values."""
        best = max(self._kept.values(), key=lambda one: common([one.ids, ids]), default=None)
        shared = 0 if best is None else min(common([best.ids, ids]), len(ids) - 1)
        if best is None or shared < WORTH_IT or not _croppable(best.cache):
            return 0, None
        cache = copy.deepcopy(best.cache)
        if shared < len(best.ids):
            cache.crop(shared - len(best.ids))
        return shared, cache


def _croppable(cache: Any) -> bool:
    """Return whether the end of keys and values can be cut off: not of states that were mixed."""
    said = getattr(cache, "is_croppable", False)
    return bool(said() if callable(said) else said)


def common(texts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all texts begin with."""
    least, most = min(map(list, texts)), max(map(list, texts))
    for place, (one, other) in enumerate(zip(least, most, strict=False)):
        if one != other:
            return place
    return min(len(least), len(most))


def batches(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Yield the rows of texts in batches of at most `most` tokens, padding counted.

    Texts of like length go together; one that is longer than `most` goes alone.
    """
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda one: (lengths[one], one)):
        if batch and lengths[row] * (len(batch) + 1) > most:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
