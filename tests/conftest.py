"""Fixtures that several packages' tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.hub import Hub

# How fast an example runs depends on what else the machine does.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# A shell that begins the tests in the background has them ignore Ctrl-C, which some tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A stand-in for the Hugging Face hub with no repositories, and an empty local cache."""
    server = Hub(tmp_path / "huggingface")
    yield server
    server.stop()
