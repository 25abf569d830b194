"""Tables and text for a person, no wider than the terminal; in a pipe or a file in full."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING

from benchmark.terminal.visible_output import write_styled
from benchmark.token_text import one_line, printable

if TYPE_CHECKING:
    from rich.table import Table

# A column of text is folded down to this width before a column is left out.
NARROWEST_TEXT = 20
# Letters from which on a line was broken because it was full.
FULL = 80
_whole: ContextVar[bool] = ContextVar("whole", default=False)


def show_whole(wide: bool) -> None:
    """Say whether tables have all their columns, however narrow the terminal is."""
    _whole.set(wide)


def terminal_width() -> int | None:
    """Return the columns of the terminal that stdout is; None in a pipe, a file or `--wide`."""
    isatty = getattr(sys.stdout, "isatty", None)
    if _whole.get() or isatty is None or not isatty():
        return None
    return max(20, shutil.get_terminal_size().columns)


def print_rows(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    title: str = "",
    *,
    text_columns: int = 1,
    least: Sequence[str] = (),
    folded: Sequence[str] | None = None,
    whole: str = "--wide",
) -> None:
    """Print a table; the first columns are text, the others are numbers.

    In a terminal that is too narrow long text is folded, then columns are left out and named;
    a number is never cut short.

    Args:
        columns: their headings.
        rows: the cells, any text.
        title: a line above the table.
        text_columns: how many of the first columns are text.
        least: headings of the columns that are left out first, in this order; then the last ones.
        folded: headings of the columns of text that may be folded; None for all.
        whole: what prints the columns that are left out.
    """
    from rich.cells import cell_len

    headings = [one_line(column) for column in columns]
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [
        max([cell_len(heading), *(cell_len(row[at]) for row in cells)])
        for at, heading in enumerate(headings)
    ]
    width = terminal_width()
    text = range(text_columns)
    folds = [at for at in text if folded is None or columns[at] in folded]
    narrow = [min(each, NARROWEST_TEXT) if at in folds else each for at, each in enumerate(widths)]
    kept = _fitting(headings, narrow, least, width)
    table = _table(headings, cells, kept, text_columns, title, folds if width is not None else ())
    # Never narrower than the table: a number cut short would be worse than a wrapped line.
    natural = _width(widths, kept)
    least_width = _width(narrow, kept)
    _draw(table, natural if width is None else max(least_width, min(natural, width)))
    hidden = [heading for at, heading in enumerate(headings) if at not in kept]
    if hidden:
        say(f"not shown in this width: {', '.join(hidden)}; {whole} prints every column\n")


def say(text: str, indent: int = 0) -> None:
    """Write text; in a narrower terminal its paragraphs are filled to the width.

    Args:
        text: lines; a blank one, an indented one and the end of a sentence stay where they are.
        indent: spaces before the lines after the first one of each paragraph.
    """
    width = terminal_width()
    if width is None or all(len(line) <= width for line in text.splitlines()):
        sys.stdout.write(text)
        return
    for paragraph in _paragraphs(printable(text)):
        filled = textwrap.fill(
            paragraph, width, subsequent_indent=" " * indent, break_on_hyphens=False
        )
        sys.stdout.write(f"{filled}\n" if filled else "\n")


def _paragraphs(text: str) -> Iterator[str]:
    """Yield lines, those joined that were broken because the next word did not fit."""
    paragraph = ""
    last = 0
    for line in text.splitlines():
        first = line.partition(" ")[0]
        if paragraph and first and last + 1 + len(first) > FULL:
            paragraph += f" {line}"
        else:
            if paragraph:
                yield paragraph
            paragraph = line
            if not line:
                yield ""
        last = len(line)
    if paragraph:
        yield paragraph


def _fitting(
    headings: Sequence[str], narrow: Sequence[int], least: Sequence[str], width: int | None
) -> list[int]:
    """Return the columns that fit into a width with the least width of each."""
    kept = list(range(len(headings)))
    order = [at for name in least for at in kept if headings[at] == name]
    order += [at for at in reversed(kept) if at not in order and at > 0]
    for at in order:
        if width is None or _width(narrow, kept) <= width:
            break
        kept.remove(at)
    return kept


def _width(widths: Sequence[int], kept: Sequence[int]) -> int:
    """Return the width of a table with columns of these widths, as rich draws it."""
    return sum(widths[at] + 2 for at in kept)


def _table(
    headings: Sequence[str],
    cells: Sequence[Sequence[str]],
    kept: Sequence[int],
    text_columns: int,
    title: str,
    folds: Sequence[int],
) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD,
        title=one_line(title) or None,
        title_justify="left",
        pad_edge=False,
        collapse_padding=True,
    )
    for at in kept:
        table.add_column(
            headings[at],
            justify="left" if at < text_columns else "right",
            no_wrap=at not in folds,
            overflow="fold",
        )
    for row in cells:
        table.add_row(*(row[at] for at in kept))
    return table


def _draw(table: Table, width: int) -> None:
    from rich.console import Console

    # Nothing in a cell means anything but itself, be it [bold] or :smile:.
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    console.width = width
    with console.capture() as drawn:
        console.print(table, soft_wrap=True)
    for line in drawn.get().splitlines():
        write_styled(f"{line.rstrip()}\n")
