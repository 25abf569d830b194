"""Reading the neurons: the input of one module per layer, and nothing above it.

The neuron of a layer is what enters its MLP's down projection (after GELU or ReLU; for gated MLPs
act(gate) * up), except in SoLU models, where it is what enters the LayerNorm inside the MLP: the
activation after SoLU, before its LayerNorm, as in Neuroscope and N2G.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmark.errors import BenchmarkError
from benchmark.subject.prefix_cache import KeyValues

SOLU_SITE = "blocks.{layer}.mlp.ln.hook_in"
POST_SITE = "blocks.{layer}.mlp.hook_post"


class _HighestLayerDoneError(Exception):
    """Ends a forward pass at the highest layer that was asked for."""


@dataclass(frozen=True)
class Outward:
    """What neurons pass through on their way to the logits.

    Attributes:
        blocks: the blocks, first to last.
        down: for each layer, the MLP's down projection; it writes into the residual stream.
        after: for each layer, a norm between the down projection and the stream, or None.
        final_norm: the norm before the unembedding.
        unembed: the unembedding.
    """

    blocks: list[nn.Module]
    down: list[nn.Module]
    after: list[nn.Module | None]
    final_norm: nn.Module
    unembed: nn.Module


class Sites:
    """The modules whose inputs are the neurons of a subject, one per layer.

    Args:
        model: the plain PyTorch module; it is called with token ids.
        modules: for each layer, the module of `model` whose first input is the neurons.
        call: further keyword arguments of every call of `model`.
        outward: the modules from the neurons to the logits; None where the neurons lead nowhere.

    Attributes:
        without_outputs: why the model's output says nothing, None where it does.
        mlps: for each layer, the MLP, whose positions do not depend on each other, so that only
            those that are wanted need to enter it; None where they are not known.
        key_values: how the model goes on after tokens that it ran before; None where it cannot.
    """

    def __init__(
        self,
        model: nn.Module,
        modules: Sequence[nn.Module],
        call: dict[str, Any] | None = None,
        outward: Outward | None = None,
    ) -> None:
        self.model = model
        self.modules = list(modules)
        self.call = call or {}
        self.outward = outward
        self.without_outputs: str | None = None
        self.mlps: list[nn.Module] | None = None
        self.key_values: KeyValues | None = None

    def read(
        self,
        tokens: Int[Tensor, "batch pos"],
        layers: Collection[int],
        take: Callable[[Float[Tensor, "batch pos d_mlp"]], Tensor],
        *,
        last: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> dict[int, Tensor]:
        """Run `tokens` up to the site of the highest layer; return `take(neurons)` of each layer.

        No hook stays behind, whatever happens.

        Args:
            tokens: token ids, `[batch, pos]`.
            layers: the layers to read.
            take: what is kept of a layer's neurons.
            last: `take` is given the last position alone; the other positions do not enter the
                highest layer's MLP.
            options: of this call of the model, beside those of every call.

        Raises:
            BenchmarkError: the model did not reach a site, or gave it a tensor of another shape.
        """
        top = max(layers)
        found: dict[int, Tensor] = {}
        handles = []
        narrowed = last and self.mlps is not None

        def narrow(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            return (inputs[0][:, -1:], *inputs[1:])

        def reader(layer: int) -> Callable[[nn.Module, tuple[Any, ...]], None]:
            def hook(_: nn.Module, inputs: tuple[Any, ...]) -> None:
                neurons = inputs[0]
                expected = (len(tokens), 1 if narrowed and layer == top else tokens.shape[1])
                if neurons.ndim == 2:  # some architectures flatten batch and position in the MLP
                    neurons = neurons.unflatten(0, expected)
                if neurons.ndim != 3 or neurons.shape[:2] != expected:
                    raise BenchmarkError(
                        f"layer {layer} has activations of shape {list(neurons.shape)} for tokens "
                        f"of shape {list(tokens.shape)}: this architecture is not supported."
                    )
                found[layer] = take(neurons[:, -1:] if last else neurons)
                if layer == top:
                    raise _HighestLayerDoneError

            return hook

        try:
            for layer in set(layers):
                handles.append(self.modules[layer].register_forward_pre_hook(reader(layer)))
            if narrowed and self.mlps is not None:
                handles.append(self.mlps[top].register_forward_pre_hook(narrow))
            with torch.no_grad():
                self.model(tokens, **self.call, **(options or {}))
        except _HighestLayerDoneError:
            pass
        finally:
            for handle in handles:
                handle.remove()
        if missing := sorted(set(layers) - set(found)):
            raise BenchmarkError(
                f"the model ran without reaching the MLP of layer {missing[0]}: "
                "this architecture is not supported."
            )
        return found


def site_of(bridge: Any, source: str) -> tuple[str, list[str]]:
    """The site's name and, for each layer, the path of its module in the plain model.

    Args:
        bridge: a TransformerBridge; its component mapping knows every architecture's names.
        source: how to call the subject in an error.

    Raises:
        BenchmarkError: the model has no MLP neurons, or spreads them over experts.
    """
    from transformer_lens.model_bridge.generalized_components import MoEBridge

    blocks = getattr(bridge, "blocks", None)
    if blocks is None or len(blocks) == 0:
        raise BenchmarkError(f"'{source}' is not a decoder-only transformer: it has no blocks.")
    names = set()
    for layer, block in enumerate(blocks):
        mlp = getattr(block, "submodules", {}).get("mlp")
        if mlp is None:
            raise BenchmarkError(
                f"'{source}' has no MLP in layer {layer}, so it has no neurons to explain; "
                "attention-only models are not supported."
            )
        if isinstance(mlp, MoEBridge) or "out" not in mlp.submodules:
            raise BenchmarkError(
                f"the MLP of layer {layer} of '{source}' has no single down projection "
                "(a mixture of experts?): such models are not supported."
            )
        names.add("ln" if "ln" in mlp.submodules else "out")
    if len(names) > 1:
        raise BenchmarkError(f"the layers of '{source}' have different kinds of MLP.")
    name = names.pop()
    translate = bridge.adapter.translate_transformer_lens_path
    paths = [translate(f"blocks.{layer}.mlp.{name}") for layer in range(len(blocks))]
    return (SOLU_SITE if name == "ln" else POST_SITE), paths


def outward_of(bridge: Any, plain: nn.Module) -> Outward | None:
    """The modules of the plain model between the neurons and the logits.

    None for an architecture in which TransformerLens does not name them.
    """
    translate = bridge.adapter.translate_transformer_lens_path

    def module(path: str) -> nn.Module:
        return plain.get_submodule(translate(path))

    layers = range(len(bridge.blocks))
    try:
        return Outward(
            blocks=[module(f"blocks.{layer}") for layer in layers],
            down=[module(f"blocks.{layer}.mlp.out") for layer in layers],
            after=[
                module(f"blocks.{layer}.ln2_post")
                if "ln2_post" in bridge.blocks[layer].submodules
                else None
                for layer in layers
            ],
            final_norm=module("ln_final"),
            unembed=module("unembed"),
        )
    except (AttributeError, ValueError):
        return None
