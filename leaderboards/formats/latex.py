"""LaTeX: one `table` for each table, with booktabs, to be put into a paper."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboards.page import Page
from leaderboards.tables import LEGEND, Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # after the end of a row it would begin an argument
    "]": "{]}",
    "≈": r"$\approx$",
    "°": r"$^\circ$",
    "ⁿ": r"$^n$",
    "●": r"$\bullet$",
    "†": r"$\dagger$",
}


def render(page: Page) -> str:
    """Return the tables as LaTeX; the packages they need stand in the first lines."""
    lines = [r"% needs \usepackage{booktabs} and \usepackage{graphicx}"]
    for section in page.sections():
        for table in section.tables:
            lines += ["", *_table(table, section.title)]
    lines += ["", *(f"% {line}" for line in LEGEND.splitlines())]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Return a text that LaTeX prints as it is, in one line."""
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))


def _table(table: Table, section: str) -> list[str]:
    title = ": ".join(filter(None, [section, table.title]))
    caption = " ".join(filter(None, [f"{title}.", table.caption, table.note]))
    numbers = len(table.columns) - table.text_columns
    alignment = "l" * table.text_columns + "r" * numbers
    return [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(caption)}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        _line(table.columns),
        r"\midrule",
        *(_line(row) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}}",
        r"\end{table}",
    ]


def _line(cells: Sequence[str]) -> str:
    return " & ".join(escaped(cell) for cell in cells) + r" \\"
