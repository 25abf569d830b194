"""What a submission says twice must be the same, and its costs and dates possible."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.errors import BenchmarkError
from benchmark.results import Run
from leaderboards.resimulation import resimulate
from leaderboards.validation import validated
from tests.command import Command
from tests.leaderboards.test_submit import forge
from tests.sealing import change


@pytest.fixture
def folder(finished: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.folder, tmp_path / "run"))


def options(folder: Path, **changes: object) -> None:
    """Change options in both places where they are said."""
    for name, value in changes.items():
        change(folder, **{f"config__explainer__{name}": value})
        change(folder, **{f"explainer__options__{name}": value})


CHANGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda f: change(f, explainer__evidence="all"), "explainer.evidence is 'all'"),
    (lambda f: change(f, explainer__target="explainers.n2g.N2G"), "explainer.target is"),
    (lambda f: change(f, explainer__name="mine"), 'explainer.name is "mine"'),
    (lambda f: change(f, explainer__control=True), "explainer.control is true"),
    (lambda f: change(f, explainer__options__min_count=2), "explainer.options is"),
    (lambda f: change(f, config__explainer__min_count=2), "explainer.options is"),
    (lambda f: change(f, corpus__name="pile"), 'corpus.name is "pile"'),
    (lambda f: change(f, subject__name="solu-8l"), 'subject.name is "solu-8l"'),
    (lambda f: change(f, subject__dtype="float16"), 'subject.dtype is "float16"'),
    (lambda f: change(f, subject__layers=[0]), "subject.layers is [0]"),
    (lambda f: change(f, corpus__context_length=128), "corpus.context_length is 128"),
    (lambda f: change(f, seeds__seed=7), "seeds.seed is 7"),
    (lambda f: change(f, config__neurons__seed=7), "seeds.neurons is 0"),
    (lambda f: change(f, config__neurons__per_layer=5), "the configuration draws at most 5"),
    (
        lambda f: change(f, config__neurons__list=[[0, 1], [1, 2]]),
        "neurons.per_layer are not those of neurons.list",
    ),
    (lambda f: change(f, finished="9999-01-01T00:00:00+00:00"), "lies in the future"),
    (lambda f: change(f, started="1970-01-01T00:00:00+00:00"), "or before 2020"),
    (lambda f: change(f, finished="yesterday"), "is no date"),
    (lambda f: change(f, finished="2026-01-02T03:04:05"), "is no date"),
    (lambda f: change(f, finished="2021-01-01T00:00:00+00:00"), "finished before it started"),
    (lambda f: change(f, timings__total_seconds=-1), "timings.total_seconds is -1"),
    (lambda f: forge(f, "cost/explain_seconds", lambda _: 0.0), "holds no time at all"),
    (lambda f: forge(f, "cost/subject_tokens", lambda _: float("inf")), "an infinite"),
    (
        lambda f: (
            options(f, _target_="explainers.n2g.N2G"),
            change(f, explainer__target="explainers.n2g.N2G"),
        ),
        "cannot explain a neuron without asking the subject",
    ),
    (
        lambda f: (
            options(f, _target_="explainers.n2g.N3G"),
            change(f, explainer__target="explainers.n2g.N3G"),
        ),
        "there is no such explainer in the benchmark",
    ),
    (
        lambda f: (
            options(f, _target_="explainers.controls.Oracle", control=False),
            change(f, explainer__target="explainers.controls.Oracle"),
        ),
        "the built-in explainer 'explainers.controls.Oracle' is a control",
    ),
]


@pytest.mark.parametrize(("edit", "message"), CHANGES, ids=[message for _, message in CHANGES])
def test_a_contradiction_is_refused(
    folder: Path, edit: Callable[[Path], object], message: str
) -> None:
    validated(folder)
    edit(folder)
    with pytest.raises(BenchmarkError) as caught:
        validated(folder)
    assert message in str(caught.value)


def test_evidence_is_what_the_explainer_sees_with_its_options(folder: Path, small: Command) -> None:
    change(folder, explainer__evidence="exemplars")
    run = validated(folder)
    with pytest.raises(BenchmarkError, match=r"it sees 'exemplars\+sample'"):
        resimulate(run, cache_dir=str(small.folder / "cache"))


def test_scores_that_the_configuration_does_not_compute_are_refused(
    folder: Path, small: Command
) -> None:
    change(folder, config__metrics__metrics=["pearson"])
    with pytest.raises(BenchmarkError, match="which its configuration does not compute"):
        resimulate(validated(folder), cache_dir=str(small.folder / "cache"))
