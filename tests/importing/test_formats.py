"""Formats of others: what is read of each, and what is wrong with a file in one sentence."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from benchmark.errors import BenchmarkError
from benchmark.importing import FORMATS
from benchmark.importing.fields import Fields
from benchmark.importing.formats import entries_of, sources_of, subject_of
from tests.importing.files_of_others import (
    answers,
    neuronpedia_line,
    openai_record,
    transluce_record,
    write_delphi,
    write_lines,
    write_openai,
)


def read(name: str, place: Path) -> list[Any]:
    return [entry for source in sources_of(name, place) for entry in entries_of(name, source)]


def written(folder: Path, value: object, name: str = "record.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(value))
    return path


def test_a_record_of_openai(tmp_path: Path) -> None:
    record = openai_record(7, 11)
    (entry,) = read("openai", written(tmp_path, record))
    assert (entry.layer, entry.neuron, entry.text) == (7, 11, " words about cats 11")
    saved = record["scored_explanations"][0]["scored_simulation"]
    assert len(entry.sequences) == 10
    first = saved["scored_sequence_simulations"][0]
    assert list(entry.sequences[0].truth) == first["true_activations"]
    assert list(entry.sequences[0].predicted) == first["simulation"]["expected_activations"]
    assert entry.scores["ev_correlation_score"] == saved["ev_correlation_score"]
    assert math.isnan(entry.scores["absolute_dev_explained_score"])
    assert subject_of("openai", tmp_path) == "gpt2-xl"


def test_levels_become_raw_units_and_a_record_of_older_files_is_read(tmp_path: Path) -> None:
    record = openai_record(0, 1, levels=True)

    def older(value: Any) -> Any:
        if isinstance(value, dict):
            kept = {key: older(one) for key, one in value.items() if key != "dataclass_name"}
            return {**kept, "of a later version": [1]}
        return [older(one) for one in value] if isinstance(value, list) else value

    (entry,) = read("openai", written(tmp_path, older(record)))
    largest = max(value for one in entry.sequences for value in one.truth)
    simulations = record["scored_explanations"][0]["scored_simulation"]
    for one, given in zip(entry.sequences, simulations["scored_sequence_simulations"], strict=True):
        levels = np.array(given["simulation"]["expected_activations"])
        assert np.allclose(one.predicted, levels * largest / 10)


def test_numbers_that_are_none_are_no_numbers(tmp_path: Path) -> None:
    record = openai_record(0, 1, n=1)
    scored = record["scored_explanations"][0]["scored_simulation"]
    one = scored["scored_sequence_simulations"][0]
    one["true_activations"][:3] = [float("nan"), None, float("inf")]
    (entry,) = read("openai", written(tmp_path, record))
    assert [math.isnan(value) for value in entry.sequences[0].truth[:4]] == [True] * 3 + [False]


def test_an_export_of_neuronpedia(tmp_path: Path) -> None:
    lines = [neuronpedia_line(4), neuronpedia_line(6, layer="3", scores=None)]
    for name in ("batch-0.jsonl", "batch-1.jsonl.gz"):
        write_lines(tmp_path / name, lines)
    entries = read("neuronpedia", tmp_path)
    assert [(one.layer, one.neuron, one.site) for one in entries[:2]] == [
        (5, 4, "res-jb"),
        (3, 6, "mlp neurons"),
    ]
    assert entries[0].scores == {"eleuther_fuzz_gpt-4o": 0.4}
    assert entries[0].method == "neuronpedia_oai_token-act-pair_gpt-4o-mini"
    assert entries[1].scores == {}
    assert [one.text for one in entries[:2]] == [one.text for one in entries[2:]]


def test_a_feature_of_neuronpedia(tmp_path: Path) -> None:
    inner = {"description": "names of rivers", "typeName": "np_max-act", "scores": []}
    feature = {
        "modelId": "gpt2-small",
        "layer": "2",
        "index": "9",
        "maxActApprox": 4.5,
        "activations": [],
        "explanations": [inner, {**inner, "description": "names of towns"}],
    }
    entries = read("neuronpedia", written(tmp_path, feature))
    assert [one.text for one in entries] == ["names of rivers", "names of towns"]
    assert {(one.name, one.max_activation) for one in entries} == {("2.9", 4.5)}


def test_results_of_delphi(tmp_path: Path) -> None:
    folder = write_delphi(tmp_path / "run", [1, 30])
    (folder / "scores" / "surprisal").mkdir()
    name = "layers.3.mlp_latent1.txt"
    (folder / "scores" / "surprisal" / name).write_text("[[0.5], [0.25]]")
    entries = read("delphi", folder)
    assert [(one.name, one.text, one.site) for one in entries] == [
        ("3.1", "things 1", "layers.*.mlp"),
        ("3.30", "things 30", "layers.*.mlp"),
    ]
    assert read("delphi", folder / "explanations") == entries
    assert subject_of("delphi", folder) == "tiny-llama"
    assert not any("surprisal" in name for name in entries[0].scores)
    rows = [row for row in answers(1, "detection") if row["prediction"] is not None]
    active = [row["activating"] for row in rows]
    said = [row["prediction"] for row in rows]
    scores = entries[0].scores
    assert scores["detection_balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(active, said)
    )
    assert scores["detection_f1"] == pytest.approx(f1_score(active, said))
    assert scores["detection_unreadable"] == pytest.approx(1 / 20)
    every = answers(1, "detection")
    assert scores["detection_auc"] == pytest.approx(
        roc_auc_score([row["activating"] for row in every], [row["probability"] for row in every])
    )
    assert "fuzz_auc" not in scores


def test_a_layer_is_no_digit_of_a_name(tmp_path: Path) -> None:
    folder = write_delphi(tmp_path, [2])
    for path in folder.rglob("*.txt"):
        path.rename(path.with_name("gpt2.layers.12.mlp2_latent7.txt"))
    (entry,) = read("delphi", folder)
    assert (entry.name, entry.site) == ("12.7", "gpt2.layers.*.mlp2")


def test_candidates_of_transluce_are_chosen_on_one_split_and_scored_on_another(
    tmp_path: Path,
) -> None:
    splits = ("valid", "random_valid", "test", "random_test")
    record = written(tmp_path, transluce_record(3, 4, splits, n=3))
    (entry,) = read("transluce", record)
    assert (entry.name, entry.text, entry.method) == ("3.4", "candidate 2", "transluce")
    assert {one.kind for one in entry.sequences} == {"test", "random_test"}
    assert entry.scoring_set == "top_and_random"
    assert entry.scores["test_ev_correlation_score"] == 0.2


def test_of_candidates_that_cannot_be_chosen_honestly_the_first_is_taken(tmp_path: Path) -> None:
    (entry,) = read("transluce", written(tmp_path, transluce_record(3, 4, ("valid",), n=3)))
    assert (entry.text, entry.scoring_set) == ("candidate 0", "top")


def test_each_sign_is_a_method(tmp_path: Path) -> None:
    record = transluce_record(0, 0, ("valid",))
    record["explanations"]["neg"] = record["explanations"]["pos"]
    entries = read("transluce", written(tmp_path, record))
    assert [one.method for one in entries] == ["transluce", "transluce_neg"]


def broken(**changes: Any) -> dict[str, Any]:
    return {**openai_record(0, 1, n=1), **changes}


UNEQUAL = openai_record(0, 1, n=1)
UNEQUAL["scored_explanations"][0]["scored_simulation"]["scored_sequence_simulations"][0][
    "true_activations"
].pop()
WORDS = openai_record(0, 1, n=1)
WORDS["scored_explanations"][0]["scored_simulation"]["scored_sequence_simulations"][0][
    "true_activations"
][0] = "much"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("openai", neuronpedia_line(1), "It looks like one of --format neuronpedia"),
        ("openai", transluce_record(0, 1, ()), "It looks like one of --format transluce"),
        ("neuronpedia", broken(), "has no 'modelId'. It looks like one of --format openai"),
        ("openai", {"most_positive_activation_records": []}, "holds activations alone"),
        ("openai", {"tokens": [], "values": []}, "holds activations alone"),
        ("openai", 7, "is 7, not an object"),
        ("openai", "words", "is the text 'words', not an object"),
        ("openai", broken(neuron_id=None), "neuron_id is null, not an object"),
        ("openai", broken(neuron_id={"layer_index": 1}), "neuron_id has no 'neuron_index'"),
        ("openai", broken(neuron_id={"layer_index": -1}), "layer_index is -1, not a whole number"),
        ("openai", broken(scored_explanations=[]), "'scored_explanations' is empty"),
        ("openai", broken(scored_explanations={}), "scored_explanations is an object, not a list"),
        ("openai", UNEQUAL, "12 tokens, 11 true and 12 expected activations"),
        ("openai", WORDS, "true_activations is the text 'much', not a number"),
        ("neuronpedia", neuronpedia_line(1, layer="res"), "layer is 'res', not such as"),
        ("neuronpedia", neuronpedia_line(1, description=None), "description is null, not text"),
        ("neuronpedia", neuronpedia_line(1, scores=[3]), "scores[0] is 3, not an object"),
        ("transluce", transluce_record(0, 0, (), n=0), "no explanation of any sign"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, name: str, value: object, said: str) -> None:
    with pytest.raises(BenchmarkError) as raised:
        read(name, written(tmp_path, value))
    assert said in str(raised.value)
    assert "record.json" in str(raised.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b'{"scored_explanations": [', "is damaged"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"[" * 5000, "nested too deep"),
        (b'{"scored_explanations": 1, "scored_explanations": 2}', "there twice"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(data)
    with pytest.raises(BenchmarkError, match=f"record.json'.*{said}"):
        read("openai", path)


def test_a_packed_file_that_is_cut_is_named(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "batch.jsonl.gz", [neuronpedia_line(at) for at in range(50)])
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(BenchmarkError, match=r"batch.jsonl.gz' is damaged: it is no whole gzip"):
        read("neuronpedia", path)
    path.write_bytes(b"not packed at all")
    with pytest.raises(BenchmarkError, match=r"batch.jsonl.gz' is damaged: it is no whole gzip"):
        read("neuronpedia", path)


@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_without_files_of_a_format_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(BenchmarkError, match="has no"):
        read(name, tmp_path)
    with pytest.raises(BenchmarkError, match="does not exist"):
        read(name, tmp_path / "nowhere")


def test_answers_of_one_kind_alone_have_no_rates() -> None:
    from benchmark.importing.delphi import judged_scores

    rows = [
        Fields({"activating": True, "prediction": 1, "probability": 0.9}, "x") for _ in range(3)
    ]
    found = judged_scores(rows)
    assert found["f1"] == 1.0
    assert math.isnan(found["balanced_accuracy"])
    assert math.isnan(found["auc"])
    unreadable = Fields({"activating": True, "prediction": None}, "x")
    assert judged_scores([unreadable])["unreadable"] == 1.0


def test_files_are_read_in_order(tmp_path: Path) -> None:
    write_openai(tmp_path, [(2, 1), (0, 3), (0, 1)])
    assert [one.name for one in read("openai", tmp_path)] == ["0.1", "0.3", "2.1"]
