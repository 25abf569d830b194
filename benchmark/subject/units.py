"""Units: what is explained at a site of each layer, and the factory that makes them.

MLP neurons are the first kind and the default. Another kind is one module `<kind>_units.py` in this
package, whose function `units_of(settings, loaded)` returns an object of the protocol `Units`, and
one file `configs/unit/<name>.yaml` with `kind: <kind>` and its settings.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from benchmark.errors import BenchmarkError, unknown
from benchmark.subject.output_path import OutputPath

DEFAULT_KIND = "mlp"


@dataclass(frozen=True)
class HookPoint:
    """A tensor of a model: the first argument of a module, or its output.

    Attributes:
        module: the module; an output that is a tuple holds the tensor first.
        of_output: whether it is the output.
    """

    module: nn.Module
    of_output: bool = False

    def read(self, use: Callable[[Tensor], None]) -> RemovableHandle:
        """Register a hook that calls `use` with the tensor; remove it by the handle."""
        if self.of_output:
            return self.module.register_forward_hook(lambda _, __, output: use(_first(output)))
        return self.module.register_forward_pre_hook(lambda _, inputs: use(inputs[0]))

    def replace(self, new: Callable[[Tensor], Tensor]) -> RemovableHandle:
        """Register a hook that puts `new(tensor)` instead of the tensor."""

        def with_first(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return (new(values[0]), *values[1:])

        def output_hook(_: nn.Module, __: Any, output: Any) -> Any:
            return with_first(output) if isinstance(output, tuple) else new(output)

        if self.of_output:
            return self.module.register_forward_hook(output_hook)
        return self.module.register_forward_pre_hook(lambda _, inputs: with_first(inputs))


def _first(output: Any) -> Tensor:
    tensor: Tensor = output[0] if isinstance(output, tuple) else output
    return tensor


@runtime_checkable
class Units(Protocol):
    """What is explained: a kind of unit at a site of each layer."""

    @property
    def kind(self) -> str:
        """Return the kind's name, such as `mlp`."""
        ...

    @property
    def site(self) -> str:
        """Return the name of the tensor that units are read from, `{layer}` standing for the layer.

        It is part of results, caches and fingerprints.
        """
        ...

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256, in hex, of what decides activations beside model and site.

        Weights of an autoencoder, for example; empty where nothing else does.
        """
        ...

    def n_units(self, layer: int) -> int:
        """Return how many units a layer has; 0 for a layer that has none."""
        ...

    def hook_point(self, layer: int) -> HookPoint:
        """Return where a layer's tensor is; the layer has units."""
        ...

    def read(
        self,
        hidden: Float[Tensor, "batch pos d_site"],
        layer: int,
        chosen: Int[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "batch pos n"]:
        """Return the activations of some units, raw units, given the site's tensor.

        Args:
            hidden: the site's tensor; it must not be changed.
            layer: the units' layer.
            chosen: indices in the layer, in the order wanted; None for all units.
        """
        ...

    def replace(
        self,
        hidden: Float[Tensor, "batch pos d_site"],
        layer: int,
        chosen: Int[Tensor, "batch k"],
        values: Float[Tensor, "batch pos k"],
    ) -> Float[Tensor, "batch pos d_site"]:
        """Return the site's tensor as it is when some units have other activations.

        Args:
            hidden: the site's tensor; it may be changed and returned.
            layer: the units' layer.
            chosen: for each context, the indices of the units that are replaced, all distinct.
            values: what they are replaced by, raw units.
        """
        ...

    def output_weights(self, layer: int) -> Float[Tensor, "n_units d_model"] | None:
        """Return what each unit writes into the residual stream per activation of one, float32.

        Norms on the way are folded in, but for the scales that they divide by, which depend on the
        text. None where it is not known.
        """
        ...


@dataclass(frozen=True)
class LoadedModel:
    """A checkpoint in memory, as factories of units receive it.

    Attributes:
        source: the repository or folder, for messages.
        bridge: the TransformerBridge.
        plain: the PyTorch module with the same weights, which is what runs.
        tokenizer: the fast tokenizer.
        bos: the token id that starts every context.
        device, dtype: where the model is and in which precision it runs.
        output_path: the modules from the MLPs to the logits; None where they are not known.
        mlp: the MLP neurons.
    """

    source: str
    bridge: Any
    plain: nn.Module
    tokenizer: Any
    bos: int
    device: torch.device
    dtype: torch.dtype
    output_path: OutputPath | None
    mlp: Units


def units_of(settings: Mapping[str, Any] | None, loaded: LoadedModel) -> Units:
    """Return the units that a config of the group `unit` describes; None means MLP neurons.

    Raises:
        BenchmarkError: no such kind is known, or the model has no such units.
    """
    settings = dict(settings or {})
    kind = str(settings.pop("kind", DEFAULT_KIND))
    settings.pop("name", None)
    module = f"benchmark.subject.{kind}_units"
    try:
        found = importlib.import_module(module) if re.fullmatch("[a-z][a-z0-9_]*", kind) else None
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        found = None
    if found is None:
        raise unknown("kind of unit", kind, unit_kinds())
    units: Units = found.units_of(settings, loaded)
    return units


def unit_kinds() -> list[str]:
    """Return the kinds of unit that this package knows."""
    files = Path(__file__).parent.glob("*_units.py")
    return sorted(file.name.removesuffix("_units.py") for file in files)


def layers_with_units(units: Units, n_layers: int) -> list[int]:
    """Return the layers that have units.

    Raises:
        BenchmarkError: none has.
    """
    layers = [layer for layer in range(n_layers) if units.n_units(layer)]
    if not layers:
        raise BenchmarkError(f"no layer has units of kind '{units.kind}'.")
    return layers
