"""Costs of a planned run: tokens and disk of what is not measured yet, time and memory."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from benchmark.cli.forecast import FULL
from benchmark.config.run_config import RunConfig
from benchmark.errors import BenchmarkError
from benchmark.evaluation.capture_rate import capture_rate
from benchmark.evaluation.experiment import Experiment, cache_folder, cut_blocks
from benchmark.evaluation.forecast import (
    PROCESS_BYTES,
    SIZES,
    Amounts,
    Machine,
    forecast,
    memory_of,
)
from benchmark.evaluation.record import run_folder, run_identity
from benchmark.evaluation.run import in_groups
from benchmark.evaluation.shapes import Shape, shape_of
from benchmark.evaluation.shard_costs import ShardCosts, costs_of, read_costs
from benchmark.evidence import Block
from benchmark.evidence.capture import Capture
from benchmark.evidence.room import SPARE, free_bytes
from benchmark.evidence.tables import CALIBRATE, EXPLAIN, HELD_OUT
from benchmark.results import find_runs, load_run
from benchmark.terminal.amounts import duration, gigabytes
from benchmark.terminal.table import print_rows, say

WORKERS = (1, 8, 64)
DISK_RATE = 1e9  # bytes a second, assumed
PURPOSES = {EXPLAIN: "for evidence", HELD_OUT: "for truth", CALIBRATE: "for calibration"}
LESS = (
    "takes less: fewer neurons (neurons.per_layer=...), half precision (storage.dtype=bfloat16), "
    "or parts that are removed when they are scored (storage.neurons=1024)"
)


def known_blocks(experiment: Experiment) -> list[Block] | None:
    """Return the blocks of a run, if the profiles that decide them are on disk."""
    if all(experiment.store.has_profile(layer) for layer in experiment.layers):
        return experiment.blocks()
    return None


def asked(experiment: Experiment) -> int:
    """Return how many neurons a run is about if none of them is dead."""
    config = experiment.config.neurons
    if config.list is not None:
        return len(config.list)
    sizes = [experiment.subject.n_units(layer) for layer in experiment.layers]
    return sum(n if config.per_layer is None else min(config.per_layer, n) for n in sizes)


def measuring(experiment: Experiment) -> list[list[str]]:
    """Return the rows of a plan about what is not on disk yet."""
    groups = _captures(experiment)
    store, config = experiment.store, experiment.config
    tokens = sum(store.tokens_of(captures) for captures in groups)
    # The first one is kept to the end; of the others one at a time.
    sizes = [store.tables.bytes_of(captures) for captures in groups]
    size = sizes[0] + max(sizes[1:], default=0)
    passes = "none before the explainer asks: all activations are in the cache"
    if tokens:
        passes = f"{tokens:,} to measure activations, then what the explainer asks"
    stored = str(store.tables.dtype).removeprefix("torch.")
    exact = "exact" if stored == config.dtype else f"rounded from {config.dtype}"
    return [
        ["subject tokens", passes],
        ["cache", _cache(experiment)],
        ["storage", f"{stored}, {exact}{_at_once(config)}"],
        *_disk(experiment, groups, size),
    ]


def _captures(experiment: Experiment) -> list[list[Capture]]:
    """Return what is not measured: that of all neurons first, then of each group kept in turn."""
    store, config = experiment.store, experiment.config
    sampled, calibrate = experiment.sampled, config.calibrated
    blocks = known_blocks(experiment)
    likely = experiment.likely_neurons()
    if blocks is None:
        most = config.neurons.per_layer if config.neurons.list is None else None
        blocks = cut_blocks(
            [(layer, some[:most]) for layer, some in likely.items()], config.neurons.block_size
        )
    if config.storage.neurons is None:
        keep = likely if sampled else {}
        units = _units(blocks)
        return [store.to_measure(units, keep=keep, sample=sampled, calibrate=calibrate)]
    profiles = [one for one in store.to_measure(_units(blocks), sample=False) if one.profile]
    groups = [
        store.to_measure(_units(group), sample=sampled, calibrate=calibrate)
        for group in in_groups(blocks, config.storage.neurons)
    ]
    return [profiles, *([one for one in group if not one.profile] for group in groups)]


def _units(blocks: Sequence[Block]) -> Mapping[int, Tensor]:
    import torch

    layers = sorted({block.layer for block in blocks})
    return {
        layer: torch.cat([one.neurons for one in blocks if one.layer == layer]).unique()
        for layer in layers
    }


def _at_once(config: RunConfig) -> str:
    if config.storage.neurons is None:
        return ""
    return f", {config.storage.neurons:,} neurons at a time, each with a pass of its own"


def _cache(experiment: Experiment) -> str:
    store, config = experiment.store, experiment.config
    profiles = sum(store.has_profile(layer) for layer in experiment.layers)
    blocks = known_blocks(experiment)
    text = f"{profiles} of {len(experiment.layers)} profiles"
    if blocks is not None:
        options = {"sample": experiment.sampled, "calibrate": config.calibrated}
        cached = sum(store.is_cached(block, **options) for block in blocks)
        text += f", {cached} of {len(blocks)} blocks"
    return f"{text} will be used"


def _disk(experiment: Experiment, groups: Sequence[list[Capture]], size: int) -> list[list[str]]:
    """Return what is written, in all and of each split, and whether the disk holds it."""
    folder, tables = cache_folder(experiment.config), experiment.store.tables
    free = free_bytes(folder)
    room = "" if free is None else f", which has {gigabytes(free)} left"
    rows = [["disk", f"{gigabytes(size)} at most, in {folder}{room}"]]
    captures = [one for group in groups for one in group]
    for split in dict.fromkeys(one.split for one in captures):
        of_split = [[one for one in group if one.split == split] for group in groups]
        sizes = [tables.bytes_of(some) for some in of_split]
        whole = gigabytes(sizes[0] + max(sizes[1:], default=0))
        rows.append([f"  {PURPOSES[split]}", whole])
    if free is not None and size + SPARE > free:
        rows.append(["  too small", f"the run will be refused; {LESS}"])
    return rows


def print_forecast(experiment: Experiment) -> None:
    """Print what the run would take on one, eight and 64 devices such as this one."""
    blocks, config = known_blocks(experiment), experiment.config
    shape = shape_of(experiment.subject)
    if shape is None:
        return
    if blocks is not None and run_folder(experiment, run_identity(experiment, blocks))[1]:
        return  # finished
    found = costs_for(config, experiment.subject.name, experiment.corpus.name)
    rate = capture_rate(experiment, shape)
    if rate is None:
        sys.stdout.write(
            "A context of this model takes this device too long to be timed; `python -m benchmark "
            "forecast` says how long a run takes on others.\n"
        )
        return
    amounts = _amounts(experiment, blocks)
    captured = not any(_captures(experiment))
    machine = Machine(
        rate[0],
        DISK_RATE,
        experiment.subject.batch_tokens,
        SIZES[config.dtype],
        PROCESS_BYTES,
    )
    memory = memory_of(shape, amounts, machine)
    rows = []
    for n in WORKERS:
        each = forecast(shape, amounts, found or _NO_COSTS, machine, n, captured=captured)
        explain = [duration(each.explain_seconds), duration(each.seconds), f"{each.busy:.0%}"]
        rows.append(
            [
                f"{n}",
                f"{each.shards:,}",
                duration(each.capture_seconds),
                *(explain if found is not None else ["-"] * 3),
                gigabytes(memory.subject + memory.block),
            ]
        )
    headings = ["workers", "shards", "capture", "explain", "in all", "busy", "memory of each"]
    print_rows(headings, rows)
    say(f"{_basis(experiment, shape, rate, found)}\n")


def costs_for(config: RunConfig, subject: str, corpus: str) -> ShardCosts | None:
    """Return what shards of an explainer cost: in the last run that says so, or as shipped."""
    name = str(config.explainer["name"])
    above = Path(config.results_dir).expanduser() / subject / corpus / name
    folders = find_runs([above]) if above.is_dir() else []
    for folder in sorted(folders, key=lambda one: one.stat().st_mtime, reverse=True):
        try:
            return costs_of(load_run(folder).record)
        except BenchmarkError:
            continue  # damaged, or made with a full cache
    return read_costs().get(name)


_NO_COSTS = ShardCosts("", "", "", "", 1.0, 0, 0.0, 0, 0.0, 0.0)


def _amounts(experiment: Experiment, blocks: Sequence[Block] | None) -> Amounts:
    config, store, subject = experiment.config, experiment.store, experiment.subject
    contexts: dict[str, Any] = {
        "explain": len(store.explain),
        "sample": len(store.sample_rows) * experiment.sampled,
        "held_out": len(store.tables.contexts(HELD_OUT)),
        "uniform": len(store.tables.stored_rows(HELD_OUT)),
        "calibrate": len(store.calibrate) * config.calibrated,
    }
    found = Amounts(
        layers=tuple(experiment.layers),
        n_units=max(subject.n_units(layer) for layer in experiment.layers),
        neurons=asked(experiment),
        likely=sum(map(len, experiment.likely_neurons().values())),
        exemplars=store.tables.n_exemplars,
        top=store.tables.n_top,
        length=config.context_length,
        shard=config.contexts.shard,
        block_size=config.neurons.block_size,
        at_once=config.storage.neurons,
        stored=store.tables.dtype.itemsize,
        **contexts,
    )
    if blocks is None:
        return found
    return replace(found, neurons=sum(len(block.neurons) for block in blocks))


def _basis(
    experiment: Experiment, shape: Shape, rate: tuple[float, int], costs: ShardCosts | None
) -> str:
    """Return what the forecast rests on."""
    text = (
        f"Forecast for workers that are each such a device as this one: it captured {rate[1]:,} "
        f"tokens at {rate[0] / 1e9:,.1f} GFLOP/s just now, {shape.parameters:,} parameters. A disk "
        f"of {DISK_RATE / 1e9:g} GB/s is assumed; loading and waiting are not counted."
    )
    if costs is None:
        name = experiment.config.explainer["name"]
        text += f" Explaining is not forecast: no finished run of '{name}' says what it takes."
    else:
        text += (
            f" Explaining and scoring took {costs.neuron_seconds:.3f} s a neuron on "
            f"{costs.subject} ({costs.machine})."
        )
    return textwrap.fill(text, FULL)
