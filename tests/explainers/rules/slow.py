"""Rules the slow way: every pattern looked for at every token, every regression written out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explainers.rules.rule import Rule


def matches_at(rule: Rule, context: Sequence[int], at: int) -> bool:
    """Tell whether a rule's pattern ends at a position of a context."""
    *before, current = rule.places
    if current and context[at] not in current:
        return False
    if rule.again:
        return context[at] in context[:at]
    if rule.within:
        window = context[max(0, at - rule.within) : at]
        return any(token in before[0] for token in window)
    if at < len(before):
        return False
    stood = context[at - len(before) : at]
    return all(not place or token in place for place, token in zip(before, stood, strict=True))


def simulated(explanation, tokens: np.ndarray) -> np.ndarray:
    """Add up the rules at every token, one after the other."""
    found = np.zeros(tokens.shape, dtype=np.float32)
    scale = np.float32(explanation.maximum / 1000)
    for row, context in enumerate(tokens.tolist()):
        for at in range(len(context)):
            value = explanation.elsewhere
            value += sum(rule.value for rule in explanation.rules if matches_at(rule, context, at))
            found[row, at] = np.float32(max(value, explanation.floor)) * scale
    return found


def pattern_of(family, feature: int) -> Rule:
    """Return a pattern of a family as a rule without a value."""
    kind, distances = family.shape
    ids = family.tokens[feature].tolist()
    if kind == "somewhere":
        return Rule(0, ((ids[0],), (ids[1],)), within=distances[0])
    if kind == "again":
        return Rule(0, ((ids[0],),), again=True)
    by_distance = dict(zip(distances, ids, strict=True))
    places = tuple(
        (by_distance[at],) if at in by_distance else () for at in range(distances[0], -1, -1)
    )
    return Rule(0, places)


def columns_of(patterns: Sequence[Rule], tokens: np.ndarray) -> np.ndarray:
    """Return where each pattern ends, `[positions, patterns]`."""
    return np.array(
        [
            [matches_at(pattern, context, at) for pattern in patterns]
            for context in tokens.tolist()
            for at in range(len(context))
        ],
        dtype=float,
    )


def equations_of(columns, activations, weights, halves, *, centred: bool):
    """Return the normal equations of one neuron by halves: products and targets."""
    total = weights.sum()
    share = weights @ columns / total if centred else np.zeros(columns.shape[1])
    mean = weights @ activations / total if centred else 0.0
    columns, activations = columns - share, activations - mean
    products, targets = [], []
    for half in (0, 1):
        own = weights * (halves == half)
        products.append(columns.T @ (own[:, None] * columns))
        targets.append(columns.T @ (own * activations))
    return np.array(products), np.array(targets)


def differ_at_one_place(first: Rule, second: Rule) -> int | None:
    """Return the place at which two patterns of a kind differ, if there is exactly one."""
    alike = (first.within, first.again, len(first.places)) == (
        second.within,
        second.again,
        len(second.places),
    )
    if not alike:
        return None
    places = [
        at
        for at, pair in enumerate(zip(first.places, second.places, strict=True))
        if pair[0] != pair[1]
    ]
    if len(places) != 1 or not first.places[places[0]] or not second.places[places[0]]:
        return None
    return None if first.within and places[0] == 0 else places[0]


def rounded(value: float, scale: float) -> float:
    """Round to the digits that a line shows."""
    parts = 1000 * value / scale
    coarse = 10 if abs(parts) >= 99.5 else 1
    return round(parts / coarse) * coarse * scale / 1000


def grow(patterns, products, targets, costs, scale, budget, shrinkage, deviation):
    """Take patterns greedily, everything computed again at each step; return (value, members)."""
    whole, tokens = costs
    lines: list[list[int]] = []
    values: list[float] = []
    place_of: list[int | None] = []
    left, step = budget, 0
    taken: set[int] = set()
    together = products.sum(0)

    def fit() -> None:
        system = np.array(
            [[together[np.ix_(one, other)].sum() for other in lines] for one in lines]
        ) + shrinkage * np.diag([len(line) for line in lines])
        wanted = np.array([targets.sum(0)[line].sum() for line in lines])
        values[:] = [rounded(value, scale) for value in np.linalg.solve(system, wanted)]

    while True:
        predicted = np.zeros(len(patterns))
        for line, value in zip(lines, values, strict=True):
            predicted[line] = value
        rest = targets - products @ predicted
        options = []
        for at in range(len(patterns)):
            if at in taken:
                continue
            own = products[:, at, at]
            fresh = [rest[1 - half, at] / (own[1 - half] + shrinkage) for half in (0, 1)]
            gain = sum(
                2 * rest[half, at] * fresh[half] - own[half] * fresh[half] ** 2 for half in (0, 1)
            )
            price = whole[at] + 6
            if price <= left:
                options.append((gain / price, price, at, None, None))
            for number, line in enumerate(lines):
                place = differ_at_one_place(patterns[line[0]], patterns[at])
                if place is None or place_of[number] not in (None, place):
                    continue
                value = values[number]
                helps = 2 * rest[:, at] * value - own * value**2
                price = tokens[patterns[at].places[place][0]] + 1
                if price <= left and (helps > 0).all():
                    worth = (helps.sum() - shrinkage * value**2) / price
                    options.append((worth, price, at, number, place))
        best = max(options, key=lambda option: option[0], default=None)
        if best is None or best[0] * best[1] <= 1e-6 * deviation:
            break
        _, price, at, number, place = best
        if number is None:
            fresh = rest[:, at].sum() / (together[at, at] + shrinkage)
            lines.append([at])
            values.append(rounded(fresh, scale))
            place_of.append(None)
        else:
            lines[number].append(at)
            place_of[number] = place
        taken.add(at)
        left -= price
        step += 1
        if step <= 24 or step % 8 == 0:
            fit()
    if lines:
        fit()
    return [(round(1000 * value / scale), line) for value, line in zip(values, lines, strict=True)]
