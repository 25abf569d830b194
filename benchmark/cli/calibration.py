"""Lines of `show` about the calibration of a run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmark.terminal.table import print_rows, say
from leaderboards.cells import marked, marks_legend, neuron_interval, number

if TYPE_CHECKING:
    from benchmark.results import Run


def print_calibration(run: Run) -> None:
    """The means on uniformly drawn contexts before and after calibration, if there was any."""
    record = run.record
    clipped = record.summary.get("calibration/clipped")
    if clipped is None:
        return
    metrics = [
        name.removeprefix("uniform/")
        for name in run.scores.metric_columns
        if name.startswith("uniform/")
    ]
    rows = []
    for name in metrics:
        before = record.metric(f"uniform/{name}")
        after = record.metric(f"uniform_calibrated/{name}")
        rows.append([marked(name), number(before), number(after), neuron_interval(after)])
    sys.stdout.write("\n")
    print_rows(
        ["score", "as predicted", "calibrated", "95 % over neurons"],
        rows,
        title=f"after {record.config.get('calibration')} calibration, on uniformly drawn contexts",
    )
    sys.stdout.write(marks_legend(metrics))
    say(
        "calibrated: each neuron's predictions mapped to its scale, as fitted on the calibrate "
        f"split; never\nthe headline. {clipped} of {record.neurons.explained} explained neurons "
        "fall where their prediction rises: calibrated, they are\npredicted their mean.\n"
    )


def print_neuron_calibration(row: Mapping[str, Any]) -> None:
    """The map of one neuron, if there is one."""
    if row.get("calibration/clipped"):
        text = "slope clipped to 0, because the neuron falls where its prediction rises"
    elif row.get("calibration/slope") is not None:
        text = (
            f"{row['calibration/slope']:.4g} times the prediction, "
            f"{row['calibration/intercept']:+.4g}"
        )
    else:
        return
    sys.stdout.write(f"calibration: {text}\n")
