"""What a check ends with."""

from __future__ import annotations

from dataclasses import dataclass

OK = "ok"
FAILED = "failed"
NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Result:
    """One check: its name, `ok`, `failed` or `not checked`, and in words what was found."""

    check: str
    status: str
    text: str


class Wrong(Exception):  # noqa: N818 - it is no error of the program
    """What is wrong with the explainer, and how to mend it."""


class NotChecked(Exception):  # noqa: N818
    """Why a check says nothing about this explainer."""
