"""Base classes for explainers and explanations of one's own."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor
from typing_extensions import dataclass_transform

from benchmark.errors import is_of_surroundings, named
from benchmark.interface import EXEMPLARS, Answer, Evidence, Failure, SubjectModel

# How values that JSON has no form for are saved: under one of these names alone.
TENSOR, DTYPE, SHAPE = "tensor", "dtype", "shape"
TUPLE, SET, ITEMS = "tuple", "set", "items"
MARKS = ({TENSOR}, {TENSOR, DTYPE, SHAPE}, {TUPLE}, {SET}, {ITEMS})
SAVED_AS_THEY_ARE = (torch.float32, torch.int64, torch.bool)
SCREEN_LINES, SCREEN_COLUMNS = 40, 110

Own = TypeVar("Own", bound="BaseExplanation")


@dataclass_transform(eq_default=False)
class BaseExplanation:
    """An explanation whose fields are what is saved and shown: subclasses become dataclasses.

    A program adds `simulate(tokens) -> [batch, pos]`; a text is simulated by a `Simulator`. Fields
    may hold numbers, text, None, tensors, and lists, tuples, sets and dicts of these.

    Attributes:
        text_is_complete: whether `describe` says all that a program predicts by; one that does
            defines `from_text` and sets True, or has a property of this name. See `CompleteText`.

    Example:
        >>> import torch
        >>> from benchmark import BaseExplanation
        >>> class Table(BaseExplanation):
        ...     means: torch.Tensor
        ...     def simulate(self, tokens):
        ...         return self.means[tokens]
        >>> table = Table(torch.tensor([0.0, 1.5]))
        >>> table.to_dict()
        {'means': {'tensor': [0.0, 1.5]}}
        >>> Table.from_dict(table.to_dict()).simulate(torch.tensor([[1, 0]]))
        tensor([[1.5000, 0.0000]])
    """

    text_is_complete: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclasses.dataclass(eq=False)(cls)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {name: _saved(getattr(self, name)) for name in _fields(self)}

    @classmethod
    def from_dict(cls: type[Own], data: Mapping[str, Any]) -> Own:
        """Return the explanation with these fields."""
        return cls(**{name: _loaded(value) for name, value in data.items()})

    def describe(self) -> str:
        """Return a line for each field, at most one screen."""
        text = "\n".join(f"{name}: {_shown(getattr(self, name))}" for name in _fields(self))
        lines = text.splitlines()
        if len(lines) > SCREEN_LINES:
            lines = [*lines[: SCREEN_LINES - 1], "..."]
        return "\n".join(_cut(line) for line in lines)


class BaseExplainer:
    """An explainer that explains one neuron at a time; a subclass defines `explain_neuron`.

    Each answer is saved as it comes, so that a run that is killed continues with the next neuron.

    Attributes:
        evidence: what it sees, one of `EVIDENCE_KINDS`.
        explanation_class: the class of its explanations, which reads saved ones; by default the
            one that `explain_neuron` is annotated to return.

    Example:
        >>> import benchmark
        >>> from explainers.token_lookup import TokenLookupExplanation
        >>> class Mine(benchmark.BaseExplainer):
        ...     explanation_class = TokenLookupExplanation
        ...     def explain_neuron(self, evidence, subject):
        ...         return benchmark.Failure(f"not neuron {int(evidence.neurons[0])}")
        >>> isinstance(Mine(), benchmark.Explainer)
        True
    """

    evidence: str = EXEMPLARS
    explanation_class: ClassVar[type[Any]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "explanation_class" not in vars(cls) and "explain_neuron" in vars(cls):
            kind = _explanation_class(cls.explain_neuron)
            if kind is not None:
                cls.explanation_class = kind

    def explain(self, evidence: Evidence, subject: SubjectModel) -> Iterator[Answer]:
        """Yield the answer about each neuron of a block; one that raises is its failure."""
        for row in range(evidence.n_neurons):
            answer: Answer
            try:
                answer = self.explain_neuron(evidence.select(torch.tensor([row])), subject)
            except Exception as error:
                if is_of_surroundings(error):
                    raise
                answer = Failure(named(error))
            yield answer

    def explain_neuron(self, evidence: Evidence, subject: SubjectModel) -> Answer:
        """Return the explanation of the one neuron that the evidence is about, or its failure.

        Args:
            evidence: its tensors have one row; the neuron's exemplars are
                `evidence.exemplars.tokens[0]`, `[k, ctx]`.
            subject: the subject, to query.
        """
        raise NotImplementedError(f"{type(self).__name__} has no 'explain_neuron'")


def _fields(explanation: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(explanation) if field.init]


def _explanation_class(function: Any) -> type[Any] | None:
    """Return the class of explanations that a function says it returns, None if it does not."""
    try:
        hint = typing.get_type_hints(function).get("return")
    except NameError:  # a name that only type checkers see
        return None
    options = typing.get_args(hint) or (hint,)
    return next((kind for kind in options if hasattr(kind, "from_dict")), None)


def _saved(value: Any) -> Any:
    """Return a value in JSON's types; what they cannot distinguish is marked."""
    if isinstance(value, Tensor):
        if value.dtype in SAVED_AS_THEY_ARE and value.numel() and value.ndim:
            return {TENSOR: value.detach().cpu().tolist()}
        values = value.detach().cpu().flatten().tolist()
        dtype = str(value.dtype).removeprefix("torch.")
        return {TENSOR: values, DTYPE: dtype, SHAPE: list(value.shape)}
    if isinstance(value, tuple):
        return {TUPLE: [_saved(entry) for entry in value]}
    if isinstance(value, set | frozenset):
        return {SET: [_saved(entry) for entry in sorted(value)]}
    if isinstance(value, list):
        return [_saved(entry) for entry in value]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value) and set(value) not in MARKS:
            return {key: _saved(entry) for key, entry in value.items()}
        return {ITEMS: [[_saved(key), _saved(entry)] for key, entry in value.items()]}
    return value.item() if isinstance(value, np.generic) else value


def _loaded(value: Any) -> Any:
    """Return the value that `_saved` gave the JSON form of."""
    if isinstance(value, list):
        return [_loaded(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {TENSOR, DTYPE, SHAPE}:
        flat = torch.tensor(value[TENSOR], dtype=getattr(torch, value[DTYPE]))
        return flat.reshape(value[SHAPE])
    if set(value) == {TENSOR}:
        return torch.tensor(value[TENSOR])
    if set(value) == {TUPLE}:
        return tuple(_loaded(value[TUPLE]))
    if set(value) == {SET}:
        return set(_loaded(value[SET]))
    if set(value) == {ITEMS}:
        return {_loaded(key): _loaded(entry) for key, entry in value[ITEMS]}
    return {key: _loaded(entry) for key, entry in value.items()}


def _shown(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{list(value.shape)} {_shown(value.flatten()[:SCREEN_COLUMNS].tolist())}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_shown(entry) for entry in value)
    return str(value)


def _cut(line: str) -> str:
    return line if len(line) <= SCREEN_COLUMNS else f"{line[: SCREEN_COLUMNS - 3]}..."
