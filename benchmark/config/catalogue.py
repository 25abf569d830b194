"""Catalogue of what can be chosen, read from the config tree and from installed plug-ins."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError, unknown
from benchmark.files.reading import read_yaml

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

OF_CLASSES = ("explainer", "simulator")  # groups whose choices name a class by `_target_`
ROOT = Path(__file__).resolve().parents[2]
PLUGINS = "neuron_simulator_benchmark.explainers"
SCORER_PLUGINS = "neuron_simulator_benchmark.scorers"
_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
# Options of an explainer that are for people and the results, not for its class.
DESCRIPTIVE = ("name", "description", "control")
DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)+"  # a class by its module: package.module.Class
CUSTOM = "custom"  # the choice for any class, named by explainer._target_
NAME = r"(?!_)[\w.-]+"  # what can be typed as explainer=<name>


@dataclass(frozen=True)
class Entry:
    """One choice of a group: its name, one line about it, and its config."""

    name: str
    description: str
    config: Mapping[str, Any] = field(default_factory=dict)


def config_folder() -> Path:
    """Return the folder of the config tree, in a checkout as in an installed wheel.

    It is not imported, because a project that uses Hydra often has a package `configs` itself.
    """
    return ROOT / "configs"


def folder_of(group: str) -> Path:
    """Return the folder with the choices of a group.

    That of scorers is called otherwise than their key: several are chosen at once, by a list, and
    Hydra would take the key for the choice of one.
    """
    return config_folder() / ("scorers" if group == "scorer" else group)


@functools.cache
def default_names() -> dict[str, str]:
    """Return the name that is chosen of each group where the user names none, in their order."""
    config = read_yaml(config_folder() / "config.yaml")
    chosen: dict[str, str] = {}
    for entry in config["defaults"]:
        if isinstance(entry, dict):
            chosen |= {group: name for group, name in entry.items() if " " not in group}
    return chosen


def groups() -> tuple[str, ...]:
    """Return the groups of the configuration that are chosen by name."""
    return tuple(default_names())


def entries(group: str) -> list[Entry]:
    """Return the choices of a group, sorted; installed explainers and scorers are among them."""
    paths = sorted(folder_of(group).glob("[!_]*.yaml"), key=_by_number)
    found = [_entry(path) for path in paths]
    if group == "explainer":
        found += plugins()
    elif group == "scorer":
        found += plugins(SCORER_PLUGINS)
    return found


def _entry(path: Path) -> Entry:
    config = read_yaml(path) or {}
    if not isinstance(config, Mapping):
        raise BenchmarkError(f"'{path}' is damaged: it holds no keys.")
    bases = [base for base in config.get("defaults", ()) if base != "_self_"]
    for base in bases:
        config = {**_entry(path.with_name(f"{base}.yaml")).config, **config}
    config = {key: value for key, value in config.items() if key != "defaults"}
    return Entry(path.stem, str(config.get("description", "")), config)


def _by_number(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts solu-2l before solu-10l."""
    parts = re.split(r"(\d+)", path.stem)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def plugins(points: str = PLUGINS) -> list[Entry]:
    """Return the explainers or scorers of installed packages that their names reach."""
    return read_plugins(points)[0]


def read_plugins(points: str = PLUGINS) -> tuple[list[Entry], list[tuple[str, str]]]:
    """Return explainers or scorers of installed packages, and why a name of theirs reaches none.

    Each is an entry point that names its class; nothing of theirs is imported.
    """
    group = "explainer" if points == PLUGINS else "scorer"
    kind = "an explainer" if group == "explainer" else "a scorer"
    own = {path.stem for path in folder_of(group).glob("*.yaml")}
    found: dict[str, Entry] = {}
    problems: list[tuple[str, str]] = []
    for point in plugin_points(points):
        name, target = point.name, target_of(point)
        first = found[name].config["_target_"] if name in found else None
        if target is None:
            why = f"its entry point {str(point.value)!r:.60} is not module:Class"
            problems.append((name, why))
            continue
        if not re.fullmatch(NAME, name):
            why = "its name may hold letters, digits and . _ - alone"
        elif name in own:
            why = f"{kind} of the benchmark has the same name"
        elif first is not None:
            why = f"plug-in {first} has the same name"
        else:
            description = f"plug-in {target}"
            config: dict[str, Any] = {"name": name, "description": description}
            config |= {"control": False} if group == "explainer" else {}
            found[name] = Entry(name, description, {**config, "_target_": target})
            continue
        if target != first:
            use = f"use {group}._target_={target}"
            problems.append((name, f"plug-in {target}: {why}; {use}"))
    return list(found.values()), problems


def plugin_points(group: str = PLUGINS) -> list[EntryPoint]:
    """Return the entry points of all plug-ins, by name and then by what they name."""
    points, _ = read_plugin_points(group)
    return points


def read_plugin_points(
    group: str = PLUGINS,
) -> tuple[list[EntryPoint], list[tuple[str, str]]]:
    """Return the entry points of all plug-ins, and the packages whose entry points cannot be read.

    Packages are read one by one, since what is wrong with one must not hide the others. Of several
    copies of a package the first on the path counts.
    """
    from importlib.metadata import distributions

    points: list[EntryPoint] = []
    problems: list[tuple[str, str]] = []
    seen: set[str] = set()
    for distribution in distributions():
        path = getattr(distribution, "_path", None)
        name = Path(path).name.partition("-")[0] if path is not None else str(id(distribution))
        name = re.sub(r"[-_.]+", "-", name).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            points += [point for point in distribution.entry_points if point.group == group]
        except Exception as error:  # an encoding, a syntax, a permission, a pipe in its place
            problems.append((name, f"{type(error).__name__}: {error}"))
    return sorted(points, key=lambda point: (str(point.name), str(point.value))), problems


def target_of(point: EntryPoint) -> str | None:
    """Return the class that an entry point names, None where its value is not `module:Class`."""
    found = re.fullmatch(rf"({_DOTTED})\s*:\s*({_DOTTED})\s*(\[.*\])?", str(point.value).strip())
    return f"{found[1]}.{found[2]}" if found else None


def write_configs(explainers: Iterable[Entry], folder: Path) -> None:
    """Write the configs of plug-ins into `folder` as into the config tree."""
    import yaml

    for entry in explainers:
        path = folder / "explainer" / f"{entry.name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(dict(entry.config)), encoding="utf-8")


def find(group: str, name: str) -> Entry:
    """Return a choice by name.

    Raises:
        BenchmarkError: there is none of that name.
    """
    path = config_folder() / group / f"{name}.yaml"
    if re.fullmatch(NAME, name) and path.is_file():
        return _entry(path)
    known = {entry.name: entry for entry in entries(group)}
    if name not in known:
        shown = [other for other in known if group not in OF_CLASSES or other != CUSTOM]
        if group == "metrics":
            from metrics import METRICS

            shown += METRICS
        raise unknown(group, name, shown, HINTS.get(group, ""))
    return known[name]


def is_choice(group: str, name: str) -> bool:
    """Return whether a group has a choice of this name."""
    path = config_folder() / group / f"{name}.yaml"
    if re.fullmatch(NAME, name) and path.is_file():
        return True
    return group == "explainer" and name in {entry.name for entry in plugins()}


def takes_any_option(group: str, entry: Entry) -> bool:
    """Return whether a choice is of a class whose options only the class knows."""
    shipped = (config_folder() / group / f"{entry.name}.yaml").is_file()
    return group in OF_CLASSES and (entry.name == CUSTOM or not shipped)


def metric_names(value: str) -> list[str] | None:
    """Return the metrics that `[pearson,f1]` or a single `pearson` names, None for a set's name.

    Whether there are such metrics is checked with the rest of a configuration.
    """
    from metrics import METRICS

    text = value.strip()
    if text.startswith("[") and text.endswith("]"):
        return [name.strip(" '\"") for name in text[1:-1].split(",") if name.strip()]
    return [text] if text in METRICS and not is_choice("metrics", text) else None


def metrics_config(value: str) -> dict[str, Any]:
    """Return the config of a choice of metrics: a set's name, a metric, or `[pearson,f1]`.

    Raises:
        BenchmarkError: there is no such set.
    """
    names = metric_names(value)
    if names is None:
        return dict(find("metrics", value).config)
    return {**find("metrics", default_names()["metrics"]).config, "metrics": names}


HINTS = {
    "model": "Any other: model=local model.source=<hub id or folder>.",
    "dataset": (
        "Any other: dataset=text dataset.path=<file or folder>, or "
        "dataset=hub dataset.repo=<hub id>."
    ),
    "explainer": "Your own: explainer._target_=package.module.Class.",
    "simulator": "Your own: simulator._target_=package.module.Class.",
    "metrics": "Single ones: metrics=[pearson,f1].",
    "scorer": "Your own: scorer=path/to/scorer.yaml, a file that names its class by _target_.",
}
