"""The whole command on neurons whose rules are known."""

from __future__ import annotations

import random

import pytest

from benchmark.results import find_runs, load_run
from benchmark.subject.planted import RULES, WORDS
from tests.command import call

SIZES = (
    "context_length=24",
    "contexts.explain=1500",
    "contexts.sample=200",
    "contexts.held_out=300",
    "contexts.uniform=200",
    "contexts.top=10",
    "bootstrap.resamples=100",
    "device=cpu",
)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Documents in which the rules' words are common."""
    folder = tmp_path_factory.mktemp("planted") / "texts"
    folder.mkdir()
    rng = random.Random(0)
    words = [word for rule in RULES for word in rule.words]
    words += WORDS[: len(words)]
    for number in range(300):
        (folder / f"{number}.txt").write_text(" ".join(rng.choices(words, k=160)))
    return folder


def test_n2g_recovers_rules_and_beats_the_lookup(texts, tmp_path):
    answer = call(
        "run", "-m", "explainer=n2g,token_lookup", "model=planted", "dataset=text",
        f"dataset.path={texts}", *SIZES, f"results_dir={tmp_path}/results",
        f"cache_dir={tmp_path}/cache",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    runs = [load_run(folder) for folder in find_runs([tmp_path / "results"])]
    by_name = {run.record.explainer.name: run for run in runs}
    rows = by_name["n2g"].scores.rows()
    assert [row["neuron"] for row in rows] == list(range(len(RULES)))
    kinds = ("one token", "a token after another", "either of two phrases")
    for row in rows:
        assert row["status"] == "ok"
        assert row["cost/subject_tokens"] > 0
        if RULES[row["neuron"]].name in kinds:
            assert row["uniform/f1"] == 1.0, RULES[row["neuron"]]
    better = [
        ours["uniform/f1"] > theirs["uniform/f1"]
        for ours, theirs in zip(rows, by_name["token_lookup"].scores.rows(), strict=True)
    ]
    assert sum(better) > len(RULES) / 2
    # Explanations are read back from the files that the run wrote.
    folder = by_name["n2g"].folder
    assert "if‹not›  1.00" in call("show", str(folder), "0.2").out
    again = call("score", str(folder))
    assert again.status == 0, again.err
