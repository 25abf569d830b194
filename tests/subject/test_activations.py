"""A subject's activations are those of its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmark.subject import Subject, load_subject
from tests.subject import by_hand, checkpoints
from tests.subject.checkpoints import D_HEAD, D_VOCAB, N_CTX

SHARED = Path(__file__).parents[3] / "shared" / "data"


def tokens_of(n_contexts: int, n_positions: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(D_VOCAB, (n_contexts, n_positions), generator=generator)


def same(found: Tensor, expected: Tensor) -> None:
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


def folder_of(kind: str, folder: Path) -> Path:
    if kind == "builtin":
        return checkpoints.builtin_folder(folder)
    return checkpoints.huggingface_folder(folder, kind)


KINDS: dict[str, tuple[str, Callable[..., Tensor]]] = {
    "builtin": ("blocks.{layer}.mlp.ln.hook_in", by_hand.builtin),
    "gpt2": ("blocks.{layer}.mlp.hook_post", by_hand.gpt2),
    "gpt_neox": ("blocks.{layer}.mlp.hook_post", by_hand.gpt_neox),
    "llama": ("blocks.{layer}.mlp.hook_post", by_hand.llama),
}


@pytest.mark.parametrize("kind", KINDS)
def test_equal_to_a_forward_pass_written_by_hand(kind: str, tmp_path: Path) -> None:
    site, forward = KINDS[kind]
    folder = folder_of(kind, tmp_path / kind)
    subject = load_subject({"name": kind, "kind": "local", "source": str(folder)}, device="cpu")
    weights = load_file(folder / "model.safetensors")
    assert subject.site == site
    assert (subject.n_layers, subject.n_units(0)) == (3, checkpoints.D_MLP)
    assert (subject.n_ctx, subject.d_vocab, subject.bos) == (N_CTX, D_VOCAB, 0)
    tokens = tokens_of(5, N_CTX)
    for layer in range(subject.n_layers):
        expected = forward(weights, tokens, layer, D_HEAD)
        assert expected.abs().max() > 0.1
        same(subject.activations(tokens, layer), expected)
        same(subject.activations(tokens, layer, [7, 0, 7]), expected[..., [7, 0, 7]])


@pytest.mark.parametrize("kind", ["builtin", "gpt2", "llama"])
def test_equal_to_the_hooks_of_transformer_lens(kind: str, tmp_path: Path) -> None:
    folder = folder_of(kind, tmp_path / kind)
    subject = load_subject({"kind": "local", "source": str(folder)}, device="cpu")
    tokens = tokens_of(3, 9)
    name = subject.site.format(layer=1)
    _, cache = subject.model.run_with_cache(tokens, names_filter=lambda hook: hook == name)
    same(subject.activations(tokens, 1), cache[name].double())


@pytest.mark.parametrize("act_fn", ["solu_ln", "gelu"])
def test_a_legacy_folder_equals_a_forward_pass_written_by_hand(act_fn: str, tmp_path: Path) -> None:
    weights = checkpoints.legacy_weights(3, mid_norms=act_fn == "solu_ln")
    checkpoints.write(tmp_path / "tokenizer", dict(checkpoints.tokenizer_files()))
    config = checkpoints.legacy_config(3, act_fn, tokenizer_name=str(tmp_path / "tokenizer"))
    folder = checkpoints.write(
        tmp_path / "model", checkpoints.legacy_files(weights, config, "model")
    )
    subject = load_subject({"kind": "tl_legacy", "source": str(folder)}, device="cpu")
    tokens = tokens_of(4, N_CTX)
    for layer in range(3):
        same(subject.activations(tokens, layer), by_hand.legacy(weights, tokens, layer, act_fn))


@pytest.mark.parametrize(
    "changes",
    [
        {"n_key_value_heads": 1},
        {"attn_scores_soft_cap": 2.0},
        {"attention_dir": "bidirectional"},
        {"attn_scale": 3.0},
        {"positional_embedding_type": "standard"},
        {"act_fn": "relu", "normalization_type": "LNPre"},
        {"act_fn": "silu", "gated_mlp": True, "normalization_type": "RMS"},
    ],
)
def test_the_fused_attention_equals_the_native_one(changes: dict[str, Any], tmp_path: Path) -> None:
    """Whatever the native architecture can be, it is run as the library runs it."""
    folder = checkpoints.builtin_folder(tmp_path / "model", **changes)
    subject = load_subject({"kind": "builtin", "source": str(folder)}, device="cpu")
    tokens = tokens_of(3, N_CTX)
    found = {}
    hook = subject.site.format(layer=2).replace("hook_post", "out.hook_in")
    with torch.no_grad():
        subject.model.run_with_hooks(
            tokens, fwd_hooks=[(hook, lambda value, hook: found.update(neurons=value))]
        )
    same(subject.activations(tokens, 2), found["neurons"].double())


def test_stream_is_activations(subject: Subject) -> None:
    tokens = tokens_of(7, 10)
    subject.limit_batch(25)
    parts = list(subject.stream(tokens, [2, 0]))
    assert [rows for rows, _ in parts] == [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 7)]
    for layer in (0, 2):
        streamed = torch.cat([found[layer] for _, found in parts])
        torch.testing.assert_close(streamed, subject.activations(tokens, layer))
        assert all(set(found) == {0, 2} for _, found in parts)


def test_batches_do_not_change_the_result(subject: Subject) -> None:
    tokens = tokens_of(6, 8)
    whole = subject.activations(tokens, 1)
    subject.limit_batch(8)
    assert subject.batch_tokens == 8
    torch.testing.assert_close(subject.activations(tokens, 1), whole)


def test_every_token_asked_for_is_counted(subject: Subject) -> None:
    subject.activations(tokens_of(3, 5), 0, [1])
    assert subject.tokens_run == 15
    list(subject.stream(tokens_of(4, 5), [0, 1, 2]))
    assert subject.tokens_run == 35


def test_loading_counts_nothing(tmp_path: Path) -> None:
    folder = checkpoints.builtin_folder(tmp_path / "model")
    subject = load_subject({"kind": "builtin", "source": str(folder)}, device="cpu")
    assert subject.tokens_run == 0


def test_results_are_ordinary_tensors(subject: Subject) -> None:
    found = subject.activations(tokens_of(2, 4), 1, torch.tensor([3, 5]))
    assert not found.is_inference()
    assert not found.requires_grad
    weight = torch.ones(2, requires_grad=True)
    (found @ weight).sum().backward()
    torch.testing.assert_close(weight.grad, found.sum((0, 1)))
    found += 1  # its own memory, not the model's


def test_a_result_stays_when_the_subject_runs_again(subject: Subject) -> None:
    first = subject.activations(tokens_of(2, 4), 1)
    copy = first.clone()
    subject.activations(tokens_of(2, 4, seed=1), 1)
    assert torch.equal(first, copy)


def test_the_weights_of_the_bridge_are_those_that_run(subject: Subject) -> None:
    tokens = tokens_of(2, 4)
    before = subject.activations(tokens, 0)
    weight = getattr(subject.model.blocks[0].mlp, "in").weight
    with torch.no_grad():
        weight.mul_(2)
        assert not torch.allclose(subject.activations(tokens, 0), before)
        weight.div_(2)
    assert torch.equal(subject.activations(tokens, 0), before)


@pytest.mark.parametrize("name", ["babyllama", "memorised-gpt2"])
def test_real_checkpoints_load(name: str) -> None:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip("the shared checkpoints are not on this machine")
    subject = load_subject({"name": "local", "kind": "local", "source": str(folder)}, device="cpu")
    assert subject.name == name
    tokens = torch.arange(2 * 6).reshape(2, 6) % subject.d_vocab
    weights = load_file(folder / "model.safetensors")
    for layer in (0, subject.n_layers - 1):
        if name == "babyllama":
            expected = by_hand.llama(weights, tokens, layer, 16, epsilon=1e-5)
        else:
            expected = by_hand.gpt2(weights, tokens, layer, 16, by_hand.gelu)
        torch.testing.assert_close(
            subject.activations(tokens, layer).double(), expected, rtol=1e-3, atol=1e-4
        )
