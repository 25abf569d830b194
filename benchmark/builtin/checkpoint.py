"""Files of a training: its state, whole or absent, and the trained model as a subject's folder."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from benchmark.builtin.recipe import Recipe, flag
from benchmark.builtin.trainer import learning_rate_factor
from benchmark.errors import BenchmarkError
from benchmark.files.atomic import replacing, storage_errors, write_bytes, write_text

CHECKPOINT = "checkpoint.pt"
# They act through the learning rate alone.
SCHEDULE = ("steps", "warmup", "decay")


def save_checkpoint(
    folder: Path,
    state: Mapping[str, Any],
    architecture: Mapping[str, Any],
    recipe: Recipe,
    texts_fingerprint: str,
) -> None:
    """Write a trainer's state; a process killed meanwhile leaves the one before.

    Raises:
        BenchmarkError: the disk is full, or the folder cannot be written.
    """
    whole = {
        **state,
        "architecture": dict(architecture),
        "recipe": asdict(recipe),
        "texts": texts_fingerprint,
    }
    with storage_errors(folder), replacing(folder / CHECKPOINT) as file:
        torch.save(whole, file)


def load_checkpoint(
    folder: Path,
    architecture: Mapping[str, Any],
    recipe: Recipe,
    texts_fingerprint: str,
    device: str,
) -> dict[str, Any] | None:
    """Return the trainer's state that was saved in a folder, or None.

    Another number of steps (or other `warmup` or `decay`) is accepted as long as it gives every
    step that was done the learning rate that it had: the weights at the end are those of a training
    with the new numbers from the start. Nothing is unpickled but tensors and plain values.

    Raises:
        BenchmarkError: it is damaged, or belongs to another subject, recipe or text.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    way_out = f"use another --out, or delete {path} to begin from step 0."
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise BenchmarkError(f"checkpoint {path} is damaged ({error}); {way_out}") from error
    if state.get("architecture") != dict(architecture):
        raise BenchmarkError(f"checkpoint {path} belongs to another subject; {way_out}")
    if state["texts"] != texts_fingerprint:
        raise BenchmarkError(
            f"checkpoint {path} was trained on other text (another Python version?); {way_out}"
        )
    _check_recipe(state["recipe"], recipe, int(state["step"]), f"checkpoint {path}", way_out)
    return state


def _check_recipe(
    saved: Mapping[str, Any], recipe: Recipe, step: int, what: str, way_out: str
) -> None:
    wanted = asdict(recipe)
    for name in saved.keys() | wanted.keys():
        if name not in SCHEDULE and saved.get(name) != wanted.get(name):
            raise BenchmarkError(
                f"{what} was trained with {flag(name)} {saved.get(name)}, "
                f"not {wanted.get(name)}; {way_out}"
            )
    before = replace(recipe, **{name: saved[name] for name in SCHEDULE})
    if step > recipe.steps or any(
        learning_rate_factor(before, done) != learning_rate_factor(recipe, done)
        for done in range(step)
    ):
        changed = [name for name in SCHEDULE if saved[name] != wanted[name]]
        numbers = ", ".join(f"{flag(name)} {saved[name]}, not {wanted[name]}" for name in changed)
        raise BenchmarkError(
            f"{what} was trained with {numbers}: "
            f"its {step} steps would have had other learning rates; {way_out}"
        )


CONFIG = "config.json"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
TRAINING = "training.json"


def half_precision(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights as they are shipped, float16."""
    return {name: value.half().cpu().contiguous() for name, value in model.state_dict().items()}


def write_subject(
    folder: Path,
    architecture: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    training: Mapping[str, Any],
) -> None:
    """Write everything but `tokenizer.json`, the weights last: without them nothing is loaded.

    Raises:
        BenchmarkError: the disk is full, or the folder cannot be written.
    """
    with storage_errors(folder):
        write_text(folder / CONFIG, json.dumps(dict(architecture), indent=2) + "\n")
        write_text(folder / TRAINING, json.dumps(dict(training), indent=2) + "\n")
        write_bytes(folder / WEIGHTS, save(dict(weights)))
