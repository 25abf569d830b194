"""Simulation by tries: the longest path that matches backwards from a token decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

from explainers.n2g.compiled import NOWHERE, CompiledTries, Integers, compile_tries
from explainers.n2g.settings import LITERAL, LONGEST
from explainers.n2g.trie import Path


def simulate_tries(
    tries: Sequence[Sequence[Path]],
    maxima: Sequence[float],
    defaults: Sequence[float],
    tokens: Int[np.ndarray, "batch pos"],
    match: Sequence[str] | None = None,
) -> Float[np.ndarray, "n batch pos"]:
    """Predict the activations of many neurons, raw units, float32.

    All paths that match at a token are considered, by literals and by wildcards. The longest
    wins; among those of equal length the most specific: the one with more literals, then the one
    whose literals are nearer to the token. Where none matches, the neuron's default is predicted.

    A neuron whose rule is `literal` considers only what is met on one way from the token back:
    at every step the literal child, if there is one, else the wildcard.

    Args:
        tries: the paths of each neuron.
        maxima: each neuron's largest activation; paths hold parts of it.
        defaults: prediction where no path matches, as a part of the maximum.
        tokens: token ids.
        match: each neuron's rule, `longest` or `literal`; the former for all if left out.
    """
    scale = np.array(maxima, dtype=np.float32)
    values = np.array(
        [path.activation for paths in tries for path in paths], dtype=np.float32
    ) * np.repeat(scale, [len(paths) for paths in tries])
    values = values.astype(np.float32)
    elsewhere = np.array(defaults, dtype=np.float32) * scale
    predictions = np.empty((len(tries), tokens.size), dtype=np.float32)
    predictions[:] = elsewhere[:, None]
    out = predictions.reshape(-1)
    for places, columns, paths in _matches(tries, tokens, match):
        # Written in this order, so that what wins is written last.
        out[columns * tokens.size + places] = values[paths]
    return predictions.reshape(len(tries), *tokens.shape)


def winners(
    tries: Sequence[Sequence[Path]],
    tokens: Int[np.ndarray, "batch pos"],
    match: Sequence[str] | None = None,
) -> Int[np.ndarray, "n batch pos"]:
    """Find which path decides each prediction, counted through all neurons, or `NOWHERE`."""
    found = np.full((len(tries), tokens.size), NOWHERE, dtype=np.int32)
    out = found.reshape(-1)
    for places, columns, paths in _matches(tries, tokens, match):
        out[columns * tokens.size + places] = paths
    return found.reshape(len(tries), *tokens.shape)


def compiled(tries: Sequence[Sequence[Path]]) -> CompiledTries:
    """Put the paths of many neurons into flat arrays."""
    return compile_tries([[path.tokens for path in paths] for paths in tries])


def _matches(
    tries: Sequence[Sequence[Path]],
    tokens: Int[np.ndarray, "batch pos"],
    match: Sequence[str] | None,
) -> Iterator[tuple[Integers, Integers, Integers]]:
    """Yield flat positions, columns of neurons and numbers of paths; later ones win."""
    rules = [LONGEST] * len(tries) if match is None else match
    sizes = [len(paths) for paths in tries]
    joint = [paths if rule == LONGEST else () for paths, rule in zip(tries, rules, strict=True)]
    numbers = np.flatnonzero(np.repeat([rule == LONGEST for rule in rules], sizes))
    for places, columns, paths in compiled(joint).matches(tokens):
        yield places, columns, numbers[paths]
    # Alone, because a literal child of another neuron does not hide a wildcard of this one.
    first = np.cumsum([0, *sizes])
    for column, rule in enumerate(rules):
        if rule == LITERAL:
            alone = compiled([tries[column]])
            for places, _, paths in alone.matches(tokens, literal_first=True):
                yield places, np.full(len(places), column), first[column] + paths
