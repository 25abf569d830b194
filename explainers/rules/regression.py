"""Normal equations of the neurons of a block: their activations on their candidate patterns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor

from explainers.rules.candidates import Candidates
from explainers.rules.features import Family
from explainers.rules.observations import HALVES, Observations

Integers = Int[np.ndarray, " m"]


@dataclass(frozen=True)
class Regression:
    """Normal equations of each neuron's activation on its candidates, by halves of the documents.

    Columns and activations are less their weighted means, unless what is predicted elsewhere is
    known.

    Attributes:
        products: products of columns, summed over positions, `[halves, n, k, k]`.
        targets: products of columns with the activation, raw units, `[halves, n, k]`.
        share: the part of all positions at which each column matches, weighted, `[n, k]`.
        mean: weighted mean of the activation less the centre, raw units, `[n]`.
        deviation: the activation's summed squared deviation, raw units squared, `[n]`.
    """

    products: Float[Tensor, "halves n k k"]
    targets: Float[Tensor, "halves n k"]
    share: Float[Tensor, "n k"]
    mean: Float[Tensor, " n"]
    deviation: Float[Tensor, " n"]


def regression(
    families: Sequence[Family], candidates: Candidates, seen: Observations
) -> Regression:
    """Return the normal equations of all neurons.

    How often two patterns match together in the sample is counted once for all neurons, by one
    sparse product for each half; what a neuron's own exemplars add is counted for itself.
    """
    n, k = candidates.family.shape
    patterns = distinct_patterns(families, candidates)
    products = torch.zeros(HALVES, n, k, k)
    places, columns = matches_of(families, patterns)
    sampled = places < seen.n_sampled
    half = seen.half.numpy()[places]
    for number in range(HALVES):
        mine = sampled & (half == number)
        together = _counted(places[mine], columns[mine], seen.n_sampled, len(patterns.family))
        _scatter(together, patterns, products[number])
        _add_own(places, columns, ~sampled & (half == number), patterns, seen, products[number])
        products[number].diagonal(dim1=1, dim2=2).copy_(candidates.counts[..., number])
    return _centred(products, candidates, seen)


@dataclass(frozen=True)
class Patterns:
    """The distinct patterns among the candidates of all neurons.

    Attributes:
        family, feature: which each is, `[u]`.
        column: of each neuron's candidates, `[n, k]`.
        place: which candidate of a neuron a pattern is, or -1, `[n, u]`.
    """

    family: Integers
    feature: Integers
    column: Int[np.ndarray, "n k"]
    place: Int[np.ndarray, "n u"]


def distinct_patterns(families: Sequence[Family], candidates: Candidates) -> Patterns:
    """Return the distinct patterns among the candidates, and where each neuron has them."""
    width = max(family.size for family in families)
    keys = (candidates.family * width + candidates.feature).numpy()
    distinct, column = np.unique(keys, return_inverse=True)
    column = column.reshape(keys.shape)
    place = np.full((len(keys), len(distinct)), -1, dtype=np.int32)
    np.put_along_axis(place, column, np.arange(keys.shape[1], dtype=np.int32)[None], axis=1)
    return Patterns(distinct // width, distinct % width, column, place)


def matches_of(families: Sequence[Family], patterns: Patterns) -> tuple[Integers, Integers]:
    """Return every match of a pattern: the position, and its column."""
    places, columns = [], []
    for number, family in enumerate(families):
        mine = np.flatnonzero(patterns.family == number)
        column = np.full(family.size, -1)
        column[patterns.feature[mine]] = mine
        of_match = column[family.features.numpy()]
        kept = of_match >= 0
        places.append(family.places.numpy()[kept])
        columns.append(of_match[kept])
    return np.concatenate(places), np.concatenate(columns)


def _counted(rows: Integers, columns: Integers, n_rows: int, n_columns: int) -> sparse.csr_matrix:
    """Return how often each two columns share a row."""
    ones = np.ones(len(rows), dtype=np.float32)
    matrix = sparse.csr_matrix((ones, (rows, columns)), shape=(n_rows, n_columns))
    # A row with one column says nothing of two.
    matrix = matrix[np.diff(matrix.indptr) > 1]
    return (matrix.T @ matrix).tocsr()


def _scatter(
    together: sparse.csr_matrix, patterns: Patterns, products: Float[Tensor, "n k k"]
) -> None:
    """Write what was counted of all patterns into the products of each neuron's candidates."""
    n, k = patterns.column.shape
    rows = patterns.column.reshape(-1)
    starts, sizes = together.indptr[rows], np.diff(together.indptr)[rows]
    at = np.arange(sizes.sum()) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
    owner = np.repeat(np.arange(n * k), sizes)
    place = patterns.place[owner // k, together.indices[at]]
    kept = place >= 0
    flat = products.view(-1).numpy()
    flat[owner[kept] * k + place[kept]] = together.data[at[kept]]


def _add_own(
    places: Integers,
    columns: Integers,
    chosen: np.ndarray,
    patterns: Patterns,
    seen: Observations,
    products: Float[Tensor, "n k k"],
) -> None:
    """Add what a neuron's own exemplars hold, of all neurons by one sparse product."""
    n, k = patterns.column.shape
    places, columns = places[chosen] - seen.n_sampled, columns[chosen]
    owned = seen.owned.numpy()[places // seen.tokens.shape[1]]
    match, neuron = owned.nonzero()
    candidate = patterns.place[neuron, columns[match]]
    kept = candidate >= 0
    match, neuron, candidate = match[kept], neuron[kept], candidate[kept]
    positions = len(seen.own)
    counted = _counted(
        neuron * positions + places[match], neuron * k + candidate, n * positions, n * k
    ).tocoo()
    flat = products.view(-1).numpy()
    flat[counted.row.astype(np.int64) * k + counted.col % k] += seen.weight * counted.data


def _centred(
    products: Float[Tensor, "halves n k k"], candidates: Candidates, seen: Observations
) -> Regression:
    """Take the weighted means out of columns and activations, unless the root is known."""
    matched = candidates.counts.permute(2, 0, 1).contiguous()
    targets = candidates.sums.permute(2, 0, 1).contiguous()
    weights, deviations = seen.weights(), seen.deviations()
    squares = (weights * deviations.square()).double().sum(0).float()
    if not seen.has_sample:
        none = torch.zeros_like(matched[0])
        return Regression(products, targets, none, torch.zeros_like(seen.centre), squares)
    shape = HALVES, *deviations.shape[1:]
    # In double precision, so that a neuron's sums do not depend on how many others there are.
    total = torch.zeros(shape, dtype=torch.double).index_add_(0, seen.half, weights.double())
    weighted = (weights * deviations).double()
    of_all = torch.zeros(shape, dtype=torch.double).index_add_(0, seen.half, weighted)
    everything = total.sum(0)
    share = (matched.sum(0) / everything[:, None]).float()
    mean = (of_all.sum(0) / everything).float()
    total, of_all = total.float(), of_all.float()
    for number in range(HALVES):
        rest = share * total[number][:, None] - matched[number]
        products[number] -= matched[number][:, :, None] * share[:, None]
        products[number] += share[:, :, None] * rest[:, None]
    targets = (
        targets
        - share * of_all[:, :, None]
        - matched * mean[:, None]
        + total[:, :, None] * share * mean[:, None]
    )
    deviation = squares - (everything * mean.double().square()).float()
    return Regression(products, targets, share, mean, deviation)
