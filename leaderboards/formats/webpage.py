"""HTML: the tables alone, in one file that needs nothing else; `report` makes a whole site."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from leaderboards.page import Page
from leaderboards.tables import LEGEND, Table

STYLE = """\
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem;
  padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0 1.5rem; }
th, td { padding: .25rem .6rem; text-align: right; white-space: nowrap; }
th { border-bottom: 1.5px solid; font-weight: 600; }
td { border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
.text { text-align: left; }
td.long { white-space: normal; min-width: 20rem; }
p { max-width: 60rem; }
"""
LONG = 60


def render(page: Page) -> str:
    """Return the page as one HTML document."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Leaderboards</title><style>\n{STYLE}</style></head><body>",
        "<h1>Leaderboards</h1>",
    ]
    for section in page.sections():
        if section.title:
            parts.append(f"<h2>{escape(section.title)}</h2>")
        for table in section.tables:
            parts += _table(table)
    parts += [f"<p>{escape(LEGEND)}</p>", "</body></html>"]
    return "\n".join(parts) + "\n"


def _table(table: Table) -> list[str]:
    level = table.level
    found = [f"<h{level}>{escape(table.title)}</h{level}>"]
    if table.caption:
        found.append(f"<p>{escape(table.caption)}</p>")
    found.append('<div class="wide"><table><thead>')
    found.append(_line("th", table.columns, table.text_columns))
    found.append("</thead><tbody>")
    found += [_line("td", row, table.text_columns) for row in table.rows]
    found.append("</tbody></table></div>")
    return [*found, f"<p>{escape(table.note)}</p>"] if table.note else found


def _line(tag: str, cells: Sequence[str], text_columns: int) -> str:
    found = []
    for place, cell in enumerate(cells):
        kinds = ["text"] * (place < text_columns) + ["long"] * (len(cell) > LONG)
        kind = f' class="{" ".join(kinds)}"' if kinds else ""
        found.append(f"<{tag}{kind}>{escape(cell)}</{tag}>")
    return f"<tr>{''.join(found)}</tr>"
