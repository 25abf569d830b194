"""Workers share the cores and the GPUs of a machine."""

from __future__ import annotations

import os
from typing import Any

import pytest

from benchmark.engine import machine, processes
from benchmark.engine.making import make_engine
from benchmark.engine.processes import THREADS


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.parametrize(
    ("workers", "threads"), [(1, "8"), (2, "4"), (3, "2"), (8, "1"), (20, "1")]
)
def test_cores_are_divided(workers: int, threads: str, eight_cores: None) -> None:
    environment = processes._environment(0, workers, [])
    assert {environment[name] for name in THREADS} == {threads}
    assert "CUDA_VISIBLE_DEVICES" not in environment


def test_no_more_threads_than_the_user_allows(
    eight_cores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert processes._environment(0, 2, [])["OMP_NUM_THREADS"] == "3"
    assert processes._environment(0, 4, [])["OMP_NUM_THREADS"] == "2"


def test_gpus_are_dealt_out_in_turn() -> None:
    found = [processes._environment(number, 3, ["4", "6"]) for number in range(3)]
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in found] == ["4", "6", "4"]


@pytest.mark.parametrize(
    ("visible", "count", "names"),
    [(None, 2, ["0", "1"]), ("4, 6", 2, ["4", "6"]), ("GPU-a,GPU-b", 1, ["GPU-a"]), ("", 0, [])],
)
def test_gpus_are_named_as_they_are_seen(
    visible: str | None, count: int, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert machine.cuda_devices() == names


@pytest.mark.parametrize(
    ("options", "device", "workers"),
    [({}, None, 3), ({}, "cpu", 6), ({"workers": 4}, None, 4), ({"workers": 4}, "cpu", 4)],
)
def test_one_process_for_each_gpu_or_core(
    options: dict[str, Any],
    device: str | None,
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    monkeypatch.setattr("benchmark.engine.making.cuda_devices", lambda: ["0", "1", "2"])
    monkeypatch.setattr("benchmark.engine.making.cores", lambda: 6)
    engine = make_engine({"name": "processes", **options}, tmp_path, device=device)
    assert engine.workers == workers


def test_cores_are_those_that_this_process_may_use() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert machine.cores() == 1
    finally:
        os.sched_setaffinity(0, before)
