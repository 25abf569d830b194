"""Base classes: the fields of an explanation are saved, loaded and shown; neurons come singly."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import benchmark
from benchmark import BaseExplainer, BaseExplanation, Failure
from benchmark.evaluation.answers import explain_block
from benchmark.interface import Explanation, Program
from tests.explainers.planted import PlantedSubject, make_evidence


class Holds(BaseExplanation):
    value: object


class Text(BaseExplanation):
    text: str = "nothing"


class Table(BaseExplanation):
    means: torch.Tensor

    def simulate(self, tokens):
        return self.means[tokens]


def through_json(explanation: BaseExplanation) -> BaseExplanation:
    text = json.dumps(explanation.to_dict(), allow_nan=False)
    return type(explanation).from_dict(json.loads(text))


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.sampled_from(["tensor", "dtype", "tuple", "set", "items", "a"]), inner)
        | st.dictionaries(st.integers(0, 9), inner, max_size=3)
        | st.dictionaries(st.tuples(st.integers(0, 9), st.integers(0, 9)), inner, max_size=3)
        | st.sets(st.integers(0, 99), max_size=3)
    ),
    max_leaves=8,
)


@given(plain)
def test_what_json_cannot_tell_apart_comes_back_as_it_was(value: object) -> None:
    loaded = through_json(Holds(value))
    assert loaded.value == value
    assert type(loaded.value) is type(value)
    assert loaded.to_dict() == Holds(value).to_dict()


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([0.1, 1.0, -0.0]),
        torch.tensor([[1, 2], [3, 4]]),
        torch.tensor([True, False]),
        torch.tensor(0.5),
        torch.tensor([0.1], dtype=torch.float64),
        torch.tensor([0.1, 3.0], dtype=torch.float16),
        torch.tensor([7], dtype=torch.int32),
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(0, 3),
    ],
)
def test_tensors_come_back_bit_by_bit(tensor: torch.Tensor) -> None:
    loaded = through_json(Holds([tensor])).value[0]
    assert loaded.dtype == tensor.dtype
    assert loaded.shape == tensor.shape
    assert torch.equal(loaded, tensor)


def test_a_number_of_numpy_is_a_number() -> None:
    assert Holds(np.int64(3)).to_dict() == {"value": 3}


def test_it_describes_itself_on_one_screen() -> None:
    assert Text("fires on 'the'").describe() == "text: fires on 'the'"
    assert Holds(torch.tensor([[0.25, 1 / 3]])).describe() == "value: [1, 2] 0.25, 0.3333"
    for value in ("x" * 9000, "line\n" * 9000, list(range(9000))):
        lines = Holds(value).describe().splitlines()
        assert len(lines) <= 40
        assert max(map(len, lines)) <= 110


def test_text_is_an_explanation_and_no_program() -> None:
    assert isinstance(Text(), Explanation)
    assert not isinstance(Text(), Program)
    assert isinstance(Table(torch.ones(2)), Program)


class OneByOne(BaseExplainer):
    def explain_neuron(self, evidence, subject) -> Text | Failure:
        (neuron,) = evidence.neurons.tolist()
        if neuron == 1:
            raise ValueError("odd")
        if neuron == 3 and self.down:
            raise ConnectionError("no route")
        return Text(f"neuron {neuron}")

    down = False


def test_neurons_are_explained_singly_and_one_that_raises_fails() -> None:
    assert OneByOne.explanation_class is Text
    assert OneByOne.evidence == "exemplars"
    evidence = make_evidence(PlantedSubject(), neurons=(0, 1, 2, 3))
    answers = [one.answer for one in explain_block(OneByOne(), evidence, PlantedSubject())]
    assert [getattr(one, "text", one) for one in answers] == [
        "neuron 0",
        Failure("ValueError: odd"),
        "neuron 2",
        "neuron 3",
    ]
    down = OneByOne()
    down.down = True
    with pytest.raises(benchmark.BenchmarkError, match="no route"):
        explain_block(down, evidence, PlantedSubject())


def test_one_that_does_not_say_what_it_returns_is_told() -> None:
    from benchmark.evaluation.explain import check_explainer

    class Silent(BaseExplainer):
        def explain_neuron(self, evidence, subject):
            return Text()

    with pytest.raises(benchmark.BenchmarkError, match="has no 'explanation_class'"):
        check_explainer(Silent(), "Silent")
