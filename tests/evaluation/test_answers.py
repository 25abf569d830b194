"""Costs of a block: what was measured is shared among its neurons, and nobody can make it less."""

from __future__ import annotations

import pytest

from benchmark.errors import BenchmarkError, is_of_surroundings
from benchmark.evaluation.answers import cost_columns
from benchmark.interface import Costs, Explained, Failure

SPENT = {"subject_tokens": 12, "seconds": 3.0}


def columns(*costs: dict[str, float]) -> list[dict[str, float]]:
    return cost_columns([Explained(Failure("x"), Costs(one)) for one in costs], SPENT)


def test_without_a_word_of_the_explainer_all_neurons_share_alike() -> None:
    assert columns({}, {}, {}) == [{"cost/subject_tokens": 4.0, "cost/explain_seconds": 1.0}] * 3


def test_an_explainer_says_how_they_are_shared() -> None:
    rows = columns({"subject_tokens": 1}, {"subject_tokens": 2}, {})
    assert [row["cost/subject_tokens"] for row in rows] == [4.0, 8.0, 0.0]
    rows = columns({"subject_tokens": 30, "seconds": 1}, {}, {"seconds": 5})
    assert [row["cost/subject_tokens"] for row in rows] == [30.0, 0.0, 0.0]
    assert [row["cost/explain_seconds"] for row in rows] == [1.0, 0.0, 5.0]
    rows = columns({"subject_tokens": 0}, {"subject_tokens": 0}, {})
    assert [row["cost/subject_tokens"] for row in rows] == [4.0] * 3


def test_other_costs_are_of_each_neuron() -> None:
    rows = columns({"usd": 0.5}, {"llm_tokens": 7}, {})
    assert [row["cost/usd"] for row in rows] == [0.5, 0.0, 0.0]
    assert [row["cost/llm_tokens"] for row in rows] == [0.0, 7.0, 0.0]


@pytest.mark.parametrize(
    ("name", "value"),
    [("usd", -1), ("usd", float("nan")), ("usd", float("inf")), ("usd", "3"), ("usd", True)]
    + [(name, 1) for name in ("", "US $", "a/b", "Usd", "bytes", "lines", "simulate_seconds")],
)
def test_what_is_no_cost(name: str, value: object) -> None:
    with pytest.raises(BenchmarkError, match="cost "):
        Costs({name: value})


def test_errors_of_clients_are_of_the_surroundings() -> None:
    for module, name in (("openai._exceptions", "RateLimitError"), ("aiohttp", "ClientError")):
        raised = type("SomeError", (type(name, (Exception,), {"__module__": module}),), {})
        assert is_of_surroundings(raised("429"))
    assert not is_of_surroundings(type("RateLimitError", (Exception,), {"__module__": "mine"})())
