"""Amounts are written in the unit in which they are read."""

import pytest

from benchmark.terminal.amounts import duration, gigabytes


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 kB"), (19_600, "20 kB"), (7_340_000, "7.3 MB"), (1e8, "0.1 GB"), (3.53e11, "353.0 GB")],
)
def test_bytes(size: int, text: str) -> None:
    assert gigabytes(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.31, "0.4 s"),
        (40, "40 s"),
        (119, "119 s"),
        (120, "2.0 min"),
        (7200, "2.0 h"),
        (7 * 86400, "7.0 days"),
    ],
)
def test_seconds(seconds: float, text: str) -> None:
    assert duration(seconds) == text
