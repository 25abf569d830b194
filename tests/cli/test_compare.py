"""`compare` on real runs of the small subject."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.analysis.compare import compare_runs
from benchmark.results import Run, load_run
from tests.command import Command, call


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> dict[str, Run]:
    command = Command(tmp_path_factory.mktemp("compare"), checkpoint, texts)
    answer = command.run("-m", "explainer=zero,shuffled,token_lookup")
    assert answer.status == 0, answer.err
    found = [load_run(folder) for folder in command.folders()]
    return {run.record.explainer.name: run for run in found}


def folders(runs: dict[str, Run]) -> list[str]:
    return [str(run.folder) for run in runs.values()]


def test_it_ranks_the_runs_and_tests_every_pair(runs: dict[str, Run]) -> None:
    answer = call("compare", *folders(runs), "--resamples", "200")
    assert answer.status == 0, answer.err
    lines = [line.split() for line in answer.out.splitlines() if line.strip()]
    starts = [line[0] for line in lines]
    assert starts.index("token_lookup") < starts.index("zero")
    pairs = [line[:3] for line in lines if line[0] == "uniform/pearson"]
    assert ["uniform/pearson", "token_lookup", "zero"] in pairs
    assert len(pairs) == 3
    assert "corrected for all 9 tests of this table" in answer.out


@pytest.mark.parametrize("number", ["1000001", "1000000000"])
def test_more_resamples_than_fit_into_memory_are_refused(runs: dict[str, Run], number: str) -> None:
    message = call("compare", *folders(runs), "--resamples", number).message
    assert message == f"--resamples {number} is too large; the largest is 1000000."


def test_it_prints_what_holds_over_documents_beside_what_holds_over_neurons(
    runs: dict[str, Run],
) -> None:
    answer = call("compare", *folders(runs), "--metrics", "pearson", "--resamples", "200")
    comparison = compare_runs(list(runs.values()), ["pearson"], resamples=200)
    heading = next(line for line in answer.out.splitlines() if "difference" in line)
    places = [heading.index(name) for name in ("95 % interval", "over neurons", "over layers")]
    assert places == sorted(places)
    assert "neurons' p" in heading
    for one in comparison.differences:
        paired = one.paired
        assert paired.over_both
        shown = next(
            line for line in answer.out.splitlines() if line.split()[1:3] == [one.first, one.second]
        )
        for low, high in ((paired.both_low, paired.both_high), (paired.low, paired.high)):
            assert f"[{low:+.3f}, {high:+.3f}]" in shown
        assert one.mark in shown
    assert "°: holds over neurons of these documents only" in " ".join(answer.out.split())


def test_runs_of_which_one_resampled_no_documents_are_compared_over_neurons(
    runs: dict[str, Run], tmp_path: Path, checkpoint: Path, texts: Path
) -> None:
    command = Command(tmp_path, checkpoint, texts)
    bare = command.finished("explainer=token_lookup", "bootstrap.document_resamples=0")
    found = compare_runs([bare, runs["zero"]], ["pearson"], resamples=200)
    (one,) = found.differences
    assert not one.paired.over_both
    assert one.adjusted_p == one.neuron_adjusted_p
    assert one.mark in ("°", "≈")
    summary = bare.record.metric("uniform/pearson")
    assert summary is not None
    assert (summary.over, summary.over_neurons()) == ("neurons", (summary.low, summary.high))
    whole = runs["token_lookup"].record.metric("uniform/pearson")
    assert whole is not None
    assert whole.over == "neurons and documents"
    assert whole.mean == summary.mean
    assert whole.over_neurons() == (summary.low, summary.high)
    answer = call("compare", str(bare.folder), str(runs["zero"].folder), "--metrics", "pearson")
    assert answer.status == 0, answer.err


def test_the_mean_is_that_of_the_run(runs: dict[str, Run]) -> None:
    answer = call("compare", *folders(runs), "--metrics", "pearson", "--resamples", "50")
    summary = runs["token_lookup"].record.metric("uniform/pearson")
    assert f"{summary.mean:.3f}" in answer.out
    zero = f"{summary.mean:+.3f}"  # against a correlation of 0
    assert zero in answer.out


def test_a_folder_above_several_runs_stands_for_all_of_them(runs: dict[str, Run]) -> None:
    above = runs["zero"].folder.parents[1]
    both = [
        call("compare", *words, "--resamples", "50").out for words in ([str(above)], folders(runs))
    ]
    assert sorted(both[0].splitlines()) == sorted(both[1].splitlines())


def test_a_metric_that_fails_the_sanity_tests_is_marked_and_ranks_nothing(
    runs: dict[str, Run],
) -> None:
    answer = call("compare", *folders(runs), "--metrics", "recall", "--resamples", "50")
    assert "uniform/recall †" in answer.out
    assert "† fails the sanity tests" in answer.out
    refused = call("compare", *folders(runs), "--rank-by", "recall")
    assert refused.message.startswith("metric 'recall' cannot be a ranking key")


def test_the_summary_of_a_run_has_the_interval_over_layers(runs: dict[str, Run]) -> None:
    summary = runs["token_lookup"].record.metric("uniform/pearson")
    assert summary.layer_low <= summary.mean <= summary.layer_high
    assert (summary.layer_low, summary.layer_high) != (summary.low, summary.high)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["results/none", "results/nothing"], "there is no run in 'results/none'"),
        (["rank=f1"], "key 'rank' is not known; did you mean 'rank_by'"),
        (["rank_by=f1"], "'rank_by=f1' is written --rank-by NAME; see compare --help."),
        (["--rank", "f1"], "option of compare '--rank' is not known; did you mean '--rank-by'?"),
        (["--resamples", "many"], "--resamples many must be a whole number, at least 1."),
        (["--resamples=0"], "--resamples 0 must be a whole number, at least 1."),
        (["--resamples"], "--resamples needs a value"),
        (["--confidence", "95"], "--confidence 95 must be a number from above 0 to below 1."),
        (["--metrics", "[]"], "metrics is empty"),
        (["metrics="], "metrics is empty"),
        (["metrics=f2"], "metric 'f2' is not known"),
    ],
)
def test_bad_input_ends_in_one_message(
    runs: dict[str, Run], words: list[str], message: str
) -> None:
    assert message in call("compare", *folders(runs), *words).message


def test_one_run_is_too_few(runs: dict[str, Run]) -> None:
    assert "at least two runs" in call("compare", folders(runs)[0]).message


def test_runs_of_other_neurons_are_refused(
    runs: dict[str, Run], checkpoint: Path, texts: Path, tmp_path: Path
) -> None:
    other = Command(tmp_path, checkpoint, texts).finished("explainer=zero", "neurons.seed=1")
    message = call("compare", folders(runs)[0], str(other.folder)).message
    assert "cannot be compared" in message
    assert "it is of other neurons" in message


def test_help_names_the_options() -> None:
    answer = call("compare", "--help")
    assert answer.status == 0
    assert "--rank-by" in answer.out
    assert call("compare").status == 1
