"""Text of an explanation for a person; beside each line of a complete one, what the line does."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.errors import BenchmarkError
from benchmark.terminal.table import say, terminal_width
from benchmark.token_text import counted, one_line, printable

if TYPE_CHECKING:
    from benchmark.evaluation.reopen import ReopenedRun
    from benchmark.interface import Explanation, TextLine
    from benchmark.results import Run

HEADINGS = ("variance", "precision", "per 1,000")
# What a narrow terminal leaves for a line at least.
NARROWEST = 20
WHOLE = "This text is the whole explanation"
LEGEND = (
    "variance: the part of the neuron's variance that is lost without the line; precision: of the "
    "tokens on which it says something, the part on which the neuron fires; per 1,000: on how many "
    "of a thousand tokens it says something."
)
# Where a line may be broken: behind a space, an alternative, a gap.
_PIECES = re.compile(r"[^ |…]*[ |…]?")


def print_first_text(runs: Sequence[Run], neuron: tuple[int, int], trust: Sequence[str]) -> None:
    """Print the first complete text of some runs that can be read here, if there is one.

    Args:
        runs: in the order in which a person reads them.
        neuron: the neuron.
        trust: classes that may be imported besides those that are accepted.
    """
    from benchmark.cli.finished import characters_of
    from benchmark.evaluation.reopen import ReopenedRun

    for run in runs:
        if characters_of(run, neuron) is None or run.record.explainer.control:
            continue
        try:
            saved, reopened = run.explanation(*neuron), ReopenedRun(run, trust)
            explanation = reopened.explanation(saved)
            if explanation is None:
                continue
            reopened.describe(explanation, saved.name)  # before anything is written
        except BenchmarkError as error:
            sys.stderr.write(f"left out: {one_line(error)}\n")
            continue
        print_heading(run, saved.name)
        print_text(reopened, explanation, saved.name)
        sys.stdout.write("\n")
        return


def print_heading(run: Run, neuron: str) -> None:
    """Print which neuron is explained, and by what."""
    record = run.record
    sys.stdout.write(
        f"neuron {neuron} of {one_line(record.subject.name)}, "
        f"explained by {one_line(record.explainer.name)}\n"
    )


def print_text(reopened: ReopenedRun, explanation: Explanation, neuron: str) -> None:
    """Print an explanation; of a complete text also what each line does, where it says so.

    Raises:
        BenchmarkError: it cannot describe itself.
    """
    from benchmark.evaluation.text_lines import lines_of
    from benchmark.interface import has_complete_text

    text = reopened.describe(explanation, neuron)
    lines: Sequence[TextLine] = ()
    try:
        lines = lines_of(explanation, text)
    except BenchmarkError as error:
        sys.stderr.write(f"without what each line does: {one_line(error)}\n")
    sys.stdout.write("\n")
    if lines:
        _print_lines(lines)
    else:
        say(f"{text}\n", indent=4)
    remarks = reopened.remarks(explanation, neuron)
    if remarks:
        sys.stdout.write("\n")
        say(f"{remarks}\n", indent=4)
    if has_complete_text(explanation):
        size = f"{counted(len(text.splitlines()), 'line')}, {counted(len(text), 'character')}"
        legend = f"{WHOLE}: {size}. {LEGEND if lines else ''}".strip()
        sys.stdout.write("\n")
        say(f"{textwrap.fill(legend, 100)}\n")


def _print_lines(lines: Sequence[TextLine]) -> None:
    """Print lines behind their statistics; in a terminal they are broken to its width."""
    cells = [
        (_percent(line.variance), _percent(line.precision), _number(line.matches)) for line in lines
    ]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *cells, strict=True)]
    width = terminal_width()
    room = None if width is None else max(NARROWEST, width - sum(widths) - 2 * len(widths))
    sys.stdout.write(f"{_row(HEADINGS, widths)}\n")
    for line, row in zip(lines, cells, strict=True):
        begun = _row(row, widths)
        for part in _broken(printable(line.text), room):
            sys.stdout.write(f"{begun}  {part}\n".rstrip(" "))
            begun = " " * len(begun)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))


def _broken(text: str, room: int | None) -> list[str]:
    """Return a line in parts that fit; those after the first are indented."""
    from rich.cells import cell_len, chop_cells

    if room is None or cell_len(text) <= room:
        return [text]
    parts = [""]
    for piece in _PIECES.findall(text):
        for chopped in chop_cells(piece, room - 2) if cell_len(piece) > room - 2 else [piece]:
            if cell_len(parts[-1] + chopped.rstrip()) > room:
                parts.append("  ")
            parts[-1] += chopped
    return parts


def _percent(part: float | None) -> str:
    return "-" if part is None else f"{100 * part + 0.0:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
