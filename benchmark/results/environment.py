"""The software and hardware that a run used, without names of hosts, users or folders."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from benchmark.results.records import EnvironmentRecord, GitRecord

DISTRIBUTION = "neuron-simulator-benchmark"
PACKAGES = (
    "datasets",
    "huggingface-hub",
    "hydra-core",
    "numpy",
    "pyarrow",
    "safetensors",
    "scikit-learn",
    "scipy",
    "tokenizers",
    "torch",
    "transformer-lens",
    "transformers",
    "wandb",
)
_GIT_SECONDS = 20


def collect_environment() -> EnvironmentRecord:
    """Return versions of Python and of packages that decide results, commit, processor and GPUs.

    It never fails: what cannot be found out is left empty.
    """
    gpus, cuda = _gpus()
    return EnvironmentRecord(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        platform=" ".join(filter(None, (platform.system(), platform.machine(), *_libc()))),
        packages={name: found for name in PACKAGES if (found := _version(name))},
        git=git_state(Path(__file__).resolve().parents[1]),
        cpu=_processor(),
        cpu_cores=_cores(),
        gpus=gpus,
        cuda=cuda,
    )


def benchmark_version() -> str:
    """Return the version of the installed distribution, or `unknown` from a bare checkout."""
    return _version(DISTRIBUTION) or "unknown"


def git_state(package: Path) -> GitRecord | None:
    """Return the commit of the repository that a package's folder is in, and whether it is dirty.

    None if the folder is not tracked by git, as for an installed wheel that merely lies inside
    somebody's repository, or if git is missing.
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = _git(package, "rev-parse", "HEAD")
    changes = _git(package, "status", "--porcelain")
    if not commit or changes is None:
        return None
    return GitRecord(commit=commit, dirty=bool(changes))


def _git(folder: Path, *arguments: str) -> str | None:
    # No optional locks: looking must not disturb a git command that the user runs meanwhile. The
    # variables would make git look at another repository, for example under a commit hook.
    names = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace").strip()


def _version(distribution: str) -> str | None:
    with contextlib.suppress(Exception):
        return importlib.metadata.version(distribution)
    return None


def _libc() -> tuple[str, ...]:
    with contextlib.suppress(Exception):
        return platform.libc_ver()
    return ()


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _cores() -> int | None:
    # What this process may use, which on a shared machine is less than what is there.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _gpus() -> tuple[list[str], str | None]:
    with contextlib.suppress(Exception):
        import torch

        if torch.cuda.is_available():
            names = [torch.cuda.get_device_name(row) for row in range(torch.cuda.device_count())]
            return names, torch.version.cuda
    return [], None
