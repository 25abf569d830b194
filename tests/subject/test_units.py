"""Other units than MLP neurons are read and replaced as an ordinary pass with hooks does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import BenchmarkError
from benchmark.interface import SharedPrefixes
from benchmark.subject import Subject, load_subject
from benchmark.subject.direct_effects import direct_effects
from benchmark.subject.intervene import Intervention, check_continuations
from benchmark.subject.units import Units, unit_kinds
from tests.subject import checkpoints
from tests.subject.checkpoints import D_MLP, D_MODEL, D_VOCAB, N_CTX
from tests.subject.toy_units import N_DIRECTIONS, PlainPass
from tests.subject.toy_units import more_units as more_units

pytestmark = pytest.mark.usefixtures("more_units")
LAYOUTS = ("builtin", "gpt2", "llama")


def checkpoint(layout: str, folder: Path) -> Path:
    if layout == "builtin":
        return checkpoints.builtin_folder(folder)
    return checkpoints.huggingface_folder(folder, layout)


def load(folder: Path, **unit: Any) -> Subject:
    config = {"name": "small", "kind": "local", "source": str(folder)}
    return load_subject(config, device="cpu", unit=unit or None)


def layers_of(subject: Subject) -> list[int]:
    return [layer for layer in range(subject.n_layers) if subject.n_units(layer)]


@pytest.fixture(params=[(kind, layout) for kind in ("directions", "stream") for layout in LAYOUTS])
def subject(request: Any, tmp_path: Path) -> Subject:
    kind, layout = request.param
    return load(checkpoint(layout, tmp_path / layout), kind=kind)


def tokens_of(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(D_VOCAB, (n, N_CTX), generator=torch.Generator().manual_seed(seed))


def test_they_are_units_and_counted(subject: Subject) -> None:
    assert isinstance(subject.units, Units)
    if subject.units.kind == "stream":
        assert [subject.n_units(layer) for layer in range(subject.n_layers)] == (
            [D_MODEL] * subject.n_layers
        )
    else:
        assert layers_of(subject) == [subject.n_layers - 1]
        assert subject.n_units(subject.n_layers - 1) == N_DIRECTIONS
    assert subject.site == subject.units.site


def test_they_are_read_as_by_a_plain_pass(subject: Subject) -> None:
    tokens, chosen = tokens_of(6), torch.tensor([5, 0, 5, 3])
    for layer in layers_of(subject):
        plain = PlainPass(subject, layer)
        expected = torch.stack([plain.activations(context) for context in tokens])
        before = subject.tokens_run
        close(subject.activations(tokens, layer), expected)
        close(subject.activations(tokens, layer, chosen), expected[..., chosen])
        assert subject.tokens_run == before + 2 * tokens.numel()
        for rows, found in subject.stream(tokens, [layer]):
            close(found[layer], expected[rows])
        rows, units = torch.tensor([4, 1, 4]), torch.tensor([2, 6, 0])
        close(subject.last_activations(tokens, layer, rows, units), expected[rows, -1, units])


def test_shared_prefixes_change_no_activation(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.subject.prefix_cache.CPU_CALL_TOKENS", 1)
    context = tokens_of(1)
    tokens = context.repeat(30, 1)
    tokens[:, 12:] = tokens_of(30, seed=1)[:, 12:]
    every, units = torch.arange(30), torch.arange(30) % 7
    prefixes = SharedPrefixes(context[:, :12], torch.zeros_like(every), torch.full((30,), 12))
    for layer in layers_of(subject):
        expected = subject.last_activations(tokens, layer, every, units)
        before = subject.tokens_run
        close(subject.last_activations(tokens, layer, every, units, prefixes), expected)
        assert subject.tokens_run - before == 12 + 30 * (N_CTX - 12)


def test_they_are_replaced_as_by_a_plain_pass(subject: Subject) -> None:
    tokens, rows = tokens_of(4), torch.tensor([2, 0, 3, 2])
    units = torch.tensor([[1], [7], [0], [1]])
    values = torch.randn(4, N_CTX, 1, generator=torch.Generator().manual_seed(2)).abs()
    for layer in layers_of(subject):
        plain, replaced = PlainPass(subject, layer), Intervention(subject, tokens, layer)
        close(replaced.activations, subject.activations(tokens, layer))
        logits = torch.cat([part for _, part in replaced.logits(rows, units, values)])
        untouched = torch.cat([part for _, part in replaced.logits(rows)])
        for place, row in enumerate(rows.tolist()):
            expected = plain.logits(tokens[row], int(units[place]), values[place, :, 0])
            close(logits[place], expected)
            assert not torch.allclose(untouched[place], expected, atol=1e-3)
    before = subject.tokens_run
    check_continuations(subject)
    assert subject.tokens_run == before


def test_what_they_write(subject: Subject) -> None:
    layer = layers_of(subject)[-1]
    if subject.units.kind == "stream":
        assert torch.equal(subject.output_norms(layer), torch.ones(D_MODEL))
        with pytest.raises(BenchmarkError, match="no plain matrix as output weights of layer 0"):
            direct_effects(subject, 0, [0])
        return
    units: Any = subject.units
    neurons = units.mlp.output_weights(layer)
    assert neurons.shape == (D_MLP, D_MODEL)
    close(subject.output_norms(layer), (units.decoder @ neurons).norm(dim=1))
    found = direct_effects(subject, layer, [3, 1], k=4)
    assert found.top_tokens.shape == (2, 4)
    assert set(found.partner_layers.tolist()) == {layer}
    with pytest.raises(BenchmarkError, match="neuron 10 is out of range"):
        subject.activations(tokens_of(1), layer, [N_DIRECTIONS])


def test_a_fingerprint_covers_the_units(tmp_path: Path) -> None:
    folder = checkpoint("builtin", tmp_path / "model")
    prints = {
        load(folder, **unit).fingerprint
        for unit in (
            {},
            {"kind": "directions"},
            {"kind": "directions", "seed": 1},
            {"kind": "stream"},
        )
    }
    assert len(prints) == 4
    assert load(folder, kind="mlp", name="mlp").fingerprint == load(folder).fingerprint


def test_kinds_and_settings_that_do_not_exist(tmp_path: Path) -> None:
    folder = checkpoint("builtin", tmp_path / "model")
    assert unit_kinds() == ["mlp"]
    for kind in ("mlq", "../mlp", "subject.mlp"):
        with pytest.raises(BenchmarkError, match=f"unit '{kind}' is not known"):
            load(folder, kind=kind)
    with pytest.raises(BenchmarkError, match=r"unit\.width is no setting of MLP neurons"):
        load(folder, kind="mlp", width=3)
    with pytest.raises(BenchmarkError, match="'planted' has no units of kind 'stream'"):
        load_subject({"name": "planted", "kind": "planted"}, unit={"kind": "stream"})


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
