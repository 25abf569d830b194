"""Asking explanations what their neurons do: checked predictions, whoever wrote the explainer."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError, is_of_surroundings, is_out_of_memory
from benchmark.evaluation.explain import name_of
from benchmark.interface import Explainer, Explanation, Failure
from benchmark.plugins.isolation import contained, isolated, reason_of

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
    """

    predictions: Float[Tensor, "n batch pos"]
    explanations: list[Explanation | Failure]


def simulate(
    explainer: Explainer,
    explanations: Sequence[Explanation | Failure],
    tokens: Int[Tensor, "batch pos"],
) -> Simulation:
    """Predict the activations of a block of neurons on every token.

    The explainer's `simulate_block` is used where it has one; it is given the explanations
    without the failures among them. Where that breaks, and where there is none, they are
    simulated one by one, and one that raises, or predicts something that is not a number per
    token, becomes a failure and costs no other neuron anything.

    Args:
        explainer: what made the explanations.
        explanations: one per neuron, or its failure.
        tokens: token ids, `[batch, pos]`.

    Raises:
        BenchmarkError: the explainer's joint simulation breaks the interface, a simulation
            changed the tokens that it was given or something that others share, or the
            surroundings are at fault.
    """
    results = list(explanations)
    predictions = torch.zeros(len(results), *tokens.shape)
    rows = [row for row, one in enumerate(results) if not isinstance(one, Failure)]
    given = _Given(tokens, name_of(explainer))
    with isolated(given.explainer, "while it simulates"), torch.no_grad():
        joint = _joint_simulation(explainer)
        if not (joint and rows and _jointly(joint, results, rows, given, predictions)):
            for row in rows:
                _one(results, row, given, predictions)
    return Simulation(predictions, results)


class _Given:
    """The tokens that are handed over to be simulated, always as they were."""

    def __init__(self, tokens: Int[Tensor, "batch pos"], explainer: str) -> None:
        self.tokens = tokens
        self.explainer = explainer

    @contextlib.contextmanager
    def contexts(self, start: int, stop: int) -> Iterator[Int[Tensor, "contexts pos"]]:
        """A copy of some of them, which must not be changed meanwhile.

        Raises:
            BenchmarkError: it was.
        """
        expected = self.tokens[start:stop]
        copy = expected.clone()
        yield copy
        if not is_unchanged(copy, expected):
            raise BenchmarkError(
                f"explainer '{self.explainer}' changes the tokens that it is given to simulate; "
                "it must work on a copy."
            )


def _joint_simulation(explainer: Explainer) -> JointSimulation | None:
    """The explainer's joint simulation, None where it has none."""
    try:
        with contained():
            found = getattr(explainer, "simulate_block", None)
    except Exception as error:
        raise BenchmarkError(
            f"explainer '{name_of(explainer)}': its 'simulate_block' cannot be read: "
            f"{reason_of(error)}"
        ) from error
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
    for row in rows:
        if not torch.isfinite(predictions[row]).all():
            _fail(results, row, given, predictions, "predicted a number that is not finite")
    return True


def _one(
    results: list[Explanation | Failure], row: int, given: _Given, predictions: Tensor
) -> None:
    explanation = results[row]
    assert not isinstance(explanation, Failure)
    with given.contexts(0, len(given.tokens)) as tokens:
        shape = tuple(tokens.shape)
        try:
            with contained():
                found = explanation.simulate(tokens)
        except Exception as error:
            if is_of_surroundings(error):
                raise _ending(error, given.explainer) from error
            _fail(results, row, given, predictions, f"simulate raised {reason_of(error)}")
            return
    values, problem = numbers_of(found, shape)
    if values is None:
        problem = f"simulate gave {problem} instead of a number per token"
    else:
        predictions[row] = values
        if not torch.isfinite(predictions[row]).all():
            problem = "predicted a number that is not finite"
    if problem:
        _fail(results, row, given, predictions, problem)


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
    """The error that ends the run where the surroundings are at fault for a simulation."""
    if isinstance(error, BenchmarkError) or is_out_of_memory(error):
        return error
    return BenchmarkError(f"explainer '{explainer}' cannot simulate: {reason_of(error)}.")


def numbers_of(
    found: object, shape: tuple[int, ...]
) -> tuple[Float[Tensor, "*shape"], None] | tuple[None, str]:
    """A simulation as float32 on the CPU, or what is wrong with it.

    Args:
        found: what an explainer gave.
        shape: the shape that it has to have.
    """
    if not isinstance(found, Tensor):
        return None, f"a {type(found).__name__}"
    try:
        with contained():
            if tuple(found.shape) != shape:
                return None, f"shape {list(found.shape)} where {list(shape)} is due"
            if not found.is_floating_point():
                return None, f"{found.dtype}"
            if found.layout != torch.strided or found.is_meta:
                kind = "meta" if found.is_meta else str(found.layout).removeprefix("torch.")
                return None, f"a {kind} tensor, which holds no number for each token"
            if not _has_its_memory(found):
                return None, "a tensor whose memory was given back"
            if type(found) is Tensor:
                values = found.detach().to("cpu", torch.float32)
            else:
                # Whatever its class makes of being copied, the copy is a plain tensor.
                values = torch.full(shape, torch.nan)
                values.copy_(found.detach())
    except Exception as error:
        return None, f"a {type(found).__name__} that cannot be read ({reason_of(error)})"
    return values, None


def is_unchanged(tokens: Tensor, expected: Tensor) -> bool:
    """Whether tokens that were handed over are still what they were, whatever was done to them."""
    same = tokens.shape == expected.shape and tokens.dtype == expected.dtype
    return same and _has_its_memory(tokens) and torch.equal(tokens, expected)


def _has_its_memory(tensor: Tensor) -> bool:
    """Whether a strided tensor has numbers: reading memory that was given back is a crash."""
    if not tensor.numel():
        return True
    last = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    needed = (tensor.storage_offset() + last + 1) * tensor.element_size()
    return needed <= tensor.untyped_storage().nbytes()
