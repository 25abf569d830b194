"""Options of W&B, and the start of a run there without questions, noise or waiting."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError, described

AUTO = "auto"
ONLINE = "online"
OFFLINE = "offline"
MODES = (AUTO, ONLINE, OFFLINE)

# Neel Nanda's Neuroscope shows what these models' neurons fire on; it has no other subject of ours.
NEUROSCOPE = "https://neuroscope.io/{subject}/{layer}/{neuron}.html"
_ON_NEUROSCOPE = re.compile(r"(solu|gelu)-\d+l(-pile|-old)?|gpt2-small|pythia-70m")
_PLACES = ("subject", "layer", "neuron")


@dataclass(frozen=True)
class WandbOptions:
    """Options of `tracking=wandb`.

    Attributes:
        project: where runs go; by default what W&B's own settings say, else
            `neuron-simulator-benchmark`.
        entity: the user or team; by default W&B's own choice.
        group: runs with one group are shown together.
        tags: labels of the run.
        mode: `online`, `offline`, or `auto`: online where there are credentials, unless W&B's own
            settings say otherwise.
        links: address of a neuron's page with `{subject}`, `{layer}` and `{neuron}` in it, such as
            that of a report; by default Neuroscope's for the subjects that it shows.
        dir: the folder in which W&B keeps its folder `wandb`; by default the current one.
    """

    project: str | None = None
    entity: str | None = None
    group: str | None = None
    tags: tuple[str, ...] = ()
    mode: str = AUTO
    links: str | None = None
    dir: str | None = None


def check_template(template: str) -> None:
    """Check that a template of links can be filled in.

    Raises:
        BenchmarkError: it has other places than `{subject}`, `{layer}` and `{neuron}`.
    """
    try:
        template.format(subject="solu-8l", layer=0, neuron=0)
    except (KeyError, IndexError, ValueError, AttributeError):
        raise BenchmarkError(
            f"tracking.links={template} cannot be filled in; its places are "
            f"{', '.join(f'{{{place}}}' for place in _PLACES)}, as in "
            "https://example.org/site/neurons/{layer}.{neuron}.html."
        ) from None


def neuron_link(template: str | None, subject: str, layer: int, neuron: int) -> str | None:
    """Return the address of a neuron's page; None where there is no template and none is known."""
    if template is None:
        if not _ON_NEUROSCOPE.fullmatch(subject):
            return None
        template = NEUROSCOPE
    return template.format(subject=subject, layer=layer, neuron=neuron)


DEFAULT_PROJECT = "neuron-simulator-benchmark"
START_SECONDS = 30.0
FINISH_SECONDS = 120.0
_QUIET = "WANDB_SILENT"
_OFF = "disabled"
MODE_NAMES = (ONLINE, OFFLINE, "shared", "dryrun", "run", _OFF)

logger = logging.getLogger(__name__)


def start_wandb(options: WandbOptions, name: str, config: Mapping[str, Any]) -> Any | None:
    """Begin a W&B run, offline if the server does not answer.

    Returns:
        The `wandb.Run`, or None if W&B is switched off on this machine or cannot be started;
        why is said in a warning.

    Raises:
        BenchmarkError: W&B is not installed, or `mode=online` was asked for without credentials.
    """
    wandb = _import_wandb()
    try:
        defaults = _settings(wandb)
    except Exception as error:
        logger.warning(
            "W&B's settings cannot be used (%s); the run goes on without.", _settings_reason(error)
        )
        return None
    mode = _mode(wandb, options, str(defaults.mode))
    if mode == _OFF:
        logger.warning("W&B is switched off on this machine (WANDB_MODE=disabled).")
        return None
    arguments = {
        "project": options.project or defaults.project or DEFAULT_PROJECT,
        "entity": options.entity,
        "group": options.group,
        "tags": list(options.tags) or None,
        "dir": _folder(options.dir),
        "name": name,
        "config": dict(config),
        "reinit": "create_new",  # another run in this process is left alone
        "settings": _run_settings(wandb),
    }
    if mode == ONLINE:
        try:
            return wandb.init(mode=ONLINE, **arguments)
        except Exception as error:
            logger.warning(
                "W&B could not be reached (%s); this run is recorded offline.", _reason(error)
            )
    try:
        return wandb.init(mode=OFFLINE, **arguments)
    except Exception as error:
        logger.warning("W&B could not be started (%s); the run goes on without.", _reason(error))
        return None


def _mode(wandb: Any, options: WandbOptions, default: str) -> str:
    if options.mode == OFFLINE:
        return OFFLINE
    if options.mode == AUTO and default in (OFFLINE, "dryrun", _OFF):
        return OFFLINE if default == "dryrun" else default
    if _has_credentials(wandb):
        return ONLINE
    if options.mode == ONLINE:
        raise BenchmarkError(
            "tracking.mode=online needs W&B credentials and there are none; run `wandb login` or "
            "set WANDB_API_KEY, or use tracking.mode=offline."
        )
    return OFFLINE


def _has_credentials(wandb: Any) -> bool:
    """Return whether W&B finds a key in environment variables, settings or netrc; ask nobody."""
    with _silence():
        try:
            return bool(wandb.login(prompt=False, verify=False))
        except TypeError:  # releases whose login always asks when it finds nothing
            return bool(wandb.api.api_key)
        except Exception as error:
            logger.warning("W&B's credentials cannot be used (%s).", _reason(error))
            return False


def _import_wandb() -> Any:
    try:
        import wandb
    except Exception as error:
        raise BenchmarkError(
            f"tracking=wandb needs the package wandb, which cannot be imported ({error}); "
            "install it, or use tracking=none."
        ) from error
    return wandb


def _settings(wandb: Any) -> Any:
    with _silence():
        return wandb.setup(settings=wandb.Settings(silent=True)).settings


def _run_settings(wandb: Any) -> Any:
    wanted = {
        "silent": True,
        "console": "off",  # progress bars are no record of a run
        "init_timeout": START_SECONDS,
        "finish_timeout": FINISH_SECONDS,
        "finish_timeout_raises": True,
    }
    # Older releases do not have them all.
    known = getattr(wandb.Settings, "model_fields", wanted)
    return wandb.Settings(**{key: value for key, value in wanted.items() if key in known})


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Let W&B read its settings without telling about it; they cannot be silenced later."""
    before = os.environ.get(_QUIET)
    os.environ[_QUIET] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_QUIET]
        else:
            os.environ[_QUIET] = before


def _folder(folder: str | None) -> str | None:
    if folder is None:
        return None
    path = Path(folder).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchmarkError(
            f"tracking.dir: the folder '{path}' cannot be made ({error.strerror}); "
            "choose another one."
        ) from error
    return str(path)


def _settings_reason(error: Exception) -> str:
    """Return what W&B says of its settings, with the environment variable mostly at fault."""
    value = os.environ.get("WANDB_MODE")
    if value is not None and value not in MODE_NAMES:
        return f"WANDB_MODE={value} is no mode; the modes are {', '.join(MODE_NAMES)}"
    return " ".join(described(error).split()[:40])


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
