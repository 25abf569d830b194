"""Loader of subjects from their configs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError, unknown

if TYPE_CHECKING:
    from benchmark.subject.subject import Subject

KINDS = ("builtin", "local", "planted", "tl_legacy", "transformers")
BUILTIN_FOLDER = Path(__file__).parent.parent / "builtin"


def load_subject(
    model_config: Mapping[str, Any],
    *,
    device: str | None = None,
    dtype: str = "float32",
    unit: Mapping[str, Any] | None = None,
) -> Subject:
    """Load the subject that a model config describes.

    Args:
        model_config: `name`, `kind` (one of `KINDS`), `source` (a repository id or a folder) and
            optionally `revision`, as in `configs/model/*.yaml`.
        device: where to run it; by default CUDA where there is one, else the CPU.
        dtype: `float32`, or on CUDA also `float16` or `bfloat16`.
        unit: what is explained, `kind` and its settings as in `configs/unit/*.yaml`; by default
            MLP neurons.

    Raises:
        BenchmarkError: the model cannot be obtained or has no such units; the message says what
            to do.
    """
    kind = str(model_config.get("kind") or "local")
    if kind not in KINDS:
        raise unknown("model kind", kind, KINDS)
    name = str(model_config.get("name") or kind)
    revision = model_config.get("revision")
    planted = kind == "planted"  # it has no weights to look for
    source = "" if planted else place_of(model_config.get("source"), kind, name)
    if name == "local":  # two such models are not the same subject
        name = Path(source).expanduser().resolve().name

    if revision is not None and isinstance(source, Path):
        raise BenchmarkError(
            f"model.revision={revision} is of a repository on the hub, and model.source={source} "
            "is a folder, which has no revisions; leave one of the two out."
        )

    import torch

    from benchmark.subject.build import assemble
    from benchmark.subject.device import resolve_device, resolve_dtype

    where = resolve_device(device)
    precision = resolve_dtype(dtype, where)
    if planted:
        from benchmark.subject.planted import planted_subject

        return planted_subject(name=name, device=where, dtype=precision, unit=unit)
    with torch.random.fork_rng(devices=[]):  # building a model draws random weights
        return assemble(
            kind=kind,
            name=name,
            source=source,
            revision=None if revision is None else str(revision),
            device=where,
            dtype=precision,
            unit=unit,
        )


def place_of(source: Any, kind: str, name: str) -> str | Path:
    """Return where a subject is: an existing folder, or the id of a repository on the hub.

    Raises:
        BenchmarkError: no source is given, or it is neither a folder nor a possible id.
    """
    if source is None or not str(source).strip():
        raise BenchmarkError(
            f"model '{name}' has no source: give model.source=<a folder or a repository id>."
        )
    text = str(source)
    if kind == "builtin" and re.fullmatch(r"\w+", text):
        folder = BUILTIN_FOLDER / text
    else:
        folder = Path(text).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise BenchmarkError(f"model.source={text} is a file; give the folder that it is in.")
    if kind == "builtin" or not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", text):
        raise BenchmarkError(
            f"model.source={text}: there is no such folder, and it is not a repository id "
            "such as 'EleutherAI/pythia-70m'."
        )
    return text
