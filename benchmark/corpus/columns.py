"""Column of a table of documents that holds the text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from benchmark.errors import BenchmarkError

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
USUAL_COLUMNS = ("text", "content", "code")


def choose_column(columns: Iterable[str], wanted: str | None, where: str) -> str:
    """Return the wanted column, or the usual one that is there; `where` names the table in an
    error.
    """
    names = list(columns)
    if wanted is not None:
        if wanted in names:
            return wanted
        near = difflib.get_close_matches(wanted, names, n=1)
        guess = f"; did you mean dataset.column={near[0]}?" if near else "."
        raise BenchmarkError(f"{where}: no column is called '{wanted}'{guess} {_listed(names)}")
    for usual in USUAL_COLUMNS:
        if usual in names:
            return usual
    raise BenchmarkError(
        f"{where}: none of the columns is called {', '.join(USUAL_COLUMNS)}; "
        f"choose one with dataset.column=<name>. {_listed(names)}"
    )


def _listed(names: list[str]) -> str:
    return f"columns: {', '.join(names) or '(none)'}"


def text_of(value: Any, where: str, column: str) -> str:
    """Return a cell as text: a null is empty, anything else that is not text is an error."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BenchmarkError(
            f"{where}: column '{column}' holds a {type(value).__name__}, not text; "
            "choose another with dataset.column=<name>"
        )
    # JSON can smuggle in lone surrogates, which UTF-8 (and a tokenizer) cannot hold.
    return LONE_SURROGATE.sub("\ufffd", value)
