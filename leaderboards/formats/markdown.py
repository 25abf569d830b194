"""Markdown that also reads well where nobody renders it: columns are padded."""

from __future__ import annotations

import re
import textwrap

from leaderboards.page import Page
from leaderboards.tables import LEGEND, Table

WIDTH = 100


def render(page: Page) -> str:
    """Return the page as GitHub's Markdown."""
    lines = ["# Leaderboards", ""]
    for section in page.sections():
        if section.title:
            lines += [f"## {escaped(section.title)}", ""]
        for table in section.tables:
            lines += _table(table)
    return "\n".join([*lines, *textwrap.wrap(_one_line(LEGEND), WIDTH), ""])


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is, in one line."""
    return re.sub(r"([\\|*`<]|(?<=\])\()", r"\\\1", _one_line(text)).replace("\0", "")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _table(table: Table) -> list[str]:
    cells = [[escaped(cell) for cell in row] for row in [table.columns, *table.rows]]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]

    def line(row: list[str]) -> str:
        padded = [
            cell.ljust(width) if place < table.text_columns else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * width if place < table.text_columns else "-" * (width - 1) + ":"
        for place, width in enumerate(widths)
    ]
    caption, note = (textwrap.wrap(escaped(text), WIDTH) for text in (table.caption, table.note))
    return [
        f"{'#' * table.level} {escaped(table.title)}",
        "",
        *([*caption, ""] if caption else []),
        line(cells[0]),
        f"| {' | '.join(rule)} |",
        *map(line, cells[1:]),
        "",
        *([*note, ""] if note else []),
    ]
