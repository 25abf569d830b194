"""`report`: finished runs as pages to look at."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmark.cli.arguments import (
    Parser,
    add_output,
    add_run,
    add_subject,
    add_trust,
    subject_changes,
    whole,
)
from benchmark.cli.imports import import_whole
from benchmark.token_text import one_line

ABOUT = """\
Writes pages about finished runs that open from the disk, without a server or a network: the
leaderboard, and a page for every explainer, layer and neuron. A report that is in the folder
already is replaced when the new one is whole.
"""
EXAMPLES = """\
python -m benchmark report results
python -m benchmark report <run> --neurons 64      # of a large run, 64 neurons of each layer
python -m benchmark report <run> <run> -o pages --device cpu
"""
OLD = {
    "--out": "--output FOLDER",
    "trust": "--trust CLASS",
    "device": "--device NAME",
    "batch_tokens": "--batch-tokens N",
    "cache_dir": "--cache-dir FOLDER",
}


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser(
        "report", ABOUT, takes="the folder of at least one run", examples=EXAMPLES, old=OLD
    )
    add_run(made, several=True)
    add_output(made, "site", "the folder that the pages go to")
    made.add_argument(
        "--neurons",
        metavar="N",
        type=whole("--neurons", 1),
        help="pages for at most N neurons of each layer, spread evenly from the best to the worst "
        "predicted, and for those that an explainer's page names; all by default",
    )
    add_subject(made)
    add_trust(made)
    return made


def command(words: Sequence[str]) -> int:
    """Write the report and say where it is."""
    given = parser().read(words)
    changes, trust = subject_changes(given), given.trust
    from benchmark.cli.find import find_places

    places = find_places(given.run)
    import_whole("benchmark.evaluation.rescore", "benchmark.subject.build")
    from benchmark.cli.finished import shown_path
    from benchmark.cli.score import config_of
    from benchmark.evaluation.reopen import acceptable
    from leaderboards.result_folders import name_unread, read_results
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
    report = build_report(
        shown, given.output, lambda run: config_of(run, changes), trust, given.neurons
    )
    runs = "1 run" if len(shown) == 1 else f"{len(shown)} runs"
    sys.stdout.write(
        f"{report.n_pages:,} pages about {report.n_neurons:,} neurons and {runs}, "
        f"{report.n_bytes / 2**20:.1f} MiB\n"
        f"open {shown_path(report.folder / 'index.html')} in a browser\n"
    )
    return 0
