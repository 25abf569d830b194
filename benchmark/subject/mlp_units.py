"""MLP neurons as units.

The neuron of a layer is what enters its MLP's down projection (after GELU or ReLU; for gated MLPs
act(gate) * up), except in SoLU models, where it is what enters the LayerNorm inside the MLP: the
activation after SoLU, before its LayerNorm, as in Neuroscope and N2G.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmark.errors import BenchmarkError
from benchmark.subject.output_path import OutputPath, matrix_of, norm_scale
from benchmark.subject.units import HookPoint, LoadedModel, Units

SOLU_SITE = "blocks.{layer}.mlp.ln.hook_in"
POST_SITE = "blocks.{layer}.mlp.hook_post"


@dataclass(frozen=True)
class MlpUnits:
    """The neurons of MLPs: the site's tensor holds their activations as they are.

    Attributes:
        site: the name of the tensor.
        modules: for each layer, the module of the model whose first argument is the neurons.
        d_mlp: the number of neurons of a layer.
        output_path: the modules from the neurons to the logits; None where they are not known.
    """

    kind: ClassVar[str] = "mlp"
    fingerprint: ClassVar[str] = ""

    site: str
    modules: Sequence[nn.Module]
    d_mlp: int
    output_path: OutputPath | None = None

    def n_units(self, _layer: int) -> int:
        """Return the number of neurons of a layer."""
        return self.d_mlp

    def hook_point(self, layer: int) -> HookPoint:
        """Return where a layer's neurons are."""
        return HookPoint(self.modules[layer])

    def read(
        self,
        hidden: Float[Tensor, "batch pos d_mlp"],
        _layer: int,
        chosen: Int[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "batch pos n"]:
        """Return the activations of some neurons, all by default."""
        return hidden if chosen is None else hidden.index_select(-1, chosen)

    def replace(
        self,
        hidden: Float[Tensor, "batch pos d_mlp"],
        _layer: int,
        chosen: Int[Tensor, "batch k"],
        values: Float[Tensor, "batch pos k"],
    ) -> Float[Tensor, "batch pos d_mlp"]:
        """Write other activations into the tensor, in place, and return it."""
        places = chosen[:, None, :].expand(-1, values.shape[1], -1)
        return hidden.scatter_(2, places, values.to(hidden.dtype))

    def output_weights(self, layer: int) -> Float[Tensor, "d_mlp d_model"] | None:
        """Return what each neuron writes into the stream for an activation of one, float32.

        Norms between a neuron and the stream are folded in, in SoLU models the LayerNorm inside
        the MLP too, and where the final norm subtracts the mean of the stream, so is the mean of
        the weights. None where the architecture's modules or the down projection's matrix are not
        known.
        """
        path = self.output_path
        weights = None if path is None else matrix_of(path.down[layer])
        if path is None or weights is None:
            return None
        parameter = path.down[layer].weight
        assert isinstance(parameter, Tensor)
        device, dtype = parameter.device, parameter.dtype
        if self.site == SOLU_SITE:
            scale, centred = norm_scale(self.modules[layer], len(weights), device, dtype)
            weights = weights * scale[:, None]
            if centred:
                weights = weights - weights.mean(0)
        after = path.after[layer]
        width = weights.shape[1]
        if after is not None:
            scale, centred = norm_scale(after, width, device, dtype)
            weights = (weights - weights.mean(1, keepdim=True) if centred else weights) * scale
        if norm_scale(path.final_norm, width, device, dtype)[1]:
            weights = weights - weights.mean(1, keepdim=True)
        return weights


def units_of(settings: Mapping[str, Any], loaded: LoadedModel) -> Units:
    """Return the MLP neurons of a model; they have no settings.

    Raises:
        BenchmarkError: a setting is given.
    """
    if settings:
        raise BenchmarkError(f"unit.{min(settings)} is no setting of MLP neurons; leave it out.")
    return loaded.mlp


def site_of(bridge: Any, source: str) -> tuple[str, list[str]]:
    """Return the name of the neurons' site and the path of each layer's module in the plain model.

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
