"""Version of the code that a process runs: the distribution's, and a digest of the sources."""

from __future__ import annotations

import functools
import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DISTRIBUTION = "neuron-simulator-benchmark"
PACKAGES = ("benchmark", "explainers", "metrics")
ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def code_version(root: Path = ROOT) -> str:
    """Return for instance `0.1.0+3f2a91c07d5e`; equal exactly where the Python sources are equal.

    Args:
        root: the folder that holds the packages.
    """
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py"), key=lambda path: path.parts):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    try:
        released = version(DISTRIBUTION)
    except PackageNotFoundError:
        released = "unknown"
    return f"{released}+{digest.hexdigest()[:12]}"
