"""The packages beside this one, found where they are whatever the current folder holds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from benchmark.errors import BenchmarkError

PACKAGES = ("explainers", "leaderboards", "metrics")
ROOT = Path(__file__).resolve().parents[2]


class _OwnPackages(MetaPathFinder):
    """Finds our packages in the folder that this one is in."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return the place of one of our packages, None for every other module."""
        if path is not None or fullname not in PACKAGES:
            return None
        return PathFinder.find_spec(fullname, [str(ROOT)], target)


def find_own_packages() -> None:
    """Let the packages beside this one be found before others of their names.

    `python -m` looks into the current folder first, where somebody may keep a metrics.py.

    Raises:
        BenchmarkError: another module of that name has been imported already.
    """
    if not any(isinstance(finder, _OwnPackages) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OwnPackages())
    for name in PACKAGES:
        module = sys.modules.get(name)
        origin = getattr(module, "__file__", None)
        if module is not None and (origin is None or Path(origin).resolve().parents[1] != ROOT):
            raise BenchmarkError(
                f"the benchmark's package '{name}' is hidden by {origin or 'another one'}, which "
                "was imported before; rename that one."
            )
