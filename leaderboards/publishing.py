"""Making everything that is published again: runs, submissions, tables, pictures, documents.

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

from benchmark.errors import BenchmarkError
from benchmark.results.atomic import storage_errors, write_text

PROJECT = Path(__file__).parents[1]
PUBLISHED = PROJECT / "leaderboards" / "published"
SUBJECTS = ("solu-tiny", "gelu-tiny")
METHODS = (
    *("context_tree", "token_lookup", "n2g_plus", "max_examples"),
    *("local_search", "n2g", "fasttext"),
)
CONTROLS = ("zero", "mean", "random", "shuffled", "oracle")
BUDGETS = (1024, 4096, 16384, 65536)
# What the methods may see instead of what they see by default.
OTHER_EVIDENCE = {
    "exemplars": ("context_tree", "token_lookup", "n2g_plus"),
    "exemplars+sample": ("max_examples", "local_search"),
    "exemplars+sample+text": ("fasttext",),
}
CAUSAL = (*METHODS, "oracle", "mean")


def runs_of(subject: str, results: str) -> list[list[str]]:
    """Return the commands that evaluate all explainers on a subject."""
    here = [f"model={subject}", f"results_dir={results}"]
    budgets = ",".join(map(str, BUDGETS))
    return [
        ["run", "-m", f"explainer={','.join((*METHODS, *CONTROLS))}", *here],
        ["run", "-m", "explainer=context_tree", f"explainer.max_bytes={budgets}", *here],
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m leaderboards.publishing", description=__doc__)
    parser.add_argument("--results", default="results/published", help="the folder of the runs")
    parser.add_argument("--subjects", nargs="+", default=list(SUBJECTS))
    given = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        publish(given.results, given.subjects)
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
        for words in causal_runs(subject, results):
            call(words)
    submit(results, subjects)
    write_documents(results, subjects)


def submit(results: str, subjects: Sequence[str]) -> None:
    """Put the runs of the subjects in the place of those that were published of them."""
    for subject in subjects:
        shutil.rmtree(PUBLISHED / subject, ignore_errors=True)
    folders = [f"{results}/{subject}" for subject in subjects]
    call(["submit", *folders, "--to", str(PUBLISHED.relative_to(PROJECT)), "--seed", "0"])


def write_documents(results: str, subjects: Sequence[str]) -> None:
    """Write the tables of README and docs and the pictures."""
    document = PROJECT / "docs" / "results.md"
    for subject in subjects:
        words = ["show", f"{results}/{subject}"]
        fill(document, f"table of {subject}", printed(words, call(words)))


if __name__ == "__main__":
    sys.exit(main())
