"""Two kinds of units beside MLP neurons, as small as they can be, and a plain pass with hooks.

`directions` are those of a sparse autoencoder on the MLP's hidden vector, in the last layer alone;
`stream` are the coordinates of what a block hands on.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.subject import Subject
from benchmark.subject.units import HookPoint, LoadedModel, Units

N_DIRECTIONS = 10


@dataclass
class Directions:
    """Units that read `relu(hidden @ encoder)` and write `(new - old) @ decoder`."""

    mlp: Units
    encoder: Tensor
    decoder: Tensor
    layer: int
    kind = "directions"
    site = "directions.{layer}"

    @property
    def fingerprint(self) -> str:
        return str(float(self.encoder.sum()))

    def n_units(self, layer):
        return self.encoder.shape[1] if layer == self.layer else 0

    def hook_point(self, layer):
        assert layer == self.layer
        return self.mlp.hook_point(layer)

    def read(self, hidden, layer, chosen=None):
        encoder = self.encoder if chosen is None else self.encoder[:, chosen]
        return (hidden @ encoder).relu()

    def replace(self, hidden, layer, chosen, values):
        old = self.read(hidden, layer)
        columns = chosen[:, None].expand(-1, values.shape[1], -1)
        change = torch.zeros_like(old).scatter(2, columns, values - old.gather(2, columns))
        return hidden + change @ self.decoder

    def output_weights(self, layer):
        weights = self.mlp.output_weights(layer)
        return None if weights is None else self.decoder @ weights


@dataclass
class Stream:
    """Units that are the coordinates of the residual stream after a block."""

    blocks: list
    d_model: int
    kind = "stream"
    site = "blocks.{layer}.hook_resid_post"
    fingerprint = ""

    def n_units(self, layer):
        return self.d_model

    def hook_point(self, layer):
        return HookPoint(self.blocks[layer], of_output=True)

    def read(self, hidden, layer, chosen=None):
        return hidden if chosen is None else hidden[..., chosen]

    def replace(self, hidden, layer, chosen, values):
        return hidden.scatter(2, chosen[:, None].expand(-1, values.shape[1], -1), values)

    def output_weights(self, layer):
        return None


def directions_of(settings: Mapping[str, Any], loaded: LoadedModel) -> Units:
    """The factory that a module `directions_units.py` would have."""
    layer = len(loaded.bridge.blocks) - 1
    rng = torch.Generator().manual_seed(int(settings.get("seed", 0)))
    shape = (loaded.mlp.n_units(layer), N_DIRECTIONS)
    encoder, decoder = (torch.randn(*shape, generator=rng) for _ in range(2))
    return Directions(loaded.mlp, encoder, decoder.T / shape[0], layer)


def stream_of(settings: Mapping[str, Any], loaded: LoadedModel) -> Units:
    """The factory that a module `stream_units.py` would have."""
    assert not settings
    return Stream(loaded.output_path.blocks, int(loaded.bridge.cfg.d_model))


@pytest.fixture
def more_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds as if each were one more file of the package."""
    for kind, factory in (("directions", directions_of), ("stream", stream_of)):
        module = types.SimpleNamespace(units_of=factory)
        monkeypatch.setitem(sys.modules, f"benchmark.subject.{kind}_units", module)


class PlainPass:
    """The units of a subject by an ordinary forward pass of its model with ordinary hooks."""

    def __init__(self, subject: Subject, layer: int) -> None:
        self.model: Any = subject.reader.model
        units: Any = subject.units
        self.stream = isinstance(units, Stream)
        self.units = units
        self.module = units.blocks[layer] if self.stream else units.mlp.modules[layer]

    def run(self, tokens: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        """The logits of one context when the hidden tensor `[pos, d]` is changed."""

        def before(_: Any, inputs: Any) -> Any:
            hidden = inputs[0].reshape(len(tokens), -1)
            return (change(hidden).reshape(inputs[0].shape), *inputs[1:])

        def after(_: Any, __: Any, output: Any) -> Any:
            if isinstance(output, tuple):
                return (change(output[0][0])[None], *output[1:])
            return change(output[0])[None]

        register = self.module.register_forward_hook
        handle = register(after) if self.stream else self.module.register_forward_pre_hook(before)
        try:
            with torch.no_grad():
                output = self.model(tokens[None])
        finally:
            handle.remove()
        return (output if isinstance(output, Tensor) else output.logits)[0]

    def activations(self, tokens: Tensor) -> Tensor:
        """All units at every position of one context, `[pos, n_units]`."""
        kept = []

        def keep(hidden: Tensor) -> Tensor:
            kept.append(self._units(hidden))
            return hidden

        self.run(tokens, keep)
        return kept[0]

    def logits(self, tokens: Tensor, unit: int, values: Tensor) -> Tensor:
        """The logits of one context with one unit at other activations `[pos]`."""

        def change(hidden: Tensor) -> Tensor:
            if self.stream:
                hidden = hidden.clone()
                hidden[:, unit] = values
                return hidden
            step = values - self._units(hidden)[:, unit]
            return hidden + step[:, None] * self.units.decoder[unit]

        return self.run(tokens, change)

    def _units(self, hidden: Tensor) -> Tensor:
        if self.stream:
            return hidden.clone()
        return (hidden @ self.units.encoder).clamp(min=0)
