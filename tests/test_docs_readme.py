"""The README's table is that of the published runs, and its commands can be typed."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path

import pytest

from benchmark.cli.finished import print_table
from benchmark.cli.main import VERBS
from benchmark.config.run_config import RunConfig
from benchmark.results import MetricSummary, Run, find_runs, load_run
from leaderboards.publishing import (
    BUDGETS,
    CHARACTERS,
    CONTROLS,
    METHODS,
    OTHER_EVIDENCE,
    PUBLISHED,
    SUBJECTS,
    default_runs,
)
from tests.command import call

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
RESULTS = (PROJECT / "docs" / "results.md").read_text(encoding="utf-8")
CAUSAL = RESULTS.partition("<!-- causal scores -->")[2].partition("<!-- end of causal scores")[0]
MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")


def commands(program: str) -> list[list[str]]:
    """The words after a program's name in every indented line of the README that calls it."""
    text = README.replace("\\\n", " ")
    found = re.findall(rf"^    {program} +(.*)$", text, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in found]


BENCHMARK = commands("python -m benchmark")


def printed(runs: list[Run], capsys: pytest.CaptureFixture[str]) -> str:
    """The table and its legend, without the commands for more."""
    print_table(runs)
    return capsys.readouterr().out.partition("\nmore:")[0].strip("\n")


def test_the_table_is_that_of_the_published_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Of all explainers that `make run` runs, with their options as they are by default."""
    line = re.search(r"^EXPLAINERS \?= (.*)$", MAKEFILE, re.MULTILINE)
    assert line is not None
    runs = default_runs(PUBLISHED, "solu-tiny")
    assert {run.record.explainer.name for run in runs} == set(line.group(1).split(","))
    assert len(runs) == len((*METHODS, *CONTROLS))
    block = README.partition("<!-- table -->")[2].partition("<!-- end of table -->")[0]
    shown = textwrap.dedent(block.partition("\n(")[0]).strip("\n")
    assert shown == printed(runs, capsys)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_tables_of_all_runs_are_those_of_the_published_ones(
    subject: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [load_run(folder) for folder in find_runs([PUBLISHED / subject])]
    assert (
        len(runs)
        == len((*METHODS, *CONTROLS, *BUDGETS))
        + sum(map(len, OTHER_EVIDENCE.values()))
        + (2 * len(CHARACTERS[subject]) - 1)
        + 1
    )  # the tree on exemplars; `rules` by default is one
    shown = textwrap.indent(printed(runs, capsys), "    ", lambda line: bool(line.strip()))
    assert f"\n{shown}\n" in RESULTS


@pytest.mark.parametrize("subject", SUBJECTS)
def test_little_of_the_held_out_text_is_copied(subject: str) -> None:
    for folder in find_runs([PUBLISHED / subject]):
        assert 0 <= load_run(folder).record.corpus.counts["copied"]["share"] < 0.01


def test_there_are_commands() -> None:
    verbs = [words[0] for words in BENCHMARK]
    assert verbs.count("run") > 5
    # Only `check` is named in a sentence instead.
    assert {*verbs, "check"} == set(VERBS)
    assert "python -m benchmark check explainer=" in README


@pytest.mark.parametrize(
    "words", [words for words in BENCHMARK if words[0] == "run"], ids=shlex.join
)
def test_a_run_of_the_readme_has_a_configuration(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs: list[RunConfig] = []
    monkeypatch.setattr("benchmark.cli.plan.print_plan", configs.append)
    monkeypatch.chdir(tmp_path)
    given = [word for word in words if word != "--dry-run"]
    answer = call(*given, "--dry-run")
    assert (answer.status, answer.err) == (0, "")
    combinations = 1
    for word in given:
        if "-m" in given and "=" in word:
            combinations *= len(word.split(","))
    assert len(configs) == combinations


@pytest.mark.parametrize(
    "words", [words for words in BENCHMARK if words[0] != "run"], ids=shlex.join
)
def test_a_command_of_the_readme_lacks_nothing_but_its_run(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = call(*words)
    if words[0] in ("list", "cache", "forecast"):
        assert (answer.status, answer.err) == (0, "")
        return
    if words[0] == "import":
        assert answer.message == f"'{words[1]}' does not exist."
        return
    assert re.search(r"^(there is no run in )?'results|^the folder 'results", answer.message)
    assert re.search(r"does not exist\.$|has no run\.json", answer.message)


def test_what_make_is_asked_for_is_there() -> None:
    targets = {words[0] for words in commands("make")}
    assert targets
    assert targets <= set(re.findall(r"^(\w+):", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize(
    "path", [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(PROJECT.glob("docs/*.md"))]
)
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^    .*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    missing = [
        target for target in targets if "://" not in target and not (path.parent / target).exists()
    ]
    assert missing == []


def by_name(subject: str) -> dict[str, Run]:
    return {run.record.explainer.name: run for run in default_runs(PUBLISHED, subject)}


def mean(run: Run, column: str) -> str:
    summary = run.record.summary[column]
    assert isinstance(summary, MetricSummary)
    return f"{summary.mean:.2f}"


def test_the_findings_are_those_of_the_published_runs() -> None:
    """But for the causal scores, which stand in docs/results.md."""
    solu, gelu = by_name("solu-tiny"), by_name("gelu-tiny")
    first, second = (
        [mean(runs[name], "uniform/pearson") for name in ("token_lookup", "n2g")]
        for runs in (solu, gelu)
    )
    assert f"r = {first[0]} against {first[1]} on `solu-tiny`" in README
    assert f"and {second[0]} against {second[1]} on `gelu-tiny`" in README
    n2g = [mean(solu["n2g"], f"{scoring_set}/f1") for scoring_set in ("top", "uniform")]
    assert (
        f"F1 {n2g[0]} on each neuron's strongest held-out contexts and {n2g[1]} on uniformly"
        in README
    )
    trees = [load_run(folder) for folder in find_runs([PUBLISHED / "solu-tiny"])]
    small = [run for run in trees if run.record.explainer.options.get("max_bytes") == 1024]
    (whole,) = (
        run
        for run in trees
        if run.record.explainer.name == "context_tree"
        and run.record.explainer.evidence == "exemplars+sample"
        and run.record.explainer.options["max_bytes"] is None
        and run.record.explainer.options["max_characters"] is None
    )
    assert len(small) == 1
    assert f"1 KB reaches r = {mean(small[0], 'uniform/pearson')}, one of 16 KB" in README
    chosen, every = (mean(run, "uniform/pearson") for run in (solu["context_tree"], whole))
    assert re.search(
        rf"16 KB, the default, {chosen}, without a budget \(\d+ KB\) {every}\.", README
    )
    # The score, subject tokens, seconds, bytes, and characters and lines or '-' for neither.
    row = r"^     (\w+) .* (-?\d\.\d{3}) +[\d,]+  \d\.\d{4} +[\d,]+(?: +[\d,.-]+){2}$"
    causal = dict(re.findall(row, CAUSAL, re.M))
    examples, lookup = (f"{float(causal[name]):.2f}" for name in ("max_examples", "token_lookup"))
    assert f"(causal score {examples}; `token_lookup` {lookup})" in README


def test_the_neuron_of_the_readme_is_what_the_command_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the run of that neuron alone, which explains it as the run of all does."""
    match = re.search(
        r"^    python -m benchmark (show .*)\n\n((?:    .*\n|\n)+)", README, re.MULTILINE
    )
    assert match is not None
    monkeypatch.chdir(tmp_path)
    neuron = re.search(r" (\d+\.\d+) ", match[1])
    assert neuron is not None
    options = ["explainer=rules", "explainer.max_characters=300"]
    explain = [*options, f"neurons.list={neuron[1]}", f"cache_dir={tmp_path / 'cache'}"]
    assert call("run", *explain).status == 0
    answer = call(*shlex.split(match[1]))
    assert answer.status == 0, answer.err
    assert answer.out.startswith(textwrap.dedent(match[2]).strip("\n"))
    (run,) = (
        run
        for run in map(load_run, find_runs([PUBLISHED / "solu-tiny" / "stdlib" / "rules"]))
        if run.record.explainer.options["max_characters"] == 300
    )
    scores = run.scores.rows()
    (row,) = [row for row in scores if f"{row['layer']}.{row['neuron']}" == neuron[1]]
    assert f"this neuron correlate with r = {row['uniform/pearson']:.2f}." in README
