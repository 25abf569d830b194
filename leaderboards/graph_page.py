"""Measured parts of docs/graphs.md: pictures of neurons chosen by rule, and printed searches."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.evaluation.reopen import ReopenedRun
from benchmark.graphs.collect import run_graphs
from benchmark.graphs.files import write_graph
from benchmark.graphs.graph import ACTIVATING, NeuronGraph
from benchmark.results import Run
from benchmark.results.columns import HEADLINE, UNIFORM, score_column

# Patterns of a graph that a picture shows whole.
SHOWN_PATTERNS = 20
# Token text that can be typed as it is: a word, perhaps with a space before it.
WORD = re.compile("·?[A-Za-z_]{2,}")


@dataclass(frozen=True)
class Drawn:
    """One neuron's graph beside its scores on the `uniform` set.

    Attributes:
        name: such as `3.400`.
        graph: its graph.
        r: correlation.
        f1: null where the neuron never fires.
    """

    name: str
    graph: NeuronGraph
    r: float
    f1: float | None


def _with_context(graph: NeuronGraph) -> bool:
    contexts = [len(pattern.nodes) > 1 for pattern in graph.patterns]
    return len(graph.parts()) == 1 and all(contexts) and 1 < len(contexts) <= SHOWN_PATTERNS


def _in_parts(graph: NeuronGraph) -> bool:
    return 3 <= len(graph.parts()) <= 5 and len(graph.patterns) <= SHOWN_PATTERNS


# How a neuron is chosen for a picture: the best F1 among those whose graph is so.
RULES = {
    "one connected part, a context in every pattern": _with_context,
    "three to five unconnected parts": _in_parts,
}


def blocks(run: Run, pictures: Path) -> dict[str, str]:
    """Draw the pictures and return what stands in each block of the page, by its name.

    Args:
        run: of an explainer that offers graphs.
        pictures: the folder of the pictures; old ones are removed.
    """
    drawn = graphs_of(run)
    for old in pictures.glob("*.svg"):
        old.unlink()
    pictures.mkdir(parents=True, exist_ok=True)
    pattern = ["--combine", "pattern"]
    word, pair = common_word(drawn), word_with_context(drawn)
    searches = [[word, "--as", "activating"]] if word else []
    if pair:
        searches.append([pair[0], "--as", "activating", pair[1], "--as", "context", *pattern])
    return {
        "pictures": "\n\n".join(_picture(rule, drawn, run, pictures) for rule in RULES),
        "searches": "\n\n".join(_printed("search", run, words) for words in searches),
        "repeats": _printed("search", run, ["--repeats", "--top", "5"]),
        "parts": _printed("search", run, ["--parts=4", "--top", "5"]),
        "similar": _printed("similar", run, ["--top", "3"]),
    }


def graphs_of(run: Run) -> list[Drawn]:
    """Return the graphs of a run's neurons that have one, best F1 first."""
    rows = {f"{row['layer']}.{row['neuron']}": row for row in run.scores.rows()}
    found = [
        Drawn(
            saved.name,
            saved.graph,
            rows[saved.name][HEADLINE],
            rows[saved.name][score_column(UNIFORM, "f1")],
        )
        for saved in run_graphs(ReopenedRun(run))
        if saved.graph is not None and saved.graph.patterns
    ]
    return sorted(found, key=lambda one: -1.0 if one.f1 is None else one.f1, reverse=True)


def common_word(drawn: Sequence[Drawn]) -> str | None:
    """Return the word that most graphs have as an activating token, as it is typed."""
    counts = Counter(
        text
        for one in drawn
        for text in {
            text for node in one.graph.nodes if node.role == ACTIVATING for text in node.texts
        }
        if WORD.fullmatch(text)
    )
    most = max(counts.values(), default=0)
    words = sorted(text for text, count in counts.items() if count == most)
    return words[0].replace("·", " ") if words else None


def word_with_context(drawn: Sequence[Drawn]) -> tuple[str, str] | None:
    """Return an activating word and one of its context, of the best graph that has such."""
    for one in drawn:
        for pattern in one.graph.strongest_first():
            *before, last = [one.graph.nodes[node].texts for node in pattern.nodes]
            context = [text for texts in before for text in texts if WORD.fullmatch(text)]
            words = [text for text in last if WORD.fullmatch(text)]
            if context and words and context[-1] != words[0]:
                return words[0].replace("·", " "), context[-1].replace("·", " ")
    return None


def _picture(rule: str, drawn: Sequence[Drawn], run: Run, pictures: Path) -> str:
    """A picture of the best graph that is so, with the command that draws it and its scores."""
    one = next((one for one in drawn if RULES[rule](one.graph)), None)
    title = f"**{rule[0].upper()}{rule[1:]}**"
    if one is None:
        return f"{title}: no neuron of the run has such a graph."
    record = run.record
    path = pictures / f"{one.name}.svg"
    text = f"neuron {one.name} of {record.subject.name}, {record.explainer.name}"
    for _ in write_graph(one.graph, [path], text):
        pass
    f1 = "it never fires there" if one.f1 is None else f"F1 {one.f1:.3f}"
    parts = len(one.graph.parts())
    return (
        f"{title}, neuron {one.name} (r {one.r:.3f}, {f1} on `uniform`):\n\n"
        f"    python -m benchmark show $run {one.name} --graph docs/images/graphs/{path.name}\n\n"
        f"![The graph of neuron {one.name}: {len(one.graph.patterns)} patterns, {parts} "
        f"{'part' if parts == 1 else 'parts'}](images/graphs/{path.name})"
    )


def _printed(verb: str, run: Run, words: Sequence[str]) -> str:
    """A command and what it prints, as Markdown."""
    command = [sys.executable, "-m", "benchmark", verb, str(run.folder), *words]
    answer = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    if answer.returncode:
        raise BenchmarkError(
            f"'{verb}' on the run in {run.folder} ended with status {answer.returncode}."
        )
    body = answer.stdout.strip("\n")
    whole = f"$ python -m benchmark {verb} $run {shlex.join(words)}\n\n{body}"
    return textwrap.indent(whole, "    ", lambda line: bool(line.strip()))
