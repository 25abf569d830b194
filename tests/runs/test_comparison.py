"""Runs against each other: the pairs, their order, and what is refused and why."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import metrics
from benchmark.analysis.compare import compare_runs
from benchmark.errors import BenchmarkError
from benchmark.results import CorpusRecord, ExplainerRecord, Run, RunRecord, Scores, SubjectRecord

NEURONS = [(layer, neuron) for layer in range(3) for neuron in range(10)]
CONFIG = {
    "seed": 0,
    "context_length": 16,
    "firing_threshold": 0.5,
    "contexts": {"explain": 9, "held_out": 8, "uniform": 4, "top": 2},
}


def made_up_run(name: str, shift: float = 0.0, **changes: object) -> Run:
    """Thirty neurons whose scores differ more from each other than the runs do."""
    generator = np.random.default_rng(len(name))
    neuron = np.random.default_rng(0).random(len(NEURONS))
    pearson = neuron + shift + 0.01 * generator.random(len(NEURONS))
    rows = [
        {
            "layer": layer,
            "neuron": index,
            "status": "ok",
            "error": None,
            "uniform/pearson": value,
            "uniform/f1": None if place == 3 else value / 2,
            "uniform/recall": value,
            "uniform/mse": 1 - value,
            "top/f1": value,
        }
        for place, ((layer, index), value) in enumerate(
            zip(changes.get("neurons", NEURONS), pearson, strict=False)
        )
    ]
    record = RunRecord(
        run_id=str(changes.get("run_id", f"id-{name}")),
        subject=changes.get("subject", SubjectRecord(name="small", fingerprint="s1")),
        corpus=changes.get("corpus", CorpusRecord(name="texts", fingerprint="c1")),
        explainer=ExplainerRecord(
            name=name, evidence="exemplars", options=dict(changes.get("options", {}))
        ),
        config={**CONFIG, **changes.get("config", {})},
    )
    return Run(Path("results") / str(changes.get("folder", name)), record, Scores.from_rows(rows))


def test_every_pair_is_tested_on_every_column_best_run_first() -> None:
    runs = [made_up_run("worst"), made_up_run("best", 0.2), made_up_run("middle", 0.1)]
    found = compare_runs(runs, ["pearson", "f1"])
    assert found.ranked_by == "uniform/pearson"
    assert [one.label for one in found.standings] == ["best", "middle", "worst"]
    assert [(one.column, one.first, one.second) for one in found.differences] == [
        (column, first, second)
        for column in ("uniform/pearson", "uniform/f1")
        for first, second in (("best", "middle"), ("best", "worst"), ("middle", "worst"))
    ]
    assert all(one.paired.mean > 0 for one in found.differences)


def test_a_pair_has_the_numbers_of_its_two_columns() -> None:
    first, second = made_up_run("better", 0.1), made_up_run("worse")
    found = compare_runs([second, first], ["f1"], seed=5, resamples=300)
    (difference,) = found.differences
    assert difference.paired == metrics.paired_difference(
        first.scores.column("uniform/f1"),
        second.scores.column("uniform/f1"),
        clusters=first.scores.column("layer"),
        resamples=300,
        seed=5,
    )
    assert (difference.paired.n, difference.paired.n_null) == (29, 1)
    top = found.standings[0]
    assert top.over_neurons == metrics.mean_over_neurons(
        first.scores.column("uniform/f1"), resamples=300, seed=5
    )
    assert top.over_layers.low != top.over_neurons.low


def test_p_values_are_corrected_over_the_whole_table() -> None:
    runs = [made_up_run("a"), made_up_run("bb", 0.002), made_up_run("ccc", 0.001)]
    found = compare_runs(runs, ["pearson", "f1"])
    expected = metrics.holm([one.paired.p for one in found.differences])
    assert [one.adjusted_p for one in found.differences] == expected
    assert any(one.adjusted_p > one.paired.p for one in found.differences)


def test_the_headline_is_compared_where_nothing_is_named() -> None:
    found = compare_runs([made_up_run("a"), made_up_run("bb")])
    assert {one.column for one in found.differences} == {"uniform/pearson", "uniform/f1"}


def test_lower_is_better_ranks_the_lowest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = dataclasses.replace(metrics.METRICS["mse"], unsound=None)
    monkeypatch.setattr("metrics.catalogue.METRICS", {**metrics.METRICS, "mse": sound})
    found = compare_runs([made_up_run("worse"), made_up_run("better", 0.3)], ["mse"])
    assert found.ranked_by == "uniform/mse"
    assert [one.label for one in found.standings] == ["better", "worse"]


def test_an_unsound_metric_is_compared_but_ranks_nothing() -> None:
    runs = [made_up_run("a"), made_up_run("bb", 0.1)]
    found = compare_runs(runs, ["recall"])
    assert found.ranked_by == "uniform/pearson"
    with pytest.raises(BenchmarkError, match="metric 'recall' cannot be a ranking key, because it"):
        compare_runs(runs, ["recall"], rank_by="recall")


def test_a_scoring_set_of_chosen_text_ranks_nothing() -> None:
    runs = [made_up_run("a"), made_up_run("bb", 0.1)]
    assert compare_runs(runs, ["top/f1"]).ranked_by == "uniform/pearson"
    with pytest.raises(BenchmarkError, match=r"'top/f1' cannot be a ranking key.*uniform/f1"):
        compare_runs(runs, rank_by="top/f1")


def test_explainers_of_one_name_are_told_apart_as_on_a_leaderboard() -> None:
    runs = [
        made_up_run("same", options={"kb": kb}, folder=str(kb), run_id=f"r{kb}") for kb in (4, 9)
    ]
    assert {one.label for one in compare_runs(runs).standings} == {"same (kb=4)", "same (kb=9)"}
    runs = [made_up_run("same", run_id="r1", folder="1"), made_up_run("same", run_id="r2")]
    assert {one.label for one in compare_runs(runs).standings} == {"same (r1)", "same (r2)"}


REFUSED = {
    "subject": (
        {"subject": SubjectRecord(name="large", fingerprint="s2")},
        "another subject, 'large' with fingerprint s2 instead of 'small' with s1",
    ),
    "corpus": (
        {"corpus": CorpusRecord(name="books", fingerprint="c2")},
        "another corpus, 'books' with fingerprint c2 instead of 'texts' with c1",
    ),
    "dtype": (
        {"subject": SubjectRecord(name="small", fingerprint="s1", dtype="float16")},
        "the subject's dtype is float16",
    ),
    "another neuron": (
        {"neurons": [*NEURONS[:-1], (2, 77)]},
        "other neurons, 30 of which 29 are in both; only it has 2.77",
    ),
    "fewer neurons": (
        {"neurons": NEURONS[:-1]},
        "other neurons, 29 of which 29 are in both; it lacks 2.9",
    ),
    "held-out tokens": (
        {"config": {"contexts": {**CONFIG["contexts"], "uniform": 5}}},
        "contexts.uniform is 5 instead of 4, so that other tokens are scored",
    ),
    "seed": ({"config": {"seed": 1}}, "seed is 1 instead of 0, so that other tokens are scored"),
    "firing": (
        {"config": {"firing_threshold": 0.4}},
        "firing_threshold is 0.4 instead of 0.5, so that other firing thresholds",
    ),
    "firing reference": (
        {"config": {"firing_reference": "median_exemplar"}},
        "firing_reference is median_exemplar instead of maximum, so that other firing thresholds",
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_runs_that_do_not_score_the_same_are_refused_with_the_reason(reason: str) -> None:
    changes, message = REFUSED[reason]
    with pytest.raises(BenchmarkError, match="cannot be compared with the one in") as caught:
        compare_runs([made_up_run("one"), made_up_run("two", **changes)])
    assert message in str(caught.value)
    assert "results/two" in str(caught.value)


def test_thresholds_matter_only_to_metrics_that_look_at_firing() -> None:
    runs = [made_up_run("one"), made_up_run("two", config={"firing_threshold": 0.4})]
    assert compare_runs(runs, ["pearson"]).ranked_by == "uniform/pearson"


def test_evidence_may_differ() -> None:
    more = {**CONFIG["contexts"], "sample": 99, "exemplars": 7}
    compare_runs([made_up_run("one"), made_up_run("two", config={"contexts": more})])


def test_a_run_that_is_older_than_the_firing_reference_has_the_maximum() -> None:
    runs = [made_up_run("one"), made_up_run("two", config={"firing_reference": "maximum"})]
    assert len(compare_runs(runs, ["f1"]).differences) == 1


def test_the_number_of_exemplars_decides_only_where_they_are_the_reference() -> None:
    few = {**CONFIG["contexts"], "exemplars": 3}
    for reference, refused in (("maximum", False), ("median_exemplar", True)):
        one = made_up_run("one", config={"firing_reference": reference})
        two = made_up_run("two", config={"firing_reference": reference, "contexts": few})
        compare_runs([one, two], ["pearson"])
        if not refused:
            compare_runs([one, two], ["f1"])
            continue
        with pytest.raises(BenchmarkError, match="exemplars is 3 instead of None, so that other f"):
            compare_runs([one, two], ["f1"])


@pytest.mark.parametrize("column", ["novel/pearson", "uniform_maximum/f1"])
def test_only_the_uniform_set_under_the_chosen_reference_ranks(column: str) -> None:
    with pytest.raises(BenchmarkError, match=f"'{column}' cannot be a ranking key: every table"):
        compare_runs([made_up_run("one"), made_up_run("two")], rank_by=column)


def test_the_order_in_the_table_of_scores_does_not_matter() -> None:
    backwards = made_up_run("two", neurons=NEURONS[::-1])
    assert compare_runs([made_up_run("one"), backwards]).differences[0].paired.n == 30


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["pearsn"], "metric 'pearsn' is not known; did you mean 'pearson'"),
        (["cosine"], r"has no scores 'uniform/cosine'; it has uniform/pearson.*metrics=all"),
    ],
)
def test_a_metric_that_is_not_there_is_named(names: list[str], message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        compare_runs([made_up_run("one"), made_up_run("two")], names)


def test_one_run_is_too_few_and_one_twice_too_many() -> None:
    run = made_up_run("one")
    with pytest.raises(BenchmarkError, match="at least two runs, not 1"):
        compare_runs([run])
    with pytest.raises(BenchmarkError, match="'results/one' is named twice"):
        compare_runs([run, made_up_run("one")])
