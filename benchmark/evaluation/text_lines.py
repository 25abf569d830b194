"""Lines of complete texts: what each of them does, and which one decides a token."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.evaluation.explain import name_of
from benchmark.interface import Explanation, OffersLines, TextLine, has_complete_text
from benchmark.plugins.isolation import isolated, reason_of

Value = TypeVar("Value")


def lines_of(explanation: Explanation, text: str) -> tuple[TextLine, ...]:
    """Return the lines of a complete text with what each does; none where it does not say.

    Args:
        explanation: anybody's.
        text: what its `describe` returned.

    Raises:
        BenchmarkError: its lines cannot be read, or are not those of the text.
    """

    def read() -> tuple[TextLine, ...]:
        # What is offered by a text that is not complete says nothing about what predicts.
        if not isinstance(explanation, OffersLines) or not has_complete_text(explanation):
            return ()
        return tuple(
            TextLine(str(line.text), *map(_known, (line.variance, line.precision, line.matches)))
            for line in explanation.lines()
        )

    lines = _asked(explanation, "cannot say what its lines do", read)
    if lines and [line.text for line in lines] != text.splitlines():
        raise BenchmarkError(f"{name_of(explanation)} offers lines that are not those of its text.")
    return lines


def deciding_lines(
    explanation: OffersLines, tokens: Int[Tensor, "batch pos"], n_lines: int
) -> Int[Tensor, "batch pos"]:
    """Return for each token the line that decides most of its prediction, counted from 0.

    Raises:
        BenchmarkError: it cannot be told, or there is no such line.
    """

    def decide() -> Tensor:
        return torch.as_tensor(explanation.deciding_lines(tokens.clone())).to("cpu")

    found = _asked(explanation, "cannot say which line decides a token", decide)
    whole = not found.is_floating_point() and not found.is_complex() and found.dtype != torch.bool
    if found.shape != tokens.shape or not whole:
        raise BenchmarkError(
            f"{name_of(explanation)} gives deciding lines of {found.dtype} and shape "
            f"{list(found.shape)}, where whole numbers of shape {list(tokens.shape)} are due."
        )
    if found.numel() and not 0 <= int(found.min()) <= int(found.max()) < n_lines:
        raise BenchmarkError(
            f"{name_of(explanation)} names a deciding line that is none of its {n_lines}, "
            "counted from 0."
        )
    return found.long()


def _asked(explanation: object, cannot: str, ask: Callable[[], Value]) -> Value:
    try:
        with isolated(name_of(explanation), "while its lines are read", kind="explanation"):
            return ask()
    except BenchmarkError:
        raise
    except Exception as error:
        raise BenchmarkError(f"{name_of(explanation)} {cannot}: {reason_of(error)}") from error


def _known(value: object) -> float | None:
    """Return a number; None for an unknown one."""
    number = None if value is None else float(value)  # type: ignore[arg-type]
    return number if number is not None and math.isfinite(number) else None
