"""`import`: explanations and scores of others, read into runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.arguments import Parser, add_output, choice
from benchmark.errors import BenchmarkError

if TYPE_CHECKING:
    from benchmark.importing import Imported

FORMATS = ("openai", "neuronpedia", "transluce", "delphi")

ABOUT = """\
Reads explanations that others published, and what they recorded of them, into runs of their own
subject. No model is run.

  openai       records of simulated and true activations of the same sequences, a neuron a file:
               scored by every metric, on the set top_and_random
  transluce    the same for both signs of a neuron
  neuronpedia  exports of explanations (.jsonl, .jsonl.gz), or features of its site, with the
               scores recorded there
  delphi       a folder of results: explanations, and the answers of its scorers

Beside each run stands sentences.jsonl, from which explainer=sentences simulates the explanations
on a text of this benchmark.
"""
EXAMPLES = """\
python -m benchmark import neuron-explainer/data/explanations --format openai
python -m benchmark import explanations/batch-0.jsonl.gz --format neuronpedia
python -m benchmark import delphi/results/run --format delphi --subject llama-3-8b
"""
OLD = {"--out": "--output FOLDER"}


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser("import", ABOUT, takes="a file or a folder first", examples=EXAMPLES, old=OLD)
    made.add_argument("place", help="a file, or a folder of files")
    made.add_argument(
        "--format",
        metavar="NAME",
        type=choice("format", FORMATS),
        help=f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}; must be given",
    )
    add_output(made, "results", "the folder of results that the runs go to")
    made.add_argument(
        "--subject",
        metavar="NAME",
        default="",
        help="the language model, where the files do not name it (openai: gpt2-xl)",
    )
    return made


def command(words: Sequence[str]) -> int:
    """Import files and say what came of them."""
    given = parser().read(words)
    if given.format is None:
        raise BenchmarkError(
            f"import needs --format; it can be {', '.join(FORMATS)}. See import --help."
        )
    from benchmark.cli.imported import print_imported
    from benchmark.importing import import_explanations
    from benchmark.results import load_run

    found = import_explanations(Path(given.place), given.format, given.output, given.subject)
    for one in found:
        _say(one)
    runs = [load_run(one.folder) for one in found if one.scored]
    if runs:
        print_imported(runs)
    return 0


def _say(found: Imported) -> None:
    from benchmark.cli.finished import shown_path
    from benchmark.token_text import counted, one_line

    before = " (imported before: nothing was written)" if found.reused else ""
    name = f"{one_line(found.method)} on {one_line(found.subject)}"
    sys.stdout.write(f"{name}: {counted(found.neurons, 'neuron')}{before}\n")
    if found.repeated:
        sys.stdout.write(
            f"  {found.repeated:,} further explanations of the same neurons were left out\n"
        )
    if found.scored:
        sys.stdout.write(f"  results: {shown_path(found.folder)}\n")
    else:
        sys.stdout.write("  no scores are recorded, so there is no run\n")
    sys.stdout.write(f"  to be simulated: {shown_path(found.sentences)}\n")
