"""Options of the engines, checked before anything is loaded."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchmark.errors import BenchmarkError, unknown

LOCAL = "local"
DESCRIPTIVE = ("name", "description")
MOST = 10**6


@dataclass(frozen=True)
class LocalOptions:
    """No options: shards run in this process."""

    name: ClassVar[str] = LOCAL


@dataclass(frozen=True)
class ProcessesOptions:
    """Processes of this machine.

    Attributes:
        workers: how many; None for one per CUDA device, or per core where there is none.
    """

    name: ClassVar[str] = "processes"
    workers: int | None = None


@dataclass(frozen=True)
class SubmititOptions:
    """Jobs of SLURM, each of which runs shards until none is left.

    Attributes:
        workers: how many jobs.
        cluster: `slurm`, or `local` for processes of this machine that stand for jobs.
        partition, account, qos: as SLURM calls them; None for its own default.
        timeout_min: minutes that a job may take; what is left then goes to another one.
        mem_gb: gigabytes of memory of a job; None for SLURM's default.
        cpus_per_task, gpus_per_node: cores and GPUs of a job.
        parameters: any other option of sbatch, such as `{constraint: a100}`.
    """

    name: ClassVar[str] = "submitit"
    workers: int = 4
    cluster: str = "slurm"
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    timeout_min: int = 240
    mem_gb: int | None = None
    cpus_per_task: int = 4
    gpus_per_node: int | None = None
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RayOptions:
    """Tasks of Ray, one for each shard.

    Attributes:
        address: of a cluster, `auto` for the one that this machine is part of; None to start Ray
            on this machine.
        workers: the most tasks at once; None for as many as the cluster has room for.
        num_cpus, num_gpus: what one task needs; None for one GPU where the cluster has any.
    """

    name: ClassVar[str] = "ray"
    address: str | None = None
    workers: int | None = None
    num_cpus: int = 1
    num_gpus: float | None = None


Options: typing.TypeAlias = LocalOptions | ProcessesOptions | SubmititOptions | RayOptions
OPTIONS: dict[str, type[Options]] = {
    options.name: options
    for options in (LocalOptions, ProcessesOptions, SubmititOptions, RayOptions)
}
CLUSTERS = ("slurm", "local")
MAY_BE_ZERO = ("gpus_per_node", "num_gpus")
_KINDS: dict[Any, tuple[tuple[type, ...], str]] = {
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "text"),
    dict: ((dict,), "a group of keys such as {constraint: a100}"),
}


def engine_options(config: Mapping[str, Any]) -> Options:
    """Return the options that a configuration gives an engine by its `name`.

    Raises:
        BenchmarkError: an engine or an option is not known, or has a value that it cannot have.
    """
    name = str(config.get("name", LOCAL))
    if name not in OPTIONS:
        raise unknown("engine", name[:60], OPTIONS)
    kind = OPTIONS[name]
    hints = typing.get_type_hints(kind)
    known = [one.name for one in dataclasses.fields(kind)]
    given = {key: value for key, value in config.items() if key not in DESCRIPTIVE}
    for key, value in given.items():
        if key not in known:
            raise unknown(f"option of engine={name}", str(key)[:60], known)
        _check(f"engine.{key}", value, hints[key])
    options = kind(**given)
    if isinstance(options, SubmititOptions) and options.cluster not in CLUSTERS:
        raise unknown("engine.cluster", options.cluster[:60], CLUSTERS)
    return options


def _check(key: str, value: Any, hint: Any) -> None:
    """Check the type and the range of one option."""
    choices = typing.get_args(hint) if type(None) in typing.get_args(hint) else (hint,)
    if value is None and type(None) in choices:
        return
    kind = typing.get_origin(choices[0]) or choices[0]
    types, what = _KINDS[kind]
    if not isinstance(value, types) or isinstance(value, bool):
        also = " or null" if type(None) in choices else ""
        raise BenchmarkError(f"{key}={'null' if value is None else value} must be {what}{also}.")
    if isinstance(value, str) and not value.strip():
        raise BenchmarkError(f"{key} is empty; give it a value, or leave it out.")
    if isinstance(value, int | float):
        lowest = 0 if key.rpartition(".")[2] in MAY_BE_ZERO else 1
        if not value >= lowest:
            raise BenchmarkError(f"{key}={value} is too small; the smallest is {lowest}.")
        if value > MOST:
            raise BenchmarkError(f"{key}={value} is too large; the largest is {MOST}.")
