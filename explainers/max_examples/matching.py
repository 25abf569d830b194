"""Matching text against the exemplars of many neurons: the longest common left context decides.

Runs of tokens are refined together, one token further back at a time: a run that no text shares
with any exemplar is looked at no more, so the work ends where the matches do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

COMBINE = ("mean", "max", "min", "median")
# Predictions written at once: bounds memory.
WRITTEN_AT_ONCE = 1 << 22

Integers = Int[np.ndarray, " m"]


@dataclass(frozen=True)
class Remembered:
    """What a neuron did on its exemplars.

    Attributes:
        tokens: token ids, `[k, ctx]`.
        activations: raw units, float32, `[k, ctx]`.
        resting: what is predicted where nothing matches, raw units.
    """

    tokens: Int[np.ndarray, "k ctx"]
    activations: Float[np.ndarray, "k ctx"]
    resting: float


@dataclass(frozen=True)
class Matching:
    """What counts as a match, and what several of them say.

    Attributes:
        bos: the token that no match reaches beyond, and that is never predicted.
        longest: tokens up to which a match may grow, the predicted one among them; None for any.
        shortest: tokens that a match has at least.
        combine: what becomes of the activations of equally long matches: their `mean`, `max`,
            `min` or `median`.
    """

    bos: int
    longest: int | None = None
    shortest: int = 1
    combine: str = "mean"


def predict(
    neurons: Sequence[Remembered], tokens: Int[np.ndarray, "batch pos"], matching: Matching
) -> Float[np.ndarray, "batch pos n"]:
    """Predict many neurons at once, each from its own exemplars; raw units, float32.

    For every token the exemplar positions with the same token and the longest common left context
    decide. A BOS counts as a token of that context, and what stands before it does not: it
    belongs to another document.
    """
    n = len(neurons)
    resting = np.array([one.resting for one in neurons], dtype=np.float32)
    predictions = np.empty((tokens.size, n), dtype=np.float32)
    predictions[:] = resting
    if n and tokens.size:
        _fill(predictions, neurons, tokens, matching)
    return predictions.reshape(*tokens.shape, n)


@dataclass(frozen=True)
class _Places:
    """Places in flat text that are still looked at.

    Attributes:
        text: all tokens, flat.
        at: the places, ascending, `[m]`.
        room: tokens before each in its document, BOS included, `[m]`.
    """

    text: Integers
    at: Integers
    room: Integers

    def select(self, members: Integers) -> _Places:
        return _Places(self.text, self.at[members], self.room[members])


def _places(tokens: Int[np.ndarray, "batch pos"], bos: int) -> _Places:
    """Return every place of text but those of BOS; a row is a text of its own."""
    flat = np.ascontiguousarray(tokens, dtype=np.int64).reshape(-1)
    every = np.arange(len(flat))
    row_start = every - every % max(1, tokens.shape[1])
    start = np.maximum.accumulate(np.where(flat == bos, every, row_start))
    at = np.flatnonzero(flat != bos)
    return _Places(flat, at, at - start[at])


def _fill(
    predictions: Float[np.ndarray, "p n"],
    neurons: Sequence[Remembered],
    tokens: Int[np.ndarray, "batch pos"],
    matching: Matching,
) -> None:
    asked = _places(tokens, matching.bos)
    known, owners, values = _all_exemplars(neurons, matching.bos)
    # Every place belongs to a run of tokens that ends there; at first to the empty one.
    known_runs = np.zeros(len(known.at), dtype=np.int64)
    asked_runs = np.zeros(len(asked.at), dtype=np.int64)
    width = 1 + int(max(asked.text.max(initial=0), known.text.max(initial=0)))
    depth = 0
    while len(known.at) and len(asked.at) and depth != matching.longest:
        # The runs grow by one token to the left; those at the start of a document end.
        members = np.flatnonzero(known.room >= depth)
        known, owners, values = known.select(members), owners[members], values[members]
        known_runs = known_runs[members] * width + known.text[known.at - depth]
        members = np.flatnonzero(asked.room >= depth)
        asked = asked.select(members)
        asked_runs = asked_runs[members] * width + asked.text[asked.at - depth]
        # Only runs that both have go on, with small numbers for names.
        names, known_runs = np.unique(known_runs, return_inverse=True)
        where = np.searchsorted(names, asked_runs)
        there = names[np.minimum(where, len(names) - 1)] == asked_runs if len(names) else where < 0
        asked, asked_runs = asked.select(np.flatnonzero(there)), where[there]
        visited = np.zeros(len(names), dtype=bool)
        visited[asked_runs] = True
        members = np.flatnonzero(visited[known_runs])
        known, owners, values = known.select(members), owners[members], values[members]
        known_runs = known_runs[members]
        depth += 1
        if depth >= matching.shortest and len(members):
            _write(predictions, asked.at, asked_runs, known_runs, owners, values, matching.combine)


def _all_exemplars(
    neurons: Sequence[Remembered], bos: int
) -> tuple[_Places, Integers, Float[np.ndarray, " m"]]:
    """Return the exemplars of all neurons as one text: places, their neurons and activations."""
    places = [_places(one.tokens, bos) for one in neurons]
    sizes = np.array([len(one.text) for one in places])
    first = np.cumsum(sizes) - sizes
    text = np.concatenate([one.text for one in places])
    at = np.concatenate([one.at + start for one, start in zip(places, first, strict=True)])
    room = np.concatenate([one.room for one in places])
    activations = np.concatenate([one.activations.reshape(-1) for one in neurons])
    owners = np.repeat(np.arange(len(neurons)), [len(one.at) for one in places])
    return _Places(text, at, room), owners, activations[at].astype(np.float64)


def _write(
    predictions: Float[np.ndarray, "p n"],
    places: Integers,
    runs: Integers,
    known_runs: Integers,
    owners: Integers,
    values: Float[np.ndarray, " m"],
    combine: str,
) -> None:
    """Predict at each place what the neurons that know its run did there."""
    n = predictions.shape[1]
    groups, group = np.unique(known_runs * n + owners, return_inverse=True)
    found = _combined(group, values, len(groups), combine).astype(np.float32)
    run_of, neuron_of = np.divmod(groups, n)
    bounds = np.searchsorted(run_of, np.arange(int(runs.max()) + 2))
    sizes = (bounds[1:] - bounds[:-1])[runs]
    out = predictions.reshape(-1)
    ends = np.cumsum(sizes)
    start = 0
    while start < len(places):
        written = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, written + WRITTEN_AT_ONCE, "right")))
        size = sizes[start:stop]
        total = int(ends[stop - 1] - written)
        # The members of each place's run, one after the other.
        shift = bounds[runs[start:stop]] - (ends[start:stop] - size - written)
        member = np.repeat(shift, size) + np.arange(total)
        out[np.repeat(places[start:stop] * n, size) + neuron_of[member]] = found[member]
        start = stop


def _combined(
    group: Integers, values: Float[np.ndarray, " m"], n_groups: int, combine: str
) -> Float[np.ndarray, " g"]:
    """Return one number for the values of each group; every group has some."""
    counts = np.bincount(group, minlength=n_groups)
    if combine == "mean":
        # In the order of the values, whatever else there is: alone or in a block is the same.
        return np.bincount(group, weights=values, minlength=n_groups) / counts
    ordered: Float[np.ndarray, " m"] = values[np.lexsort((values, group))]
    last = np.cumsum(counts) - 1
    first = last - counts + 1
    low, high = {
        "max": (last, last),
        "min": (first, first),
        "median": ((first + last) // 2, (first + last + 1) // 2),
    }[combine]
    middle: Float[np.ndarray, " g"] = (ordered[low] + ordered[high]) / 2
    return middle
