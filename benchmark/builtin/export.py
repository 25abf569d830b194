"""Export of a trained model as a folder that `model=local model.source=<folder>` loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor, nn

from benchmark.files.atomic import storage_errors, write_bytes, write_text

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
