"""Choice of clues: what says most about a neuron per character of a sentence."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from explainers.describe.structure import Ngram

# Observations by which a clue's level is drawn to what is said without it.
SHRINKAGE = 1.0
# A clue must end at so many positions, so that it is no accident of one place.
LEAST_SEEN = 2
Where = Int[np.ndarray, " positions"]


@dataclass
class Observed:
    """What a neuron does at the positions that clues are chosen on.

    Attributes:
        activations: raw units, `[positions]`.
        weights: how much each position counts, `[positions]`.
        n_drawn: how many positions, the first ones, were drawn uniformly.
        elsewhere: what is said where no clue is, raw units; measured again where positions were
            drawn uniformly.
        rounded: what can be said of a mean activation, raw units.
        said, longest: what is said at each position, and the length of the n-gram that says it.
    """

    activations: Float[np.ndarray, " positions"]
    weights: Float[np.ndarray, " positions"]
    n_drawn: int
    elsewhere: float
    rounded: Callable[[float], float]
    said: Float[np.ndarray, " positions"] = field(init=False)
    longest: Int[np.ndarray, " positions"] = field(init=False)

    def __post_init__(self) -> None:
        self.longest = np.zeros(len(self.activations), dtype=np.int64)
        self.forget()

    def forget(self) -> None:
        """Say of all positions what is said elsewhere, of those that no n-gram says more of."""
        drawn = self.weights[: self.n_drawn] * (self.longest[: self.n_drawn] == 0)
        if drawn.any():
            self.elsewhere = float(drawn @ self.activations[: self.n_drawn] / drawn.sum())
        self.said = np.full(len(self.activations), self.elsewhere)


def choose_clues(
    ngrams: Sequence[Ngram],
    find: Callable[[Ngram], Where],
    observed: Observed,
    characters: Callable[[Ngram], int],
    fits: Callable[[Mapping[Ngram, float]], bool],
) -> dict[Ngram, float]:
    """Choose n-grams greedily by the squared error that saying them removes per character.

    The longest n-gram that ends at a position decides there, so one that is taken changes what
    shorter ones stand for; what was said for these is then measured again.

    Args:
        ngrams: what can be said.
        find: returns the positions at which an n-gram ends.
        observed: what the neuron does; what is said is kept there.
        characters: about what an n-gram costs.
        fits: whether there is room for what was taken, with what is said of each and elsewhere.

    Returns:
        The n-grams taken, in their order, with what is said of each, raw units.
    """
    where = {ngram: find(ngram) for ngram in ngrams}
    costs = {ngram: characters(ngram) for ngram in ngrams}
    taken: dict[Ngram, float] = {}

    def worth(ngram: Ngram) -> float:
        return _gain(where[ngram], len(ngram), observed) / costs[ngram]

    queue = [
        (-worth(ngram), at) for at, ngram in enumerate(ngrams) if len(where[ngram]) >= LEAST_SEEN
    ]
    heapq.heapify(queue)
    while queue:
        _, at = heapq.heappop(queue)
        ngram = ngrams[at]
        # What others say has changed since this one was judged, mostly so that it is worth less.
        found = worth(ngram)
        if found <= 0:
            continue
        if queue and found < -queue[0][0]:
            heapq.heappush(queue, (-found, at))
            continue
        taken[ngram] = 0.0
        _say(taken, where, observed)
        if not fits(taken):
            del taken[ngram]
            _say(taken, where, observed)
    return taken


def _say(taken: dict[Ngram, float], where: dict[Ngram, Where], observed: Observed) -> None:
    """Measure what is said of every n-gram that was taken, shorter ones before longer ones."""
    observed.longest[:] = 0
    by_length = sorted(taken, key=len)
    for ngram in by_length:
        observed.longest[where[ngram]] = len(ngram)
    observed.forget()
    for ngram in by_length:
        places = where[ngram]
        own = places[observed.longest[places] == len(ngram)]
        taken[ngram] = _mean(own, observed)
        observed.said[places] = taken[ngram]


def _gain(places: Where, length: int, observed: Observed) -> float:
    """Return the squared error that saying an n-gram removes now."""
    own = places[observed.longest[places] < length]
    if not len(own):
        return 0.0
    truth, weights, said = observed.activations[own], observed.weights[own], observed.said[own]
    mean = _mean(own, observed)
    return float(weights @ ((truth - said) ** 2 - (truth - mean) ** 2))


def _mean(places: Where, observed: Observed) -> float:
    """Return what is said at positions, from what the neuron does and what was said before."""
    if not len(places):
        return observed.elsewhere
    weights = observed.weights[places]
    total = float(weights @ observed.activations[places])
    total += SHRINKAGE * float(observed.said[places].mean())
    return observed.rounded(total / (float(weights.sum()) + SHRINKAGE))
