"""The Python files that an explainer is made of, so that changed code is a new run."""

from __future__ import annotations

import ast
import hashlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def source_digest(config: Mapping[str, Any]) -> str:
    """Digest of the Python files an explainer is made of, so that changed code is a new run.

    Classes that its options name by `_target_`, as `shuffled` names another explainer, count too.
    """
    digest = hashlib.sha256()
    for target in _targets(config):
        for path in _source_files(target):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _targets(config: Mapping[str, Any]) -> Iterator[str]:
    """Every class that a config names, from the outside in."""
    for key, value in config.items():
        if key == "_target_":
            yield str(value)
        elif isinstance(value, Mapping):
            yield from _targets(value)


def _source_files(target: str) -> list[Path]:
    """The files of a class: those of its package, or its own where it is in none.

    Where a package's `__init__` only names the class, the files beside the class count as well,
    and so does what any of them imports from the same top-level package, as deep as it goes.
    """
    module_name, _, class_name = target.rpartition(".")
    module = importlib.import_module(module_name)
    home = sys.modules.get(getattr(getattr(module, class_name), "__module__", ""), module)
    files: set[Path] = set()
    for each in (module, home):
        file = getattr(each, "__file__", None)
        if file is not None:
            files.update(Path(file).parent.glob("*.py") if each.__package__ else [Path(file)])
    folders = {Path(path) for path in getattr(_top(home), "__path__", ())}
    waiting = list(files)
    while waiting:
        found = set(_imported(waiting.pop(), folders)) - files
        files |= found
        waiting += found
    return sorted(files)


def _top(module: Any) -> Any:
    """The top-level package of a module, or the module itself where it is in none."""
    return sys.modules.get(module.__name__.partition(".")[0], module)


def _imported(path: Path, folders: set[Path]) -> Iterator[Path]:
    """The files that a file imports from the package in these folders; it is read, not run."""
    folder = next((each for each in folders if each in path.parents), None)
    if folder is None:
        return
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:
        return
    within = path.parent.relative_to(folder.parent).parts
    for node in ast.walk(tree):
        names: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = within[: len(within) - node.level + 1] if node.level else ()
            base = (*start, *(node.module.split(".") if node.module else ()))
            names = [base, *((*base, alias.name) for alias in node.names)]
        for name in names:
            if name[:1] == (folder.name,):
                yield from _files_of(folder.parent, name)


def _files_of(parent: Path, name: tuple[str, ...]) -> Iterator[Path]:
    """The file of a module and those of the packages that it is in."""
    for depth in range(1, len(name) + 1):
        place = parent.joinpath(*name[:depth])
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if file.is_file():
                yield file
