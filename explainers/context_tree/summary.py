"""Summary of a tree for people: its most telling contexts, with wildcards where they are alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from explainers.context_tree.describe import ANY, Shown
from explainers.context_tree.fit import Candidates, FittedTree
from explainers.context_tree.suffixes import Suffixes

MOST = 12
# Nodes that are looked at for these, those that remove the most squared error.
LOOKED_AT = 300
# Contexts with wildcards that are tried.
TRIED = 24
# A context with wildcards must remove this many times what the best of its n-grams does alone.
WORTH = 1.5
# Where any token may stand, the mean of all n-grams that fit may be off by no more than this part
# of the distance from the root's value.
ALIKE = 0.2
# A context that explains less of the variance is no help to a person.
LEAST_SHARE = 0.002

Nodes = Int[np.ndarray, " nodes"]
Pattern = tuple[int, ...]


@dataclass(frozen=True)
class _Context:
    pattern: Pattern
    value: int
    share: float
    seen: float


def summarise(candidates: Candidates, tree: FittedTree, text_of: Callable[[int], str]) -> Shown:
    """Return the contexts that explain most of the variance.

    A context's part of the variance is the squared error that it removes, where the shorter n-grams
    in it are known already, over the squared deviation. Runs that differ only between their first
    and last token and raise or lower the activation alike are one context with wildcards.
    """
    return _shown(_contexts(candidates, tree) if tree.levels else [], text_of)


def _contexts(candidates: Candidates, tree: FittedTree) -> list[_Context]:
    nodes, values, ngrams, moved = _strongest(candidates, tree)
    whole = max(candidates.spread**2 * candidates.count, 1e-30)
    groups = _groups(ngrams, candidates.counts[nodes], moved)
    gains = candidates.gain[nodes].astype(float)
    ranked = [(float(gain), ngrams[at], [at]) for at, gain in enumerate(gains)]
    ranked += [
        (gain, pattern, members)
        for gain, pattern, members in groups
        if gain > WORTH * gains[members].max()
    ]
    ranked.sort(key=lambda each: (-each[0], each[1]))
    covered: set[int] = set()
    contexts: list[_Context] = []
    tried = 0
    for gain, pattern, members in ranked:
        if len(contexts) == MOST or (contexts and gain < LEAST_SHARE * whole):
            break
        if not covered.isdisjoint(members):
            continue
        value, seen = int(values[members[0]]), float(candidates.counts[nodes[members[0]]])
        if ANY in pattern:
            tried += 1
            found = _seen_alike(candidates, pattern, nodes[members]) if tried <= TRIED else None
            if found is None:
                continue
            mean, seen = found
            value = round((candidates.centre + mean - tree.root) / tree.step)
        covered.update(members)
        contexts.append(_Context(pattern, value, gain / whole, seen))
    return contexts


def _strongest(
    candidates: Candidates, tree: FittedTree
) -> tuple[Nodes, Nodes, list[Pattern], Float[np.ndarray, " nodes"]]:
    """Return the nodes that remove most error, their values and n-grams, and how far they move.

    A node moves its positions from its parent's mean to its own; all of them together by its sum
    less its count times the parent's mean, raw units.
    """
    nodes = np.concatenate(tree.nodes)
    gain = candidates.gain[nodes]
    best = np.arange(len(gain))
    if len(gain) > LOOKED_AT:
        best = np.argpartition(-gain, LOOKED_AT)[:LOOKED_AT]
        # Of equal ones the same are taken wherever the partition puts them.
        best = np.flatnonzero(gain >= gain[best].min())[: 2 * LOOKED_AT]
    chosen = nodes[best]
    values = np.concatenate([level.values for level in tree.levels])[best]
    suffixes, parts = candidates.suffixes, candidates.suffixes.parts
    ngrams: list[Pattern] = [()] * len(chosen)
    moved = candidates.sums[chosen].astype(float)
    for depth, part in enumerate(parts):
        at = np.flatnonzero((chosen >= part.start) & (chosen < part.stop))
        local, tokens = chosen[at] - part.start, []
        for level in suffixes.levels[depth::-1]:
            tokens.append(level.tokens.numpy()[local])
            local = level.parents.numpy()[local]
            if len(tokens) == 1 and depth:
                above = local + parts[depth - 1].start
                moved[at] -= (
                    candidates.counts[chosen[at]]
                    * candidates.sums[above]
                    / candidates.counts[above]
                )
        for row, ngram in zip(at.tolist(), np.array(tokens[::-1]).T.tolist(), strict=True):
            ngrams[row] = tuple(ngram)
    return chosen, values, ngrams, moved


def _groups(
    ngrams: list[Pattern], counts: Float[np.ndarray, " nodes"], moved: Float[np.ndarray, " nodes"]
) -> list[tuple[float, Pattern, list[int]]]:
    """Return contexts with wildcards, what each removes, and the n-grams that fit it.

    Any token may stand at one place between the first and the last, or at all of them.
    """
    members: dict[Pattern, list[int]] = {}
    for at, ngram in enumerate(ngrams):
        inner = len(ngram) - 2
        patterns = {(*ngram[:place], ANY, *ngram[place + 1 :]) for place in range(1, 1 + inner)}
        if inner > 0:
            patterns.add((ngram[0], *[ANY] * inner, ngram[-1]))
        for pattern in patterns:
            members.setdefault(pattern, []).append(at)
    return [
        (float(moved[each].sum() ** 2 / (counts[each].sum() + 1)), pattern, each)
        for pattern, each in members.items()
        if len(each) > 1
    ]


def _seen_alike(
    candidates: Candidates, pattern: Pattern, nodes: Nodes
) -> tuple[float, float] | None:
    """Return mean less the centre and count of all n-grams that fit a context with wildcards.

    None where these do not do what the strongest of them, `nodes`, do.
    """
    suffixes, level = candidates.suffixes, len(pattern) - 1
    found = matching(suffixes, pattern)
    # What is right before was seen more than once by this neuron, whatever others saw.
    parents = suffixes.levels[level].parents.numpy()[found] + suffixes.parts[level - 1].start
    found = (found + suffixes.parts[level].start)[candidates.counts[parents] > 1]
    found = np.union1d(found, nodes)
    count = float(candidates.counts[found].sum(dtype=np.float64))
    mean = float(candidates.sums[found].sum(dtype=np.float64)) / max(count, 1e-9)
    strongest = float(candidates.sums[nodes].sum() / candidates.counts[nodes].sum())
    away = abs(strongest - candidates.total / max(candidates.count, 1e-9))
    return (mean, count) if abs(mean - strongest) <= ALIKE * away else None


def _shown(contexts: list[_Context], text_of: Callable[[int], str]) -> Shown:
    distinct = dict.fromkeys(token for each in contexts for token in each.pattern if token != ANY)
    place = {token: at for at, token in enumerate(distinct)} | {ANY: ANY}
    return Shown(
        tuple(text_of(token) for token in distinct),
        tuple(
            (
                tuple(place[token] for token in each.pattern),
                each.value,
                round(1000 * each.share),
                max(1, round(each.seen)),
            )
            for each in contexts
        ),
    )


def matching(suffixes: Suffixes, tokens: Sequence[int]) -> Nodes:
    """Return the nodes that a context stands for, ascending; `ANY` is any token."""
    nodes = np.zeros(1, dtype=np.int64)
    for level, token in zip(suffixes.levels, tokens, strict=False):
        parents = level.parents.numpy()
        # Children of one node are next to each other, in the order of their parents.
        low = np.searchsorted(parents, nodes, "left")
        sizes = np.searchsorted(parents, nodes, "right") - low
        first = np.repeat(low - (np.cumsum(sizes) - sizes), sizes)
        nodes = first + np.arange(len(first))
        if token != ANY:
            nodes = nodes[level.tokens.numpy()[nodes] == token]
    return nodes
