"""The sentence that says how much of a corpus's held-out text was copied from `explain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def copies(counts: Mapping[str, Any]) -> str:
    """Return a sentence on the `copied` entry of a corpus's counts; empty for an old record."""
    share, found = copied_share(counts), counts.get("copied")
    if share is None or found is None:
        return ""
    return (
        f"{_percent(share)} of the {int(found['windows']):,} windows of "
        f"{found['window']} tokens in the held-out text also stand in the explain split."
    )


def copied_share(counts: Mapping[str, Any]) -> float | None:
    """Return the share of held-out windows that also stand in `explain`; None if not known."""
    found = counts.get("copied")
    if not isinstance(found, Mapping) or found.get("share") is None:
        return None
    return float(found["share"])


def _percent(share: float) -> str:
    """Return a share in percent with two digits that say something: 17 %, 0.83 %, 0.0012 %."""
    return (
        "0 %"
        if share == 0
        else f"{float(f'{100 * share:.2g}'):.10f}".rstrip("0").rstrip(".") + " %"
    )
