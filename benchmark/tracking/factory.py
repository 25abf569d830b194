"""Choice of a tracker by the configuration group `tracking`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from benchmark.errors import BenchmarkError, unknown
from benchmark.tracking.tracker import NoTracker, Tracker
from benchmark.tracking.wandb_session import MODES, WandbOptions, check_template

KINDS = ("none", "wandb")
# Keys of the group that are for people and for `make_tracker`, not for the tracker.
DESCRIPTIVE = ("name", "description", "kind")


def make_tracker(config: Mapping[str, Any]) -> Tracker:
    """Return the tracker that a configuration names by `kind`.

    Raises:
        BenchmarkError: the kind or an option is not known, or has a value that it cannot have.
    """
    kind = str(config.get("kind"))
    if kind not in KINDS:
        raise unknown("kind of tracking", kind, KINDS)
    options = {key: value for key, value in config.items() if key not in DESCRIPTIVE}
    if kind == "none":
        return NoTracker()
    known = {field.name for field in dataclasses.fields(WandbOptions)}
    for key, value in options.items():
        if key not in known:
            raise unknown("option of tracking", key, known)
        wanted: type = list if key == "tags" else str
        if value is not None and not isinstance(value, wanted):
            what = "a list such as [a,b]" if wanted is list else "text"
            raise BenchmarkError(f"tracking.{key} must be {what}, not {value!r}.")
    mode = options.get("mode")
    if mode is not None and mode not in MODES:
        raise unknown("tracking.mode", mode, MODES)
    if options.get("links") is not None:
        check_template(options["links"])
    from benchmark.tracking.wandb_tracker import WandbTracker

    given = {key: value for key, value in options.items() if value is not None}
    given["tags"] = tuple(str(tag) for tag in given.get("tags", ()))
    return WandbTracker(WandbOptions(**given))
