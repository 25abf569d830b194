"""Lets Hydra compose a configuration from checked overrides; its complaints become one message."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.config.catalogue import OF_CLASSES, config_folder, plugins, write_configs
from benchmark.config.values import unreadable
from benchmark.errors import BenchmarkError


def compose_and_call(job: Callable[[Any], None], overrides: list[str], *, sweep: bool) -> None:
    """Call `job` with the configuration that the overrides compose; in a sweep with each.

    Raises:
        BenchmarkError: Hydra cannot read an override, or compose what they say.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    # Without this Hydra prints a stack trace of its own and exits; with it, it raises.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    main = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="config")
    arguments = sys.argv
    found = plugins()
    with (
        tempfile.TemporaryDirectory(prefix="neuron-benchmark-")
        if found or sweep
        else contextlib.nullcontext("")
    ) as folder:
        flags = ["--config-dir", folder] if found else []
        flags += ["--multirun", f"hydra.sweep.dir={folder}"] if sweep else []
        write_configs(found, Path(folder))
        words = [_of_every_job(word) for word in overrides] if sweep else overrides
        sys.argv = [arguments[0], *flags, *words]
        try:
            main(job)()
        except (HydraException, OmegaConfBaseException) as error:
            raise unreadable(overrides, sweep) or BenchmarkError(_one_message(error)) from error
        finally:
            sys.argv = arguments


def _of_every_job(override: str) -> str:
    """An option of a class as a sweep over its one value.

    Hydra first composes what is not swept with the default explainer, which may lack the option.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    key, _, value = override.partition("=")
    if key.lstrip("+").partition(".")[0] not in OF_CLASSES or "." not in key or not value:
        return override
    try:
        swept = OverridesParser.create().parse_override(override).is_sweep_override()
    except HydraException:
        return override  # Hydra says what is wrong with it
    return override if swept else f"{key}=choice({value})"


def _one_message(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [str(error.__cause__).splitlines()[0]] if error.__cause__ else []
    text = " ".join(dict.fromkeys([*lines, *causes]))
    return f"{text} (`python -m benchmark run --help` lists the keys)"
