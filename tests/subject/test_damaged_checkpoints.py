"""Checkpoints that are damaged or hostile: the message says what is wrong with them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.errors import BenchmarkError
from benchmark.files.checkpoint import LocalFiles, fetch_weights
from benchmark.subject import load_subject
from tests.subject import checkpoints


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    checkpoints.builtin_folder(tmp_path / "model", n_layers=2, d_mlp=8, n_ctx=16)
    return tmp_path / "model"


def refused(folder: Path, **more: Any) -> str:
    with pytest.raises(BenchmarkError) as caught:
        load_subject(
            {"name": "local", "kind": "local", "source": str(folder), **more}, device="cpu"
        )
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(folder: Path, value: float) -> None:
    weights = load_file(folder / "model.safetensors")
    name = "layers.1.mlp.fc_in.weight"
    weights[name][0, 0] = value
    save_file(weights, folder / "model.safetensors")
    message = refused(folder)
    assert "are damaged: " in message
    assert "mlp.fc_in.weight holds NaN or infinite numbers" in message
    assert "architecture" not in message


def test_weights_that_overflow_are_named(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    for name, tensor in weights.items():
        weights[name] = torch.full_like(tensor.float(), 3e38)
    save_file(weights, folder / "model.safetensors")
    assert "are not finite: its weights are too large for torch.float32" in refused(folder)


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "other.bin"]
)
def test_a_pipe_is_not_waited_for(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert f"{name}' is a named pipe, not a file that can be read" in refused(folder)


def test_a_revision_of_a_folder_is_refused(folder: Path) -> None:
    message = refused(folder, revision="main")
    assert "model.revision=main is of a repository on the hub" in message


@pytest.mark.parametrize(
    "index",
    [[], None, {}, {"weight_map": None}, {"weight_map": []}, {"weight_map": {"a": None}},
     {"weight_map": {"a": "../../b"}}, {"weight_map": {"a": "/etc/passwd"}}],
)  # fmt: skip
def test_an_index_of_weights_that_names_no_files(tmp_path: Path, index: Any) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(BenchmarkError, match=r"model\.safetensors\.index\.json of 'x' "):
        fetch_weights(LocalFiles(tmp_path, "x"))


def test_a_config_nested_too_deep(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "deep")
    (tmp_path / "deep" / "config.json").write_text("[" * 100_000)
    assert "config.json of" in (message := refused(tmp_path / "deep"))
    assert "is damaged: it is nested too deep" in message
