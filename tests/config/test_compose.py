"""Configurations are composed in any program, also one that uses Hydra itself or threads."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmark.config.compose import compose, compose_sweep
from benchmark.config.run_config import check_config
from benchmark.errors import BenchmarkError
from tests.api import explainers
from tests.command import Command, call, child_environment

PROGRAM = """
import os, sys
import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.version import getbase
from benchmark.config.compose import compose, compose_sweep

@hydra.main(version_base="1.2", config_path=None)
def main(config):
    inside, arguments, variables = GlobalHydra.instance().hydra, list(sys.argv), dict(os.environ)
    for _ in range(2):
        assert compose(["explainer=zero"]).explainer.name == "zero"
        assert len(compose_sweep(["seed=1,2"])) == 2
    try:
        compose(["neurons.layers=[0"])
    except Exception:
        pass
    assert GlobalHydra.instance().hydra is inside is not None
    assert HydraConfig.get().job.name == "program" and str(getbase()) == "1.2"
    assert hydra.compose(overrides=["+a=1"]).a == 1
    assert (list(sys.argv), dict(os.environ)) == (arguments, variables)
    print("composed")

main()
"""


def test_a_program_of_hydras_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    words = [sys.executable, "program.py", "hydra.run.dir=.", "hydra.output_subdir=null"]
    found = subprocess.run(
        words, cwd=tmp_path, env=child_environment(), capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "composed\n"), found.stderr


def test_threads_compose_what_each_asks_for() -> None:
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda seed: compose([f"seed={seed}"]).seed, range(40))
    assert list(found) == list(range(40))


def test_nothing_of_the_process_changes() -> None:
    before = list(sys.argv), dict(os.environ)
    compose_sweep(["explainer=zero,mean"])
    assert (list(sys.argv), dict(os.environ)) == before


@pytest.mark.parametrize(
    ("word", "pairs"),
    [
        ("3.400", [[3, 400]]),
        ("[3.400]", [[3, 400]]),
        ('["3.400"]', [[3, 400]]),
        ("['3.400']", [[3, 400]]),
        ("[3.4, 3.400,0.12]", [[0, 12], [3, 4], [3, 400]]),
        ("[[3,400],0.10]", [[0, 10], [3, 400]]),
        ("[3/400]", [[3, 400]]),
    ],
)
def test_a_neuron_is_what_was_typed(word: str, pairs: list[list[int]]) -> None:
    assert check_config(compose([f"neurons.list={word}"])).neurons.list == pairs


def test_a_sweep_over_neurons() -> None:
    configs = map(check_config, compose_sweep(["neurons.list=3.400,[3.4,0.10]", "seed=0,1"]))
    found = [(config.neurons.list, config.seed) for config in configs]
    both = [[0, 10], [3, 4]]
    assert found == [([[3, 400]], 0), ([[3, 400]], 1), (both, 0), (both, 1)]


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("metrics=[pearson,f1]", ["pearson", "f1"]),
        ("metrics=['pearson', 'f1']", ["pearson", "f1"]),
        ("metrics=spearman", ["spearman"]),
        ("metrics.metrics=[f1]", ["f1"]),
    ],
)
def test_metrics_by_name(word: str, names: list[str]) -> None:
    assert check_config(compose([word])).metrics.metrics == names


def test_metrics_are_swept_as_names_and_lists() -> None:
    configs = map(check_config, compose_sweep(["metrics=[pearson,f1],auprc,causal"]))
    found = [(config.metrics.metrics[:2], config.metrics.causal is None) for config in configs]
    assert found == [(["pearson", "f1"], True), (["auprc"], True), (["pearson", "cosine"], False)]


def test_models_bring_their_corpora_in_a_sweep() -> None:
    assert [one.dataset.name for one in compose_sweep(["model=planted,gelu-tiny"])] == [
        "stdlib",
        "stdlib",
    ]
    with pytest.raises(BenchmarkError, match="these models have different corpora"):
        compose_sweep(["model=planted,pythia-70m"])


def test_an_option_of_ones_own_class_needs_no_plus(command: Command) -> None:
    target = f"explainer._target_={explainers.__name__}.Constant"
    with_plus = command.finished(target, "+explainer.k=0.1")
    without = command.run(target, "explainer.k=0.1")
    assert "finished before" in without.out
    assert with_plus.record.explainer.options["k"] == 0.1
    assert "unexpected keyword argument 'kk'" in command.run(target, "explainer.kk=1").message
    # Options of the benchmark's own explainers are known, so a slip is noticed at once.
    message = command.run("explainer=token_lookup", "explainer.min_cont=1").message
    assert "did you mean 'explainer.min_count'?" in message


def test_metrics_of_a_list_in_other_verbs(command: Command) -> None:
    run = command.finished("explainer=mean", "metrics=[pearson,f1]")
    assert call("score", str(run.folder), "metrics=[cosine]").status == 0
    answer = call("sanity", str(run.folder), "metrics=[cosine,f1]")
    assert answer.status == 0, answer.err
    assert "cosine" in answer.out


@pytest.mark.parametrize("file", ["configs/config.yaml", "configs/__init__.py", "configs.py"])
def test_a_projects_own_configs_are_its_own(file: str, tmp_path: Path) -> None:
    """Also where the program imports them before the benchmark, or its explainer does."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("mine = 5\n" if file.endswith(".py") else "mine: 5\n")
    imports = "import configs; assert configs.mine == 5" if file.endswith(".py") else "pass"
    (tmp_path / "theirs.py").write_text(
        f"{imports}\nfrom tests.third_party.example_explainer import OneToken\n"
    )
    for words in (
        ["-m", "benchmark", "run", "explainer._target_=theirs.OneToken", "model=planted"],
        ["-c", f"{imports}\nimport theirs, benchmark\nbenchmark.load_subject('planted')"],
    ):
        dry = ["dry_run=true", "dataset.max_documents=160"] if "run" in words else []
        found = subprocess.run(
            [sys.executable, *words, *dry],
            cwd=tmp_path,
            env={**child_environment(), "XDG_CACHE_HOME": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stderr
