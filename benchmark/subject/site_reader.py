"""Reader of units: forward passes that end at the site of the highest layer that is wanted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmark.errors import BenchmarkError
from benchmark.subject.prefix_cache import KeyValues
from benchmark.subject.units import Units


class _HighestLayerDoneError(Exception):
    """Ends a forward pass at the highest layer that is wanted."""


class AsksLast(Protocol):
    """Attention that can leave out all queries but the last one, while `last_only` is true."""

    last_only: bool


@dataclass(eq=False)
class SiteReader:
    """A plain PyTorch model and the units that are read from it.

    Attributes:
        model: the module; it is called with token ids.
        units: what is read.
        call: further keyword arguments of every call of `model`.
        mlps: for each layer, the MLP, where it is known to work on each position alone, so that
            only positions that are wanted need to enter it; None where that is not known.
        attentions: for each layer, the attention, where it can be told that only the last position
            is wanted; None where it cannot.
        key_values: how the model continues after tokens that it ran before; None where it cannot.
    """

    model: nn.Module
    units: Units
    call: Mapping[str, Any] = field(default_factory=dict)
    mlps: Sequence[nn.Module] | None = None
    attentions: Sequence[AsksLast] | None = None
    key_values: KeyValues | None = None

    def read(
        self,
        tokens: Int[Tensor, "batch pos"],
        layers: Collection[int],
        select: Callable[[Float[Tensor, "batch pos n"]], Tensor],
        chosen: Int[Tensor, " n"] | None = None,
        *,
        last: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> dict[int, Tensor]:
        """Run `tokens` up to the site of the highest layer; return what `select` keeps of each.

        No hook stays behind, whatever happens.

        Args:
            tokens: token ids, `[batch, pos]`.
            layers: the layers to read.
            select: given a layer's activations, what is kept of them.
            chosen: which units of each layer are read; None for all.
            last: `select` is given the last position alone; the other positions ask nothing of the
                highest layer's attention and do not enter its MLP.
            options: of this call of the model, beside those of every call.

        Raises:
            BenchmarkError: the model did not reach a site, or gave it a tensor of another shape.
        """
        top = max(layers)
        kept: dict[int, Tensor] = {}
        handles = []
        narrowed = last and self.mlps is not None

        def narrow(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            return (inputs[0][:, -1:], *inputs[1:])

        def reader(layer: int) -> Callable[[Tensor], None]:
            def use(hidden: Tensor) -> None:
                expected = (len(tokens), 1 if narrowed and layer == top else tokens.shape[1])
                if hidden.ndim == 2:  # some architectures flatten batch and position in the MLP
                    hidden = hidden.unflatten(0, expected)
                if hidden.ndim != 3 or hidden.shape[:2] != expected:
                    raise BenchmarkError(
                        f"layer {layer} has activations of shape {list(hidden.shape)} for tokens "
                        f"of shape {list(tokens.shape)}: this architecture is not supported."
                    )
                hidden = hidden[:, -1:] if last else hidden
                kept[layer] = select(self.units.read(hidden, layer, chosen))
                if layer == top:
                    raise _HighestLayerDoneError

            return use

        try:
            for layer in set(layers):
                handles.append(self.units.hook_point(layer).read(reader(layer)))
            if narrowed and self.mlps is not None:
                handles.append(self.mlps[top].register_forward_pre_hook(narrow))
            if last and self.attentions is not None:
                self.attentions[top].last_only = True
            with torch.no_grad():
                self.model(tokens, **self.call, **(options or {}))
        except _HighestLayerDoneError:
            pass
        finally:
            for handle in handles:
                handle.remove()
            if self.attentions is not None:
                self.attentions[top].last_only = False
        if missing := sorted(set(layers) - set(kept)):
            raise BenchmarkError(
                f"the model ran without reaching the units of layer {missing[0]}: "
                "this architecture is not supported."
            )
        return kept

    def logits(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos vocabulary"]:
        """Run the whole model; return its logits, which may be padded beyond the vocabulary."""
        with torch.no_grad():
            output = self.model(tokens, **self.call)
        logits: Tensor = output if isinstance(output, Tensor) else output.logits
        return logits
