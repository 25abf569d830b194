"""Simulators: what predicts from explanations that are text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.interface.explanations import Costs, Explanation


@dataclass(frozen=True)
class Prediction:
    """What a simulator predicts for some neurons.

    Attributes:
        values: raw activation units, `[n, batch, pos]`; what is not predicted may hold anything.
        predicted: the tokens that are predicted, `[batch]` for whole contexts, `[batch, pos]` for
            the same tokens of all neurons, or `[n, batch, pos]`; None for all. Only these are
            scored.
        costs: what predicting cost, by name, for all neurons together; each becomes a column
            `cost/simulate_<name>`.

    Example:
        >>> import benchmark, torch
        >>> values = torch.zeros(1, 2, 4)  # one neuron, two contexts of four tokens
        >>> first_context = torch.tensor([True, False])
        >>> prediction = benchmark.Prediction(values, predicted=first_context)
        >>> tuple(prediction.values.shape)
        (1, 2, 4)
    """

    values: Float[Tensor, "n batch pos"]
    predicted: Bool[Tensor, "*shape"] | None = None
    costs: Mapping[str, float] = field(default_factory=Costs)


@runtime_checkable
class NeedsTokenizer(Protocol):
    """A simulator that reads token ids as text.

    Example:
        >>> import benchmark
        >>> class Reads:
        ...     def use_tokenizer(self, tokenizer):
        ...         self.tokenizer = tokenizer
        >>> isinstance(Reads(), benchmark.NeedsTokenizer)
        True
    """

    def use_tokenizer(self, tokenizer: Any) -> None:
        """Take a copy of the subject's tokenizer; called once, before anything is simulated."""
        ...


@runtime_checkable
class PredictsSomeSets(Protocol):
    """A simulator that predicts some scoring sets alone, because predicting costs money.

    It is asked for the contexts of these sets alone, each from its BOS to the last token that is
    scored, and has scores of these sets alone: `("uniform_small",)` asks for 64 contexts of 65
    tokens by default. Of other text, such as that which calibration is fitted on, it is asked for
    as much. Where `scoring_sets` is None or missing a simulator is asked for every token.

    Example:
        >>> import benchmark
        >>> class Dear:
        ...     scoring_sets = ("uniform_small",)
        >>> isinstance(Dear(), benchmark.PredictsSomeSets)
        True
    """

    @property
    def scoring_sets(self) -> Sequence[str] | None: ...  # noqa: D102


@runtime_checkable
class Simulator(Protocol):
    """Who predicts from explanations that do not simulate themselves, such as text.

    It is chosen by the config group `simulator` and may hold a client or a model: it is made from
    its options, and nothing of it is saved with the explanations. Its predictions depend on the
    explanations and the tokens alone. One that reads text takes the tokenizer; see
    `NeedsTokenizer`.

    Example:
        >>> import benchmark, torch
        >>> class Ones:
        ...     def simulate(self, explanations, tokens):  # [batch, pos] -> [n, batch, pos]
        ...         return benchmark.Prediction(torch.ones(len(explanations), *tokens.shape))
        >>> isinstance(Ones(), benchmark.Simulator)
        True
    """

    def simulate(
        self, explanations: Sequence[Explanation], tokens: Int[Tensor, "batch pos"]
    ) -> Prediction:
        """Predict the activations of the explanations' neurons, all tokens or a part of them."""
        ...
