"""Report of finished runs: where things are, the table of scores, and how to see more."""

from __future__ import annotations

import math
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.analysis.labels import run_labels
from benchmark.corpus.copies import copies
from benchmark.results import FAILED
from benchmark.results.columns import CHARACTERS, UNIFORM, cost_column, drawn_set, score_column
from benchmark.terminal.table import print_rows, say
from benchmark.token_text import one_line
from leaderboards.cells import (
    LLM_LEGEND,
    TEXT_LEGEND,
    beside_columns,
    intervals_legend,
    ranges,
    score_table,
    small_note,
)

if TYPE_CHECKING:
    from benchmark.config.run_config import RunConfig
    from benchmark.evaluation.run import Outcome
    from benchmark.results import Run, RunRecord

# Columns that a narrow terminal does without, the first one first.
LEAST = (
    *("lines", "null", "undef.", "positives", "over neurons", "evidence", "s/n.", "top F1"),
    *("coverage", "neurons", "tokens/n.", "detection", "F1", "novel r"),
)
# Names of dead neurons in one line.
LISTED = 5

LEGEND = """\
r: mean over neurons of the Pearson correlation with the true activations on uniformly drawn
held-out contexts, with its bootstrap interval over neurons and held-out documents, and that over
neurons alone; novel r: the same on the tokens of these contexts whose last eight tokens stand
nowhere in the explain split; AUPRC and F1 on all tokens of these contexts; top F1 on each neuron's
strongest held-out contexts. undef.: neurons whose prediction is constant (r counts as 0).
positives: median over neurons of the tokens that fire there. null: neurons that never fire there,
so that AUPRC and F1 do not exist and are left out of the mean. tokens/n. and s/n.: subject tokens
and seconds to explain one neuron; bytes: of what simulates in one explanation, compressed (bzip2);
- for a run of an earlier version, which counted bytes of JSON text (`score` measures it again)."""


def print_started(config: RunConfig) -> None:
    """The line that opens a run."""
    subject = config.model["name"]
    if subject == "local":
        subject = config.model["source"]
    by = config.simulator
    simulated = f", simulated by {by['name']}," if "_target_" in by else ""
    _say(
        one_line(
            f"explainer {config.explainer['name']}{simulated} on subject {subject}, "
            f"corpus {config.dataset['name']}"
        )
    )


def print_finished(outcome: Outcome, *, headline: bool = False) -> None:
    """Print what was computed, what came from the cache, where the results are, and the score."""
    run = outcome.run
    where = shown_path(run.folder)
    if outcome.reused:
        _say(
            f"  finished before, on {one_line(run.record.finished)}: nothing was computed "
            "(fresh=true runs it again)"
        )
    if outcome.cache_hits or outcome.cache_misses:
        _say(
            f"  activations: {outcome.cache_hits} tables from the cache, "
            f"{outcome.cache_misses} measured"
        )
    if outcome.resumed_blocks:
        _say(f"  continued: {outcome.resumed_blocks} blocks were saved by an interrupted run")
    if (repeated := int(run.record.timings.get("repeated_shards", 0))) and not outcome.reused:
        _say(f"  {repeated} {'shard' if repeated == 1 else 'shards'} died and ran once more")
    _say_failures(run)
    _say(f"  results: {where}")
    if headline:
        _say(f"  {headline_of(run.record)}")
    for message in outcome.messages:
        _say(f"  {message}")


def headline_of(record: RunRecord) -> str:
    """Return the headline score of a run with its interval, such as `r = 0.54 [0.51, 0.58]`."""
    drawn = drawn_set(record.small_alone)
    found = record.metric(score_column(drawn, "pearson"))
    if found is None or found.mean is None:
        return "r is not among its metrics"
    interval = "" if found.low is None else f" [{found.low:.3f}, {found.high:.3f}]"
    return f"{'r' if drawn == UNIFORM else 'small r'} = {found.mean:.3f}{interval}"


def _say_failures(run: Run) -> None:
    failed = (run.scores.column("status") == FAILED).nonzero()[0]
    if len(failed):
        (first,) = run.scores.rows([run.scores.neurons()[failed[0]]])
        _say(
            f"  {len(failed)} of {len(run.scores)} neurons failed and score as zero; the first, "
            f"{first['layer']}.{first['neuron']}: "
            f"{one_line(' '.join(str(first['error']).split()))[:200]}"
        )


def print_table(runs: Sequence[Run], *, report: bool = False) -> None:
    """Print one row per run, and the commands to see more, `report` among them if wanted."""
    sys.stdout.write("\n")
    records = [run.record for run in runs]
    for record in {(r.subject.name, r.corpus.name): r for r in records}.values():
        neurons, corpus = record.neurons, record.corpus
        dead = sum(neurons.dead.values())
        say(
            f"subject {one_line(record.subject.name)}, layers {ranges(record.subject.layers)}, "
            f"{dead} dead neurons; corpus {one_line(corpus.name)}, "
            f"contexts of {corpus.context_length} tokens\n"
        )
        if neurons.named_dead:
            _say(f"of the neurons that were named, {named_dead(neurons.named_dead)}")
    unverified = [run for run in runs if run.unverified]
    columns, rows = score_table(records, {id(run.record) for run in unverified})
    whole = "`show <run> --wide`"
    print_rows(columns, rows, text_columns=columns.index("neurons"), least=LEAST, whole=whole)
    alone = [record for record in records if record.small_alone]
    legend = LEGEND
    if alone:
        labels_of = dict(zip(map(id, records), run_labels(runs), strict=True))
        legend = legend.replace("r: mean", "small r: mean", 1)
        legend = legend.replace(
            "held-out contexts, with", "held-out contexts of uniform_small, with", 1
        )
    say(f"{textwrap.fill(legend, 100)}\n" if alone else f"{LEGEND}\n")
    if alone:
        note = small_note(records, [labels_of[id(record)] for record in alone])
        say(f"{textwrap.fill(one_line(note), 100)}\n")
    if "lines" in columns:
        say(f"{textwrap.fill(TEXT_LEGEND, 100)}\n")
    if "LLM tokens/n." in columns:
        say(f"{textwrap.fill(LLM_LEGEND, 100)}\n")
    for sentence in _copied(records):
        say(f"{sentence}\n")
    headline = score_column(drawn_set(bool(alone)), "pearson")
    sys.stdout.write(intervals_legend(record.metric(headline) for record in records))
    for column in beside_columns(records):
        about = f"{column.heading}: {column.description} (`show` prints all of it)."
        say(f"{textwrap.fill(one_line(about), 100)}\n")
    for run in unverified:
        _say(f"unverified, {run.record.explainer.name} {run.record.run_id}: {run.unverified}")
    # The example shown after the table is no control where there is another run.
    best = max(
        runs,
        key=lambda run: (not run.unverified, not run.record.explainer.control, _score(run)),
    )
    where = shown_path(best.folder)
    layer, neuron = best.scores.neurons()[0]
    _say(f"\nmore:  python -m benchmark show {where}")
    _say(f"       python -m benchmark show {where} {layer}.{neuron}")
    if report:
        # Results lie in <results_dir>/<subject>/<corpus>/<explainer>/<run id>.
        _say(f"       python -m benchmark report {shown_path(best.folder.parents[3])}")


def print_candidates(runs: Sequence[Run], neuron: tuple[int, int] | None = None) -> None:
    """Print the runs that a word means, best first, with their scores and their folders.

    Args:
        runs: the runs; of a neuron, as `in_reading_order` gives them.
        neuron: whose scores are shown; None for those of the whole run.
    """
    rows = []
    names = run_labels(runs)
    scores = [_score(run, neuron) for run in runs]
    order = sorted(range(len(runs)), key=lambda at: -scores[at])
    sizes: list[float | None] = [None] * len(runs)
    if neuron is not None:
        order = list(range(len(runs)))
        sizes = [characters_of(run, neuron) for run in runs]
    readable = any(size is not None for size in sizes)
    for at in order:
        record, score, size = runs[at].record, scores[at], sizes[at]
        shown = "-" if score == -math.inf else f"{score:.3f}"
        place = shown_path(runs[at].folder)
        row = [names[at], record.subject.name, record.corpus.name, place, shown]
        rows.append([*row, *(["-" if size is None else f"{size:,.0f}"] if readable else [])])
    of = "" if neuron is None else f" of neuron {neuron[0]}.{neuron[1]}"
    print_rows(
        ["explainer", "subject", "corpus", "run", "r", *(["characters"] if readable else [])],
        rows,
        f"{len(runs)} explanations{of}" if neuron else f"{len(runs)} runs",
        text_columns=4,
        least=("corpus", "subject"),
        folded=(),
    )
    whole = "; characters: of a text that is the whole explanation" if readable else ""
    correlation = (
        f"r: Pearson correlation{of} with the true activations on uniformly drawn contexts"
    )
    say(f"{textwrap.fill(f'{correlation}{whole}.', 100)}\n")
    if neuron is not None:
        where = shown_path(runs[0].folder)
        sys.stdout.write(f"more:  python -m benchmark show {where} {neuron[0]}.{neuron[1]}\n")


def in_reading_order(runs: Sequence[Run], neuron: tuple[int, int]) -> list[Run]:
    """Return runs by what a person reads first of a neuron: complete texts, the best one first.

    Then come other explanations by score, and controls.
    """

    def place(run: Run) -> tuple[bool, bool, float]:
        complete = characters_of(run, neuron) is not None
        return run.record.explainer.control, not complete, -_score(run, neuron)

    return sorted(runs, key=place)


def _row(run: Run, neuron: tuple[int, int]) -> Mapping[str, Any]:
    return run.scores.rows([neuron])[0]


def characters_of(run: Run, neuron: tuple[int, int]) -> float | None:
    """Return the length of a text that is the whole explanation; None of any other."""
    value = _row(run, neuron).get(cost_column(CHARACTERS))
    return None if value is None else float(value)


def _score(run: Run, neuron: tuple[int, int] | None = None) -> float:
    """The correlation of a run, or of one neuron in it; minus infinity where there is none."""
    column = score_column(drawn_set(run.record.small_alone), "pearson")
    if neuron is None:
        found = run.record.metric(column)
        return -math.inf if found is None or found.mean is None else found.mean
    value = _row(run, neuron).get(column)
    return -math.inf if value is None else float(value)


def _copied(records: Sequence[RunRecord]) -> list[str]:
    """How much of the held-out text was copied, named by corpus where there are several."""
    found = {record.corpus.name: copies(record.corpus.counts) for record in records}
    return [
        sentence if len(found) == 1 else f"corpus {one_line(name)}: {sentence}"
        for name, sentence in found.items()
        if sentence
    ]


def named_dead(neurons: Mapping[int, Sequence[int]]) -> str:
    """Return how many named neurons are dead and which, given them by layer."""
    names = [f"{layer}.{neuron}" for layer, some in neurons.items() for neuron in some]
    listed = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
    return f"{len(names)} {'is' if len(names) == 1 else 'are'} dead: {listed}"


def shown_path(path: Path) -> str:
    """A path as a person would type it from here."""
    relative = os.path.relpath(path)
    return one_line(path if relative.startswith("..") else relative)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
