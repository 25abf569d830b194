"""Direct effects against products of the checkpoint's own matrices, norms folded by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmark.errors import BenchmarkError
from benchmark.subject import Subject, load_subject
from benchmark.subject.direct_effects import direct_effects
from benchmark.subject.output_path import norm_scale
from tests.subject import checkpoints
from tests.subject.checkpoints import D_MLP, D_MODEL, D_VOCAB

Weights = dict[str, Tensor]


def builtin(w: Weights, layer: int) -> tuple[Tensor, Tensor, bool]:
    """w_out, W_U with the final norm's weights, and whether that norm centres."""
    out = w[f"layers.{layer}.mlp.fc_out.weight"].T * w[f"layers.{layer}.mlp.ln.weight"][:, None]
    return out - out.mean(0), w["head.weight"] * w["ln_out.weight"], True


def gpt2(w: Weights, layer: int) -> tuple[Tensor, Tensor, bool]:
    out = w[f"transformer.h.{layer}.mlp.c_proj.weight"]
    return out, w["transformer.wte.weight"] * w["transformer.ln_f.weight"], True


def llama(w: Weights, layer: int) -> tuple[Tensor, Tensor, bool]:
    out = w[f"model.layers.{layer}.mlp.down_proj.weight"].T
    return out, w["lm_head.weight"] * w["model.norm.weight"], False


KINDS: dict[str, Any] = {"builtin": builtin, "gpt2": gpt2, "llama": llama}


def loaded(kind: str, folder: Path) -> tuple[Subject, Weights]:
    if kind == "builtin":
        checkpoints.builtin_folder(folder)
    else:
        checkpoints.huggingface_folder(folder, kind)
    weights = {k: v.double() for k, v in load_file(folder / "model.safetensors").items()}
    return load_subject({"kind": "local", "source": str(folder)}, device="cpu"), weights


@pytest.mark.parametrize("kind", KINDS)
def test_equal_to_the_product_by_hand(kind: str, tmp_path: Path) -> None:
    subject, weights = loaded(kind, tmp_path / kind)
    congruence = []
    for layer in range(subject.n_layers):
        out, unembedding, centres = KINDS[kind](weights, layer)
        out = out - out.mean(1, keepdim=True) if centres else out
        unembedding = unembedding - unembedding.mean(0)
        torch.testing.assert_close(
            subject.units.output_weights(layer).double(),
            out,
            rtol=1e-3,
            atol=1e-4,
        )
        torch.testing.assert_close(
            subject.output_norms(layer).double(), out.square().sum(1).sqrt(), rtol=1e-3, atol=1e-4
        )
        congruence.append(out @ unembedding.T)
    everything = torch.stack(congruence)  # [layer, neuron, token]
    mutual = 0
    for layer in range(subject.n_layers):
        neurons = [5, 0, 19]
        found = direct_effects(subject, layer, neurons, k=4)
        assert found.neurons.tolist() == neurons
        for row, neuron in enumerate(neurons):
            own = everything[layer, neuron]
            order = own.argsort(descending=True)
            assert found.top_tokens[row].tolist() == order[:4].tolist()
            assert found.bottom_tokens[row].tolist() == order.flip(0)[:4].tolist()
            torch.testing.assert_close(
                found.top_values[row].double(), own[order[:4]], rtol=1e-3, atol=1e-3
            )
            torch.testing.assert_close(
                found.bottom_values[row].double(), own[order.flip(0)[:4]], rtol=1e-3, atol=1e-3
            )
            best = int(order[0])
            place = int(everything[:, :, best].argmax())
            partner = divmod(place, D_MLP)
            assert (int(found.partner_layers[row]), int(found.partner_neurons[row])) == partner
            assert bool(found.mutual[row]) == (partner == (layer, neuron))
    for layer in range(subject.n_layers):
        whole = direct_effects(subject, layer, range(D_MLP))
        mutual += int(whole.mutual.sum())
        for row in whole.mutual.nonzero()[:, 0].tolist():
            token = int(whole.top_tokens[row, 0])
            assert int(everything[:, :, token].argmax()) == layer * D_MLP + row
    assert mutual >= 1  # the largest congruence of all is always mutual


def test_a_neuron_that_writes_one_token(tmp_path: Path) -> None:
    folder = checkpoints.huggingface_folder(tmp_path / "model", "llama")
    from safetensors.torch import save_file

    weights = load_file(folder / "model.safetensors")
    token = weights["lm_head.weight"] * weights["model.norm.weight"]
    weights["model.layers.1.mlp.down_proj.weight"][:, 7] = 5 * (token[9] - token.mean(0))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    subject = load_subject({"kind": "local", "source": str(folder)}, device="cpu")
    found = direct_effects(subject, 1, [7])
    assert int(found.top_tokens[0, 0]) == 9
    assert float(found.cosine[0]) == pytest.approx(1, abs=1e-4)
    assert found.mutual.tolist() == [True]


def test_all_tokens_and_no_neurons(subject: Subject) -> None:
    found = direct_effects(subject, 0, [1], k=10**6)
    assert sorted(found.top_tokens[0].tolist()) == list(range(D_VOCAB))
    torch.testing.assert_close(found.top_values, found.bottom_values.flip(1))
    assert direct_effects(subject, 0, []).mutual.shape == (0,)
    assert subject.tokens_run == 0


class OnePlus(nn.Module):
    """A norm that keeps its weights as Gemma does."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * (1 + self.weight)


@pytest.mark.parametrize("width", [D_MODEL, 7])
def test_norms_of_every_kind(width: int, subject: Subject) -> None:
    weight = torch.randn(width)
    layer_norm = nn.LayerNorm(width)
    with torch.no_grad():
        layer_norm.weight.copy_(weight)
        layer_norm.bias.normal_()
        for norm, scale, centres in (
            (layer_norm, weight, True),
            (nn.LayerNorm(width, elementwise_affine=False), torch.ones(width), True),
            (OnePlus(weight), 1 + weight, False),
            (nn.Identity(), torch.ones(width), False),
        ):
            found, centred = norm_scale(norm, width, subject.device, subject.dtype)
            torch.testing.assert_close(found, scale, rtol=1e-4, atol=1e-4)
            assert centred == centres


def test_a_planted_subject_writes_nothing() -> None:
    planted = load_subject({"name": "planted", "kind": "planted"}, device="cpu")
    with pytest.raises(BenchmarkError, match="'planted' has none"):
        direct_effects(planted, 0, [0])


def test_output_norms_that_are_not_known_are_all_one(tmp_path: Path) -> None:
    planted = load_subject({"name": "planted", "kind": "planted"}, device="cpu")
    assert torch.equal(planted.output_norms(0), torch.ones(planted.n_units(0)))
    with pytest.raises(BenchmarkError, match="layer 1"):
        planted.output_norms(1)


def test_a_checkpoint_without_unembedding_has_output_norms(tmp_path: Path) -> None:
    whole = checkpoints.huggingface_folder(tmp_path / "whole", "gpt2")
    subject = load_subject({"kind": "local", "source": str(whole)}, device="cpu")
    headless = load_subject({"kind": "local", "source": str(whole)}, device="cpu")
    headless.without_outputs = "its checkpoint has no unembedding"
    assert torch.equal(headless.output_norms(1), subject.output_norms(1))
    with pytest.raises(BenchmarkError, match="has no unembedding"):
        direct_effects(headless, 1, [0])
