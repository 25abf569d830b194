"""Files of a language model in this process: where they are, and a digest of its weights."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.files.checkpoint import LocalFiles, fetch_weights, needed
from benchmark.files.hub import HubFiles
from benchmark.llm.errors import NotKeptError

CONFIG = "config.json"
# What else may stand beside the weights and changes what a text is for the model.
READ_TOO = (
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
)
WAY_OUT = "llm.source=<folder> takes a checkpoint that is on this machine."


def checkpoint_folder(source: str, revision: str | None, *, download: bool) -> Path:
    """Return the folder with the files of a checkpoint, downloaded unless they are there.

    Args:
        source: a folder, or a repository id on the hub.
        revision: of the repository; None for its main branch.
        download: whether the hub may be asked; what is in its local cache may always be used.

    Raises:
        BenchmarkError: there is no such checkpoint, it cannot be reached, or its weights are not
            safetensors.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        files = LocalFiles(path, source)
        needed(files, CONFIG)
        fetch_weights(files)
        return path
    if path.exists():
        raise BenchmarkError(f"llm.source={source} is a file; name the folder of a checkpoint.")
    if not download:
        return _cached(source, revision)
    hub = HubFiles(source, revision, option="llm.source", way_out=WAY_OUT)
    needed(hub, CONFIG)
    fetch_weights(hub)
    for name in READ_TOO:
        hub.optional(name)
    return hub.folder


def weights_digest(source: str, revision: str | None, *, download: bool) -> str:
    """Return what tells the weights and the tokenizer of a checkpoint from others.

    Raises:
        BenchmarkError: as `checkpoint_folder`.
    """
    folder = checkpoint_folder(source, revision, download=download)
    if not Path(source).expanduser().is_dir():
        return f"{source}@{folder.name}"  # the commit
    names = sorted(
        path.name
        for path in folder.iterdir()
        if path.name == CONFIG or path.name in READ_TOO or path.suffix == ".safetensors"
    )
    stats = [(folder / name).stat() for name in names]
    return _digest(folder.resolve(), tuple(names), tuple((s.st_size, s.st_mtime_ns) for s in stats))


@functools.lru_cache(maxsize=8)
def _digest(folder: Path, names: tuple[str, ...], _: tuple[tuple[int, int], ...]) -> str:
    """Return the digest of files, which is computed again where one has changed."""
    digest = hashlib.sha256()
    for name in names:
        content = hashlib.sha256()
        with (folder / name).open("rb") as file:
            while chunk := file.read(1 << 22):
                content.update(chunk)
        digest.update(f"{name} {content.hexdigest()}\n".encode())
    return digest.hexdigest()


def _cached(source: str, revision: str | None) -> Path:
    from huggingface_hub import try_to_load_from_cache

    try:
        path = try_to_load_from_cache(source, CONFIG, revision=revision)
    except ValueError as error:
        raise BenchmarkError(
            f"llm.source={source:.200} is neither a folder nor a repository id."
        ) from error
    if not isinstance(path, str):
        raise NotKeptError(
            f"the language model '{source}' is not on this machine, and it is named by a file of "
            f"results, so nothing is downloaded. If you know it and trust it: --trust {source}"
        )
    return Path(path).parent
