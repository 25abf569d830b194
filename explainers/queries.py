"""Asking the subject about many short contexts at once, each distinct one a single time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.interface import SharedPrefixes, SubjectModel

IdArray = Int[np.ndarray, "batch pos"]
Integers = Int[np.ndarray, " pairs"]
# Activations of all positions held at once, for a subject that cannot give the last one alone.
NUMBERS_AT_ONCE = 1 << 24


@runtime_checkable
class LastActivations(Protocol):
    """A subject that gives the last position's activations without keeping the others."""

    def last_activations(
        self,
        tokens: Int[Tensor, "batch pos"],
        layer: int,
        rows: Int[Tensor, " pairs"],
        neurons: Int[Tensor, " pairs"],
        prefixes: SharedPrefixes | None = None,
    ) -> Float[Tensor, " pairs"]:
        """The activation of each pair of a context and a neuron, at the context's last token."""
        ...


@dataclass(frozen=True)
class SharedStarts:
    """Contexts that were made from others by changing some of their later tokens.

    Attributes:
        made_from: the contexts that they were made from, BOS first, of any length.
        which: for each context, what it was made from, `[pairs]`.
        places: the position of its first token that may be another one, at least 1, `[pairs]`.
    """

    made_from: Sequence[Int[np.ndarray, " pos"]]
    which: Integers
    places: Integers

    def select(self, rows: Integers) -> SharedStarts:
        """Those of some of the contexts."""
        return SharedStarts(self.made_from, self.which[rows], self.places[rows])

    def prefixes(self) -> SharedPrefixes:
        """Return what the subject is told; equal prefixes are one."""
        used, of = np.unique(self.which, return_inverse=True)
        longest = int(self.places.max())
        # A prefix that is shorter than others is filled up; no context shares what fills it.
        tokens = np.zeros((len(used), longest), dtype=np.int64)
        for row, number in enumerate(used):
            start = self.made_from[int(number)][:longest]
            tokens[row, : len(start)] = start
        distinct, _, where = distinct_rows(tokens)
        return SharedPrefixes(
            torch.from_numpy(distinct),
            torch.from_numpy(where[of.reshape(-1)]),
            torch.from_numpy(self.places),
        )


class Asking:
    """Questions about the neurons of one block: what a neuron does at a context's last token.

    Attributes:
        neurons: the block's neurons, indices in the layer, `[n]`.
        mask_token: what stands for a masked token, for those who mask.
    """

    def __init__(
        self,
        subject: SubjectModel,
        layer: int,
        neurons: Int[Tensor, " n"],
        mask_token: int | None = None,
    ) -> None:
        self.subject = subject
        self.layer = layer
        self.neurons = neurons.cpu().numpy().astype(np.int64)
        self.mask_token = mask_token

    def activations(
        self, tokens: IdArray, owners: Integers, shared: SharedStarts | None = None
    ) -> Float[np.ndarray, " pairs"]:
        """Activation at the last position of each context, of the neuron that asks.

        Contexts of equal tokens run once, whichever neurons ask, and so does what many of them
        have in common with the context that they were made from.

        Args:
            tokens: contexts of one length, BOS first, `[pairs, pos]`.
            owners: for each, the row of its neuron in the block, `[pairs]`.
            shared: what they were made from, if there is such a thing.

        Returns:
            Raw activations, float32, `[pairs]`.
        """
        if not len(tokens):
            return np.zeros(0, dtype=np.float32)
        distinct, first, where = distinct_rows(tokens)
        # A neuron may ask about a context twice; it is one question.
        pairs, answer = np.unique(where * len(self.neurons) + owners, return_inverse=True)
        rows, asked = np.divmod(pairs, len(self.neurons))
        found = self._last(
            torch.from_numpy(distinct),
            torch.from_numpy(rows),
            self.neurons[asked],
            None if shared is None else shared.select(first).prefixes(),
        )
        return found[answer.reshape(-1)]

    def of_lengths(
        self,
        contexts: Sequence[Int[np.ndarray, " pos"]],
        owners: Integers,
        shared: SharedStarts | None = None,
    ) -> Float[np.ndarray, " pairs"]:
        """The same for contexts of different lengths; those of one length run together."""
        result = np.zeros(len(contexts), dtype=np.float32)
        lengths = np.array([len(context) for context in contexts], dtype=np.int64)
        for length in np.unique(lengths):
            members = np.flatnonzero(lengths == length)
            together = np.stack([contexts[int(member)] for member in members])
            of_members = None if shared is None else shared.select(members)
            result[members] = self.activations(together, owners[members], of_members)
        return result

    def everywhere(
        self, contexts: Sequence[Int[np.ndarray, " pos"]], owners: Integers
    ) -> list[Float[np.ndarray, " pos"]]:
        """Measure each context's neuron at every position of it, raw activations in float32.

        Contexts of different lengths, BOS first; equal ones run once, whichever neurons ask.
        """
        found: list[Float[np.ndarray, " pos"]] = [np.zeros(0, dtype=np.float32)] * len(contexts)
        lengths = np.array([len(context) for context in contexts], dtype=np.int64)
        for length in np.unique(lengths):
            members = np.flatnonzero(lengths == length)
            distinct, _, rows = distinct_rows(
                np.stack([contexts[int(member)] for member in members])
            )
            size = max(1, NUMBERS_AT_ONCE // (int(length) * len(self.neurons)))
            for start in range(0, len(distinct), size):
                part = members[(rows >= start) & (rows < start + size)]
                row = rows[(rows >= start) & (rows < start + size)] - start
                columns, column = np.unique(self.neurons[owners[part]], return_inverse=True)
                activations = self.subject.activations(
                    torch.from_numpy(distinct[start : start + size]),
                    self.layer,
                    torch.from_numpy(columns),
                )
                answers = activations[torch.from_numpy(row), :, torch.from_numpy(column)]
                for member, answer in zip(part, answers.float().cpu().numpy(), strict=True):
                    found[member] = answer
        return found

    def _last(
        self,
        tokens: Int[Tensor, "batch pos"],
        rows: Int[Tensor, " pairs"],
        neurons: Integers,
        prefixes: SharedPrefixes | None,
    ) -> Float[np.ndarray, " pairs"]:
        wanted = torch.from_numpy(neurons)
        subject = self.subject
        if isinstance(subject, LastActivations):
            found = subject.last_activations(tokens, self.layer, rows, wanted, prefixes)
            return found.cpu().numpy()
        result = np.zeros(len(rows), dtype=np.float32)
        size = max(1, NUMBERS_AT_ONCE // (tokens.shape[1] * len(self.neurons)))
        for start in range(0, len(tokens), size):
            chunk = tokens[start : start + size]
            members = (rows >= start) & (rows < start + size)
            columns, column = torch.unique(wanted[members], return_inverse=True)
            found = subject.activations(chunk, self.layer, columns)[:, -1].cpu()
            result[members.numpy()] = found[rows[members] - start, column].numpy()
        return result


def distinct_rows(tokens: IdArray) -> tuple[IdArray, Integers, Integers]:
    """The distinct rows of an array of ids, where each is first, and for each row which it is."""
    packed = np.ascontiguousarray(tokens, dtype=np.int64)
    whole = packed.view(np.dtype((np.void, packed.dtype.itemsize * packed.shape[1])))[:, 0]
    _, first, where = np.unique(whole, return_index=True, return_inverse=True)
    return packed[first], first, where.reshape(-1)
