"""The Python files that an explainer is made of, so that changed code is a new run."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark.files.reading import read_bytes
from benchmark.plugins.objects import class_of


def source_digest(config: Mapping[str, Any]) -> str:
    """Digest of the Python files an explainer is made of, so that changed code is a new run.

    Classes that its options name by `_target_`, as `shuffled` names another explainer, count too,
    and so do files of other kinds that a class reads: `files_of(options)`, a method of the class,
    returns their paths.

    Raises:
        BenchmarkError: such a file cannot be read.
    """
    digest = hashlib.sha256()
    for target, options in _targets(config):
        kind = class_of(target)
        if kind is not None and not _is_in_a_file(kind):
            digest.update(class_source(kind).encode())
            continue
        for path in _source_files(target):
            digest.update(path.read_bytes())
        for path in _files_read(target, options):
            digest.update(read_bytes(path))
    return digest.hexdigest()


def class_source(kind: type) -> str:
    """Return the source of a class that is in no file, such as one of a notebook.

    Functions, classes and plain values of its module count too if its methods name them.
    """
    parts: dict[str, str] = {}
    waiting: list[tuple[str, Any]] = [(kind.__qualname__, kind)]
    while waiting:
        name, thing = waiting.pop()
        if name in parts:
            continue
        thing = getattr(thing, "fget", None) or inspect.unwrap(getattr(thing, "__func__", thing))
        if isinstance(thing, type) and thing.__module__ == kind.__module__:
            parts[name] = f"class {[base.__name__ for base in thing.__mro__]}"
            members = [item for base in thing.__mro__ for item in vars(base).items()]
            waiting += [(f"{name}.{key}", member) for key, member in members if key != "__doc__"]
        elif isinstance(thing, types.FunctionType) and thing.__module__ == kind.__module__:
            parts[name] = _function_source(thing)
            known = thing.__globals__
            waiting += [(key, known[key]) for key in _names(thing.__code__) if key in known]
        elif isinstance(thing, str | int | float | bool | tuple | list | dict):
            parts[name] = repr(thing)
    return "\n".join(f"{name}: {parts[name]}" for name in sorted(parts))


def _is_in_a_file(kind: type) -> bool:
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return file is not None and Path(file).is_file()


def _function_source(function: types.FunctionType) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):  # typed at a prompt: what it was compiled to
        return _compiled(function.__code__)


def _compiled(code: types.CodeType) -> str:
    constants = [_compiled(c) if isinstance(c, types.CodeType) else c for c in code.co_consts]
    return repr((code.co_code.hex(), code.co_names, constants))


def _names(code: types.CodeType) -> set[str]:
    inside = [_names(each) for each in code.co_consts if isinstance(each, types.CodeType)]
    return set(code.co_names).union(*inside)


def _targets(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every class that a config names, with its options, from the outside in."""
    for key, value in config.items():
        if key == "_target_":
            yield str(value), config
        elif isinstance(value, Mapping):
            yield from _targets(value)


def _files_read(target: str, options: Mapping[str, Any]) -> list[Path]:
    """Return the files that a class says it reads under some options."""
    module_name, _, class_name = target.rpartition(".")
    kind = class_of(target) or getattr(importlib.import_module(module_name), class_name)
    files_of = getattr(kind, "files_of", None)
    return [Path(path) for path in files_of(options)] if callable(files_of) else []


def _source_files(target: str) -> list[Path]:
    """Return the files of a class: those of its package, or its own where it is in none.

    Where a package's `__init__` only names the class, the files beside the class count as well,
    and so does what any of them imports from the same top-level package, as deep as it goes. Of a
    class of the benchmark itself its room counts; what else `benchmark` holds has its version.
    """
    module_name, _, class_name = target.rpartition(".")
    handed_over = class_of(target)
    if handed_over is None:
        module = importlib.import_module(module_name)
        home = sys.modules.get(getattr(getattr(module, class_name), "__module__", ""), module)
    else:  # it may be inside of a function or of another class
        module = home = sys.modules[handed_over.__module__]
    files: set[Path] = set()
    for each in (module, home):
        file = getattr(each, "__file__", None)
        if file is not None:
            files.update(Path(file).parent.glob("*.py") if each.__package__ else [Path(file)])
    folders = {Path(path) for path in getattr(_top(home), "__path__", ())}
    room = _room(home.__name__, folders)
    waiting = list(files)
    while waiting:
        found = set(_imported(waiting.pop(), folders)) - files
        found = {path for path in found if room is None or room in path.parents}
        files |= found
        waiting += found
    return sorted(files)


def _room(module: str, folders: set[Path]) -> Path | None:
    """Return the folder of a module's room of `benchmark`; None for a module of others."""
    package, _, below = module.partition(".")
    if package != "benchmark" or not below:
        return None
    return next(iter(folders)) / below.partition(".")[0]


def _top(module: Any) -> Any:
    """Return the top-level package of a module, or the module itself where it is in none."""
    return sys.modules.get(module.__name__.partition(".")[0], module)


def _imported(path: Path, folders: set[Path]) -> Iterator[Path]:
    """Yield the files that a file, which is read and not run, imports from these folders."""
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
    """Yield the file of a module and those of the packages that it is in."""
    for depth in range(1, len(name) + 1):
        place = parent.joinpath(*name[:depth])
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if file.is_file():
                yield file
