"""Reading the neurons runs no more than it must and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmark.errors import BenchmarkError
from benchmark.subject import Subject, load_subject
from benchmark.subject.mlp_units import MlpUnits
from benchmark.subject.site_reader import SiteReader
from tests.subject import checkpoints

TOKENS = torch.tensor([[0, 3, 5, 7], [0, 2, 4, 6]])


def plain(subject: Subject) -> nn.Module:
    return subject.reader.model


@contextmanager
def calls(model: nn.Module) -> Iterator[list[str]]:
    """The names of the modules that finish a forward pass, in order."""
    finished: list[str] = []
    handles = [
        module.register_forward_hook(lambda *_, name=name: finished.append(name))
        for name, module in model.named_modules()
    ]
    yield finished
    for handle in handles:
        handle.remove()


def n_hooks(subject: Subject) -> int:
    modules = [*plain(subject).modules(), *subject.model.modules()]
    return sum(len(module._forward_pre_hooks) + len(module._forward_hooks) for module in modules)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_nothing_runs_above_the_site(subject: Subject, layer: int) -> None:
    with calls(plain(subject)) as finished:
        subject.activations(TOKENS, layer)
    assert f"layers.{layer}.mlp.fc_in" in finished
    assert not {"ln_out", "head", ""} & set(finished)
    above = [name for name in finished if any(f"layers.{n}" in name for n in range(layer + 1, 3))]
    assert above == []
    # Not even the rest of the layer's own MLP: its LayerNorm and its down projection.
    assert f"layers.{layer}.mlp.ln" not in finished
    assert f"layers.{layer}.mlp.fc_out" not in finished
    assert sum(name.endswith("fc_out") for name in finished) == layer


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_nothing_runs_above_the_site_of_other_architectures(kind: str, tmp_path: Path) -> None:
    folder = checkpoints.huggingface_folder(tmp_path / kind, kind)
    subject = load_subject({"kind": "transformers", "source": str(folder)}, device="cpu")
    down = {"gpt2": "transformer.h.{}.mlp.c_proj", "llama": "model.layers.{}.mlp.down_proj"}[kind]
    with calls(plain(subject)) as finished:
        subject.activations(TOKENS, 1)
    assert down.format(0) in finished
    assert down.format(1) not in finished
    assert not any(name.startswith(down.format(2).rsplit(".mlp")[0]) for name in finished)
    assert "lm_head" not in finished


def test_one_forward_pass_serves_several_layers(subject: Subject) -> None:
    with calls(plain(subject)) as finished:
        list(subject.stream(TOKENS, [0, 2]))
    assert finished.count("layers.0.mlp.fc_in") == 1
    assert finished.count("layers.2.mlp.fc_in") == 1
    assert "layers.2.mlp.ln" not in finished


def test_no_hook_stays(subject: Subject) -> None:
    before = n_hooks(subject)
    subject.activations(TOKENS, 1)
    stream = subject.stream(TOKENS, [0, 1])
    next(stream)
    assert n_hooks(subject) == before  # not even while a stream waits
    with pytest.raises(BenchmarkError):
        subject.activations(TOKENS, 9)
    assert n_hooks(subject) == before


def test_no_hook_stays_after_a_failure(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    before = n_hooks(subject)

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(plain(subject).layers[1].ln1, "forward", broken)
    with pytest.raises(ZeroDivisionError):
        subject.activations(TOKENS, 2)
    assert n_hooks(subject) == before
    monkeypatch.undo()
    assert subject.activations(TOKENS, 2).shape == (2, 4, checkpoints.D_MLP)


def test_the_neurons_are_sliced_inside_the_hook(subject: Subject) -> None:
    seen = []

    def select(activations: torch.Tensor) -> torch.Tensor:
        seen.append(activations.shape)
        return activations[..., :2]

    found = subject.reader.read(TOKENS, [0, 1], select)
    assert seen == [(2, 4, checkpoints.D_MLP)] * 2
    assert found[1].shape == (2, 4, 2)


def read(model: nn.Module, module: nn.Module) -> dict[int, torch.Tensor]:
    reader = SiteReader(model, MlpUnits("site", [module], 3))
    return reader.read(TOKENS, [0], lambda activations: activations)


class _Pooled(nn.Module):
    """A model whose MLP sees one position only."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Linear(3, 3)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.down(torch.ones(tokens.shape[0], 1, 3))


def test_a_tensor_of_another_shape_is_refused() -> None:
    model = _Pooled()
    with pytest.raises(BenchmarkError, match=r"layer 0 has activations of shape \[2, 1, 3\]"):
        SiteReader(model, MlpUnits("site", [model.down], 3)).read(
            TOKENS, [0], lambda activations: activations
        )
    assert not model.down._forward_pre_hooks


def test_a_site_that_is_not_reached_is_refused() -> None:
    model = _Pooled()
    with pytest.raises(BenchmarkError, match="without reaching the units of layer 0"):
        SiteReader(model, MlpUnits("site", [nn.Linear(1, 1)], 3)).read(
            TOKENS, [0], lambda activations: activations
        )


def test_positions_flattened_into_the_batch_are_put_back() -> None:
    class Flat(_Pooled):
        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.down(tokens.reshape(-1, 1).expand(-1, 3).float())

    model = Flat()
    found = SiteReader(model, MlpUnits("site", [model.down], 3)).read(
        TOKENS, [0], lambda activations: activations
    )
    assert torch.equal(found[0][..., 0], TOKENS.float())
