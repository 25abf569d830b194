"""Pretrained word vectors from a file, a folder, or a repository of the hub."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import BenchmarkError
from benchmark.files.hub import HubFiles
from explainers.fasttext.vectors import Vectors

OPTION = "explainer.vectors"
WAY_OUT = "explainer.vectors=corpus needs no download."
# With subwords (Facebook's format), and without (text).
BINARY, TEXT = (".bin",), (".vec", ".vec.gz")
# Files of other kinds that repositories of models hold.
NO_VECTORS = ("pytorch_model", "training_args", "optimizer", "tf_model")
USUAL_NAME = "model.bin"  # in the repositories of fastText's authors
CHUNK_BYTES = 1 << 22


def pretrained(source: str) -> Vectors:
    """Read vectors from a `.bin` or `.vec` file, a folder that holds one, or a hub repository.

    `owner/name/file.vec` names one file of a repository that holds several.

    Raises:
        BenchmarkError: there is no such file or repository, or it holds no word vectors.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return read_vectors(path, source)
    if path.is_dir():
        names = [each.name for each in sorted(path.iterdir()) if each.is_file()]
        return read_vectors(path / _only(names, f"the folder '{source}'"), source)
    if path.is_absolute() or source.startswith(("~", ".")) or not _is_repository(source):
        raise BenchmarkError(
            f"{OPTION}={source} is neither 'corpus' nor a file or folder that exists, nor a "
            f"repository of the hub (<owner>/<name>). {WAY_OUT}"
        )
    return read_vectors(_from_hub(source), source)


def read_vectors(path: Path, source: str) -> Vectors:
    """Read one file.

    Raises:
        BenchmarkError: it holds no word vectors.
    """
    name = path.name.lower()
    if not name.endswith((*BINARY, *TEXT)):
        raise BenchmarkError(
            f"{OPTION}={source}: '{path.name}' is neither a {BINARY[0]} nor a {TEXT[0]} file."
        )
    try:
        found = _binary(path) if name.endswith(BINARY) else _text(path)
        if not len(found.index_to_key) or not np.isfinite(found.vectors).all():
            raise ValueError("there are no vectors in it, or some are not finite")
    except Exception as error:
        reason = " ".join(str(error).split())[:150] or type(error).__name__
        kind = "FastText vectors with subwords" if name.endswith(BINARY) else "word vectors as text"
        raise BenchmarkError(
            f"{OPTION}={source}: '{path.name}' cannot be read as {kind}: {reason}. {WAY_OUT}"
        ) from error
    vectors = Vectors(
        source=source,
        fingerprint=_sha256(path),
        words=list(found.index_to_key),
        matrix=np.asarray(found.vectors, dtype=np.float32),
        ngrams=None,
    )
    if name.endswith(BINARY):
        vectors.ngrams = np.asarray(found.vectors_ngrams, dtype=np.float32)
        vectors.shortest, vectors.longest = int(found.min_n), int(found.max_n)
        vectors.buckets = int(found.bucket)
    return vectors


def _binary(path: Path) -> Any:
    from gensim.models.fasttext import load_facebook_vectors

    found = load_facebook_vectors(str(path))
    if found.vectors_ngrams is None or len(found.vectors_ngrams) != found.bucket:
        raise ValueError("its subwords are incomplete")
    return found


def _text(path: Path) -> Any:
    from gensim.models import KeyedVectors

    return KeyedVectors.load_word2vec_format(str(path), binary=False)


def _from_hub(source: str) -> Path:
    """Return the file in the local cache, downloaded where the hub has it."""
    owner, name, *rest = source.split("/")
    repo_id = f"{owner}/{name}"
    wanted = "/".join(rest) or _name_in(repo_id)
    files = _files(repo_id)
    found = files.optional(wanted)
    if found is None:
        raise files.missing(wanted)
    return found


def _name_in(repo_id: str) -> str:
    """Return the file with vectors of a repository, from the cache where it is out of reach."""
    files = _files(repo_id)
    try:
        if files.optional(USUAL_NAME) is not None:
            return USUAL_NAME
        names = files.names()
    except BenchmarkError:
        names = _cached_names(repo_id)
        if not _candidates(names):
            raise
    return _only(names, f"the repository '{repo_id}'")


def _files(repo_id: str) -> HubFiles:
    return HubFiles(repo_id, what="vectors", option=OPTION, way_out=WAY_OUT)


def _cached_names(repo_id: str) -> list[str]:
    """Return the files of a repository that are in the local cache."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(repo_id, local_files_only=True))
    except Exception:
        return []
    return [each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()]


def _candidates(names: Sequence[str]) -> list[str]:
    found = [name for name in sorted(names) if name.lower().endswith((*BINARY, *TEXT))]
    return [name for name in found if not name.rpartition("/")[2].startswith(NO_VECTORS)]


def _only(names: Sequence[str], where: str) -> str:
    """Return the one file with vectors among several.

    Raises:
        BenchmarkError: there is none, or more than one.
    """
    found = _candidates(names)
    if not found:
        raise BenchmarkError(f"{OPTION}: {where} has no {BINARY[0]} or {TEXT[0]} file. {WAY_OUT}")
    if len(found) > 1:
        raise BenchmarkError(
            f"{OPTION}: {where} has {len(found)} files of vectors ({', '.join(found[:5])}); "
            "name one of them after a slash."
        )
    return found[0]


def _is_repository(source: str) -> bool:
    parts = source.split("/")
    return len(parts) >= 2 and all(part.strip() == part and part for part in parts)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
