"""The sentence on copied text."""

from __future__ import annotations

import pytest

from benchmark.corpus.copies import copies
from benchmark.corpus.overlap import copied_record


@pytest.mark.parametrize(
    ("windows", "seen", "share"),
    [(1000, 0, "0 %"), (1000, 177, "18 %"), (100_000, 834, "0.83 %"), (10**6, 12, "0.0012 %")],
)
def test_the_share_is_a_percentage(windows: int, seen: int, share: str) -> None:
    sentence = copies({"copied": copied_record(windows, seen)})
    assert sentence.startswith(f"{share} of the {windows:,} windows of 32 tokens")


@pytest.mark.parametrize("counts", [{}, {"copied": None}, {"copied": copied_record(0, 0)}])
def test_nothing_is_said_where_nothing_was_counted(counts: dict) -> None:
    assert copies(counts) == ""
