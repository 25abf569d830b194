"""Training steps: the model, its optimisers, and the state that a later start continues from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmark.builtin.loss import next_token_loss
from benchmark.builtin.model import build_model
from benchmark.builtin.optimisers import build_optimisers, set_learning_rates
from benchmark.builtin.recipe import Recipe

LARGEST_GRADIENT_NORM = 1.0


class Trainer:
    """Trains a model by a recipe; continuing from a saved state gives the same weights.

    Attributes:
        model: the model, in training mode.
        step: number of steps done.
    """

    def __init__(self, architecture: Mapping[str, Any], recipe: Recipe, device: str) -> None:
        self.recipe = recipe
        self.step = 0
        self.model: nn.Module = build_model(architecture, recipe.seed, recipe.dropout).to(device)
        self._device = torch.device(device)
        self._optimisers = build_optimisers(self.model, recipe)

    def take_step(self, rows: Int[Tensor, "batch n_ctx+1"]) -> Float[Tensor, ""]:
        """Learn from a batch; return its loss in nats per token."""
        recipe = self.recipe
        set_learning_rates(self._optimisers, recipe, self.step)
        # Seeded at every step, so that dropout does not depend on where the training was stopped.
        torch.manual_seed(recipe.seed * 1_000_003 + self.step)
        with torch.autocast(self._device.type, dtype=torch.bfloat16):
            loss = next_token_loss(self.model, rows.to(self._device))
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), LARGEST_GRADIENT_NORM)
        for optimiser in self._optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self.step += 1
        return loss.detach()

    def state(self) -> dict[str, Any]:
        """Return all that is needed to go on from here."""
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `state` returned."""
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step = int(state["step"])
