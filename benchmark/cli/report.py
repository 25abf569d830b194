"""`report`: finished runs as pages to look at."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.cli.imports import import_whole
from benchmark.cli.trusting import take_trust
from benchmark.errors import BenchmarkError
from benchmark.token_text import one_line

HELP = """\
usage: python -m benchmark report <run> [<run> ...] [-o site] [key=value ...]

Writes pages about finished runs that open from the disk, without a server or a network:
the leaderboard, and a page for every explainer, layer and neuron. <run> is a folder under
results/, or any folder above several runs. A report that is in the folder already is
replaced when the new one is whole.

  -o, --out <folder>   where the pages go; `site` unless you say
  device=...  batch_tokens=...  cache_dir=...   how the subject is run, where it must be
  --trust <class>      read explanations of this class, package.module.Class, although it is
                       neither built in nor an installed plug-in: its code is run; repeatable
"""

CHANGEABLE = ("device", "batch_tokens", "cache_dir")


def command(words: Sequence[str]) -> int:
    """Write the report and say where it is."""
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0
    words, trust = take_trust(words, key=True)
    places, out, changes = _parsed(words)
    import_whole("benchmark.evaluation.rescore", "benchmark.subject.build")
    from benchmark.cli.finished import shown_path
    from benchmark.cli.score import config_of
    from benchmark.evaluation.reopen import acceptable
    from leaderboards.reading import name_unread, read_results
    from leaderboards.site import build_report

    found = read_results(places)
    name_unread(found)
    for repeated in found.repeated:
        sys.stderr.write(f"left out: '{one_line(repeated)}' is a copy of another run\n")
    # What a control predicts stands on no page, so nothing of it is imported.
    methods = [run for run in found.runs if not run.record.explainer.control]
    accepted, refused = acceptable(methods, trust)
    if refused and len(refused) == len(found.runs):
        raise refused[0]
    for error in refused:
        sys.stderr.write(f"left out: {error}\n")
    kept = {id(run) for run in accepted}
    shown = [run for run in found.runs if run.record.explainer.control or id(run) in kept]
    report = build_report(shown, out, lambda run: config_of(run, changes), trust)
    runs = "1 run" if len(shown) == 1 else f"{len(shown)} runs"
    sys.stdout.write(
        f"{report.n_pages:,} pages about {report.n_neurons:,} neurons and {runs}, "
        f"{report.n_bytes / 2**20:.1f} MiB\n"
        f"open {shown_path(report.folder / 'index.html')} in a browser\n"
    )
    return 0


def _parsed(words: Sequence[str]) -> tuple[list[str], Path, list[str]]:
    """Folders of runs, where the report goes, and changes of the configuration."""
    places: list[str] = []
    changes: list[str] = []
    out = "site"
    left = list(words)
    while left:
        word = left.pop(0)
        if word in ("-o", "--out"):
            if not left:
                raise BenchmarkError(f"{word} takes the folder that the report goes to.")
            out = left.pop(0)
        elif word.startswith(("--out=", "-o=")):
            out = word.partition("=")[2]
        elif word.startswith("-") and not Path(word).exists():
            raise BenchmarkError(f"report has no option '{word}'; see report --help.")
        elif "=" in word and not Path(word).exists():
            if word.partition("=")[0] not in CHANGEABLE:
                raise BenchmarkError(
                    f"'{word}' cannot be changed for a report; what can: "
                    f"{', '.join(f'{name}=...' for name in CHANGEABLE)}"
                )
            changes.append(word)
        else:
            places.append(word)
    if not places:
        raise BenchmarkError("report takes the folder of at least one run; see report --help.")
    if not out:
        raise BenchmarkError("-o is empty; name the folder that the report goes to.")
    return places, Path(out), changes
