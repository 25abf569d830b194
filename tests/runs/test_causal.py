"""`metrics=causal`: causal scores as part of a run, of scoring again, and of what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import benchmark.scorers.causal.scorer
from benchmark.results import Run, load_run
from benchmark.results.columns import causal_columns, effect_column
from tests.command import Command, call, table

CAUSAL = ("metrics=causal", "metrics.causal.contexts=3", "metrics.causal.together=[2,5]")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Command:
    return Command(tmp_path_factory.mktemp("causal"), checkpoint, texts)


@pytest.fixture(scope="module")
def lookup(shared: Command) -> Run:
    return shared.finished("explainer=token_lookup", *CAUSAL)


def known(run: Run, column: str) -> np.ndarray:
    values = run.scores.column(column)
    return values[~np.isnan(values)]


def test_the_oracle_scores_exactly_one(shared: Command) -> None:
    run = shared.finished("explainer=oracle", *CAUSAL)
    for column in causal_columns():
        assert len(known(run, column)) > 0
        assert (known(run, column) == 1).all()
        summary = run.record.metric(column)
        assert summary is not None
        assert summary.mean == summary.low == 1
    for one in run.record.together:
        assert one.loss_simulated == one.loss
        assert {one.recovered_mean, one.recovered_zero} <= {1.0, None}


@pytest.mark.parametrize("ablation", ["mean", "zero"])
def test_an_ablation_scores_exactly_zero(shared: Command, ablation: str) -> None:
    run = shared.finished(f"explainer={ablation}", *CAUSAL)
    for contexts in ("uniform", "firing"):
        assert (known(run, f"causal/{contexts}_{ablation}") == 0).all()
    assert all(getattr(one, f"recovered_{ablation}") in (0.0, None) for one in run.record.together)


def test_columns_records_and_summary(lookup: Run) -> None:
    scores = lookup.scores
    assert [one for one in scores.metric_columns if one.startswith("causal/")] == causal_columns()
    assert "causal" not in scores.scoring_sets
    for column in causal_columns():
        contexts, ablation = column.removeprefix("causal/").split("_")
        effects = scores.column(effect_column(contexts, ablation))
        values = scores.column(column)
        summary, weighted = (lookup.record.metric(name) for name in (column, f"{column}_weighted"))
        assert summary is not None
        assert weighted is not None
        assert summary.n_null == int(np.isnan(values).sum())
        assert summary.mean == pytest.approx(np.nanmean(values))
        has = ~np.isnan(values)
        assert weighted.mean == pytest.approx(np.average(values[has], weights=effects[has]))
        assert weighted.low <= weighted.mean <= weighted.high
    together = lookup.record.together
    assert [(one.layer, len(one.neurons)) for one in together] == [(0, 2), (0, 5), (1, 2), (1, 5)]
    effects = scores.column(effect_column("uniform", "mean"))
    for one in together:
        here = scores.column("layer") == one.layer
        order = scores.column("neuron")[here][np.argsort(-effects[here], kind="stable")]
        assert one.neurons == order[: len(one.neurons)].tolist()


def test_explaining_costs_what_it_costs_without(shared: Command, lookup: Run) -> None:
    plain = shared.finished("explainer=token_lookup")
    column = "cost/subject_tokens"
    assert plain.scores.column(column).tolist() == lookup.scores.column(column).tolist()
    assert plain.scores.column("uniform/pearson").tolist() == (
        lookup.scores.column("uniform/pearson").tolist()
    )
    assert plain.record.together == []
    assert plain.folder != lookup.folder
    answer = call("score", str(plain.folder), *CAUSAL)
    assert answer.status == 0, answer.err
    again = load_run(plain.folder)
    assert table(again) == table(lookup)
    assert again.record.together == lookup.record.together
    assert call("score", str(plain.folder), "metrics=standard").status == 0
    assert not set(causal_columns()) & set(load_run(plain.folder).scores.columns)


def test_continued_after_an_interruption(
    command: Command, lookup: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(benchmark.scorers.causal.scorer, "score_together", interrupted)
        assert command.run("explainer=token_lookup", *CAUSAL).status == 130
    run = command.finished("explainer=token_lookup", *CAUSAL)
    assert table(run) == table(lookup)
    assert run.record.together == lookup.record.together


def test_what_is_shown(lookup: Run) -> None:
    answer = call("show", str(lookup.folder))
    assert answer.status == 0
    assert "causal scores, each neuron replaced alone" in answer.out
    assert "causal scores, neurons replaced together" in answer.out
    weighted = lookup.record.metric("causal/uniform_mean_weighted")
    assert weighted is not None
    row = next(line for line in answer.out.splitlines() if line.startswith(" token_lookup"))
    assert f"{weighted.mean:.3f}" in row.split()
    layer, neuron = lookup.scores.neurons()[0]
    answer = call("show", str(lookup.folder), f"{layer}.{neuron}", "--no-direct", "--no-contexts")
    values = lookup.scores.rows()[0]
    line = next(line for line in answer.out.splitlines() if line.startswith(" uniform "))
    assert line.split()[1] == f"{values['causal/uniform_mean']:.3f}"
    assert line.split()[2] == f"{values['effect/uniform_mean']:.2e}"


def test_compared_beside_correlation(shared: Command, lookup: Run) -> None:
    other = shared.finished("explainer=shuffled", *CAUSAL)
    names = "metrics=pearson,causal/uniform_mean,causal/firing_zero"
    answer = call("compare", str(lookup.folder), str(other.folder), names)
    assert answer.status == 0, answer.err
    assert "causal/uniform_mean" in answer.out
    folders = str(lookup.folder), str(other.folder)
    message = call("compare", *folders, "--rank-by=causal/uniform_mean").message
    assert "it has no lower bound" in message
    fewer = shared.finished("explainer=shuffled", "metrics=causal", "metrics.causal.contexts=2")
    message = call("compare", str(lookup.folder), str(fewer.folder), names).message
    assert "metrics.causal.contexts is 2 instead of 3" in message
    plain = shared.finished("explainer=shuffled")
    message = call("compare", str(lookup.folder), str(plain.folder), names).message
    assert "metrics=causal" in message


def test_the_plan(shared: Command) -> None:
    answer = shared.run("explainer=token_lookup", *CAUSAL, "--dry-run")
    assert "neurons replaced on 3 uniform and 3 firing contexts" in answer.out


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("metrics.causal.contexts=0", "metrics.causal.contexts=0 is too small"),
        ("metrics.causal.contexts=many", "metrics.causal.contexts=many must be a whole number"),
        ("metrics.causal.together=[4,0]", "metrics.causal.together=0 is too small"),
        ("metrics.causal.context=3", "did you mean 'metrics.causal.contexts'?"),
    ],
)
def test_bad_values(shared: Command, change: str, part: str) -> None:
    assert part in shared.run("explainer=zero", "metrics=causal", change).message


def test_one_size_and_no_sizes(shared: Command) -> None:
    one = shared.finished("explainer=zero", "metrics=causal", "metrics.causal.together=2")
    assert [len(record.neurons) for record in one.record.together] == [2, 2]
    none = shared.finished("explainer=zero", "metrics=causal", "metrics.causal.together=[]")
    assert none.record.together == []
    assert call("show", str(none.folder)).status == 0


def test_a_planted_subject_is_refused(shared: Command) -> None:
    answer = call(
        "run", "model=planted", "dataset=text", "metrics=causal", "explainer=zero",
        *(word for word in shared.small if word.startswith(("dataset.path", "cache_dir"))),
        f"results_dir={shared.folder / 'planted'}",
    )  # fmt: skip
    assert "metrics=causal needs a language model with an output distribution" in answer.message


def test_an_older_record_has_no_sets(lookup: Run, tmp_path: Path) -> None:
    data = json.loads((lookup.folder / "run.json").read_text())
    assert len(data["together"]) == 4
    del data["together"]
    from benchmark.results import RunRecord

    assert RunRecord.from_dict(data).together == []


def test_the_standard_metrics_are_among_them() -> None:
    from benchmark.config.catalogue import find

    assert (
        find("metrics", "causal").config["metrics"] == find("metrics", "standard").config["metrics"]
    )
