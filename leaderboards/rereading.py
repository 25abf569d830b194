"""Texts of a submission read back: what is said to be the whole explanation must be it."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.evaluation.explain import name_of
from benchmark.evaluation.simulate import simulate
from benchmark.interface import Explainer, Explanation, Failure, has_complete_text
from benchmark.plugins.isolation import isolated, reason_of
from benchmark.results import Run
from benchmark.vocabulary import Vocabulary

# Contexts of held-out text that an explanation and its text both simulate.
CONTEXTS = 64


def check_text(
    run: Run,
    neuron: str,
    explanation: Explanation | Failure,
    explainer: Explainer,
    vocabulary: Vocabulary,
    tokens: Int[Tensor, "batch pos"],
) -> None:
    """Check that a complete text of a program, read back, simulates what the program does.

    Args:
        run: the run, for messages.
        neuron: its name, for messages.
        explanation: as it was saved; one that says of itself that its text is incomplete passes.
        explainer: what made it.
        vocabulary: that of the subject.
        tokens: held-out text.

    Raises:
        BenchmarkError: it does not, or the text cannot be read.
    """
    if isinstance(explanation, Failure) or not callable(getattr(explanation, "simulate", None)):
        return
    if not has_complete_text(explanation):
        return
    where = f"the run in '{run.folder}' says that the text of neuron {neuron} is complete"
    program: Any = explanation
    try:
        with isolated(name_of(explainer), "while it reads a text"):
            again = program.from_text(program.describe(), vocabulary)
    except BenchmarkError:
        raise
    except Exception as error:
        raise BenchmarkError(f"{where}, but it cannot be read back: {reason_of(error)}") from error
    found = simulate(explainer, [explanation, again], tokens[:CONTEXTS])
    if not torch.equal(*found.predictions):
        raise BenchmarkError(f"{where}, but read back it predicts other numbers.")
