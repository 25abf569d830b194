"""Simulations are checked, whoever wrote the explainer."""

from __future__ import annotations

import pytest
import torch

import benchmark.evaluation.simulate
from benchmark.errors import BenchmarkError
from benchmark.evaluation.predictions import numbers_of
from benchmark.evaluation.simulate import simulate
from benchmark.interface import Failure

TOKENS = torch.arange(12).reshape(4, 3)


class Scaled:
    """Predicts the token id times a factor, or misbehaves."""

    def __init__(self, factor, result=None):
        self.factor = factor
        self.result = result

    def simulate(self, tokens):
        if isinstance(self.result, Exception):
            raise self.result
        return tokens * float(self.factor) if self.result is None else self.result


class OneByOne:
    evidence = "exemplars"


class Joint(OneByOne):
    def __init__(self, change=lambda found: found):
        self.change = change
        self.shapes = []

    def simulate_block(self, explanations, tokens):
        self.shapes.append(tuple(tokens.shape))
        assert not any(isinstance(one, Failure) for one in explanations)
        return self.change(torch.stack([one.simulate(tokens) for one in explanations], -1))


def expected(*factors):
    return torch.stack([TOKENS * float(factor) for factor in factors])


@pytest.mark.parametrize("explainer", [OneByOne(), Joint()])
def test_each_neuron_is_predicted_and_a_failure_is_zero(explainer):
    explanations = [Scaled(2), Failure("no"), Scaled(-3)]
    simulation = simulate(explainer, explanations, TOKENS)
    assert simulation.predictions.dtype == torch.float32
    assert simulation.predictions.device.type == "cpu"
    torch.testing.assert_close(simulation.predictions, expected(2, 0, -3), rtol=0, atol=0)
    assert simulation.explanations == explanations


@pytest.mark.parametrize("explainer", [OneByOne(), Joint()])
def test_no_neurons_all_failed_no_contexts(explainer):
    assert simulate(explainer, [], TOKENS).predictions.shape == (0, 4, 3)
    assert simulate(explainer, [Failure("a")], TOKENS).predictions.eq(0).all()
    assert simulate(explainer, [Scaled(1)], TOKENS[:0]).predictions.shape == (1, 0, 3)


def test_a_joint_simulation_is_asked_in_parts(monkeypatch):
    monkeypatch.setattr(benchmark.evaluation.simulate, "TOKENS_AT_ONCE", 7)
    joint = Joint()
    simulation = simulate(joint, [Scaled(2), Failure("x"), Scaled(5)], TOKENS)
    assert joint.shapes == [(2, 3), (2, 3)]
    torch.testing.assert_close(simulation.predictions, expected(2, 0, 5), rtol=0, atol=0)
    monkeypatch.setattr(benchmark.evaluation.simulate, "TOKENS_AT_ONCE", 1)
    simulation = simulate(joint, [Scaled(2), Scaled(5)], TOKENS)
    torch.testing.assert_close(simulation.predictions, expected(2, 5), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (ValueError("lost"), "simulate raised ValueError: lost"),
        (torch.zeros(3, 4), r"simulate gave shape \[3, 4\] where \[4, 3\] is due"),
        (torch.zeros(4, 3, dtype=torch.long), "simulate gave torch.int64"),
        ([[0.0] * 3] * 4, "simulate gave a list"),
        (torch.full((4, 3), torch.nan), "not finite"),
        (torch.full((4, 3), 1e300, dtype=torch.float64), "not finite"),
    ],
)
def test_a_broken_explanation_fails_alone(result, message):
    explanations = [Scaled(2), Scaled(0, result), Scaled(3)]
    simulation = simulate(OneByOne(), explanations, TOKENS)
    torch.testing.assert_close(simulation.predictions, expected(2, 0, 3), rtol=0, atol=0)
    failure = simulation.explanations[1]
    assert isinstance(failure, Failure)
    assert pytest.raises(AssertionError, match=message).matches(AssertionError(failure.error))
    assert failure.error.startswith("explainer 'tests.evaluation.test_simulate.OneByOne', row 1")
    assert simulation.explanations[::2] == explanations[::2]


def test_a_joint_simulation_that_raises_is_replaced_by_single_ones(caplog):
    explanations = [Scaled(2), Scaled(0, KeyError("gone"))]
    simulation = simulate(Joint(), explanations, TOKENS)
    torch.testing.assert_close(simulation.predictions, expected(2, 0), rtol=0, atol=0)
    assert "row 1" in simulation.explanations[1].error
    assert "simulate_block raised KeyError" in caplog.text


def test_a_joint_number_that_is_not_finite_fails_its_neuron():
    def spoil(found):
        found[2, 1, 1] = torch.inf
        return found

    explanations = [Failure("before"), Scaled(2), Scaled(3)]
    simulation = simulate(Joint(spoil), explanations, TOKENS)
    torch.testing.assert_close(simulation.predictions, expected(0, 2, 0), rtol=0, atol=0)
    assert "Joint', row 2 of the block: predicted a number" in simulation.explanations[2].error
    assert simulation.explanations[:2] == explanations[:2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found.permute(2, 0, 1), r"shape \[2, 4, 3\] where \[4, 3, 2\] is due"),
        (lambda found: found.long(), "torch.int64"),
        (lambda found: None, "a NoneType"),
    ],
)
def test_a_joint_simulation_of_another_shape_is_the_explainers_fault(change, message):
    with pytest.raises(BenchmarkError, match=f"Joint': simulate_block gave {message}"):
        simulate(Joint(change), [Scaled(1), Scaled(2)], TOKENS)


def test_what_the_user_can_mend_is_not_hidden():
    broken = Scaled(0, BenchmarkError("bind the subject first"))
    for explainer in (OneByOne(), Joint()):
        with pytest.raises(BenchmarkError, match="bind the subject"):
            simulate(explainer, [broken], TOKENS)


def test_tokens_are_not_to_be_changed():
    class Changes(Scaled):
        def simulate(self, tokens):
            return tokens.add_(1).float()

    with pytest.raises(BenchmarkError, match="changes the tokens"):
        simulate(OneByOne(), [Changes(1)], TOKENS.clone())


def test_gradients_and_half_precision_are_no_matter():
    weight = torch.ones(4, 3, requires_grad=True)
    half = torch.full((4, 3), 0.5, dtype=torch.bfloat16)
    simulation = simulate(OneByOne(), [Scaled(0, weight * 2), Scaled(0, half)], TOKENS)
    assert not simulation.predictions.requires_grad
    assert simulation.predictions[0].eq(2).all()
    assert simulation.predictions[1].eq(0.5).all()


class ClaimsToBeATensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, arguments=(), options=None):
        if getattr(function, "__name__", "") in ("copy_", "detach", "to"):
            raise RuntimeError("mine alone")
        return super().__torch_function__(function, types, arguments, options or {})


def without_memory():
    found = torch.ones(4, 3)
    found.untyped_storage().resize_(0)
    return found


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (torch.eye(4, 3).to_sparse(), "a sparse_coo tensor, which holds no number for each token"),
        (torch.empty(4, 3, device="meta"), "a meta tensor, which holds no number"),
        (torch.ones(4, 3).as_subclass(ClaimsToBeATensor), "cannot be read (RuntimeError: mine"),
        (without_memory(), "a tensor whose memory was given back"),
        (torch.ones(4, 3, dtype=torch.complex64), "torch.complex64"),
    ],
)
def test_a_tensor_without_numbers_is_a_failure_alone_and_named_jointly(result, message):
    explanations = [Scaled(2), Scaled(0, result)]
    simulation = simulate(OneByOne(), explanations, TOKENS)
    torch.testing.assert_close(simulation.predictions, expected(2, 0), rtol=0, atol=0)
    assert message in simulation.explanations[1].error

    values, problem = numbers_of(result, (4, 3))
    assert values is None
    assert message in problem


def test_a_parameter_of_the_explanations_own_is_read():
    weight = torch.nn.Parameter(torch.full((4, 3), 2.0))
    values, problem = numbers_of(weight, (4, 3))
    assert problem is None
    assert type(values) is torch.Tensor
    assert values.eq(2).all()


class Ends(Scaled):
    def simulate(self, tokens):
        raise SystemExit(0)


@pytest.mark.parametrize("explainer", [OneByOne(), Joint()])
def test_a_simulation_that_ends_the_program_is_a_failure(explainer):
    simulation = simulate(explainer, [Scaled(2), Ends(1)], TOKENS)
    torch.testing.assert_close(simulation.predictions, expected(2, 0), rtol=0, atol=0)
    assert "SystemExit: 0 (it would have ended" in simulation.explanations[1].error


@pytest.mark.parametrize("explainer", [OneByOne(), Joint()])
def test_the_surroundings_are_no_failure_of_a_neuron(explainer):
    broken = Scaled(0, ConnectionError("no route"))
    with pytest.raises(BenchmarkError, match="cannot simulate: ConnectionError: no route"):
        simulate(explainer, [Scaled(1), broken], TOKENS)


@pytest.mark.parametrize(
    "change",
    [
        lambda tokens: tokens.resize_(1, 1),
        lambda tokens: tokens.untyped_storage().resize_(0),
        lambda tokens: tokens.numpy().fill(0),
        lambda tokens: setattr(tokens, "data", torch.zeros(2, 2)),
    ],
)
def test_tokens_that_are_no_longer_there_are_told(change):
    class Changes(Scaled):
        def simulate(self, tokens):
            found = tokens.float()
            change(tokens)
            return found

    given = TOKENS.clone()
    with pytest.raises(BenchmarkError, match="changes the tokens"):
        simulate(OneByOne(), [Changes(1)], given)
    assert torch.equal(given, TOKENS)


def test_a_changed_default_device_is_named():
    class Changes(Scaled):
        def simulate(self, tokens):
            torch.set_default_device("meta")
            return super().simulate(tokens)

    with pytest.raises(BenchmarkError, match="changes torch's default device while it simulates"):
        simulate(OneByOne(), [Changes(1)], TOKENS)
    assert torch.get_default_device() == torch.device("cpu")


def test_a_joint_simulation_that_cannot_be_read_is_named():
    class Raises(OneByOne):
        @property
        def simulate_block(self):
            raise ValueError("not now")

    with pytest.raises(BenchmarkError, match="its 'simulate_block' cannot be read: ValueError"):
        simulate(Raises(), [Scaled(1)], TOKENS)
