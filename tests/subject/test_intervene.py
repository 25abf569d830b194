"""Continuing from replaced neurons equals a whole forward pass with a hook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.subject import Subject, load_subject
from benchmark.subject.intervene import Intervention, check_continuations, contexts_at_once
from tests.subject import checkpoints
from tests.subject.checkpoints import D_MLP, D_VOCAB, N_CTX

LAYOUTS = ["builtin", "gated", "gpt2", "gpt_neox", "llama", "legacy_solu", "legacy_gelu", "old"]


def folder_of(layout: str, folder: Path) -> Path:
    if layout == "builtin":
        return checkpoints.builtin_folder(folder)
    if layout == "gated":
        changes = {"act_fn": "silu", "gated_mlp": True, "normalization_type": "RMS"}
        return checkpoints.builtin_folder(folder, **changes)
    if layout.startswith("legacy"):
        return checkpoints.legacy_folder(folder, "gelu" if layout.endswith("gelu") else "solu_ln")
    if layout == "old":
        checkpoints.write(folder / "tokenizer", dict(checkpoints.tokenizer_files()))
        weights = checkpoints.legacy_weights(2, affine_norms=False, mid_norms=False)
        config = checkpoints.legacy_config(
            2, "solu_ln", normalization="LNPre", tokenizer_name=str(folder / "tokenizer")
        )
        return checkpoints.write(folder, checkpoints.legacy_files(weights, config, "SoLU"))
    return checkpoints.huggingface_folder(folder, layout)


@pytest.fixture(scope="module", params=LAYOUTS)
def any_subject(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = folder_of(request.param, tmp_path_factory.mktemp(request.param))
    config = {"name": request.param, "kind": "local", "source": str(folder)}
    return load_subject(config, device="cpu")


def tokens_of(n_contexts: int, n_positions: int = N_CTX, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(D_VOCAB, (n_contexts, n_positions), generator=generator)


def whole_pass(
    subject: Subject, tokens: Tensor, layer: int, columns: Tensor, values: Tensor
) -> Tensor:
    """The logits `[pos, d_vocab]` of one context, the neurons overwritten by an ordinary hook."""

    def overwrite(_: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        neurons = inputs[0].clone().reshape(len(tokens), -1)
        neurons[:, columns] = values
        return (neurons.reshape(inputs[0].shape),)

    handle = subject.units.modules[layer].register_forward_pre_hook(overwrite)
    try:
        with torch.no_grad():
            output = subject.reader.model(tokens[None])
    finally:
        handle.remove()
    return (output if isinstance(output, Tensor) else output.logits)[0]


def test_equal_to_a_whole_pass_with_a_hook(any_subject: Subject) -> None:
    tokens = tokens_of(5)
    rows = torch.tensor([3, 0, 3, 1, 4, 2])
    generator = torch.Generator().manual_seed(1)
    for layer in range(any_subject.n_layers):
        found = Intervention(any_subject, tokens, layer)
        true = any_subject.activations(tokens, layer)
        torch.testing.assert_close(found.activations, true)
        for k in (1, 4):
            columns = torch.stack([torch.randperm(D_MLP, generator=generator)[:k] for _ in rows])
            values = torch.randn(len(rows), N_CTX, k, generator=generator)
            parts = list(found.logits(rows, columns, values))
            logits = torch.cat([part for _, part in parts])
            for place, row in enumerate(rows.tolist()):
                expected = whole_pass(
                    any_subject, tokens[row], layer, columns[place], values[place]
                )
                torch.testing.assert_close(logits[place], expected, rtol=1e-4, atol=1e-4)
    check_continuations(any_subject)


def test_nothing_below_the_neurons_is_computed_again(any_subject: Subject) -> None:
    layer = any_subject.n_layers - 1
    found = Intervention(any_subject, tokens_of(3), layer)
    path = any_subject.output_path
    assert path is not None
    computed: list[torch.nn.Module] = []

    def note(module: torch.nn.Module, *_: Any) -> None:
        if "forward" not in module.__dict__ and module.weight.ndim == 2:
            computed.append(module)

    handles = [
        module.register_forward_hook(note)
        for block in path.blocks
        for module in block.modules()
        if isinstance(getattr(module, "weight", None), Tensor)
    ]
    list(found.logits(torch.tensor([0, 1, 1]), torch.zeros(3, 1).long(), torch.ones(3, N_CTX, 1)))
    for handle in handles:
        handle.remove()
    # Of all matrices in the blocks, only the down projection is multiplied by.
    assert computed == [path.down[layer]]


def test_the_model_is_left_as_it_was(any_subject: Subject) -> None:
    tokens = tokens_of(2)
    before = any_subject.likely_next(tokens, 3)
    found = Intervention(any_subject, tokens, 0)
    list(found.logits(torch.arange(2), torch.zeros(2, 1).long(), torch.ones(2, N_CTX, 1)))
    model = any_subject.reader.model
    assert all("forward" not in module.__dict__ for module in model.modules())
    assert all(not module._forward_pre_hooks for module in model.modules())
    assert torch.equal(any_subject.likely_next(tokens, 3), before)
    with pytest.raises(RuntimeError):
        list(found.logits(torch.arange(2), torch.full((2, 1), 10**6), torch.ones(2, N_CTX, 1)))
    assert all("forward" not in module.__dict__ for module in model.modules())


def test_as_many_contexts_as_positions(any_subject: Subject) -> None:
    """No tensor is mistaken for one of contexts because its first dimension is as long."""
    tokens = tokens_of(6, 6)
    found = Intervention(any_subject, tokens, 1)
    rows = torch.tensor([5, 0])
    logits = torch.cat([part for _, part in found.logits(rows)])
    nothing = torch.zeros(0, dtype=torch.long)
    for place, row in enumerate(rows.tolist()):
        expected = whole_pass(any_subject, tokens[row], 1, nothing, torch.zeros(6, 0))
        torch.testing.assert_close(logits[place], expected, rtol=1e-4, atol=1e-4)


def test_tokens_are_counted_and_batches_change_nothing(subject: Subject) -> None:
    tokens = tokens_of(4, 8)
    found = Intervention(subject, tokens, 1)
    assert subject.tokens_run == 32
    rows = torch.tensor([0, 1, 2, 3, 0])
    whole = torch.cat([part for _, part in found.logits(rows)])
    assert subject.tokens_run == 32 + 40
    subject.limit_batch(16)
    parts = list(Intervention(subject, tokens, 1).logits(rows))
    assert [part for part, _ in parts] == [slice(0, 2), slice(2, 4), slice(4, 5)]
    torch.testing.assert_close(torch.cat([logits for _, logits in parts]), whole)
    assert contexts_at_once(subject, 8) == 2


def test_a_planted_subject_has_no_outputs() -> None:
    planted = load_subject({"name": "planted", "kind": "planted"}, device="cpu")
    with pytest.raises(BenchmarkError, match="its neurons are rules, and nothing follows"):
        check_continuations(planted)
    with pytest.raises(BenchmarkError, match="'planted' has none"):
        Intervention(planted, torch.zeros(1, 4).long(), 0)


def test_a_checkpoint_without_unembedding(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = checkpoints.huggingface_folder(tmp_path / "model", "gpt_neox")
    weights = load_file(folder / "model.safetensors")
    del weights["embed_out.weight" if "embed_out.weight" in weights else "lm_head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    headless = load_subject({"kind": "local", "source": str(folder)}, device="cpu")
    assert headless.activations(tokens_of(1), 0).shape == (1, N_CTX, D_MLP)
    with pytest.raises(BenchmarkError, match="its checkpoint has no unembedding"):
        check_continuations(headless)


def test_an_architecture_that_does_more_between_its_blocks(subject: Subject) -> None:
    """Found out before it gives wrong numbers: here a block adds to what is handed past it."""
    model: Any = subject.reader.model
    own = model.layers[2].forward

    def with_memory(hidden: Tensor, **options: Any) -> Any:
        return own(hidden + model.seen, **options)

    def remember(module: Any, inputs: Any) -> None:
        model.seen = inputs[0].roll(1, -1)

    handle = model.layers[0].ln1.register_forward_pre_hook(remember)
    model.layers[2].forward = with_memory
    model.seen = 0.0
    try:
        with pytest.raises(BenchmarkError, match="not supported for this architecture"):
            check_continuations(subject)
    finally:
        handle.remove()
        del model.layers[2].forward, model.seen
