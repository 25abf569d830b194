"""Lines of rules: what patterns cost as text, and the lines of those that were taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.vocabulary import Vocabulary
from explainers.rules.candidates import Candidates
from explainers.rules.features import Family
from explainers.rules.growth import NONE, Costs, Grown
from explainers.rules.matching import AGAIN, SOMEWHERE
from explainers.rules.observations import Observations
from explainers.rules.regression import Regression, distinct_patterns, matches_of
from explainers.rules.rule import MOST, Rule, write_rule

Seen = tuple[float, float | None, float]


@dataclass(frozen=True)
class Line:
    """A rule in the making: patterns that differ at one place, by when they were taken.

    Attributes:
        value: thousandths of the largest activation.
        places: the token at each place, none where any can stand, of each pattern.
        candidates: which candidate of the neuron each pattern is.
        taken: when each was taken.
        within: as in `Rule`.
        again: as in `Rule`.
    """

    value: int
    places: tuple[tuple[int | None, ...], ...]
    candidates: tuple[int, ...]
    taken: tuple[int, ...]
    within: int
    again: bool

    def rule(self) -> Rule:
        """Return the rule: at each place the tokens of all patterns, the first taken first."""
        places = tuple(
            tuple(dict.fromkeys(token for token in place if token is not None))
            for place in zip(*self.places, strict=True)
        )
        return Rule(self.value, places, self.within, self.again)

    def without_last(self) -> Line:
        """Return the line without the pattern that was taken last."""
        shorter = {name: getattr(self, name)[:-1] for name in ("places", "candidates", "taken")}
        return replace(self, **shorter)


def pattern_costs(
    families: Sequence[Family], candidates: Candidates, lengths: Int[Tensor, " tokens"]
) -> Costs:
    """Return what each candidate costs as text, and with which others it can share a line.

    Args:
        families: the patterns.
        candidates: those that rules are chosen from.
        lengths: characters of each token.
    """
    patterns = distinct_patterns(families, candidates)
    n_places = max(len(family.shape[1]) for family in families)
    size = len(patterns.family)
    whole = np.zeros(size)
    tokens = np.zeros((size, n_places))
    others = np.full((size, n_places), NONE)
    next_number = 0
    for number, family in enumerate(families):
        mine = np.flatnonzero(patterns.family == number)
        if not len(mine):
            continue
        ids = family.tokens.numpy()[patterns.feature[mine]]
        characters = lengths.numpy()[ids]
        kind, distances = family.shape
        gaps = 0 if kind == SOMEWHERE else max(distances) - len(distances) + (distances[-1] == 0)
        marks = {SOMEWHERE: 2, AGAIN: 1}.get(kind, 0) + gaps + (distances[-1] != 0)
        whole[mine] = characters.sum(1) + marks
        width = ids.shape[1]
        # A token somewhere before is named alone, so that no match counts twice.
        for place in range(width - 1 if kind == SOMEWHERE else 0, width):
            rest = np.delete(ids, place, axis=1)
            _, code = np.unique(rest, axis=0, return_inverse=True)
            others[mine, place] = next_number + code.reshape(-1)
            tokens[mine, place] = characters[:, place]
            next_number += len(mine)
    column = torch.from_numpy(patterns.column)
    # What explains nothing of the other half fills up a neuron's candidates and is never taken.
    useless = candidates.score <= 0
    return Costs(
        torch.from_numpy(whole).float()[column].masked_fill_(useless, torch.inf),
        torch.from_numpy(tokens).float()[column],
        torch.from_numpy(others)[column].masked_fill_(useless[..., None], NONE),
    )


def lines_of(grown: Grown, families: Sequence[Family], candidates: Candidates) -> list[list[Line]]:
    """Return the lines of each neuron, those with a value."""
    members: list[dict[int, list[tuple[int, int]]]] = [{} for _ in grown.values]
    neurons, taken = (grown.line != NONE).nonzero(as_tuple=True)
    times = grown.order[neurons, taken]
    for at in times.argsort(stable=True).tolist():
        neuron, candidate = int(neurons[at]), int(taken[at])
        line = int(grown.line[neuron, candidate])
        members[neuron].setdefault(line, []).append((candidate, int(times[at])))
    return [
        [
            _line(
                int(grown.values[neuron, line]),
                patterns,
                families[int(candidates.family[neuron, patterns[0][0]])],
                [int(candidates.feature[neuron, candidate]) for candidate, _ in patterns],
            )
            for line, patterns in of_neuron.items()
            if grown.values[neuron, line]
        ]
        for neuron, of_neuron in enumerate(members)
    ]


def fitting(lines: Sequence[Line], room: int, vocabulary: Vocabulary) -> list[Line]:
    """Return the lines without the patterns taken last, as many as there is no room for.

    Args:
        lines: the lines.
        room: characters that all may have, each with its line end.
        vocabulary: spells the tokens.
    """
    kept = list(lines)
    characters = [1 + len(write_rule(line.rule(), vocabulary)) for line in kept]
    while sum(characters) > room:
        last = max(range(len(kept)), key=lambda at: kept[at].taken[-1])
        if len(kept[last].taken) == 1:
            del kept[last], characters[last]
            continue
        kept[last] = kept[last].without_last()
        characters[last] = 1 + len(write_rule(kept[last].rule(), vocabulary))
    return kept


def ordered(lines: Sequence[tuple[Line, Seen]]) -> list[tuple[Line, Seen]]:
    """Return what raises the activation first, then the exceptions, each by variance explained."""
    return sorted(lines, key=lambda line: (line[0].value < 0, -line[1][0], line[0].taken))


def judged(
    lines: Sequence[Sequence[Line]],
    scale: Float[Tensor, " n"],
    families: Sequence[Family],
    candidates: Candidates,
    equations: Regression,
    seen: Observations,
    fires: Bool[Tensor, "positions n"],
) -> tuple[list[list[tuple[Line, Seen]]], Float[Tensor, " n"]]:
    """Return the lines in the order of the text with what they do in the evidence.

    Args:
        lines: of each neuron.
        scale: the largest activations, raw units.
        families: all patterns.
        candidates: those that rules were chosen from.
        equations: for the variance.
        seen: the evidence.
        fires: where each neuron fires, at the positions that precision is counted on.

    Returns:
        The lines, and what their values are added to, raw units less the centre, `[n]`.
    """
    most = max(map(len, lines), default=0)
    line_of = torch.full(candidates.family.shape, most)
    values = torch.zeros(len(lines), most + 1)
    for neuron, of_neuron in enumerate(lines):
        for number, line in enumerate(of_neuron):
            line_of[neuron, list(line.candidates)] = number
            values[neuron, number] = line.value
    values *= scale[:, None] / 1000
    # In double precision, so that a neuron's numbers do not depend on how many others there are.
    values = values.double()
    value = values.gather(1, line_of)
    elsewhere = (equations.mean - (equations.share * value).sum(1)).float()
    products = equations.products.sum(0).double()
    rest = equations.targets.sum(0) - (products @ value[..., None])[..., 0]
    in_line = torch.nn.functional.one_hot(line_of, most + 1).double()
    columns = products @ in_line
    by_line = in_line.transpose(1, 2)
    squares = (in_line * columns).sum(1)
    lost = 2 * values * (by_line @ rest[..., None])[..., 0] + values.square() * squares
    variance = (lost / equations.deviation.clamp_min(1e-30)[:, None]).tolist()
    matched, firing = _counted(line_of, most, families, candidates, seen, fires)
    positions = _positions(seen)
    return [
        ordered(
            [
                (line, _seen(variance[at][number], matched[at][number], firing[at][number], total))
                for number, line in enumerate(of_neuron)
            ]
        )
        for at, (of_neuron, total) in enumerate(zip(lines, positions, strict=True))
    ], elsewhere


def _line(
    value: int, taken: Sequence[tuple[int, int]], family: Family, features: Sequence[int]
) -> Line:
    kind, distances = family.shape
    places = []
    for ids in family.tokens[torch.tensor(features)].tolist():
        by_distance = dict(zip(distances, ids, strict=True))
        steps = [by_distance.get(at) for at in range(distances[0], -1, -1)]
        places.append(tuple(ids if kind == SOMEWHERE else steps))
    return Line(
        max(-MOST, min(MOST, value)),
        tuple(places),
        tuple(candidate for candidate, _ in taken),
        tuple(time for _, time in taken),
        distances[0] if kind == SOMEWHERE else 0,
        kind == AGAIN,
    )


def _positions(seen: Observations) -> list[int]:
    """Return how many tokens of text lines are counted on for each neuron."""
    if seen.has_sample:
        return [int(seen.text.reshape(-1)[: seen.n_sampled].sum())] * len(seen.centre)
    found: list[int] = (seen.text.sum(1).float() @ seen.owned.float()).long().tolist()
    return found


def _seen(variance: float, matched: float, firing: float, positions: int) -> Seen:
    precision = round(firing / matched, 3) if matched else None
    return round(variance, 4), precision, round(1000 * matched / max(1, positions), 3)


def _counted(
    line_of: Int[Tensor, "n k"],
    lines: int,
    families: Sequence[Family],
    candidates: Candidates,
    seen: Observations,
    fires: Bool[Tensor, "positions n"],
) -> tuple[list[list[float]], list[list[float]]]:
    """Return at how many positions each line matches, and at how many of them the neuron fires."""
    patterns = distinct_patterns(families, candidates)
    of_pattern = np.full(patterns.place.shape, lines)
    np.put_along_axis(of_pattern, patterns.column, line_of.numpy(), axis=1)
    places, columns = matches_of(families, patterns)
    used = (of_pattern != lines).any(0)[columns]
    used &= (places < seen.n_sampled) == seen.has_sample
    places, columns = places[used], columns[used]
    if not seen.has_sample:
        places = places - seen.n_sampled
    # Each match counts for every neuron that has a line with its pattern.
    pattern, neuron = (lines != of_pattern.T).nonzero()
    starts = np.searchsorted(pattern, np.arange(len(patterns.family) + 1))
    users = starts[columns + 1] - starts[columns]
    first = np.repeat(starts[columns] - (np.cumsum(users) - users), users)
    neuron = neuron[np.arange(users.sum()) + first]
    place, column = np.repeat(places, users), np.repeat(columns, users)
    if not seen.has_sample:
        own = seen.owned.numpy()[place // seen.tokens.shape[1], neuron]
        neuron, place, column = neuron[own], place[own], column[own]
    n = len(of_pattern)
    line = neuron * (lines + 1) + of_pattern[neuron, column]
    fired = fires.numpy()[place, neuron]
    size = n * (lines + 1)
    matched = np.bincount(line, minlength=size).astype(float).reshape(n, -1)
    firing = np.bincount(line, fired, minlength=size).astype(float).reshape(n, -1)
    return matched.tolist(), firing.tolist()
