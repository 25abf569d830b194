"""Imported runs: scores equal those of the same numbers, and every verb reads them or says why."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

import metrics
from benchmark.errors import BenchmarkError
from benchmark.evaluation.reopen import ReopenedRun
from benchmark.importing import import_explanations, imported_run
from benchmark.results import Run, load_run
from tests.command import call
from tests.importing.files_of_others import (
    neuronpedia_line,
    openai_record,
    transluce_record,
    write_delphi,
    write_lines,
    write_openai,
)

NEURONS = [(0, 3), (0, 5), (7, 11), (7, 12), (9, 0)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("imports")


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    write_openai(folder / "openai", NEURONS)
    (found,) = import_explanations(folder / "openai", "openai", folder / "results")
    assert (found.neurons, found.subject, found.scored) == (5, "gpt2-xl", True)
    return load_run(found.folder)


def recorded(layer: int, neuron: int) -> tuple[np.ndarray, np.ndarray, float]:
    scored = openai_record(layer, neuron)["scored_explanations"][0]["scored_simulation"]
    records = scored["scored_sequence_simulations"]
    truth = np.concatenate([one["true_activations"] for one in records])
    predicted = np.concatenate([one["simulation"]["expected_activations"] for one in records])
    return truth, predicted, scored["ev_correlation_score"]


def test_scores_are_those_of_the_recorded_numbers(run: Run) -> None:
    for row in run.scores.rows():
        truth, predicted, said = recorded(row["layer"], row["neuron"])
        assert row["top_and_random/pearson"] == pytest.approx(pearsonr(truth, predicted)[0])
        assert row["top_and_random/pearson"] == pytest.approx(said)
        assert row["openai/ev_correlation_score"] == said
        assert row["openai/absolute_dev_explained_score"] is None
        want = metrics.compute(
            list(metrics.METRICS),
            torch.tensor(truth)[None],
            torch.tensor(predicted)[None],
            torch.tensor([truth.max() / 2]),
        )
        for name, value in want.items():
            found = row[f"top_and_random/{name}"]
            assert found == pytest.approx(float(value)) if found is not None else value.isnan()
        assert row["top_and_random/positives"] == int((truth >= truth.max() / 2).sum())
    assert not [name for name in run.scores.columns if name.startswith("uniform")]


def test_the_record_says_that_it_was_imported(run: Run) -> None:
    record = run.record
    assert record.imported is not None
    assert (record.imported.format, record.imported.files) == ("openai", 5)
    assert record.corpus.counts["sequences"] == 50
    assert record.metric("top_and_random/pearson") is not None
    assert record.neurons.per_layer == {0: [3, 5], 7: [11, 12], 9: [0]}
    assert json.loads((run.folder / "run.json").read_text())["imported"]["format"] == "openai"


def test_the_sentences_can_be_simulated_elsewhere(run: Run) -> None:
    lines = (run.folder / "sentences.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines][:2] == [
        {"neuron": "0.3", "text": " words about cats 3"},
        {"neuron": "0.5", "text": " words about cats 5"},
    ]


def test_explanations_keep_the_recorded_sequences(run: Run) -> None:
    saved = run.explanation(7, 11)
    explanation = ReopenedRun(run).explanation(saved)
    assert explanation is not None
    assert explanation.describe() == " words about cats 11"
    truth, predicted, _ = recorded(7, 11)
    sequences = explanation.to_dict()["shown"]["sequences"]
    for name, want in (("truth", truth), ("predicted", predicted)):
        assert np.allclose(np.concatenate([one[name] for one in sequences]), want, rtol=1e-6)


def test_the_same_import_writes_nothing(run: Run, folder: Path) -> None:
    before = (run.folder / "run.json").read_bytes()
    (found,) = import_explanations(folder / "openai", "openai", folder / "results")
    assert found.reused
    assert found.folder == run.folder
    assert (run.folder / "run.json").read_bytes() == before


def test_show_and_sanity_read_it(run: Run) -> None:
    shown = call("show", str(run.folder))
    assert "top_and_random" in shown.out
    assert "5 files of openai" in shown.out
    assert "ev_correlation_score" in shown.out
    neuron = call("show", str(run.folder), "7.11")
    assert "words about cats 11" in neuron.out
    assert "strongest recorded sequences" in neuron.out
    assert "  1.00  " in neuron.out
    sanity = call("sanity", str(run.folder), "metrics=[pearson,f1]")
    assert "top_and_random/pearson" in sanity.out
    assert " 5 " in sanity.out
    assert call("leaderboard", str(run.folder)).status == 0


def test_sanity_tests_are_those_of_the_recorded_truth(run: Run) -> None:
    from benchmark.analysis.sanity import check_recorded

    (verdict,) = check_recorded(run, ["pearson"], seed=3)
    parts = [
        metrics.sanity_scores(
            ["pearson"],
            torch.tensor(truth)[None],
            torch.tensor([truth.max() / 2]),
            seeds=[(3, layer, neuron)],
        )
        for layer, neuron in NEURONS
        for truth in [recorded(layer, neuron)[0].astype(np.float32).astype(np.float64)]
    ]
    want = metrics.sanity_result("pearson", parts)
    assert verdict.result.score == pytest.approx(want.score, abs=1e-6)
    assert (verdict.result.missing, verdict.result.extra) == (want.missing, want.extra)


@pytest.mark.parametrize("verb", ["score", "report"])
def test_what_cannot_be_done_is_said(run: Run, verb: str) -> None:
    message = call(verb, str(run.folder)).message
    assert "was imported (openai): its language model and its text are not here" in message
    assert "explainer=sentences" in message


def test_runs_on_the_same_sequences_are_compared(run: Run, folder: Path) -> None:
    other = folder / "other"
    write_openai(other, NEURONS)
    for path in other.rglob("*.jsonl"):
        record = json.loads(path.read_text())
        scored = record["scored_explanations"][0]["scored_simulation"]
        for one in scored["scored_sequence_simulations"]:
            one["simulation"]["expected_activations"] = one["true_activations"]
        path.write_text(json.dumps(record))
    (found,) = import_explanations(other, "openai", folder / "results")
    compared = call("compare", str(run.folder), str(found.folder))
    assert "top_and_random/pearson" in compared.out
    assert "1.000" in compared.out
    levels = folder / "levels"
    write_openai(levels, NEURONS[:2])
    (less,) = import_explanations(levels, "openai", folder / "results")
    assert "of another corpus" in call("compare", str(run.folder), str(less.folder)).message


def test_constant_predictions_are_undefined_and_silence_has_no_score(tmp_path: Path) -> None:
    records = [openai_record(0, neuron) for neuron in range(3)]
    for record, key in ((records[0], "expected_activations"), (records[1], "true_activations")):
        scored = record["scored_explanations"][0]["scored_simulation"]
        for one in scored["scored_sequence_simulations"]:
            place = one if key in one else one["simulation"]
            place[key] = [0.0] * 12
    records[2]["scored_explanations"][0]["explanation"] = "  "
    path = write_lines(tmp_path / "records.jsonl", records)
    (found,) = import_explanations(path, "openai", tmp_path / "results")
    constant, silent, wordless = load_run(found.folder).scores.rows()
    assert (constant["top_and_random/pearson"], constant["top_and_random/undefined"]) == (0, True)
    assert silent["top_and_random/pearson"] is None
    assert silent["top_and_random/f1"] is None
    assert wordless["status"] == "failed"
    assert wordless["top_and_random/pearson"] is None


def test_recorded_scores_of_neuronpedia_and_delphi_are_columns(tmp_path: Path) -> None:
    lines = [neuronpedia_line(at) for at in range(3)] + [neuronpedia_line(1)]
    lines.append(neuronpedia_line(1, typeName="np_max-act", scores=[]))
    lines.append(neuronpedia_line(1, modelId="gpt2-xl"))
    write_lines(tmp_path / "batch.jsonl", lines)
    found = import_explanations(tmp_path / "batch.jsonl", "neuronpedia", tmp_path / "results")
    assert [(one.subject, one.neurons, one.scored, one.repeated) for one in found] == [
        ("gpt2-small", 1, False, 0),
        ("gpt2-small", 3, True, 1),
        ("gpt2-xl", 1, True, 0),
    ]
    assert [path.name for path in found[0].folder.iterdir()] == ["sentences.jsonl"]
    rows = load_run(found[1].folder).scores.rows()
    assert [row["neuronpedia/eleuther_fuzz_gpt-4o"] for row in rows] == [0.0, 0.1, 0.2]
    message = call("sanity", str(found[1].folder)).message
    assert "without true activations" in message
    folder = write_delphi(tmp_path / "run", [1, 2])
    (of_delphi,) = import_explanations(folder, "delphi", tmp_path / "results")
    run = load_run(of_delphi.folder)
    assert run.record.subject.name == "tiny-llama"
    assert run.record.metric("delphi/detection_auc") is not None


def test_records_of_transluce_are_scored_by_every_metric(tmp_path: Path) -> None:
    path = tmp_path / "neuron.json"
    path.write_text(json.dumps(transluce_record(3, 4, ("test", "random_test"))))
    with pytest.raises(BenchmarkError, match="add --subject"):
        import_explanations(path, "transluce", tmp_path / "results")
    assert not (tmp_path / "results").exists()
    (found,) = import_explanations(path, "transluce", tmp_path / "results", "llama-3.1-8b")
    assert load_run(found.folder).scores.rows()[0]["top_and_random/pearson"] > 0.5


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imported_run, "BLOCK", 2)


@pytest.mark.usefixtures("small_blocks")
def test_blocks_change_nothing(run: Run, folder: Path, tmp_path: Path) -> None:
    (found,) = import_explanations(folder / "openai", "openai", tmp_path)
    again = load_run(found.folder)
    assert again.scores.table.equals(run.scores.table)
    assert list(again.explanations()) == list(run.explanations())


@pytest.mark.usefixtures("small_blocks")
def test_a_wrong_file_among_many_leaves_nothing(tmp_path: Path) -> None:
    write_openai(tmp_path / "openai", [(0, at) for at in range(7)])
    (tmp_path / "openai" / "9").mkdir()
    (tmp_path / "openai" / "9" / "0.jsonl").write_text('{"scored_expl')
    with pytest.raises(BenchmarkError, match=r"9/0.jsonl' line 1 is damaged"):
        import_explanations(tmp_path / "openai", "openai", tmp_path / "results")
    assert not list((tmp_path / "results").rglob("*"))


def test_what_a_killed_import_left_is_no_run_and_is_replaced(run: Run, tmp_path: Path) -> None:
    from benchmark.results import find_runs

    write_openai(tmp_path / "openai", NEURONS)
    place = tmp_path / "results" / run.folder.relative_to(run.folder.parents[3])
    left = place.with_name(f"{place.name}.partial")
    left.mkdir(parents=True)
    (left / "run.json").write_text("{}")
    assert find_runs([tmp_path / "results"]) == []
    import_explanations(tmp_path / "openai", "openai", tmp_path / "results")
    assert find_runs([tmp_path / "results"]) == [place]
    assert not left.exists()


def test_files_about_several_models_take_no_subject(tmp_path: Path) -> None:
    lines = [neuronpedia_line(1), neuronpedia_line(2, modelId="gpt2-xl")]
    path = write_lines(tmp_path / "batch.jsonl", lines)
    with pytest.raises(BenchmarkError, match=r"several language models \(gpt2-small, gpt2-xl\)"):
        import_explanations(path, "neuronpedia", tmp_path / "results", "gpt2")


def test_the_verb(tmp_path: Path) -> None:
    write_openai(tmp_path / "openai", NEURONS[:2])
    words = ("import", str(tmp_path / "openai"), "--output", str(tmp_path / "results"))
    assert "import needs --format" in call(*words).message
    assert "did you mean 'openai'" in call(*words, "--format", "openia").message
    answer = call(*words, "--format", "openai")
    assert answer.status == 0
    assert "gpt4_sentence on gpt2-xl: 2 neurons" in answer.out
    assert "top_and_random" in answer.out
    assert "imported before" in call(*words, "--format", "openai").out
    assert "import takes a file or a folder first" in call("import").message
