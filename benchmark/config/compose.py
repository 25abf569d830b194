"""Composition of configurations from overrides by Hydra, whose errors become one message."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.config.catalogue import config_folder, plugins, write_configs
from benchmark.config.overrides import check_form, default_dataset, last_choice, prepare_overrides
from benchmark.config.values import quoted, unreadable
from benchmark.errors import BenchmarkError

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Hydra keeps what it composes from in one place for the whole process.
_LOCK = threading.RLock()


def compose(words: Sequence[str]) -> DictConfig:
    """Return the configuration that overrides such as `explainer=zero` compose.

    What the program itself does with Hydra is left alone, and several threads may compose.

    Raises:
        BenchmarkError: an override cannot be read, or names something that is not known.
    """
    return _composed([prepare_overrides(words)])[0]


def compose_sweep(words: Sequence[str]) -> list[DictConfig]:
    """Return the configuration of every combination of the values that overrides list.

    Values are separated by commas; those of the last override vary fastest.

    Raises:
        BenchmarkError: as `compose`; or models with different corpora are swept and none is named.
    """
    jobs = _combinations(words)
    if not any(last_choice(job, "dataset") for job in jobs):
        default_dataset(dict.fromkeys(filter(None, (last_choice(job, "model") for job in jobs))))
    return _composed([prepare_overrides(job) for job in jobs])


def _combinations(words: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each run of a sweep; of a key that is given twice the last counts."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    check_form(words)
    quoted_words = [quoted(word, sweep=True) for word in words]
    parser = OverridesParser.create()
    values: dict[str, list[str]] = {}
    try:
        for word in quoted_words:
            override = parser.parse_override(word)
            key = override.get_key_element()
            if override.is_discrete_sweep():
                values[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
            elif override.is_sweep_override():
                raise BenchmarkError(f"{word} is an interval; name single values: {key}=1,2,3.")
            else:
                values[key] = [word]
    except HydraException as error:
        raise unreadable(quoted_words, True) or BenchmarkError(_one_message(error)) from error
    return [list(job) for job in itertools.product(*values.values())]


def _composed(jobs: Sequence[list[str]]) -> list[DictConfig]:
    from hydra import compose as hydra_compose
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    composed = []
    with _hydra() as further:
        for words in jobs:
            try:
                composed.append(hydra_compose("config", [*further, *words]))
            except (HydraException, OmegaConfBaseException) as error:
                raise unreadable(words, False) or BenchmarkError(_one_message(error)) from error
    return composed


@contextlib.contextmanager
def _hydra() -> Iterator[list[str]]:
    """Let Hydra compose from our tree, with overrides that add plug-ins; then all is as before."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.version import VersionBase

    with _LOCK, contextlib.ExitStack() as stack:
        whole, version = GlobalHydra.instance(), VersionBase.instance()
        before = whole.hydra, version.version_base
        whole.clear()
        try:
            found, further = plugins(), []
            if found:
                folder = stack.enter_context(
                    tempfile.TemporaryDirectory(prefix="neuron-benchmark-")
                )
                write_configs(found, Path(folder))
                further = [f"hydra.searchpath=['file://{folder}']"]
            with initialize_config_dir(str(config_folder()), version_base="1.3"):
                yield further
        finally:
            GlobalHydra.set_instance(whole)
            whole.hydra, version.version_base = before


def _one_message(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [str(error.__cause__).splitlines()[0]] if error.__cause__ else []
    text = " ".join(dict.fromkeys([*lines, *causes]))
    return f"{text} (`python -m benchmark run --help` lists the keys)"
