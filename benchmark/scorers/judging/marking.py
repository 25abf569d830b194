"""Wrong marks: as many as right ones, in the same pattern, where the neuron is silent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
TRIES = 16


def wrong_marks(pattern: Mask, silent: Mask, draw: np.random.Generator) -> Mask | None:
    """Return marks for a window that copy those of another one, elsewhere.

    How many marks there are and how they lie to each other tells nothing, and their place is drawn.
    Where the pattern fits nowhere, as many single tokens are marked.

    Args:
        pattern: the right marks of a window, at least one.
        silent: the tokens of the window to be marked on which its neuron does not fire.
        draw: random numbers.

    Returns:
        The marks; None where the neuron fires on every token.
    """
    at = np.flatnonzero(pattern)
    at = at - at[0]
    quiet = np.flatnonzero(silent)
    if not len(quiet):
        return None
    marks = np.zeros(len(silent), dtype=np.bool_)
    room = len(silent) - int(at[-1])
    for start in draw.integers(room, size=TRIES).tolist() if room > 0 else ():
        if silent[at + start].all():
            marks[at + start] = True
            return marks
    marks[draw.permutation(quiet)[: len(at)]] = True
    return marks
