"""Quick answers: a bare call, `--help`, `list` and `--version`."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest

from benchmark.cli.main import VERBS
from tests.command import HEAVY, call, child_environment

# Runs the command line and tells which of the heavy modules it loaded.
LOADED = """
import sys
from benchmark.cli.main import main
status = main(sys.argv[2:])
loaded = [name for name in sys.argv[1].split(",") if name in sys.modules]
print("loaded:", *loaded, file=sys.stderr)
sys.exit(status)
"""


def python(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_a_bare_call_explains_itself(words: tuple[str, ...]) -> None:
    answer = call(*words)
    assert answer.status == 0
    assert answer.err == ""
    assert all(f"  {verb} " in answer.out for verb in VERBS)
    assert "python -m benchmark run" in answer.out


@pytest.mark.parametrize("verb", list(VERBS))
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_verb_explains_itself(verb: str, flag: str) -> None:
    answer = call(verb, flag)
    assert answer.status == 0
    assert answer.err == ""
    assert answer.out.startswith(f"usage: python -m benchmark {verb}")
    beside = call(verb, "something", flag)
    assert (beside.status, beside.out) == (0, answer.out)


def test_help_of_run_names_keys_that_exist() -> None:
    import re

    from benchmark.config.run_config import config_keys

    out = call("run", "--help").out
    named = set(re.findall(r"^  ([a-z_.]+)=", out, re.MULTILINE))
    assert {"neurons.per_layer", "fresh", "results_dir", "cache_dir"} <= named
    groups = {"explainer", "model", "dataset", "metrics", "tracking", "engine", "llm"}
    assert named <= {*config_keys(), *groups, "key", "simulator._target_"}
    config = next(line for line in out.splitlines() if line.startswith("every key:"))
    assert Path(config.partition(": ")[2]).is_file()


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--help",),
        ("run", "--help"),
        ("list",),
        ("list", "explainers", "n2g"),
        ("list", "metrics", "--json"),
    ],
)
def test_what_answers_at_once_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    result = python("-c", LOADED, ",".join((*HEAVY, "numpy", "omegaconf")), *words)
    assert result.returncode == 0, result.stderr
    assert result.stderr.split() == ["loaded:"]
    assert result.stdout


@pytest.mark.parametrize(
    "words", [("run", "explainer=n2h"), ("run", "neurons.per_layr=3"), ("list", "foo"), ("show",)]
)
def test_a_slip_of_the_keyboard_is_told_before_anything_heavy_is_loaded(
    words: tuple[str, ...],
) -> None:
    result = python("-c", LOADED, ",".join(HEAVY), *words)
    assert result.returncode == 1
    error, loaded = result.stderr.splitlines()
    assert error.startswith("error: ")
    assert loaded.split() == ["loaded:"]


def test_the_module_is_a_program(tmp_path: Path) -> None:
    result = python("-m", "benchmark", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout.startswith("Benchmark of neuron simulators")
    result = python("-m", "benchmark", "run", "explainer=zeroo", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("error: explainer 'zeroo' is not known; did you mean 'zero'?")
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "hidden", ["metrics.py", "leaderboards.py", "configs/__init__.py", "configs/config.yaml"]
)
def test_a_file_of_the_users_with_a_name_of_ours_hides_nothing(tmp_path: Path, hidden: str) -> None:
    (tmp_path / hidden).parent.mkdir(exist_ok=True)
    (tmp_path / hidden).write_text("raise RuntimeError('not the one')\n")
    if hidden == "leaderboards.py":
        (tmp_path / "empty").mkdir()
        result = python("-m", "benchmark", "leaderboard", "empty", cwd=tmp_path)
        assert "no finished run" in result.stderr
        return
    result = python("-m", "benchmark", "list", "metrics", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "pearson" in result.stdout


def test_a_module_of_that_name_that_was_imported_before_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = types.ModuleType("leaderboards")
    other.__file__ = str(tmp_path / "leaderboards.py")
    monkeypatch.setitem(sys.modules, "leaderboards", other)
    message = call("list").message
    assert message.startswith("the benchmark's package 'leaderboards' is hidden by ")
    assert str(tmp_path / "leaderboards.py") in message


def test_the_version() -> None:
    from importlib.metadata import version

    answer = call("--version")
    assert answer.status == 0
    assert answer.out == f"neuron-simulator-benchmark {version('neuron-simulator-benchmark')}\n"
