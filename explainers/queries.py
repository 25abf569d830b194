"""Queries of the subject: many short contexts at once, each distinct one a single time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.interface import SharedPrefixes, SubjectModel

IdArray = Int[np.ndarray, "batch pos"]
Integers = Int[np.ndarray, " pairs"]
# Activations of all positions held at once.
NUMBERS_AT_ONCE = 1 << 24


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
        """Return the starts of some of the contexts."""
        return SharedStarts(self.made_from, self.which[rows], self.places[rows])

    def prefixes(self) -> SharedPrefixes:
        """Return the prefixes for the subject; equal ones are one."""
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


class SubjectQueries:
    """Queries about the neurons of one block, mostly about a context's last token.

    Attributes:
        neurons: the block's neurons, indices in the layer, `[n]`.
        mask_token: the id that stands for a masked token, for explainers that mask.
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
        """Measure the activation of each context's neuron at its last position.

        Equal contexts run once, whichever neurons they are for, and so does what many of them
        share with the context that they were made from.

        Args:
            tokens: contexts of one length, BOS first, `[pairs, pos]`.
            owners: for each, the row of its neuron in the block, `[pairs]`.
            shared: what they were made from; None if from nothing in common.

        Returns:
            Raw activations, float32, `[pairs]`.
        """
        if not len(tokens):
            return np.zeros(0, dtype=np.float32)
        distinct, first, where = distinct_rows(tokens)
        # A context may be given twice for one neuron; that is one query.
        pairs, answer = np.unique(where * len(self.neurons) + owners, return_inverse=True)
        rows, columns = np.divmod(pairs, len(self.neurons))
        measured = self.subject.last_activations(
            torch.from_numpy(distinct),
            self.layer,
            torch.from_numpy(rows),
            torch.from_numpy(self.neurons[columns]),
            None if shared is None else shared.select(first).prefixes(),
        )
        return measured.cpu().numpy()[answer.reshape(-1)]

    def activations_of_lengths(
        self,
        contexts: Sequence[Int[np.ndarray, " pos"]],
        owners: Integers,
        shared: SharedStarts | None = None,
    ) -> Float[np.ndarray, " pairs"]:
        """Measure contexts of different lengths as `activations` does, one length at a time."""
        result = np.zeros(len(contexts), dtype=np.float32)
        lengths = np.array([len(context) for context in contexts], dtype=np.int64)
        for length in np.unique(lengths):
            members = np.flatnonzero(lengths == length)
            together = np.stack([contexts[int(member)] for member in members])
            of_members = None if shared is None else shared.select(members)
            result[members] = self.activations(together, owners[members], of_members)
        return result

    def activations_everywhere(
        self, contexts: Sequence[Int[np.ndarray, " pos"]], owners: Integers
    ) -> list[Float[np.ndarray, " pos"]]:
        """Measure each context's neuron at every position of it, raw activations in float32.

        Contexts of different lengths, BOS first; equal ones run once for all neurons.
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


def distinct_rows(tokens: IdArray) -> tuple[IdArray, Integers, Integers]:
    """Return the distinct rows of ids, where each is first, and for each row which it is."""
    packed = np.ascontiguousarray(tokens, dtype=np.int64)
    whole = packed.view(np.dtype((np.void, packed.dtype.itemsize * packed.shape[1])))[:, 0]
    _, first, where = np.unique(whole, return_index=True, return_inverse=True)
    return packed[first], first, where.reshape(-1)
