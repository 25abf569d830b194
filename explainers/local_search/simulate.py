"""Simulation by patterns: the best of a neuron's patterns at every token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

from explainers.local_search.compiled import Coded, Compiled, Integers, code, joined, members_of

# Matches looked at together: bounds memory.
AT_ONCE = 1 << 20
# No run of a text has this number.
_NO_FILLING = -2


def simulate_patterns(
    neurons: Sequence[Compiled],
    resting: Sequence[float],
    tokens: Int[np.ndarray, "batch pos"],
    bos: int,
    least: float,
) -> Float[np.ndarray, "batch pos n"]:
    """Predict the activations of many neurons, raw units, float32.

    A pattern is laid against the text so that its last token is the one that is predicted. Each
    slot keeps a part of the activation: what was measured, if it holds something that was seen
    there, else its share; beyond the start of the document it holds nothing that was seen. The
    product of these parts, if it is `least` or more, says how far the prediction goes from the
    neuron's resting value to the example's activation. The pattern that predicts most wins; none
    predicts less than the resting value. A BOS is never predicted.

    Args:
        neurons: the patterns of each neuron.
        resting: what each does where nothing matches, raw units.
        tokens: token ids.
        bos: the token that no pattern reaches beyond.
        least: a smaller product is no match.
    """
    n = len(neurons)
    rest = np.array(resting, dtype=np.float32)
    predictions = np.empty((tokens.size, n), dtype=np.float32)
    predictions[:] = rest
    if n and tokens.size:
        flat = np.ascontiguousarray(tokens, dtype=np.int64).reshape(-1)
        every = np.arange(len(flat))
        row_start = every - every % tokens.shape[1]
        # Of each place the first one that belongs to its document.
        start = np.maximum.accumulate(np.where(flat == bos, every + 1, row_start))
        compiled, owners = joined(neurons)
        if len(compiled.sizes):
            _fill(predictions.reshape(-1), compiled, owners, rest, flat, start, least)
    return predictions.reshape(*tokens.shape, n)


def _fill(
    out: Float[np.ndarray, " np"],
    compiled: Compiled,
    owners: Integers,
    resting: Float[np.ndarray, " n"],
    flat: Integers,
    start: Integers,
    least: float,
) -> None:
    coded = code(compiled, flat)
    table = _Table(compiled, coded)
    for patterns, ends in _candidates(compiled, coded):
        pivots = table.first[patterns]
        places = ends + compiled.distances[pivots]
        # All of the pivot stands in the document of the predicted token.
        inside = places < len(flat)
        begins = ends - compiled.widths[pivots] + 1
        inside[inside] = start[places[inside]] <= begins[inside]
        patterns, places = patterns[inside], places[inside]
        parts = np.ones(len(places))
        for level in range(int(compiled.sizes[patterns].max(initial=0))):
            going = np.flatnonzero(compiled.sizes[patterns] > level)
            slots = table.first[patterns[going]] + level
            parts[going] *= table.kept(slots, places[going], start)
            enough = parts >= least
            patterns, places, parts = patterns[enough], places[enough], parts[enough]
        of = owners[patterns]
        base = resting[of].astype(np.float64)
        found = base + (compiled.activations[patterns] - base) * parts
        np.maximum.at(out, places * len(resting) + of, found.astype(np.float32))


def _candidates(compiled: Compiled, coded: Coded) -> Iterator[tuple[Integers, Integers]]:
    """Find the places in the text where the pivots of patterns hold what kept something.

    Yields:
        Patterns, and for each the place of its pivot's last token.
    """
    pivots = np.cumsum(compiled.sizes) - compiled.sizes
    patterns, fillings = members_of(compiled.known, pivots)
    keeping = compiled.kept[fillings] > 0
    patterns, fillings = patterns[keeping], fillings[keeping]
    widths = compiled.widths[pivots[patterns]]
    for width, codes in enumerate(coded.text, start=1):
        chosen = np.flatnonzero(widths == width)
        order = np.argsort(codes, kind="stable")
        ordered, wanted = codes[order], coded.fillings[fillings[chosen]]
        begin = np.searchsorted(ordered, wanted, "left")
        sizes = np.searchsorted(ordered, wanted, "right") - begin
        ends = np.cumsum(sizes)
        done = 0
        while done < len(chosen):
            before = ends[done - 1] if done else 0
            stop = max(done + 1, int(np.searchsorted(ends, before + AT_ONCE, "right")))
            part = slice(done, stop)
            shift = begin[part] - (ends[part] - sizes[part] - before)
            at = np.repeat(shift, sizes[part]) + np.arange(int(ends[stop - 1] - before))
            yield np.repeat(patterns[chosen[part]], sizes[part]), order[at]
            done = stop


class _Table:
    """What every slot of some patterns keeps, by the number of what it holds."""

    def __init__(self, compiled: Compiled, coded: Coded) -> None:
        self.first = np.cumsum(compiled.sizes) - compiled.sizes
        self._compiled = compiled
        self._text = coded.text
        slots, fillings = members_of(compiled.known, np.arange(len(compiled.known)))
        within = fillings - (np.cumsum(compiled.known) - compiled.known)[slots]
        shape = (len(compiled.known), int(compiled.known.max(initial=0)))
        self._codes = np.full(shape, _NO_FILLING, dtype=np.int32)
        self._kept = np.zeros(shape)
        self._codes[slots, within] = coded.fillings[fillings]
        self._kept[slots, within] = compiled.kept[fillings]

    def kept(self, slots: Integers, places: Integers, start: Integers) -> Float[np.ndarray, " m"]:
        """Return the part that each slot keeps where its pattern predicts a place.

        Args:
            slots: of all patterns.
            places: the predicted places.
            start: of each place of the text the first one of its document.
        """
        width = self._compiled.widths[slots]
        end = places - self._compiled.distances[slots]
        inside = end - width + 1 >= start[places]
        holds = self._text[width - 1, np.where(inside, end, 0)]
        same = (self._codes[slots] == holds[:, None]) & inside[:, None]
        which = same.argmax(1)
        every = np.arange(len(slots))
        kept: Float[np.ndarray, " m"] = np.where(
            same[every, which], self._kept[slots, which], self._compiled.shares[slots]
        )
        return kept
