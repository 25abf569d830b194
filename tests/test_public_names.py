"""What the packages promise to export is there, and importing them loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

import benchmark
import leaderboards
import metrics
from tests.command import HEAVY


@pytest.mark.parametrize(
    "package", [benchmark, leaderboards, metrics], ids=lambda package: package.__name__
)
def test_every_promised_name_exists(package):
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = package.nonsense


def test_importing_the_packages_loads_no_heavy_library():
    code = (
        "import sys, benchmark, explainers, metrics, leaderboards, configs\n"
        "heavy = set(sys.argv[1:]) & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code, "hydra", *HEAVY], check=True)
