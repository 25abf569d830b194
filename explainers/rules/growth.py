"""Growth of rules: patterns taken one by one, for all neurons of a block at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from explainers.rules.regression import Regression

NONE = -1
# Steps after which the values of all lines are fitted again: always at first, later now and then.
FITTED_ALWAYS, FITTED_EVERY = 24, 8
# Characters of a new line beside its tokens: a value of two digits, two blanks, two brackets.
OF_A_LINE = 6
# Characters that an alternative needs beside its token.
OF_AN_ALTERNATIVE = 1
# A pattern is worth its characters if it removes this part of the squared deviation.
LEAST = 1e-6


@dataclass(frozen=True)
class Costs:
    """What patterns cost as text, and which can share a line.

    Attributes:
        whole: characters of each candidate's pattern, `[n, k]`.
        tokens: characters of the token at each place, `[n, k, places]`.
        others: for each place what stands at the others, as a number that two candidates share
            if they differ at this place only; -1 where there is no such place, `[n, k, places]`.
    """

    whole: Float[Tensor, "n k"]
    tokens: Float[Tensor, "n k places"]
    others: Int[Tensor, "n k places"]


@dataclass(frozen=True)
class Grown:
    """Which candidates were taken.

    Attributes:
        line: the line that each candidate is on, -1 for none, `[n, k]`.
        order: when it was taken, `[n, k]`.
        values: the value of each line, thousandths of the largest activation, `[n, lines]`.
    """

    line: Int[Tensor, "n k"]
    order: Int[Tensor, "n k"]
    values: Int[Tensor, "n lines"]


def grow(
    equations: Regression,
    costs: Costs,
    scale: Float[Tensor, " n"],
    budget: Int[Tensor, " n"],
    shrinkage: float,
) -> Grown:
    """Take patterns greedily by what they explain of the squared error per character.

    This is orthogonal matching pursuit (Pati, Rezaiifar and Krishnaprasad 1993) with a price: a
    pattern opens a line with a value of its own, or joins a line from which it differs in the
    token at one place, takes its value and pays for that token alone. A new line counts as what
    its mean on each half of the documents removes in the other half; a pattern joins only where
    that helps in both, so that every pattern is in two documents at least. The values of all lines
    are fitted together again and again.

    Args:
        equations: the normal equations.
        costs: what patterns cost.
        scale: the largest activation, raw units.
        budget: characters of all lines together, for each neuron.
        shrinkage: positions by which values are drawn to zero.
    """
    state = _State(equations, costs, scale, shrinkage)
    if not equations.targets.shape[2]:
        return state.grown()
    left = budget.float()
    step = 0
    while True:
        chosen = state.best(left)
        if not bool(chosen.active.any()):
            break
        state.take(chosen, step)
        left = left - torch.where(chosen.active, chosen.cost, 0)
        step += 1
        if step <= FITTED_ALWAYS or step % FITTED_EVERY == 0:
            state.fit()
    state.fit()
    return state.grown()


@dataclass(frozen=True)
class _Choice:
    active: Bool[Tensor, " n"]
    candidate: Int[Tensor, " n"]
    line: Int[Tensor, " n"]
    place: Int[Tensor, " n"]
    cost: Float[Tensor, " n"]


class _State:
    """Lines of all neurons, and what is left to be explained."""

    def __init__(
        self,
        equations: Regression,
        costs: Costs,
        scale: Float[Tensor, " n"],
        shrinkage: float,
    ) -> None:
        self.equations, self.costs, self.scale, self.shrinkage = equations, costs, scale, shrinkage
        halves, n, k = equations.targets.shape
        self.rows = torch.arange(n)
        self.rest = equations.targets.clone()
        self.own = equations.products.diagonal(dim1=2, dim2=3).clone()
        self.line = torch.full((n, k), NONE)
        self.order = torch.zeros(n, k, dtype=torch.long)
        self.n_lines = torch.zeros(n, dtype=torch.long)
        self.values = torch.zeros(n, 0)
        self.sizes = torch.zeros(n, 0)
        # Columns of lines: sums of those of their patterns; and where a line is open.
        self.columns = torch.zeros(halves, n, k, 0)
        self.open_place = torch.zeros(n, 0, dtype=torch.long)
        self.first = torch.zeros(n, 0, dtype=torch.long)
        # Pairs of a candidate and a line that it can join.
        empty = torch.zeros(0, dtype=torch.long)
        self.pair_neuron, self.pair_candidate = empty, empty
        self.pair_line, self.pair_place = empty, empty

    def best(self, left: Float[Tensor, " n"]) -> _Choice:
        """Return each neuron's best next pattern that is paid for by the characters left."""
        rest, own = self.rest, self.own
        value = rest.flip(0) / (own.flip(0) + self.shrinkage)
        gain = (2 * rest * value - own * value.square()).sum(0)
        cost = self.costs.whole + OF_A_LINE
        free = (self.line == NONE) & (cost <= left[:, None])
        worth = torch.where(free, gain / cost, 0.0)
        most, candidate = worth.max(1)
        line, place = torch.full_like(candidate, NONE), torch.zeros_like(candidate)
        price = cost[self.rows, candidate]
        if len(self.pair_neuron):
            neuron, pair = self.pair_neuron, self.pair_candidate
            at = self.values[neuron, self.pair_line]
            paid = self.costs.tokens[neuron, pair, self.pair_place] + OF_AN_ALTERNATIVE
            per_half = 2 * rest[:, neuron, pair] * at - own[:, neuron, pair] * at.square()
            helps = (per_half > 0).all(0) & (self.line[neuron, pair] == NONE)
            helps &= paid <= left[neuron]
            total = per_half.sum(0) - self.shrinkage * at.square()
            joined = torch.where(helps, total / paid, 0.0)
            best = torch.zeros_like(most).scatter_reduce_(0, neuron, joined, "amax")
            is_best = (joined == best[neuron]) & (joined > most[neuron])
            number = torch.full_like(candidate, len(neuron)).scatter_reduce_(
                0, neuron[is_best], is_best.nonzero()[:, 0], "amin"
            )
            better = number < len(neuron)
            number = number.clamp_max(len(neuron) - 1)
            candidate = torch.where(better, pair[number], candidate)
            line = torch.where(better, self.pair_line[number], line)
            place = torch.where(better, self.pair_place[number], place)
            price = torch.where(better, paid[number], price)
            most = torch.where(better, best, most)
        active = most * price > LEAST * self.equations.deviation
        return _Choice(active, candidate, line, place, price)

    def take(self, choice: _Choice, step: int) -> None:
        """Put each neuron's chosen pattern on its line."""
        opens = choice.active & (choice.line == NONE)
        joins = choice.active & (choice.line != NONE)
        line = torch.where(opens, self.n_lines, choice.line.clamp_min(0))
        if bool(opens.any()):
            self._make_room(int(self.n_lines[opens].max()) + 1)
        rows, candidate = self.rows, choice.candidate
        rest = self.rest[:, rows, candidate].sum(0)
        fresh = self._rounded(rest / (self.own[:, rows, candidate].sum(0) + self.shrinkage))
        values = self.values[rows, line] if self.values.shape[1] else torch.zeros_like(fresh)
        value = torch.where(opens, fresh, values)
        value = torch.where(choice.active, value, 0.0)
        active = rows[choice.active]
        line_of, taken = line[active], candidate[active]
        self.values[active, line_of] = value[active]
        self.line[active, taken] = line_of
        self.order[active, taken] = step
        self.sizes[active, line_of] += 1
        column = self.equations.products[:, active, :, taken].transpose(0, 1)
        self.columns[:, active, :, line_of] += column.transpose(0, 1)
        self.rest[:, active] -= column * value[active][None, :, None]
        self._open(rows[opens], line[opens], candidate[opens])
        self._settle(rows[joins], line[joins], choice.place[joins])
        self.n_lines += opens

    def fit(self) -> None:
        """Fit the values of all lines together, shrunk, and round them as they are shown."""
        n, lines = self.values.shape
        if not lines:
            return
        member = torch.zeros(n, self.line.shape[1], lines)
        neuron, candidate = (self.line != NONE).nonzero(as_tuple=True)
        member[neuron, candidate, self.line[neuron, candidate]] = 1.0
        # In double precision, so that a neuron's values do not depend on how many others there are.
        of_line = member.double().transpose(1, 2)
        system = of_line @ self.columns.sum(0).double()
        system += torch.diag_embed(self.shrinkage * self.sizes + (self.sizes == 0)).double()
        targets = of_line @ self.equations.targets.sum(0).double()[..., None]
        self.values = self._rounded(torch.linalg.solve(system, targets)[..., 0].float())
        said = self.columns.double() @ self.values.double()[None, ..., None]
        self.rest = (self.equations.targets.double() - said[..., 0]).float()

    def grown(self) -> Grown:
        """Return what was taken."""
        parts = (1000 * self.values / self.scale[:, None]).round().long()
        return Grown(self.line, self.order, parts)

    def _make_room(self, lines: int) -> None:
        more = lines - self.values.shape[1]
        if more <= 0:
            return
        more = max(more, 16)
        halves, n, k, _ = self.columns.shape
        self.values = torch.cat([self.values, torch.zeros(n, more)], 1)
        self.sizes = torch.cat([self.sizes, torch.zeros(n, more)], 1)
        self.columns = torch.cat([self.columns, torch.zeros(halves, n, k, more)], 3)
        none = torch.full((n, more), NONE)
        self.open_place = torch.cat([self.open_place, none], 1)
        self.first = torch.cat([self.first, none], 1)

    def _open(
        self, neuron: Int[Tensor, " m"], line: Int[Tensor, " m"], candidate: Int[Tensor, " m"]
    ) -> None:
        """Note which candidates can join new lines: those that differ at one place."""
        if not len(neuron):
            return
        self.first[neuron, line] = candidate
        others = self.costs.others
        own = others[neuron, candidate]
        alike = (others[neuron] == own[:, None]) & (own[:, None] != NONE)
        row, joining, place = alike.nonzero(as_tuple=True)
        kept = joining != candidate[row]
        self._add_pairs(neuron[row[kept]], joining[kept], line[row[kept]], place[kept])

    def _settle(
        self, neuron: Int[Tensor, " m"], line: Int[Tensor, " m"], place: Int[Tensor, " m"]
    ) -> None:
        """Keep of the lines that were joined only the place at which they have alternatives."""
        fresh = self.open_place[neuron, line] == NONE
        neuron, line, place = neuron[fresh], line[fresh], place[fresh]
        if not len(neuron):
            return
        self.open_place[neuron, line] = place
        open_place = self.open_place[self.pair_neuron, self.pair_line]
        kept = (open_place == NONE) | (open_place == self.pair_place)
        kept &= self.line[self.pair_neuron, self.pair_candidate] == NONE
        self.pair_neuron, self.pair_candidate = self.pair_neuron[kept], self.pair_candidate[kept]
        self.pair_line, self.pair_place = self.pair_line[kept], self.pair_place[kept]

    def _add_pairs(
        self,
        neuron: Int[Tensor, " p"],
        candidate: Int[Tensor, " p"],
        line: Int[Tensor, " p"],
        place: Int[Tensor, " p"],
    ) -> None:
        self.pair_neuron = torch.cat([self.pair_neuron, neuron])
        self.pair_candidate = torch.cat([self.pair_candidate, candidate])
        self.pair_line = torch.cat([self.pair_line, line])
        self.pair_place = torch.cat([self.pair_place, place])

    def _rounded(self, values: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """Round to two digits of percent, or to tenths of a percent, as `write_value` shows."""
        scale = self.scale.reshape(-1, *[1] * (values.ndim - 1))
        parts = 1000 * values / scale
        coarse = torch.where(parts.abs() >= 99.5, 10.0, 1.0)
        return (parts / coarse).round() * coarse * scale / 1000
