"""`run.json`, `explanations.jsonl` and `scores.parquet`: what a run leaves on the disk."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import metrics
from benchmark.results import Run, explanation_bytes
from tests.command import D_MLP, DEAD, N_LAYERS, SETTINGS, Command, explanations

METRICS = ("pearson", "cosine", "auprc", "f1", "precision", "recall", "iou")
SCORING_SETS = ("uniform", "novel", "uniform_small", "top", "top_and_random")
DRAWN_SETS = ("uniform", "uniform_small")
SUPPORT = ("effective_tokens", "pearson_low", "pearson_high")
RESAMPLED = ("auprc", "f1", "pearson")  # on resamples of the documents of the drawn sets
COSTS = ("subject_tokens", "explain_seconds", "simulate_seconds", "bytes")
DETECTION = ("auc", "balanced_accuracy", "activating", "non_activating")
TEXT = ("characters", "lines")  # null: what `token_lookup` shows is a part of its table


@pytest.fixture
def run(command: Command) -> Run:
    return command.finished("explainer=token_lookup")


def test_files_are_where_the_design_says(command: Command, run: Run) -> None:
    place = f"results/small/text/token_lookup/{run.record.run_id}"
    assert {name for name in command.files() if name.startswith("results/")} == {
        f"{place}/run.json",
        f"{place}/explanations.jsonl",
        f"{place}/scores.parquet",
    }
    assert {name.split("/")[0] for name in command.files()} == {"results", "cache"}


def test_the_table_has_the_stable_columns(run: Run) -> None:
    schema = pq.read_schema(run.folder / "scores.parquet")
    expected = ["layer", "neuron", "status", "error"]
    for scoring_set in SCORING_SETS:
        expected += [f"{scoring_set}/{name}" for name in (*METRICS, "undefined")]
    expected += [f"{scoring_set}/positives" for scoring_set in SCORING_SETS]
    expected += [f"{one}/{name}" for one in DRAWN_SETS for name in SUPPORT]
    expected += [f"detection/{small}{name}" for small in ("", "small_") for name in DETECTION]
    expected += [f"cost/{name}" for name in (*COSTS, *TEXT)]
    assert run.scores.columns == expected
    resampled = [f"resampled/{one}/{name}" for one in DRAWN_SETS for name in RESAMPLED]
    assert schema.names == [*expected, *resampled]
    kinds = {name: str(schema.field(name).type) for name in expected}
    assert [kinds[name] for name in expected[:4]] == ["int64", "int64", "string", "string"]
    assert all(kinds[f"{each}/undefined"] == "bool" for each in SCORING_SETS)
    assert all(kinds[f"{each}/positives"] == "int64" for each in SCORING_SETS)
    assert all(kinds[f"{each}/{name}"] == "double" for each in SCORING_SETS for name in METRICS)
    assert all(kinds[f"uniform/{name}"] == "double" for name in SUPPORT)
    assert all(kinds[f"cost/{name}"] == "int64" for name in TEXT)


def test_the_record_holds_what_is_needed_to_repeat_the_run(
    command: Command, checkpoint: Path, texts: Path, run: Run
) -> None:
    data = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert data["schema_version"] == 1
    assert data["command"][:4] == ["python", "-m", "benchmark", "run"]
    assert data["command"][-1] == "explainer=token_lookup"
    assert set(SETTINGS) <= set(data["command"])
    subject = data["subject"]
    assert subject["name"] == "small"
    assert subject["source"] == str(checkpoint)
    assert subject["site"] == "blocks.{layer}.mlp.ln.hook_in"
    assert (subject["n_layers"], subject["d_mlp"]) == (N_LAYERS, D_MLP)
    assert (subject["device"], subject["dtype"]) == ("cpu", "float32")
    assert subject["batch_tokens"] > 0
    corpus = data["corpus"]
    assert corpus["name"] == "text"
    assert corpus["context_length"] == 16
    assert corpus["counts"]["source"] == {"kind": "text", "files": 80}
    for split in ("explain", "calibrate", "held_out"):
        counts = corpus["counts"][split]
        assert counts["contexts"] * 16 > counts["tokens"] > 0
    for fingerprint in (subject["fingerprint"], corpus["fingerprint"]):
        assert len(bytes.fromhex(fingerprint)) == 32
    neurons = data["neurons"]
    assert {layer: len(some) for layer, some in neurons["per_layer"].items()} == {"0": 6, "1": 6}
    assert (neurons["asked"], neurons["explained"], neurons["coverage"]) == (12, 12, 1.0)
    assert neurons["dead"]["1"] >= 1
    assert DEAD[1] not in neurons["per_layer"]["1"]
    assert data["explainer"] == {
        "name": "token_lookup",
        "target": "explainers.token_lookup.TokenLookup",
        "evidence": "exemplars+sample",
        "control": False,
        "options": data["config"]["explainer"],
    }
    assert data["config"]["dataset"]["path"] == str(texts)
    assert data["config"]["contexts"]["exemplars"] == 4
    assert data["seeds"] == {"seed": 0, "neurons": 0}
    environment = data["environment"]
    assert {"torch", "transformer-lens", "transformers", "datasets"} <= set(environment["packages"])
    assert environment["python"].startswith("CPython 3.")
    assert data["started"] <= data["finished"]
    assert data["timings"]["total_seconds"] > 0
    assert set(data["files"]) == {"scores.parquet", "explanations.jsonl"}
    for name, file in data["files"].items():
        content = (run.folder / name).read_bytes()
        assert (file["bytes"], file["sha256"]) == (
            len(content),
            hashlib.sha256(content).hexdigest(),
        )


def test_the_record_names_the_commit(run: Run) -> None:
    project = Path(__file__).parents[2]
    git = ["git", "-C", str(project), "rev-parse", "HEAD"]
    found = subprocess.run(git, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("this is not a git checkout")
    assert run.record.environment.git is not None
    assert run.record.environment.git.commit == found.stdout.strip()


def test_the_summary_is_that_of_the_rows(run: Run) -> None:
    for scoring_set in SCORING_SETS:
        for name in METRICS:
            column = run.scores.column(f"{scoring_set}/{name}")
            summary = run.record.metric(f"{scoring_set}/{name}")
            assert summary is not None
            assert summary.n == (~np.isnan(column)).sum()
            assert summary.n + summary.n_null == 12
            options = {"resamples": 200, "level": 0.95, "seed": 0}
            estimate = metrics.mean_over_neurons(column, **options)
            assert (summary.mean, summary.neuron_low, summary.neuron_high) == (
                estimate.mean,
                estimate.low,
                estimate.high,
            )
            assert summary.mean == pytest.approx(np.nanmean(column))
            replicates = run.scores.replicates(f"{scoring_set}/{name}")
            assert (replicates is not None) == (scoring_set in DRAWN_SETS and name in RESAMPLED)
            if replicates is None:
                assert summary.over == "neurons"
            else:
                assert summary.over == "neurons and documents"
                estimate = metrics.mean_over_neurons_and_documents(column, replicates, **options)
            assert (summary.low, summary.high) == (estimate.low, estimate.high)
    for cost in COSTS:
        summary = run.record.metric(f"cost/{cost}")
        assert summary is not None
        assert summary.mean == pytest.approx(run.scores.column(f"cost/{cost}").mean())
    for name in TEXT:
        summary = run.record.metric(f"cost/{name}")
        assert summary is not None
        assert (summary.mean, summary.n, summary.n_null) == (None, 0, 12)


def test_every_neuron_has_a_row_and_a_line(run: Run) -> None:
    asked = [(layer, one) for layer, some in run.record.neurons.per_layer.items() for one in some]
    assert run.scores.neurons() == sorted(asked)
    lines = explanations(run)
    assert [(line["layer"], line["neuron"]) for line in lines] == sorted(asked)
    for line, row in zip(lines, run.scores.rows(), strict=True):
        assert line["status"] == row["status"] == "ok"
        assert row["error"] is None
        assert row["cost/bytes"] == explanation_bytes(line["explanation"])


def test_no_line_names_this_machine(command: Command) -> None:
    import platform

    run = command.finished("explainer=zero")
    text = (run.folder / "run.json").read_text(encoding="utf-8")
    if len(platform.node()) > 4:
        assert platform.node() not in text


def test_tokens_that_an_explainer_asks_about_are_its_cost(command: Command) -> None:
    run = command.finished("explainer._target_=tests.runs.methods.Asks")
    # 4 exemplars of 16 tokens for each neuron of the block, twice, shared among the neurons.
    assert run.scores.column("cost/subject_tokens").tolist() == [128.0] * 12
    assert run.record.explainer.evidence == "exemplars"


def test_one_seed_gives_one_result_and_another_seed_another(command: Command) -> None:
    one = command.finished("explainer=random")
    again = command.finished("explainer=random", "fresh=true")
    other = command.finished("explainer=random", "seed=1")
    assert explanations(one) == explanations(again)
    assert explanations(one) != explanations(other)
    assert other.record.seeds["seed"] == 1
