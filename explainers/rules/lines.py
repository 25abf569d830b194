"""Lines of rules: what patterns cost as text, and the lines of those that were taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Int
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
        taken: when each was taken.
        within: as in `Rule`.
        again: as in `Rule`.
        seen: what the line does in the evidence; see `RulesExplanation`.
    """

    value: int
    places: tuple[tuple[int | None, ...], ...]
    taken: tuple[int, ...]
    within: int
    again: bool
    seen: Seen

    def rule(self) -> Rule:
        """Return the rule: at each place the tokens of all patterns, the first taken first."""
        places = tuple(
            tuple(dict.fromkeys(token for token in place if token is not None))
            for place in zip(*self.places, strict=True)
        )
        return Rule(self.value, places, self.within, self.again)

    def without_last(self) -> Line:
        """Return the line without the pattern that was taken last."""
        return replace(self, places=self.places[:-1], taken=self.taken[:-1])


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
    return Costs(
        torch.from_numpy(whole).float()[column],
        torch.from_numpy(tokens).float()[column],
        torch.from_numpy(others)[column],
    )


def lines_of(
    grown: Grown,
    families: Sequence[Family],
    candidates: Candidates,
    equations: Regression,
    seen: Observations,
    fires: Bool[Tensor, "positions n"],
) -> list[list[Line]]:
    """Return the lines of each neuron, with what they do in the evidence.

    Args:
        grown: the patterns that were taken.
        families: all patterns.
        candidates: those that rules were chosen from.
        equations: for the variance.
        seen: the evidence.
        fires: where each neuron fires, at the positions that precision is counted on.
    """
    matched, firing = _counted(grown, families, candidates, seen, fires)
    positions = _positions(seen)
    members: list[dict[int, list[tuple[int, Family, int]]]] = [{} for _ in positions]
    neurons, taken = (grown.line != NONE).nonzero(as_tuple=True)
    order = grown.order[neurons, taken]
    by_time = order.argsort(stable=True)
    columns = (neurons, grown.line, candidates.family, candidates.feature, order)
    rows = [
        column[by_time] if column.ndim == 1 else column[neurons, taken][by_time]
        for column in columns
    ]
    for neuron, line, family, feature, time in zip(*(row.tolist() for row in rows), strict=True):
        members[neuron].setdefault(line, []).append((time, families[family], feature))
    return [
        [
            _line(
                patterns,
                int(grown.values[neuron, line]),
                _seen(
                    float(grown.lost[neuron, line] / equations.deviation[neuron].clamp_min(1e-30)),
                    float(matched[neuron, line]),
                    float(firing[neuron, line]),
                    positions[neuron],
                ),
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


def ordered(lines: Sequence[Line]) -> list[Line]:
    """Return what raises the activation first, then the exceptions, each by variance explained."""
    return sorted(lines, key=lambda line: (line.value < 0, -line.seen[0], line.taken))


def _line(patterns: Sequence[tuple[int, Family, int]], value: int, seen: Seen) -> Line:
    kind, distances = patterns[0][1].shape
    places = []
    for _, family, feature in patterns:
        ids = family.tokens[feature].tolist()
        by_distance = dict(zip(distances, ids, strict=True))
        steps = [by_distance.get(at) for at in range(distances[0], -1, -1)]
        places.append(tuple(ids if kind == SOMEWHERE else steps))
    return Line(
        max(-MOST, min(MOST, value)),
        tuple(places),
        tuple(time for time, *_ in patterns),
        distances[0] if kind == SOMEWHERE else 0,
        kind == AGAIN,
        seen,
    )


def _positions(seen: Observations) -> list[int]:
    """Return how many tokens of text lines are counted on for each neuron."""
    text = seen.text.reshape(-1)
    if seen.has_sample:
        return [int(text[: seen.n_sampled].sum())] * len(seen.centre)
    of_context = seen.text.sum(1).float()
    return (of_context @ seen.owned.float()).long().tolist()


def _seen(variance: float, matched: float, firing: float, positions: int) -> Seen:
    precision = round(firing / matched, 3) if matched else None
    return round(variance, 4), precision, round(1000 * matched / max(1, positions), 3)


def _counted(
    grown: Grown,
    families: Sequence[Family],
    candidates: Candidates,
    seen: Observations,
    fires: Bool[Tensor, "positions n"],
) -> tuple[np.ndarray, np.ndarray]:
    """Return at how many positions each line matches, and at how many of them the neuron fires."""
    n, lines = grown.values.shape
    patterns = distinct_patterns(families, candidates)
    line_of = np.full(patterns.place.shape, NONE)
    np.put_along_axis(line_of, patterns.column, grown.line.numpy(), axis=1)
    used = (line_of != NONE).any(0)
    places, columns = matches_of(families, patterns)
    places, columns = places[used[columns]], columns[used[columns]]
    if seen.has_sample:
        kept = places < seen.n_sampled
        places, columns = places[kept], columns[kept]
    else:
        places = places - seen.n_sampled
    matched, firing = np.zeros((n, lines)), np.zeros((n, lines))
    owned, firing_at = seen.owned.numpy(), fires.numpy()
    for neuron in range(n):
        line = line_of[neuron, columns]
        mine = line != NONE
        if not seen.has_sample:
            mine &= owned[places // seen.tokens.shape[1], neuron]
        matched[neuron] = np.bincount(line[mine], minlength=lines)
        firing[neuron] = np.bincount(line[mine], firing_at[places[mine], neuron], minlength=lines)
    return matched, firing
