"""`forecast`: time, memory and disk of runs of any model, from measured costs of shards."""

from __future__ import annotations

import sys
import textwrap
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.arguments import Parser, add_changes, add_wide, path_of, whole
from benchmark.errors import BenchmarkError

if TYPE_CHECKING:
    from benchmark.config.run_config import RunConfig
    from benchmark.evaluation.forecast import Amounts, Forecast, Machine, Memory
    from benchmark.evaluation.shard_costs import ShardCosts

ABOUT = """\
Prints how long a run of all neurons of a model would take, and how much memory and disk. Nothing
is loaded, downloaded or run: it needs the shape of the model alone, and what the shards of a
finished run were measured to cost. `run --dry-run` prints the same for a model that is loaded.
"""
EXAMPLES = """\
python -m benchmark forecast
python -m benchmark forecast explainer=context_tree storage.dtype=bfloat16
python -m benchmark forecast --shape path/to/config.json --workers 1,4 --teraflops 67
python -m benchmark forecast --shape layers=32,width=4096,neurons=11008,vocabulary=32000,gated=true
python -m benchmark forecast --run results/<run>       # with the costs of this run
"""
ALL_NEURONS = "neurons.per_layer=null"
WORKERS = "1,8,64"
FULL = 100  # columns of text
HEADINGS = (
    *("model", "neurons", "GPUs", "shards", "capture", "explain", "in all"),
    *("busy", "GPU memory", "memory", "disk", "kept"),
)


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser("forecast", ABOUT, examples=EXAMPLES, overrides=True)
    add_changes(made, "keys of the configuration of the run, such as explainer=n2g seed=1")
    made.add_argument(
        "--shape",
        metavar="SHAPE",
        action="append",
        help="a name, a config.json, or numbers; repeatable (default: the four that are known)",
    )
    made.add_argument("--workers", metavar="N,...", default=WORKERS, help=f"default: {WORKERS}")
    made.add_argument("--run", metavar="RUN", help="a finished run whose shard costs are taken")
    made.add_argument(
        "--costs",
        metavar="FILE",
        type=path_of("--costs"),
        help="a file of shard costs (default: those that travel with the package)",
    )
    made.add_argument(
        "--save",
        metavar="FILE",
        type=path_of("--save"),
        help="with --run: put its costs into this file",
    )
    for name, default, text in (
        ("teraflops", 19.5, "a GPU's peak in 10^12 operations a second"),
        ("utilisation", 0.4, "the part of the peak that forward passes reach"),
        ("disk-rate", 1.0, "GB a second of the disk that all workers share"),
    ):
        made.add_argument(
            f"--{name}",
            metavar="X",
            default=str(default),
            help=f"{text}; assumed, not measured (default: {default:g})",
        )
    made.add_argument(
        "--batch-tokens",
        metavar="N",
        type=whole("--batch-tokens", 1),
        default=2048,
        help="tokens in one forward pass (default: 2048)",
    )
    add_wide(made)
    return made


def command(words: Sequence[str]) -> int:
    """Print the forecast of each shape and each number of workers, and what is assumed."""
    given = parser().read(words)
    workers = _workers(given.workers)
    if given.save is not None and given.run is None:
        raise BenchmarkError("--save belongs to --run: forecast --run RUN --save FILE.")
    from benchmark.config.compose import compose
    from benchmark.config.run_config import check_config
    from benchmark.evaluation.forecast import amounts_of, forecast, memory_of
    from benchmark.evaluation.shapes import KNOWN, shape_named
    from benchmark.terminal.table import print_rows, say

    shapes = [shape_named(text) for text in given.shape or KNOWN]
    config = check_config(compose([ALL_NEURONS, *given.change]))
    costs = _costs(given, str(config.explainer["name"]))
    sampled = "sample" in costs.evidence.split("+")  # the contract itself would load torch
    machine = _machine(given, config)
    rows = []
    for shape in shapes:
        amounts = amounts_of(config, shape, sampled=sampled)
        memory = memory_of(shape, amounts, machine)
        for n in workers:
            found = forecast(shape, amounts, costs, machine, n)
            rows.append(cells(shape.name, amounts, found, memory))
    sys.stdout.write(f"forecast of {costs.explainer}, which sees {costs.evidence}\n")
    print_rows(HEADINGS, rows)
    say(f"{legend(costs)}\n\n{_assumptions(given, config, machine)}\n")
    return 0


def cells(name: str, amounts: Amounts, found: Forecast, memory: Memory) -> list[str]:
    """Return a row of the table: what a run takes with some workers."""
    from benchmark.terminal.amounts import duration, gigabytes

    return [
        name,
        f"{amounts.neurons:,}",
        f"{found.workers}",
        f"{found.shards:,}",
        duration(found.capture_seconds),
        duration(found.explain_seconds),
        duration(found.seconds),
        f"{found.busy:.0%}",
        gigabytes(memory.subject),
        gigabytes(max(memory.block, memory.loading)),
        gigabytes(amounts.disk_bytes),
        gigabytes(amounts.kept_bytes),
    ]


def legend(costs: ShardCosts) -> str:
    """Return what was measured, and on what."""
    text = (
        f"measured, on {costs.subject} ({costs.machine}): capture of {costs.capture_tokens:,} "
        f"tokens at {costs.capture_rate / 1e9:,.1f} GFLOP/s; of {costs.neurons:,} neurons "
        f"{costs.neuron_seconds:.3f} s each to explain, simulate and score, of which "
        f"{costs.own_seconds:.3f} s are not the subject's, and {costs.query_tokens:,.0f} subject "
        "tokens each."
    )
    return textwrap.fill(text, FULL)


def _assumptions(given: Namespace, config: RunConfig, machine: Machine) -> str:
    from benchmark.evaluation.forecast import DRIVER_SECONDS

    contexts = config.contexts
    return "\n".join(
        (
            "assumed, and not measured on any GPU:",
            f"- A GPU does {machine.rate / 1e12:g} x 10^12 operations a second: "
            f"{given.utilisation} of a peak of {given.teraflops} (19.5 is NVIDIA's figure for",
            "  float32 on an A100), for capture as for an explainer's short queries.",
            "- A token takes two operations for each parameter that it meets up to its layer.",
            "- What is not the subject's takes a neuron as long as on the processor that is named.",
            "- The explainer asks as many tokens of every subject as of the one that is named.",
            f"- All workers share a disk of {machine.disk_rate / 1e9:g} GB/s, and one driver that "
            f"takes {1000 * DRIVER_SECONDS:g} ms a shard.",
            "- Loading the model, starting workers and waiting in a queue are not counted.",
            f"- {contexts.explain:,} contexts of {config.context_length} tokens for evidence, "
            f"{contexts.held_out:,} held out, {contexts.shard} a shard of capture,",
            f"  {config.neurons.block_size} neurons a shard of explaining; no neuron is dead.",
            f"- Weights in {config.dtype}, stored activations in "
            f"{config.storage.dtype or config.dtype}, {machine.batch_tokens:,} tokens in a batch.",
            "- GPU memory: weights, a batch in flight with the neurons of all layers, and the top",
            "  contexts so far. memory: of a worker beside it, through which weights are loaded.",
            "- disk: what the cache takes at most; kept: when the run has ended.",
        )
    )


def _costs(given: Namespace, explainer: str) -> ShardCosts:
    from benchmark.evaluation.shard_costs import (
        SHIPPED,
        costs_named,
        costs_of,
        read_costs,
        write_costs,
    )

    if given.run is None:
        path: Path = given.costs or SHIPPED
        if not path.exists():
            raise BenchmarkError(f"--costs '{path}' does not exist.")
        return costs_named(explainer, read_costs(path))
    from benchmark.cli.find import find_run

    costs = costs_of(find_run(given.run).record)
    if given.save is not None:
        write_costs(given.save, costs)
    return costs


def _machine(given: Namespace, config: RunConfig) -> Machine:
    from benchmark.evaluation.forecast import PROCESS_BYTES, SIZES, Machine

    peak = _positive("--teraflops", given.teraflops)
    share = _positive("--utilisation", given.utilisation)
    if share > 1:
        raise BenchmarkError(f"--utilisation {given.utilisation} must be at most 1.")
    return Machine(
        rate=1e12 * peak * share,
        disk_rate=1e9 * _positive("--disk-rate", given.disk_rate),
        batch_tokens=given.batch_tokens,
        weight_bytes=SIZES[config.dtype],
        process_bytes=PROCESS_BYTES,
    )


def _positive(option: str, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise BenchmarkError(f"{option} {word} must be a number above 0.")
    return value


def _workers(words: str) -> list[int]:
    check = whole("--workers", 1, 100_000)
    return [int(check(word)) for word in words.split(",")]
