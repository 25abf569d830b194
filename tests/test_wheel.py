"""The installed wheel runs without the checkout: configs and the built-in model travel with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PACKAGES = ("benchmark", "explainers", "metrics", "leaderboards", "configs")
SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")

# Runs the command line and tells where its parts were found.
WHERE = """
import sys
import benchmark, configs, explainers, leaderboards, metrics
for package in (benchmark, configs, explainers, leaderboards, metrics):
    print(package.__path__[0], file=sys.stderr)
from benchmark.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the checkout, with what is installed and no network."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in PACKAGES:
        shutil.copytree(PROJECT / name, source / name, ignore=SKIPPED)
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        if (PROJECT / name).exists():
            shutil.copy(PROJECT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    command += ["--no-index", "--quiet", "--wheel-dir", str(folder), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if built.returncode and ("setuptools" in built.stderr or "named pip" in built.stderr):
        pytest.skip(f"pip and setuptools here build no wheel: {built.stderr.strip()[-200:]}")
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The wheel's packages in a folder of their own, as pip puts them into site-packages."""
    site = wheel.parent / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def run(installed: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    return subprocess.run(
        [sys.executable, "-P" if sys.version_info >= (3, 11) else "-s", "-c", WHERE, *words],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.slow
def test_every_file_that_is_needed_travels(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        weights = [
            archive.getinfo(name)
            for name in names
            if name.startswith("benchmark/builtin/") and name.endswith("model.safetensors")
        ]
    expected = {
        path.relative_to(PROJECT).as_posix()
        for package in PACKAGES
        for pattern in ("*.py", "*.yaml", "py.typed", "*.html", "*.css", "*.js", "*.txt")
        for path in (PROJECT / package).rglob(pattern)
    }
    expected |= {
        path.relative_to(PROJECT).as_posix()
        for folder in ("solu_tiny", "gelu_tiny")
        for path in (PROJECT / "benchmark" / "builtin" / folder).glob("*")
    }
    expected |= {
        path.relative_to(PROJECT).as_posix()
        for pattern in ("schemas/*.json", "**/*.mplstyle")
        for path in (PROJECT / "leaderboards").glob(pattern)
    }
    assert expected - names == set()
    assert not [name for name in names if name.startswith("leaderboards/published/")]
    assert not [name for name in names if name.startswith("tests/")]
    assert 0 < sum(each.file_size for each in weights) <= 24e6
    assert any(name.endswith("dist-info/entry_points.txt") for name in names)
    assert any("LICENSE" in name for name in names)


@pytest.mark.slow
def test_it_lists_and_plans_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    listed = run(installed, tmp_path, "list", "--json")
    assert listed.returncode == 0, listed.stderr
    places = listed.stderr.splitlines()
    assert len(places) == len(PACKAGES)
    assert all(Path(place).parent == installed for place in places)
    found = json.loads(listed.stdout)
    assert {"solu-tiny", "gelu-tiny"} <= {row["name"] for row in found["models"]}
    assert "token_lookup" in [row["name"] for row in found["explainers"]]
    planned = run(
        installed,
        tmp_path,
        "run",
        "--dry-run",
        "dataset.max_documents=40",
        "device=cpu",
        f"cache_dir={tmp_path / 'cache'}",
    )
    assert planned.returncode == 0, planned.stderr
    assert "solu-tiny" in planned.stdout
    assert all(Path(place).parent == installed for place in planned.stderr.splitlines()[:5])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_it_runs_and_names_no_commit(installed: Path, tmp_path: Path) -> None:
    done = run(
        installed,
        tmp_path,
        "run",
        "explainer=token_lookup",
        "dataset.max_documents=60",
        "context_length=32",
        "contexts.explain=40",
        "contexts.held_out=20",
        "neurons.per_layer=3",
        "neurons.layers=[0]",
        "bootstrap.resamples=100",
        "device=cpu",
        f"cache_dir={tmp_path / 'cache'}",
    )
    assert done.returncode == 0, done.stderr
    (record,) = (tmp_path / "results").rglob("run.json")
    data = json.loads(record.read_text(encoding="utf-8"))
    assert data["environment"]["git"] is None
    assert data["benchmark_version"] not in ("", "unknown")
    assert data["neurons"]["explained"] == 3
