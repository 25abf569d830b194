"""Activations on the last word of contexts, for many contexts at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int

from benchmark.interface import SubjectModel

# Activations held at once.
NUMBERS_AT_ONCE = 1 << 24


def word_activations(
    subject: SubjectModel,
    layer: int,
    neurons: Int[np.ndarray, " n"],
    contexts: Sequence[Int[np.ndarray, " pos"]],
    lengths: Int[np.ndarray, " pairs"],
    owners: Int[np.ndarray, " pairs"],
) -> Float[np.ndarray, " pairs"]:
    """Measure the largest activation of each context's neuron on its last tokens.

    Contexts of equal tokens run once, whichever neurons ask; those of one length run together.

    Args:
        subject: what is asked.
        layer: of all neurons.
        neurons: their indices in the layer.
        contexts: token ids, BOS first, the word at the end.
        lengths: how many tokens the word has in each.
        owners: for each context the row of its neuron.

    Returns:
        Raw activations, float32.
    """
    result = np.zeros(len(contexts), dtype=np.float32)
    sizes = np.array([len(context) for context in contexts], dtype=np.int64)
    for size in np.unique(sizes).tolist():
        members = np.flatnonzero(sizes == size)
        together = np.stack([contexts[at] for at in members.tolist()]).astype(np.int64)
        distinct, where = np.unique(together, axis=0, return_inverse=True)
        where = where.reshape(-1)
        step = max(1, NUMBERS_AT_ONCE // (size * len(neurons)))
        for start in range(0, len(distinct), step):
            inside = np.flatnonzero((where >= start) & (where < start + step))
            pairs = members[inside]
            asked, column = np.unique(owners[pairs], return_inverse=True)
            found = subject.activations(
                torch.from_numpy(distinct[start : start + step]),
                layer,
                torch.from_numpy(neurons[asked]),
            )
            on_word = np.arange(size) >= size - lengths[pairs, None]
            chosen = found.cpu().numpy()[where[inside] - start, :, column.reshape(-1)]
            result[pairs] = np.where(on_word, chosen, -np.inf).max(1)
    return result
