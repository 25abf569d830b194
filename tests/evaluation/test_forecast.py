"""Forecasts: disk is what is written, time is what was measured, and no worker makes more of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import benchmark
from benchmark.config.compose import compose
from benchmark.config.run_config import check_config
from benchmark.errors import BenchmarkError
from benchmark.evaluation.experiment import open_experiment
from benchmark.evaluation.forecast import Amounts, Machine, forecast, memory_of
from benchmark.evaluation.shapes import KNOWN, Shape, shape_named, shape_of, shape_of_config
from benchmark.evaluation.shard_costs import (
    ShardCosts,
    costs_named,
    costs_of,
    read_costs,
    write_costs,
)
from tests.cli.conftest import checkpoint, command, texts
from tests.command import D_MLP, N_LAYERS, Command

__all__ = ["checkpoint", "command", "texts"]

SMALL = Amounts(
    layers=(0, 1),
    n_units=D_MLP,
    neurons=12,
    likely=12,
    explain=96,
    sample=48,
    held_out=40,
    uniform=32,
    calibrate=0,
    exemplars=4,
    top=4,
    length=16,
    shard=512,
    block_size=4,
    at_once=None,
    stored=4,
)
COSTS = ShardCosts("n2g", "exemplars", "small", "here", 1e9, 1000, 0.2, 12, 100.0, 1e6)
MACHINE = Machine(1e9, 1e12, 2048, 4, 0)
SHAPE = Shape("toy", 2, 8, D_MLP, 100, 8, 8)


def on_disk(folder: Path) -> int:
    """Bytes of what is stored of units, without the files' headers."""
    from safetensors.torch import load_file

    kinds = ("profile", "exemplars", "sample", "uniform", "top", "top_activations")
    return sum(
        tensor.numel() * tensor.element_size()
        for kind in kinds
        for path in (folder / kind).rglob("*.safetensors")
        for name, tensor in load_file(path).items()
        if name != "units"
    )


def behind(command: Command) -> int:
    """Contexts of the small set that the uniform set lacks: they are run besides."""
    store = open_experiment(check_config(compose([*command.small, "dry_run=true"]))).store
    extra = len(store.tables.contexts("held_out")) - 40
    assert 0 < extra <= 8
    return extra


@pytest.mark.parametrize("words", [[], ["storage.dtype=bfloat16"], ["contexts.shard=32"]])
def test_what_is_kept_is_what_a_run_leaves(command: Command, words: list[str]) -> None:
    command.finished("explainer=token_lookup", "contexts.sample=96", *words)
    stored = 2 if "storage.dtype=bfloat16" in words else 4
    extra = behind(command)
    amounts = replace(
        SMALL,
        sample=96,
        stored=stored,
        likely=N_LAYERS * D_MLP,
        held_out=40 + extra,
        uniform=32 + extra,
    )
    assert on_disk(command.folder / "cache") == pytest.approx(amounts.kept_bytes, rel=0.03)


@pytest.mark.parametrize("shard", [512, 32, 7])
@pytest.mark.parametrize("sampled", [True, False])
def test_the_disk_is_that_of_the_store(command: Command, shard: int, sampled: bool) -> None:
    words = [*command.small, f"contexts.shard={shard}", "dry_run=true"]
    store = open_experiment(check_config(compose(words))).store
    units = {layer: torch.arange(6) for layer in range(N_LAYERS)}
    captures = store.to_measure(units, keep=units if sampled else {}, sample=sampled)
    extra = behind(command)
    amounts = replace(
        SMALL, shard=shard, sample=48 * sampled, held_out=40 + extra, uniform=32 + extra
    )
    assert amounts.disk_bytes == store.tables.bytes_of(captures)


def test_a_run_is_forecast_to_take_what_it_took() -> None:
    """On the same model and machine, with one worker and a fast disk."""
    costs = replace(COSTS, query_flop=SHAPE.mean_flop([0, 1]))
    found = forecast(SHAPE, SMALL, costs, MACHINE, 1)
    tokens = (96 + 40) * 16
    assert found.capture_seconds == pytest.approx(
        tokens * SHAPE.flop(1) / 1e9 + 2 * 0.005, rel=0.01
    )
    assert found.explain_seconds == pytest.approx(12 * 0.2 + 4 * 0.005, rel=0.01)
    assert found.shards == 2 + 4
    assert found.busy == pytest.approx(1, abs=0.05)


def test_a_faster_device_makes_the_subject_faster_and_nothing_else() -> None:
    costs = replace(COSTS, query_flop=1e6)
    assert costs.own_seconds == pytest.approx(0.2 - 100 * 1e6 / 1e9)
    fast = forecast(SHAPE, SMALL, costs, replace(MACHINE, rate=1e15), 1)
    assert fast.explain_seconds == pytest.approx(12 * costs.own_seconds + 4 * 0.005, rel=0.01)
    assert replace(COSTS, query_tokens=1e9).own_seconds == 0


@pytest.mark.parametrize("workers", [1, 2, 8, 64])
def test_workers_share_the_work_and_do_no_more(workers: int) -> None:
    amounts = replace(SMALL, neurons=4096, block_size=8, explain=4096, shard=64)
    alone = forecast(SHAPE, amounts, COSTS, MACHINE, 1)
    found = forecast(SHAPE, amounts, COSTS, MACHINE, workers)
    assert alone.seconds / workers <= found.seconds * 1.01
    assert found.seconds <= alone.seconds
    assert found.shards == alone.shards
    assert 0 < found.busy <= 1


def test_no_worker_makes_the_disk_faster() -> None:
    slow = replace(MACHINE, disk_rate=1000.0)
    found = forecast(SHAPE, SMALL, COSTS, slow, 64)
    assert found.seconds >= SMALL.disk_bytes / 1000


def test_groups_take_less_room_and_more_passes() -> None:
    whole = forecast(SHAPE, SMALL, COSTS, MACHINE, 1)
    grouped = replace(SMALL, at_once=4)
    found = forecast(SHAPE, grouped, COSTS, MACHINE, 1)
    assert grouped.groups == [4, 4, 4]
    assert grouped.disk_bytes < SMALL.disk_bytes
    # The profile, then three times the sample and the held-out text, instead of two passes.
    assert (whole.shards, found.shards) == (2 + 4, 1 + 3 * 2 + 3)
    assert found.capture_seconds > 2 * whole.capture_seconds
    assert forecast(SHAPE, grouped, COSTS, MACHINE, 1, captured=True).capture_seconds == 0


def test_memory_grows_with_what_is_held() -> None:
    plain = memory_of(SHAPE, SMALL, MACHINE)
    assert memory_of(SHAPE, SMALL, replace(MACHINE, weight_bytes=2)).subject == (
        plain.subject - 2 * SHAPE.parameters
    )
    assert memory_of(SHAPE, SMALL, replace(MACHINE, batch_tokens=4096)).subject > plain.subject
    assert memory_of(SHAPE, SMALL, replace(MACHINE, process_bytes=7)).block == plain.block + 7
    assert plain.loading == 4 * SHAPE.parameters
    many = replace(SMALL, neurons=4096, block_size=4096, uniform=4096, held_out=4096)
    assert memory_of(SHAPE, many, MACHINE).block > 4096 * 4096 * 16 * 4


# Shapes.


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # As their authors count, in millions; positions, norms and biases are left out here.
        ("gpt2-small", 124),
        ("pythia-6.9b", 6857),
        ("llama-3.1-8b", 8030),
    ],
)
def test_known_shapes_have_the_parameters_of_their_models(name: str, parameters: int) -> None:
    assert KNOWN[name].parameters / 1e6 == pytest.approx(parameters, rel=0.01)


def test_the_shape_of_a_loaded_subject_is_that_of_its_matrices() -> None:
    subject = benchmark.load_subject("solu-tiny", device="cpu")
    shape = shape_of(subject)
    assert shape is not None
    matrices = sum(one.numel() for one in subject.reader.model.parameters() if one.dim() > 1)
    assert shape.parameters == pytest.approx(matrices, rel=0.01)
    blocks = [one for one in subject.reader.model.modules() if isinstance(one, nn.ModuleList)]
    last = max(blocks, key=len)[3]
    of_layer = sum(one.numel() for one in last.parameters() if one.dim() > 1)
    out = shape.neurons * shape.width
    assert shape.parameters_to(3) == pytest.approx(4 * of_layer - out, rel=0.01)


def test_a_subject_without_a_transformer_has_no_shape() -> None:
    assert shape_of(benchmark.load_subject("planted", device="cpu")) is None


LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
}
GPT2 = {"model_type": "gpt2", "n_layer": 12, "n_embd": 768, "n_head": 12, "vocab_size": 50257}


@pytest.mark.parametrize(
    ("config", "name"), [(LLAMA, "llama-3.1-8b"), (GPT2, "gpt2-small")], ids=["llama", "gpt2"]
)
def test_a_config_json_is_enough(config: dict[str, object], name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    expected = replace(KNOWN[name], name=tmp_path.name)
    assert shape_named(str(tmp_path)) == expected
    assert shape_named(str(tmp_path / "config.json")) == expected
    nested = {"model_type": "other", "text_config": config}
    assert shape_of_config(nested, tmp_path.name) == expected


def test_numbers_are_enough() -> None:
    text = "layers=32,width=4096,neurons=14336,vocabulary=128256,heads=32,key_heads=8,gated=true"
    assert shape_named(text) == replace(KNOWN["llama-3.1-8b"], name="by numbers")
    assert shape_named(f"{text},name=mine").name == "mine"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("gpt2-smal", "did you mean 'gpt2-small'"),
        ("layers=2,width=8", "needs neurons, a whole number from 1 on; it is missing"),
        ("layers=0,width=8,neurons=8,vocabulary=9", "needs layers"),
        ("layers=two,width=8,neurons=8,vocabulary=9", "it is 'two'"),
        ("depth=2", "number of a shape 'depth' is not known"),
    ],
)
def test_what_is_no_shape(text: str, part: str) -> None:
    with pytest.raises(BenchmarkError, match=part):
        shape_named(text)


# Costs.


def test_the_costs_of_a_run(command: Command) -> None:
    run = command.finished("explainer=n2g")
    costs = costs_of(run.record)
    assert (costs.explainer, costs.evidence, costs.subject) == ("n2g", "exemplars", "small")
    assert costs.capture_tokens == (96 + 40 + behind(command)) * 16
    assert costs.neurons == 12
    tokens = run.scores.column("cost/subject_tokens")
    assert costs.query_tokens == pytest.approx(float(tokens.mean()))
    assert 0 < costs.neuron_seconds * 12 <= run.record.timings["total_seconds"]
    assert 0 <= costs.own_seconds <= costs.neuron_seconds
    # A second one finds its activations in the cache, so it cannot tell what they cost.
    again = command.finished("explainer=n2g", "fresh=true")
    with pytest.raises(BenchmarkError, match="does not say what its shards took"):
        costs_of(again.record)


def test_costs_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    write_costs(file, COSTS)
    write_costs(file, replace(COSTS, explainer="rules"))
    write_costs(file, replace(COSTS, neurons=13))
    found = read_costs(file)
    assert found == {
        "n2g": replace(COSTS, neurons=13),
        "rules": replace(COSTS, explainer="rules"),
    }
    with pytest.raises(BenchmarkError, match="did you mean 'rules'"):
        costs_named("rule", found)


@pytest.mark.parametrize("text", ["[]", '{"n2g": {}}', '{"n2g": 3}', "{"])
def test_a_damaged_file_of_costs(text: str, tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    file.write_text(text)
    with pytest.raises(BenchmarkError, match="costs"):
        read_costs(file)
