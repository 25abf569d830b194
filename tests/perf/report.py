"""Report of the measurements: the command, the machine, and one table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date

from benchmark.results import collect_environment
from benchmark.terminal.table import print_rows
from tests.perf.comparison import Figures
from tests.perf.item import Item

SHOWN = ("torch", "tokenizers", "numpy", "transformer-lens")
COLUMNS = ("what", "measured", "baseline", "ratio", "target", "met")


def print_header(command: Sequence[str]) -> None:
    """The command, the date, the hardware, the versions, and how busy the machine is."""
    import torch

    found = collect_environment()
    versions = ", ".join(f"{name} {found.packages[name]}" for name in SHOWN)
    print(f"$ {' '.join(command)}")
    print(
        f"{date.today()}, {found.cpu}, {found.cpu_cores} cores, {torch.get_num_threads()} threads"
    )
    print(f"{found.python}, {versions}")
    if hasattr(os, "getloadavg"):
        print("load average before: " + ", ".join(f"{load:.1f}" for load in os.getloadavg()))


def print_table(results: Sequence[tuple[Item, Figures]]) -> None:
    """One line for every item."""
    print_rows(COLUMNS, [row(item, figures) for item, figures in results])


def row(item: Item, figures: Figures) -> list[str]:
    """The cells of one line."""
    target = item.target
    return [
        item.what,
        f"{three_digits(figures.measured)} {figures.unit}",
        f"{three_digits(figures.baseline)} {figures.unit}",
        f"{figures.ratio:.2f} ×",
        target.text(figures.unit) if target else "",
        ("yes" if target.met(figures) else "no") if target else "",
    ]


def three_digits(value: float) -> str:
    """A number as a person writes it: 0.0152, 7.24, 436, 1,330."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 1000 else f"{rounded:.3g}"
