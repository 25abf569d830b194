"""Training steps: the model, its optimisers, the state that a later start needs, and stops."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from types import FrameType
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge.sources.native import NativeModel
from transformer_lens.model_bridge.sources.native.init import initialize_native_model

from benchmark.builtin.data import next_token_loss
from benchmark.builtin.recipe import Recipe
from benchmark.errors import BenchmarkError
from benchmark.subject.native import FusedAttention


def build_model(
    architecture: Mapping[str, Any], seed: int, dropout: float = 0.0, *, fused: bool = True
) -> nn.Module:
    """Return an initialised model: token ids `[batch, pos]` to logits `[batch, pos, d_vocab]`.

    It is TransformerLens's own native module, so its weights are loaded by `boot_native` as they
    are.

    Args:
        architecture: what `config.json` says.
        seed: decides the weights.
        dropout: while training, of what each sublayer adds to the residual stream.
        fused: compute attention by PyTorch's fused kernel: the same result, in half the time.
    """
    config = TransformerBridgeConfig(**architecture, seed=seed)
    torch.manual_seed(seed)
    model = NativeModel(config)
    initialize_native_model(model, config)
    for block in cast(Any, model.layers):
        if fused:
            block.attn.__class__ = FusedAttention
        if dropout:
            for module in (block.attn.o, block.mlp.fc_out):
                module.register_forward_hook(
                    lambda module, _, output: nn.functional.dropout(
                        output, dropout, module.training
                    )
                )
    return cast(nn.Module, model)


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


SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Within it, Ctrl-C (and SIGTERM) only asks to stop; a second one stops at once.

    Attributes:
        signal: the number of the signal that asked, or 0.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _ask(self, number: int, _: FrameType | None) -> None:
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
