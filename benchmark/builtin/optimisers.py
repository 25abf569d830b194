"""Optimisers of the weights, and their learning rates at every step."""

from __future__ import annotations

import torch
from torch import nn

from benchmark.builtin.recipe import Recipe
from benchmark.errors import BenchmarkError


def build_optimisers(model: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices inside the blocks, AdamW for embeddings, norms and biases.

    Source of Muon: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".

    Raises:
        BenchmarkError: this version of torch has no Muon.
    """
    if not hasattr(torch.optim, "Muon"):
        raise BenchmarkError(
            f"torch {torch.__version__} has no Muon optimiser; training needs torch 2.9 or later."
        )
    inside: list[nn.Parameter] = []
    outside: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (inside if parameter.ndim == 2 and "layers." in name else outside).append(parameter)
    return [
        torch.optim.Muon(inside, lr=recipe.muon_lr, weight_decay=recipe.weight_decay),
        torch.optim.AdamW(outside, lr=recipe.adam_lr, betas=(0.9, 0.95), weight_decay=0.01),
    ]


def set_learning_rates(optimisers: list[torch.optim.Optimizer], recipe: Recipe, step: int) -> None:
    """Give the optimisers of `build_optimisers` the learning rates of a step, counted from 0."""
    factor = learning_rate_factor(recipe, step)
    for optimiser, rate in zip(optimisers, (recipe.muon_lr, recipe.adam_lr), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = rate * factor


def learning_rate_factor(recipe: Recipe, step: int) -> float:
    """Return the schedule: linear warm-up, a plateau, then a linear fall to zero."""
    warm = min(1.0, (step + 1) / recipe.warmup)
    fall = (recipe.steps - step) / max(1.0, recipe.decay * recipe.steps)
    return min(warm, fall, 1.0)
