"""Effect on every score of keeping activations in half precision, as a Markdown table.

python -m leaderboards.storage_precision                          # writes it into docs/scaling.md
python -m leaderboards.storage_precision --results results/precision --model solu-tiny
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.column import SCORE
from benchmark.results import Run, find_runs, load_run
from leaderboards.publishing import call

EXPLAINERS = ("n2g", "token_lookup", "context_tree")
DTYPES = ("float16", "bfloat16")
PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
BEGIN, END = "<!-- storage precision -->", "<!-- end of storage precision -->"


def measure(model: str, results: Path) -> list[Run]:
    """Run every explainer in every precision; finished runs are used as they are.

    Raises:
        CalledProcessError: a run failed.
    """
    for dtype in ("float32", *DTYPES):
        words = ["run", "-m", f"explainer={','.join(EXPLAINERS)}", f"model={model}"]
        call([*words, f"storage.dtype={dtype}", f"results_dir={results}"])
    return [load_run(folder) for folder in find_runs([results])]


def table(runs: Sequence[Run]) -> str:
    """Return for every score how far half precision moves its mean, and the furthest neuron."""
    heads = [f"`{name}`, {dtype}" for name in EXPLAINERS for dtype in DTYPES]
    lines = [f"| score | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    by_place = {(run.record.explainer.name, _dtype(run)): run.scores for run in runs}
    exact = by_place[EXPLAINERS[0], "float32"]
    for column in (one.name for one in exact.described if one.kind == SCORE):
        cells = []
        for name in EXPLAINERS:
            true = by_place[name, "float32"].column(column).astype(float)
            for dtype in DTYPES:
                moved = by_place[name, dtype].column(column).astype(float) - true
                known = moved[~np.isnan(moved)]
                mean, most = float(known.mean()), float(np.abs(known).max(initial=0))
                cells.append(f"{mean:+.1e} ({most:.1e})")
        lines.append(f"| `{column}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _dtype(run: Run) -> str:
    storage = run.record.config.get("storage") or {}
    return str(storage.get("dtype") or run.record.subject.dtype)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and put the table into the page; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m leaderboards.storage_precision",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--results", type=Path, default=Path("results/precision"))
    parser.add_argument("--model", default="solu-tiny")
    given = parser.parse_args(arguments)
    found = table(measure(given.model, given.results))
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{found}\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
