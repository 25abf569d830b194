"""The folder of a report: either the whole new report or what was there before."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.files.atomic import (
    LEFTOVER_SECONDS,
    TEMPORARY_SUFFIX,
    check_writable,
    is_alive,
    storage_errors,
)
from benchmark.files.reading import read_json

# Tells the folder of a report from any other, so that nothing else is ever replaced.
MARKER = "report.json"
KIND = "neuron-simulator-benchmark report"


def check_output(folder: Path) -> None:
    """Find out before any work whether a report may be written to a folder.

    Raises:
        BenchmarkError: it holds something else than a report, or cannot be written.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise BenchmarkError(f"'{folder}' is not a folder; name another with -o.")
    if folder.is_dir() and any(folder.iterdir()) and not _is_report(folder):
        raise BenchmarkError(
            f"the folder '{folder}' holds something that is not a report of this benchmark; "
            "name another with -o, or remove it first."
        )
    check_writable(folder)


@contextlib.contextmanager
def new_report(folder: Path, about: dict[str, Any]) -> Iterator[Path]:
    """Make a new folder to write to, which replaces the old one if the block ends without an error.

    Args:
        folder: where the report goes.
        about: what the report is made of, as JSON values, for `report.json`.

    Raises:
        BenchmarkError: as `check_output`, or the disk refuses.
    """
    check_output(folder)
    target = folder.absolute()
    made = target.with_name(f"{target.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    with storage_errors(folder):
        remove_leftovers(target)
        made.mkdir(parents=True)
        try:
            yield made
            text = json.dumps({"kind": KIND, **about}, ensure_ascii=False, indent=2)
            (made / MARKER).write_text(f"{text}\n", encoding="utf-8")
            if target.exists():
                old = made.with_name(f"{made.name}.old")
                target.rename(old)
                made.rename(target)
                shutil.rmtree(old, ignore_errors=True)
            else:
                made.rename(target)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def remove_leftovers(target: Path) -> None:
    """Delete what a killed process left beside a report that stands: parts of a later one.

    Only what is named as `new_report` names it, was last written to more than a day ago, and is
    not of a process that is alive.
    """
    if not target.is_dir():
        return  # a killed process may have moved the old report away; then it is the only one
    name = re.compile(rf"{re.escape(target.name)}\.(?:(\d{{1,9}})-)?[0-9a-f]{{8}}\.partial(\.old)?")
    for path in target.parent.iterdir():
        found = name.fullmatch(path.name)
        if found is None or path.is_symlink() or not path.is_dir():
            continue
        if found[1] and is_alive(int(found[1])):
            continue
        with contextlib.suppress(OSError):
            latest = max(one.lstat().st_mtime for one in (path, *path.rglob("*")))
            if time.time() - latest > LEFTOVER_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def copy_assets(folder: Path) -> None:
    """Copy the styles, scripts and libraries that every page loads, with their licences."""
    source = Path(__file__).parent / "assets"
    for path in sorted(source.rglob("*")):  # one by one: a full disk is then one error, not a list
        if path.is_file():
            target = folder / "assets" / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _is_report(folder: Path) -> bool:
    try:
        data = read_json(folder / MARKER)
    except (OSError, BenchmarkError):
        return False
    return isinstance(data, dict) and data.get("kind") == KIND
