"""The tables in the repository are those of the runs beside them."""

from __future__ import annotations

from pathlib import Path

import leaderboards
from leaderboards.submissions_folder import stale

FOLDER = Path(leaderboards.__file__).parent / "published"


def test_the_published_tables_are_those_of_the_published_runs() -> None:
    assert stale(FOLDER) == [], (
        "rebuild them: python -m benchmark leaderboard leaderboards/published --rebuild"
    )


def test_nothing_large_is_published() -> None:
    """Explanations stay with the submitter; everything here is cloned by everybody."""
    sizes = {path: path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()}
    assert not [path for path in sizes if path.name == "explanations.jsonl"]
    assert max(sizes.values()) < 2**21
