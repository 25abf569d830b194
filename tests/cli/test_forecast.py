"""`forecast` answers for any model, from its shape alone, and loads nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.evaluation.shapes import KNOWN
from benchmark.evaluation.shard_costs import read_costs
from tests.command import HEAVY, Command, call, child_environment

GPT2 = ("--shape", "gpt2-small")


def rows(*words: str) -> list[list[str]]:
    """The cells of the table, those with a unit in one."""
    answer = call("forecast", *words)
    assert (answer.status, answer.err) == (0, "")
    lines = answer.out.splitlines()
    start = next(at for at, line in enumerate(lines) if "───" in line)
    return [line.split("  ") for line in lines[start + 1 : lines.index("", start)]]


def cells(*words: str) -> list[list[str]]:
    return [[cell.strip() for cell in row if cell.strip()] for row in rows(*words)]


def test_all_known_models_on_one_and_more_gpus() -> None:
    found = cells()
    assert [(row[0], row[2]) for row in found] == [
        (name, workers) for name in KNOWN for workers in ("1", "8", "64")
    ]
    neurons = {row[0]: row[1] for row in found}
    assert neurons["solu-8l"] == "32,768"
    assert neurons["llama-3.1-8b"] == "458,752"


def test_one_model_with_chosen_workers() -> None:
    found = cells(*GPT2, "--workers", "2,3")
    assert [row[:3] for row in found] == [
        ["gpt2-small", "36,864", "2"],
        ["gpt2-small", "36,864", "3"],
    ]


def test_neurons_that_are_named() -> None:
    (row,) = cells(*GPT2, "--workers", "1", "neurons.list=[0.3,0.4,7.1]")
    assert row[1] == "3"


@pytest.mark.parametrize(
    "words",
    [
        ("storage.dtype=bfloat16",),
        ("storage.neurons=1024",),
        ("neurons.per_layer=64",),
        ("neurons.layers=[0,1]",),
    ],
)
def test_what_takes_less_room(words: tuple[str, ...]) -> None:
    def disk(*words: str) -> float:
        (row,) = cells(*GPT2, "--workers", "1", *words)
        number, unit = row[-2].split()
        return float(number) * {"GB": 1, "MB": 1e-3}[unit]

    assert disk(*words) < 0.7 * disk()


def test_a_sample_takes_room_where_it_is_seen() -> None:
    seen = cells(*GPT2, "--workers", "1", "explainer=context_tree")
    unseen = cells(*GPT2, "--workers", "1", "explainer=n2g")
    assert float(seen[0][-1].split()[0]) > 2 * float(unseen[0][-1].split()[0])


def test_a_model_that_nobody_has(tmp_path: Path) -> None:
    config = {"num_hidden_layers": 3, "hidden_size": 16, "intermediate_size": 64}
    config |= {"vocab_size": 100, "num_attention_heads": 2, "model_type": "llama"}
    file = tmp_path / "huge" / "config.json"
    file.parent.mkdir()
    file.write_text(json.dumps(config))
    numbers = "layers=3,width=16,neurons=64,vocabulary=100,heads=2,gated=true,name=huge"
    assert rows("--shape", str(file)) == rows("--shape", numbers)
    assert rows("--shape", str(file))[0][0:1] == rows("--shape", str(file.parent))[0][0:1]


def test_the_costs_of_a_run_of_ones_own(command: Command) -> None:
    run = command.finished("explainer=n2g")
    file = command.folder / "costs.json"
    answer = call("forecast", "--run", str(run.folder), "--save", str(file), *GPT2)
    assert answer.status == 0, answer.err
    assert "measured, on small (" in answer.out
    assert read_costs(file)["n2g"].neurons == 12
    again = call("forecast", "--costs", str(file), *GPT2)
    assert (again.status, again.out) == (0, answer.out)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--shape", "gpt3"], "shape 'gpt3' is not known"),
        (["--workers", "0"], "--workers 0 must be a whole number, at least 1"),
        (["--workers", "1,two"], "--workers two must be a whole number"),
        (["--teraflops", "0"], "--teraflops 0 must be a number above 0"),
        (["--disk-rate", "fast"], "--disk-rate fast must be a number above 0"),
        (["--utilisation", "1.5"], "--utilisation 1.5 must be at most 1"),
        (["--save", "costs.json"], "--save belongs to --run"),
        (["--costs", "nowhere.json"], "--costs 'nowhere.json' does not exist"),
        (["--run", "results/nowhere"], "results/nowhere"),
        (["explainer=mean"], "cost of explainer 'mean' is not known"),
        (["contexts.explain=null"], "contexts.explain=null means the whole split"),
        (["neurons.layers=[]"], "neurons.layers is empty"),
        (["neurons.layers=[99]"], "layer 99 does not exist: 'solu-8l' has layers 0 to 7"),
        (["neurons.list=[0.9999]"], "neuron 0.9999 does not exist: layer 0 of 'solu-8l'"),
        (["contexts.exemplar=3"], "did you mean 'contexts.exemplars'"),
    ],
)
def test_what_cannot_be_forecast(
    words: list[str], part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert part in call("forecast", *words).message


def test_nothing_heavy_is_loaded() -> None:
    program = (
        "import sys; from benchmark.cli.main import main; main(['forecast']); "
        f"print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert found.stdout.splitlines()[-1] == "loaded:"
