"""Predictions of explanations, by themselves or by a simulator: checked, whoever wrote them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError, is_of_surroundings, is_out_of_memory
from benchmark.evaluation.explain import TRIES_AGAIN, name_of, reading
from benchmark.evaluation.predictions import is_unchanged, numbers_of
from benchmark.evaluation.simulators import SimulatedExplainer, needs_simulator
from benchmark.interface import (
    Costs,
    Explainer,
    Explanation,
    Failure,
    Prediction,
    Program,
    Simulator,
)
from benchmark.plugins.isolation import contained, isolated, reason_of
from benchmark.results.columns import SIMULATED_TOKENS, simulation_cost

# Tokens that a joint simulation is asked for at once: it gives [batch, pos, n] and is copied to
# [n, batch, pos], so this bounds what exists twice.
TOKENS_AT_ONCE = 1 << 17

logger = logging.getLogger(__name__)

JointSimulation = Callable[[Sequence[Explanation], Tensor], Tensor]


@dataclass(frozen=True)
class Simulation:
    """What a block of explanations predicts.

    Attributes:
        predictions: raw activation units, float32 on the CPU, `[n, batch, pos]`; all zero for a
            neuron without explanation.
        explanations: the explanations, one that could not be simulated replaced by its failure.
        predicted: the tokens that a simulator predicted, one mask where they are the same for all
            neurons; None for all tokens. Of a neuron without explanation: all that any has.
        costs: what a simulator spent on each neuron, as columns of the table.
    """

    predictions: Float[Tensor, "n batch pos"]
    explanations: list[Explanation | Failure]
    predicted: Bool[Tensor, "#n batch pos"] | None = None
    costs: dict[str, list[float]] = field(default_factory=dict)


def simulate(
    explainer: Explainer | SimulatedExplainer,
    explanations: Sequence[Explanation | Failure],
    tokens: Int[Tensor, "batch pos"],
    part: Bool[Tensor, "batch pos"] | None = None,
) -> Simulation:
    """Predict the activations of a block of neurons on every token.

    The explainer's `simulate_block` is used where it has one; it is given the explanations
    without the failures among them. Where that breaks, and where there is none, they are
    simulated one by one, and one that raises, or predicts something that is not a number per
    token, becomes a failure and costs no other neuron anything.

    An explainer that stands together with a simulator leaves all of it to that one.

    Args:
        explainer: what made the explanations; see `with_simulator`.
        explanations: one per neuron, or its failure.
        tokens: token ids, `[batch, pos]`.
        part: all that a simulator is asked for that predicts some scoring sets alone, of each
            context the tokens up to the last one wanted; None asks it for every token.

    Raises:
        BenchmarkError: the explanations do not simulate themselves, the explainer's joint
            simulation breaks the interface, a simulation changed the tokens that it was given or
            something that others share, or the surroundings are at fault.
    """
    results = list(explanations)
    if isinstance(explainer, SimulatedExplainer):
        if part is not None and explainer.scoring_sets is not None:
            return _part_by_simulator(explainer.simulator, results, tokens, part)
        return _by_simulator(explainer.simulator, results, tokens)
    predictions = torch.zeros(len(results), *tokens.shape)
    rows = [row for row, one in enumerate(results) if not isinstance(one, Failure)]
    given = _Given(tokens, name_of(explainer))
    with isolated(given.explainer, "while it simulates"), torch.no_grad():
        joint = _joint_simulation(explainer)
        if not (joint and rows and _jointly(joint, results, rows, given, predictions)):
            for row in rows:
                _one(results, row, given, predictions)
    for row in rows:
        if not torch.isfinite(predictions[row]).all():
            _fail(results, row, given, predictions, "predicted a number that is not finite")
    return Simulation(predictions, results)


@dataclass(frozen=True)
class _Given:
    """The tokens that are handed over to be simulated, always as they were."""

    tokens: Int[Tensor, "batch pos"]
    explainer: str
    kind: str = "explainer"

    @contextlib.contextmanager
    def contexts(self, start: int, stop: int) -> Iterator[Int[Tensor, "contexts pos"]]:
        """Yield a copy of some of them, which must not be changed meanwhile.

        Raises:
            BenchmarkError: it was.
        """
        expected = self.tokens[start:stop]
        copy = expected.clone()
        yield copy
        if not is_unchanged(copy, expected):
            raise BenchmarkError(
                f"{self.kind} '{self.explainer}' changes the tokens that it is given to simulate; "
                "it must work on a copy."
            )


def _joint_simulation(explainer: Explainer) -> JointSimulation | None:
    with reading(name_of(explainer), "simulate_block"):
        found = getattr(explainer, "simulate_block", None)
    return found if callable(found) else None


def _jointly(
    joint: JointSimulation,
    results: list[Explanation | Failure],
    rows: list[int],
    given: _Given,
    predictions: Tensor,
) -> bool:
    """Fill in the predictions of `rows` jointly; False if the joint simulation raised."""
    asked = [one for one in results if not isinstance(one, Failure)]
    n_contexts = max(1, TOKENS_AT_ONCE // max(1, given.tokens.shape[1]))
    for start in range(0, len(given.tokens), n_contexts):
        with given.contexts(start, start + n_contexts) as chunk:
            shape = (*chunk.shape, len(asked))
            try:
                with contained():
                    found = joint(asked, chunk)
            except Exception as error:
                if is_of_surroundings(error):
                    raise _ending(error, given.explainer) from error
                logger.warning(
                    "explainer '%s': simulate_block raised %s; simulating one by one",
                    given.explainer,
                    reason_of(error),
                )
                return False
        values, problem = numbers_of(found, shape)
        if values is None:
            raise BenchmarkError(
                f"explainer '{given.explainer}': simulate_block gave {problem}; it must give "
                "floating point numbers, [batch, pos, number of explanations]."
            )
        # Not neuron by neuron: a strided copy of each column would take eight times as long.
        predictions[torch.tensor(rows), start : start + n_contexts] = values.permute(2, 0, 1)
    return True


def _one(
    results: list[Explanation | Failure], row: int, given: _Given, predictions: Tensor
) -> None:
    explanation = results[row]
    assert not isinstance(explanation, Failure)
    if not callable(getattr(explanation, "simulate", None)):
        raise needs_simulator(given.explainer)
    with given.contexts(0, len(given.tokens)) as tokens:
        shape = tuple(tokens.shape)
        try:
            with contained():
                found = cast(Program, explanation).simulate(tokens)
        except Exception as error:
            if is_of_surroundings(error):
                raise _ending(error, given.explainer) from error
            _fail(results, row, given, predictions, f"simulate raised {reason_of(error)}")
            return
    values, problem = numbers_of(found, shape)
    if values is None:
        problem = f"simulate gave {problem} instead of a number per token"
        _fail(results, row, given, predictions, problem)
    else:
        predictions[row] = values


def _by_simulator(
    simulator: Simulator, results: list[Explanation | Failure], tokens: Tensor
) -> Simulation:
    """Let a simulator predict from explanations; where that breaks, from each alone."""
    name = name_of(simulator)
    given = _Given(tokens, name, "simulator")
    predictions = torch.zeros(len(results), *tokens.shape)
    predicted = torch.zeros(predictions.shape, dtype=torch.bool)
    spent: dict[str, float] = {}
    rows = [row for row, one in enumerate(results) if not isinstance(one, Failure)]
    todo = [rows] if rows else []
    with isolated(name, "while it simulates", kind="simulator"), torch.no_grad():
        while todo:
            some = todo.pop(0)
            asked = [one for row in some if not isinstance(one := results[row], Failure)]
            try:
                with given.contexts(0, len(tokens)) as copy, contained():
                    prediction = simulator.simulate(asked, copy)
            except Exception as error:
                if isinstance(error, BenchmarkError) or is_out_of_memory(error):
                    raise
                if is_of_surroundings(error):
                    raise BenchmarkError(
                        f"simulator '{name}': {reason_of(error)}. {TRIES_AGAIN}"
                    ) from error
                if len(some) > 1:
                    todo = [[row] for row in some]
                else:
                    results[some[0]] = Failure(f"simulator '{name}' raised {reason_of(error)}")
                continue
            values, mask, costs = _checked_prediction(prediction, (len(some), *tokens.shape), name)
            for column, value in costs.items():
                spent[column] = spent.get(column, 0.0) + value
            for row, own, where in zip(some, values, mask, strict=True):
                if not torch.isfinite(own[where]).all():
                    results[row] = Failure(f"simulator '{name}' predicted a number not finite")
                elif not where.any():
                    results[row] = Failure(f"simulator '{name}' predicted no token")
                else:
                    predictions[row], predicted[row] = own.masked_fill(~where, 0), where
    answered = [row for row, one in enumerate(results) if not isinstance(one, Failure)]
    union = predicted.any(0) if answered else torch.ones(tokens.shape, dtype=torch.bool)
    for row, one in enumerate(results):
        if isinstance(one, Failure):
            predicted[row] = union
    columns = {simulation_cost(key): [v / len(results)] * len(results) for key, v in spent.items()}
    columns[SIMULATED_TOKENS] = [
        0.0 if isinstance(one, Failure) else float(predicted[row].sum())
        for row, one in enumerate(results)
    ]
    if (predicted == predicted[:1]).all():
        predicted = predicted[:1]
    whole = bool(predicted.all())
    return Simulation(predictions, results, None if whole else predicted, columns)


def _part_by_simulator(
    simulator: Simulator, results: list[Explanation | Failure], tokens: Tensor, part: Tensor
) -> Simulation:
    """Let a simulator predict the beginnings of some contexts; only `part` of them counts."""
    rows = part.any(1).nonzero()[:, 0]
    width = int(part.any(0).nonzero().max()) + 1 if len(rows) else 0
    found = _by_simulator(simulator, results, tokens[rows, :width]) if len(rows) else None
    predictions = torch.zeros(len(results), *tokens.shape)
    if found is None:
        return Simulation(predictions, results, part[None])
    predictions[:, rows, :width] = found.predictions
    asked = torch.ones(1, len(rows), width, dtype=torch.bool)
    own = asked if found.predicted is None else found.predicted
    predicted = torch.zeros(len(own), *tokens.shape, dtype=torch.bool)
    predicted[:, rows, :width] = own
    predicted &= part
    counts = predicted.expand(predictions.shape).sum((1, 2)).tolist()
    costs = dict(found.costs)
    costs[SIMULATED_TOKENS] = [
        0.0 if isinstance(one, Failure) else float(count)
        for one, count in zip(found.explanations, counts, strict=True)
    ]
    return Simulation(
        predictions.mul_(predicted),
        found.explanations,
        None if bool(predicted.all()) else predicted,
        costs,
    )


def _checked_prediction(
    prediction: object, shape: tuple[int, ...], name: str
) -> tuple[Tensor, Tensor, Costs]:
    """Return a prediction's values and predicted tokens, both `shape`, and its costs.

    Raises:
        BenchmarkError: it breaks the interface.
    """
    wrong = f"simulator '{name}' gave"
    if not isinstance(prediction, Prediction):
        raise BenchmarkError(f"{wrong} a {type(prediction).__name__}; it must give a Prediction.")
    values, problem = numbers_of(prediction.values, shape)
    if values is None:
        raise BenchmarkError(f"{wrong} {problem}; values must be numbers, [n, batch, pos].")
    mask = torch.ones(shape, dtype=torch.bool)
    if prediction.predicted is not None:
        given = prediction.predicted
        if not isinstance(given, Tensor) or given.dtype != torch.bool:
            raise BenchmarkError(f"{wrong} 'predicted' that is no tensor of booleans.")
        allowed = {shape[1:2]: given[:, None] if given.ndim == 1 else given, shape[1:]: given}
        allowed[shape] = given
        if tuple(given.shape) not in allowed:
            raise BenchmarkError(
                f"{wrong} 'predicted' of shape {list(given.shape)}; it must be [batch], "
                f"[batch, pos] or [n, batch, pos], here n, batch, pos = {list(shape)}."
            )
        mask &= allowed[tuple(given.shape)].cpu()
    try:
        return values, mask, Costs(prediction.costs)
    except (BenchmarkError, TypeError, ValueError) as error:
        raise BenchmarkError(f"simulator '{name}': {error}") from error


def _fail(
    results: list[Explanation | Failure],
    row: int,
    given: _Given,
    predictions: Tensor,
    problem: str,
) -> None:
    predictions[row] = 0
    results[row] = Failure(f"explainer '{given.explainer}', row {row} of the block: {problem}")


def _ending(error: Exception, explainer: str) -> Exception:
    """Return the error that ends the run where the surroundings are at fault for a simulation."""
    if isinstance(error, BenchmarkError) or is_out_of_memory(error):
        return error
    return BenchmarkError(f"explainer '{explainer}' cannot simulate: {reason_of(error)}.")
