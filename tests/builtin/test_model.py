"""Computations of the training: attention, dropout, the learning rates."""

from __future__ import annotations

import pytest
import torch

from benchmark.builtin.recipe import ARCHITECTURES, Recipe
from benchmark.builtin.trainer import (
    build_model,
    build_optimisers,
    learning_rate_factor,
    set_learning_rates,
)
from benchmark.subject.native import FusedAttention
from tests.builtin.conftest import TINY, TINY_GELU

TOKENS = torch.randint(0, 300, (3, 16), generator=torch.Generator().manual_seed(0))


def test_fused_attention_equals_the_native_one():
    fused = build_model(TINY, seed=1)
    native = build_model(TINY, seed=1, fused=False)
    assert isinstance(fused.layers[0].attn, FusedAttention)
    assert not isinstance(native.layers[0].attn, FusedAttention)
    torch.testing.assert_close(fused(TOKENS), native(TOKENS), rtol=1e-4, atol=1e-5)
    gradients = []
    for model in (fused, native):
        model(TOKENS).square().mean().backward()
        gradients.append(dict(model.named_parameters())["layers.0.attn.q.weight"].grad)
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-6)


def test_the_seed_decides_the_weights():
    one, same, other = (build_model(TINY, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["layers.0.mlp.fc_in.weight"], other["layers.0.mlp.fc_in.weight"])


def test_dropout_acts_only_while_training():
    model = build_model(TINY, seed=1, dropout=0.5)
    model.train()
    assert not torch.equal(model(TOKENS), model(TOKENS))
    model.eval()
    torch.testing.assert_close(model(TOKENS), build_model(TINY, seed=1)(TOKENS))


def test_learning_rates_rise_stay_and_fall_to_zero():
    recipe = Recipe(steps=100, warmup=10, decay=0.25)
    factors = [learning_rate_factor(recipe, step) for step in range(101)]
    assert factors[:10] == pytest.approx([i / 10 for i in range(1, 11)])
    assert factors[10:76] == [1.0] * 66
    assert factors[75:] == pytest.approx([i / 25 for i in range(25, -1, -1)])
    optimisers = build_optimisers(build_model(TINY, seed=0), recipe)
    set_learning_rates(optimisers, recipe, 4)
    assert [each.param_groups[0]["lr"] for each in optimisers] == pytest.approx([0.01, 0.0015])


@pytest.mark.parametrize("architecture", [TINY, TINY_GELU])
def test_every_weight_has_one_optimiser(architecture):
    model = build_model(architecture, seed=0)
    muon, adam = build_optimisers(model, Recipe())
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    inside, outside = (
        [names.pop(id(parameter)) for parameter in each.param_groups[0]["params"]]
        for each in (muon, adam)
    )
    assert not names
    assert all(name.startswith("layers.") and name.endswith("weight") for name in inside)
    assert len(inside) == 6 * TINY["n_layers"]
    assert not set(inside) & set(outside)


def test_the_gelu_subject_has_no_norm_in_its_mlp_and_the_solu_subject_has():
    for architecture, norm in ((TINY, True), (TINY_GELU, False)):
        blocks = build_model(architecture, seed=0).layers
        assert [block.mlp.ln is not None for block in blocks] == [norm] * TINY["n_layers"]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_subject_is_a_model_of_the_same_ids(name):
    architecture = ARCHITECTURES[name]
    assert architecture["d_model"] == architecture["n_heads"] * architecture["d_head"]
    logits = build_model(architecture, seed=0)(TOKENS)
    assert logits.shape == (3, 16, 4096)
