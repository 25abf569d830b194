"""Entry point of the command line: choice of the verb, and messages of what a user can fix."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence

from benchmark.cli.arguments import HelpShown
from benchmark.cli.imports import INTERRUPTED
from benchmark.config.values import check_words
from benchmark.errors import message_of, named, unknown
from benchmark.plugins.own_packages import find_own_packages
from benchmark.terminal.streams import lasting_output
from benchmark.terminal.visible_output import visible_output
from benchmark.token_text import one_line

# The status of a program whose reader went away, as a shell tells it of others (128 + SIGPIPE).
CUT_OFF = 141

VERBS = {
    "run": "explain neurons, simulate them on held-out text and score the simulation",
    "forecast": "predict time, memory and disk of runs of any model on any number of GPUs",
    "list": "list explainers, simulators, models, datasets, engines, llms or metrics",
    "show": "show a finished run, or what it says about one neuron",
    "search": "search the graphs of a run for tokens, repeats and unconnected parts",
    "similar": "find neurons of a run whose graphs are near-equal or nested",
    "score": "score the saved explanations of a run again, without explaining",
    "judge": "ask a language model which contexts activate the neurons of a run",
    "compare": "rank runs on the same neurons and test every pair of them",
    "leaderboard": "tables of all comparable runs, as Markdown, CSV, JSON, HTML or LaTeX",
    "report": "write pages about finished runs that open from the disk",
    "plot": "pictures for papers: bars, quality against size and cost, layers, a neuron's spectrum",
    "submit": "check a finished run and put it among the submissions of a leaderboard",
    "publish": "log finished runs to Weights & Biases",
    "import": "read explanations and scores of others: OpenAI's records, Neuronpedia, delphi, ...",
    "check": "check that an explainer keeps to the interface",
    "sanity": "test which metrics notice that an explanation was corrupted",
    "cache": "show what the cache of activations holds and how large it is, and prune it",
}

# Verbs whose name no module can be imported by.
MODULES = {"import": "importing"}

HELP = """\
Benchmark of neuron simulators: methods that explain single neurons of a language model
and predict their activations on held-out text.

usage: python -m benchmark <verb> [arguments]

{verbs}

examples:
  python -m benchmark run                                     # built-in model, no download
  python -m benchmark run explainer=n2g model=solu-8l
  python -m benchmark run -m explainer=zero,token_lookup,n2g  # several, one after another
  python -m benchmark list explainers

`python -m benchmark <verb> --help` explains a verb.
"""

# Threads that wait sleep instead of spinning: on shared or few cores spinning costs several times
# the work itself. Read once, when torch loads its OpenMP library; a value of the user's stands.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# While it is imported torch reads the entry points of all installed packages, for devices that are
# used nowhere here, and breaks on one that cannot be decoded.
os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    with lasting_output() as outputs, visible_output():
        status = _run(words)
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        lost = next((output.error for output in outputs if output.error is not None), None)
        if lost is None:
            return status
        if isinstance(lost, BrokenPipeError):
            return status or CUT_OFF  # by a reader such as `head`, who needs no message
        if status == 0:
            sys.stderr.write(f"error: standard output could not be written: {lost.strerror}\n")
        return status or 1


def _run(words: Sequence[str]) -> int:
    """Run a verb, and turn what it ends with into a status and at most one message."""
    verb = words[0] if words else "--help"
    try:
        if verb in ("-h", "--help", "help"):
            _print(help_text())
            return 0
        if verb == "--version":
            _print(f"neuron-simulator-benchmark {_version()}\n")
            return 0
        if verb not in VERBS:
            hint = f"The verb comes first: python -m benchmark run {verb}" if "=" in verb else ""
            raise unknown("verb", verb, VERBS, hint)
        check_words(words)
        find_own_packages()
        module = importlib.import_module(f"benchmark.cli.{MODULES.get(verb, verb)}")
        status: int = module.command(words[1:])
        return status
    except HelpShown:
        return 0
    except KeyboardInterrupt:
        rest = "; the same command continues where it stopped" if verb == "run" else ""
        sys.stderr.write(f"\ninterrupted{rest}.\n")
        return INTERRUPTED
    except SystemExit as error:
        # Nothing of ours ends so: somebody's code does, and would be taken for success.
        sys.stderr.write(f"error: the work was ended from within ({named(error)}).\n")
        return 1
    except Exception as error:
        message = message_of(error) or _unreadable_package(error)
        if message is None:
            raise
        sys.stderr.write(f"error: {one_line(message)}\n")
        return 1


def _unreadable_package(error: Exception) -> str | None:
    """Return what to say where a library broke on the entry points of an installed package.

    Many read those of all packages while they are imported, whatever group they are of.
    """
    if not isinstance(error, UnicodeDecodeError):
        return None
    from benchmark.config.catalogue import read_plugin_points

    packages = [name for name, _ in read_plugin_points()[1]]
    if not packages:
        return None
    return (
        f"the entry points of the installed package '{packages[0]}' cannot be read ({error}), and "
        "a library that this needs reads those of all packages; remove or reinstall that package."
    )


def help_text() -> str:
    """Return what a bare call prints."""
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {text}" for verb, text in VERBS.items())
    return HELP.format(verbs=verbs)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("neuron-simulator-benchmark")
    except PackageNotFoundError:
        return "(not installed)"


def _print(text: str) -> None:
    sys.stdout.write(text)
