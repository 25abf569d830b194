"""Classes that reopening a result may import: built in, installed as plug-ins, or trusted by name.

A result is data. What it names is looked up among the classes known here before anything of it is
imported, so that a run.json cannot bring or name code of its own choice.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from benchmark.config.catalogue import DOTTED, OF_CLASSES
from benchmark.errors import BenchmarkError
from benchmark.files.reading import read_yaml
from benchmark.plugins.objects import is_handed_over, is_importable

BUILT_IN = ("explainers.", "benchmark.simulators.")
TARGET = "_target_"
RECORDED = "explainers.recorded.Recorded"
"""What reads imported explanations: built in, and no explainer that can be chosen."""
# Keys that a configuration gives a meaning of its own: a class, its arguments, how it is called.
SPECIAL = re.compile(r"_\w+_")

_Config = Mapping[str, Any]


class UntrustedError(BenchmarkError):
    """A result names a class that is neither built in nor installed nor trusted."""


def check_options(
    options: _Config, where: str, trust: Collection[str] = (), kind: str = "explainer"
) -> None:
    """Check every class that the options of a saved explainer name; nothing of them is imported.

    Args:
        options: the options, with `_target_`.
        kind: what they are options of, `explainer` or `simulator`.
        where: how the message names the run.
        trust: classes that the reader trusts besides those that are built in or installed.

    Raises:
        UntrustedError: a class is neither built in, an installed plug-in nor trusted.
        BenchmarkError: there is no class, or one stands where the explainer's own configuration
            has none.
    """
    target = options.get(TARGET)
    if not isinstance(target, str) or not target:
        raise BenchmarkError(
            f"{where} does not say which class its {kind} is ({kind}.options.{TARGET} of "
            "run.json), so its explanations cannot be read."
        )
    _check(options, {TARGET: target}, f"{kind}.options", where, trust)


def targets_of(options: Any) -> list[str]:
    """Return every class that an explainer's options name, from the outside in."""
    if isinstance(options, Mapping):
        own = [str(options[TARGET])] if TARGET in options else []
        return own + [target for value in options.values() for target in targets_of(value)]
    if isinstance(options, list | tuple):
        return [target for value in options for target in targets_of(value)]
    return []


def canonical(target: str) -> str:
    """Return the name that the configurations use for a built-in class; others are left alone.

    `explainers.n2g.explainer.N2G` is `explainers.n2g.N2G`. Only built-in modules are imported.
    """
    package, _, name = target.rpartition(".")
    if not target.startswith(BUILT_IN) or not re.fullmatch(DOTTED, target):
        return target
    for known in _built_in():
        home, _, known_name = known.rpartition(".")
        if target != known and known_name == name and f"{package}.".startswith(f"{home}."):
            found = getattr(importlib.import_module(home), name)
            if f"{found.__module__}.{found.__qualname__}" == target:
                return known
    return target


def built_in_config(target: str) -> _Config | None:
    """Return the configuration of a built-in explainer or simulator, None for another class."""
    return _built_in().get(canonical(target))


def is_known(target: str) -> bool:
    """Return whether a class is built in or an installed plug-in."""
    return built_in_config(target) is not None or target in _installed()


def _check(value: Any, own: Any, place: str, where: str, trust: Collection[str]) -> None:
    """Check what stands at a place of the options; `own` is what the configuration has there.

    `own` is None at a place of a plug-in, whose configuration nobody knows: classes may stand
    there, if they are accepted.
    """
    if isinstance(value, list | tuple):
        for number, entry in enumerate(value):
            _check(entry, own if own is None else {}, f"{place}[{number}]", where, trust)
        return
    if not isinstance(value, Mapping):
        return
    inside = own
    for key, named in value.items():
        if not isinstance(key, str) or not SPECIAL.fullmatch(key):
            continue
        expected = own is None or (isinstance(own, Mapping) and TARGET in own)
        if key != TARGET or not isinstance(named, str) or not expected:
            raise BenchmarkError(
                f"{where}: {place}.{key} of run.json is not read: only a class may be named by "
                f"'{TARGET}', and only where the explainer's own configuration names one."
            )
        _check_class(named, place, where, trust)
        inside = built_in_config(named)
    for key, entry in value.items():
        if key != TARGET:
            below = None if inside is None else _at(inside, key)
            _check(entry, below, f"{place}.{key}", where, trust)


def _at(config: Any, key: str) -> Any:
    """Return what a configuration has under a key; an empty one where it has nothing."""
    found = config.get(key) if isinstance(config, Mapping) else None
    return {} if found is None else found


def _check_class(target: str, place: str, where: str, trust: Collection[str]) -> None:
    if target in trust or is_known(target) or is_handed_over(target):
        return
    if not is_importable(target):
        raise UntrustedError(
            f"{where} was made by an object of the class '{target.rpartition('.')[2]}', which was "
            "defined in a notebook, a script or a function, so no other program can read its "
            "explanations; do it there, or move the class into a module and run it again."
        )
    raise UntrustedError(
        f"{where} names the class '{target}' ({place}.{TARGET} of run.json), which is neither an "
        "explainer of the benchmark nor an installed plug-in, so it is not imported. If you know "
        f"that code and trust it: --trust {target}"
    )


@functools.cache
def _built_in() -> dict[str, _Config]:
    """Return the configurations of the built-in explainers and simulators by their class."""
    from benchmark.config.catalogue import config_folder

    folders = [config_folder() / group for group in OF_CLASSES]
    paths = [path for folder in folders for path in sorted(folder.glob("*.yaml"))]
    configs = [read_yaml(path) or {} for path in paths]
    targets = [str(config.get(TARGET, "")) for config in configs]
    known = zip(targets, configs, strict=True)
    found = {target: config for target, config in known if target.startswith(BUILT_IN)}
    return {**found, RECORDED: {TARGET: RECORDED}}


def _installed() -> set[str]:
    """Return the classes of installed plug-ins, as their entry points name them.

    What the current folder alone offers is not installed: it may be a folder of results.
    """
    from benchmark.config.catalogue import plugin_points

    here = Path.cwd()
    found = set()
    for point in plugin_points():
        target = point.value.partition("[")[0].replace(" ", "").replace(":", ".")
        home = Path(str(point.dist.locate_file(""))) if point.dist is not None else None
        if re.fullmatch(DOTTED, target) and (home is None or home.resolve() != here.resolve()):
            found.add(target)
    return found
