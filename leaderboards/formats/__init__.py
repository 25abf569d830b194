"""Leaderboards as text files: one module a format."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from benchmark.errors import unknown
from leaderboards.page import Page

FORMATS = ("md", "csv", "json", "html", "latex")
SUFFIXES = {"md": ".md", "csv": ".csv", "json": ".json", "html": ".html", "latex": ".tex"}
_MODULES = {
    "md": "markdown",
    "csv": "separated",
    "json": "objects",
    "html": "webpage",
    "latex": "latex",
}


def render(page: Page, form: str) -> str:
    """Return a page in one of `FORMATS`, ending in a line break.

    Raises:
        BenchmarkError: the format is not known.
    """
    if form not in FORMATS:
        raise unknown("format", form, FORMATS)
    module = import_module(f"leaderboards.formats.{_MODULES[form]}")
    return cast("Callable[[Page], str]", module.render)(page)
