"""Regeneration of everything that is published: runs, submissions, tables, pictures, documents.

    python -m leaderboards.publishing        # or: make published

runs the explainers on the built-in subjects, submits the runs to `leaderboards/published`, and
writes what the commands print into the marked blocks of README and docs. Finished runs are reused,
so the same command continues after an interruption.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.config.catalogue import find
from benchmark.errors import BenchmarkError
from benchmark.evaluation.reopen import ReopenedRun
from benchmark.files.atomic import storage_errors, write_text
from benchmark.results import Run, find_runs, load_run
from benchmark.results.columns import HEADLINE
from leaderboards import graph_page, n2g_deviations

PROJECT = Path(__file__).parents[1]
PUBLISHED = PROJECT / "leaderboards" / "published"
SUBJECTS = ("solu-tiny", "gelu-tiny")
METHODS = (
    *("context_tree", "rules", "token_lookup", "n2g_plus"),
    *("max_examples", "local_search", "n2g", "fasttext", "describe"),
)
CONTROLS = ("zero", "mean", "random", "shuffled", "oracle")
# Of `context_tree`, besides the one that it has by default.
BUDGETS = ("1024", "4096", "65536", "null")
UNLIMITED = "explainer.max_bytes=null"
# Displayed characters of complete texts; `rules` has 1000 of them by default. Texts of more than a
# screen take minutes to find, so they are of one subject alone.
CHARACTERS = {"solu-tiny": (300, 600, 1000, 1200, 4000), "gelu-tiny": (300, 600, 1000, 1200)}
OF_A_CHECKPOINT = (300, 1000, 4000)
# Neurons whose rules are shown whole: where they stand among all, by r.
SHOWN_RANKS = {"good": (0.95, 0.85), "middling": (0.55, 0.45), "bad": (0.15, 0.05)}
# What the methods may see instead of what they see by default.
OTHER_EVIDENCE = {
    "exemplars": ("rules", "token_lookup", "n2g_plus", "fasttext"),
    "exemplars+sample": ("max_examples", "local_search", "fasttext"),
}
TREE_ON_EXEMPLARS = ("explainer=context_tree", "explainer.evidence=exemplars", UNLIMITED)
CAUSAL = (*METHODS, "oracle", "mean")
# Options of the runs that measure the effects of N2G's options.
N2G_EFFECTS = ("neurons.per_layer=16",)


def runs_of(subject: str, results: str) -> list[list[str]]:
    """Return the commands that evaluate all explainers on a subject."""
    here = [f"model={subject}", f"results_dir={results}"]
    budgets = ",".join(BUDGETS)
    characters = ",".join(map(str, CHARACTERS.get(subject, OF_A_CHECKPOINT)))
    of_characters = f"explainer.max_characters={characters}"
    return [
        ["run", "-m", f"explainer={','.join((*METHODS, *CONTROLS))}", *here],
        ["run", "-m", "explainer=context_tree", f"explainer.max_bytes={budgets}", *here],
        ["run", "-m", "explainer=rules", of_characters, *here],
        ["run", "-m", "explainer=context_tree", of_characters, UNLIMITED, *here],
        ["run", *TREE_ON_EXEMPLARS, *here],
        *(
            ["run", "-m", f"explainer={','.join(names)}", f"explainer.evidence={evidence}", *here]
            for evidence, names in OTHER_EVIDENCE.items()
        ),
    ]


def causal_runs(subject: str, results: str) -> list[list[str]]:
    """Return the commands that measure causal scores on a subject."""
    options = ["metrics=causal", "neurons.per_layer=8", f"results_dir={results}/causal"]
    return [["run", "-m", f"explainer={','.join(CAUSAL)}", f"model={subject}", *options]]


def call(words: Sequence[str], *, shown: bool = True) -> str:
    """Run one command of the benchmark and return what it printed.

    Raises:
        BenchmarkError: it failed.
    """
    started = time.monotonic()
    print(f"$ python -m benchmark {' '.join(words)}", flush=True)
    answer = subprocess.run(
        [sys.executable, "-m", "benchmark", *words],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    if shown:
        print(answer.stdout, end="")
    print(f"  {time.monotonic() - started:.0f} s", flush=True)
    if answer.returncode:
        raise BenchmarkError(
            f"'python -m benchmark {' '.join(words)}' ended with status {answer.returncode}; "
            "the same command continues."
        )
    return answer.stdout


def fill(file: Path, name: str, content: str) -> None:
    """Replace what stands between the marks of a block in a document.

    Raises:
        BenchmarkError: the document has no such block.
    """
    text = file.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    pattern = re.compile(rf"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise BenchmarkError(f"{file} has no block {begin} ... {end}.")
    block = f"{begin}\n{content.rstrip()}\n{end}"
    with storage_errors(file.parent):
        write_text(file, pattern.sub(lambda _: block, text, count=1))


def printed(words: Sequence[str], output: str) -> str:
    """Return a command and what it printed as Markdown."""
    body = output.partition("\nmore:")[0].strip("\n")
    whole = f"python -m benchmark {' '.join(words)}\n\n{body}"
    return textwrap.indent(whole, "    ", lambda line: bool(line.strip()))


def table(runs: Sequence[Run]) -> str:
    """Return the table of some runs as `run` and `show` print it."""
    return call(["show", *(str(run.folder) for run in runs)], shown=False)


def made_with(run: Run) -> str:
    """Return the date and the versions of a run, for a line below its table."""
    record = run.record
    packages = ("torch", "transformer-lens", "transformers")
    versions = [f"Python {record.environment.python}"]
    versions += [f"{name} {record.environment.packages[name]}" for name in packages]
    day, cores = record.finished[:10], record.environment.cpu_cores
    return f"({day}, {', '.join(versions)}, {cores} CPU cores; seconds vary with the machine)"


def default_runs(results: Path, subject: str) -> list[Run]:
    """Return the runs of all explainers with their options as they are by default."""
    runs = [load_run(folder) for folder in find_runs([results / subject])]
    changed = ("max_bytes", "max_characters", "evidence")
    defaults = {name: chosen("explainer", name) for name in (*METHODS, *CONTROLS)}
    return [
        run
        for run in runs
        if all(
            run.record.explainer.options.get(option)
            == defaults[run.record.explainer.name].get(option)
            for option in changed
        )
    ]


def chosen(group: str, name: str) -> dict[str, Any]:
    """Return the configuration of one name of a group, such as the explainer `n2g`."""
    return dict(find(group, name).config)


def neurons_shown(runs: Sequence[Run]) -> list[tuple[int, int]]:
    """Return two neurons: one that all methods predict, and one that few predict.

    The first has the largest correlation of the method that predicts it worst; in the second the
    best method is farthest ahead of N2G.
    """
    scores = {
        run.record.explainer.name: run.scores.column(HEADLINE)
        for run in runs
        if run.record.explainer.name in METHODS
    }
    every = np.stack([scores[name] for name in METHODS])
    neurons = runs[0].scores.neurons()
    worst, lead = every.min(0), every.max(0) - scores["n2g"]
    return [neurons[int(worst.argmax())], neurons[int(lead.argmax())]]


def descriptions(runs: Sequence[Run], layer: int, neuron: int) -> str:
    """Return what every method says of a neuron, and how well that predicts it, as Markdown."""
    parts = [f"### Neuron {layer}.{neuron}"]
    of_name = {run.record.explainer.name: run for run in runs}
    for name in METHODS:
        run = of_name[name]
        saved = run.explanation(layer, neuron)
        explanation = ReopenedRun(run).explanation(saved)
        text = f"failed: {saved.error}" if explanation is None else explanation.describe()
        row = run.scores.neurons().index((layer, neuron))
        r = float(run.scores.column(HEADLINE)[row])
        parts.append(f"**{name}**, r on `uniform` {r:.3f}\n\n```text\n{text.rstrip()}\n```")
    return "\n\n".join(parts)


def whole_texts(run: Run) -> str:
    """Return the whole explanations of good, middling and bad neurons of a run, as Markdown."""
    scores = run.scores.column(HEADLINE)
    order, neurons = np.argsort(scores, kind="stable"), run.scores.neurons()
    reopened, parts = ReopenedRun(run), []
    for name, ranks in SHOWN_RANKS.items():
        for rank in ranks:
            row = int(order[round(rank * (len(order) - 1))])
            layer, neuron = neurons[row]
            explanation = reopened.explanation(run.explanation(layer, neuron))
            text = "failed" if explanation is None else explanation.describe()
            title = f"**{layer}.{neuron}**, {name}: r on `uniform` {float(scores[row]):.3f}"
            parts.append(f"{title}\n\n```text\n{text.rstrip()}\n```")
    return "\n\n".join(parts)


def of_characters(runs: Sequence[Run], name: str, characters: int) -> Run:
    """Return the run of an explainer within a number of displayed characters."""
    (run,) = (
        run
        for run in runs
        if run.record.explainer.name == name
        and run.record.explainer.options.get("max_characters") == characters
        and run.record.explainer.evidence == "exemplars+sample"
    )
    return run


_DIFFERENCE = re.compile(
    rf"{HEADLINE} +(?P<first>\w+) +\w+ +[°≈]? +(?P<mean>[+-][\d.]+) +(?P<both>\[.*?\]) +"
    r"(?P<neurons>\[.*?\])"
)


def against_the_tree(folder: Path, of_each: Sequence[int]) -> str:
    """Return how rules and trees of as many characters differ on the same neurons, as Markdown."""
    runs = [load_run(found) for found in find_runs([folder])]
    lines = [
        "| characters | `rules` | `context_tree` | ahead | by | over neurons and documents | "
        "over neurons |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for characters in of_each:
        pair = [of_characters(runs, name, characters) for name in ("rules", "context_tree")]
        folders = [str(run.folder.relative_to(PROJECT)) for run in pair]
        found = _DIFFERENCE.search(call(["compare", *folders, "--metrics", "pearson"], shown=False))
        assert found is not None
        means = [f"{float(run.scores.column(HEADLINE).mean()):.3f}" for run in pair]
        cells = [f"{characters:,}", *means, f"`{found['first']}`", found["mean"].lstrip("+-")]
        lines.append(f"| {' | '.join([*cells, found['both'], found['neurons']])} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m leaderboards.publishing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--results", default="results/published", help="the folder of the runs")
    parser.add_argument("--subjects", nargs="+", default=list(SUBJECTS))
    parser.add_argument("--checkpoint", help="a third-party checkpoint for docs/results.md")
    parser.add_argument("--texts", help="the folder of its texts")
    parser.add_argument(
        "--forecast",
        action="store_true",
        help="write the table of docs/scaling.md and nothing else",
    )
    given = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        if given.forecast:
            write_forecast()
            return 0
        publish(given.results, given.subjects)
        if given.checkpoint is not None:
            third_party(given.results, given.checkpoint, given.texts)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; the same command continues.", file=sys.stderr)
        return 130
    print(f"everything was made again in {(time.monotonic() - started) / 60:.1f} minutes")
    return 0


def publish(results: str, subjects: Sequence[str]) -> None:
    """Make the runs, then everything that is written from them."""
    for subject in subjects:
        for words in runs_of(subject, results):
            call(words)
    # The slowest runs, so of one subject alone.
    for words in causal_runs(subjects[0], results):
        call(words)
    n2g_deviations.update(f"{results}/n2g", subjects, N2G_EFFECTS)
    submit(results, subjects)
    write_documents(results, subjects)


def submit(results: str, subjects: Sequence[str]) -> None:
    """Replace the published runs of the subjects by these."""
    for subject in subjects:
        shutil.rmtree(PUBLISHED / subject, ignore_errors=True)
        runs = [str(folder) for folder in find_runs([PROJECT / results / subject])]
        call(["submit", *runs, "--to", str(PUBLISHED.relative_to(PROJECT)), "--seed", "0"])


def write_forecast() -> None:
    """Write the table of predicted time, memory and disk, from costs that were measured before."""
    words = ["forecast"]
    page = PROJECT / "docs" / "scaling.md"
    fill(page, "time, memory and disk", printed(words, call(words, shown=False)))


def write_documents(results: str, subjects: Sequence[str]) -> None:
    """Write the tables of README and docs and the pictures."""
    folder, document = PROJECT / results, PROJECT / "docs" / "results.md"
    for subject in subjects:
        words = ["show", f"{results}/{subject}"]
        fill(document, f"table of {subject}", printed(words, call(words)))
        defaults = default_runs(folder, subject)
        compared = [
            str(run.folder.relative_to(PROJECT))
            for name in METHODS
            for run in defaults
            if run.record.explainer.name == name
        ]
        output = call(["compare", *compared, "--metrics", "pearson"])
        short = [
            "compare",
            f"{results}/{subject}/stdlib/<method>/<run>",
            "...",
            "--metrics",
            "pearson",
        ]
        fill(document, f"differences on {subject}", printed(short, output))
        drawn = ["--plot", "size,characters", "-o", "docs/images/results"]
        call(["plot", f"{results}/{subject}", *drawn])
    words = ["show", f"{results}/causal/{subjects[0]}"]
    fill(document, "causal scores", printed(words, call(words)))
    defaults = default_runs(folder, subjects[0])
    block = textwrap.indent(table(defaults).partition("\nmore:")[0].strip("\n"), "    ")
    fill(PROJECT / "README.md", "table", f"{block}\n\n{made_with(defaults[0])}")
    (zero,) = (run for run in defaults if run.record.explainer.name == "zero")
    words = ["sanity", str(zero.folder.relative_to(PROJECT))]
    fill(PROJECT / "docs" / "metrics.md", "sanity", printed(words, call(words)))
    (n2g,) = (run for run in defaults if run.record.explainer.name == "n2g")
    pictures = PROJECT / "docs" / "images" / "graphs"
    for name, content in graph_page.blocks(n2g, pictures).items():
        fill(PROJECT / "docs" / "graphs.md", name, content)
    (rules,) = (run for run in defaults if run.record.explainer.name == "rules")
    page = PROJECT / "docs" / "rules.md"
    fill(page, "six neurons", whole_texts(rules))
    for subject in subjects:
        fill(
            page,
            f"against the tree on {subject}",
            against_the_tree(folder / subject, CHARACTERS[subject]),
        )
    shown = [descriptions(defaults, *neuron) for neuron in neurons_shown(defaults)]
    fill(document, "two neurons", "\n\n".join(shown))


def third_party(results: str, checkpoint: str, texts: str) -> None:
    """Evaluate the explainers on a checkpoint that others trained."""
    options = ["model=local", f"model.source={checkpoint}", "dataset=text"]
    options += [f"dataset.path={texts}", "neurons.per_layer=32"]
    for words in runs_of("local", results)[:4]:
        call([*(word for word in words if not word.startswith("model=")), *options])
    name = Path(checkpoint).name
    words = ["show", f"{results}/{name}/text"]
    fill(PROJECT / "docs" / "results.md", "table of a checkpoint", printed(words, call(words)))
    pairs = against_the_tree(PROJECT / results / name, OF_A_CHECKPOINT)
    fill(PROJECT / "docs" / "rules.md", "against the tree on a checkpoint", pairs)


if __name__ == "__main__":
    sys.exit(main())
