"""Results of checks."""

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


class WrongError(Exception):
    """What is wrong with the explainer, and how to fix it."""


class NotCheckedError(Exception):
    """Why a check says nothing about this explainer."""
