"""`check`: whether an explainer keeps to the interface."""

from __future__ import annotations

import sys
import tempfile
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark.cli.arguments import Parser, add_changes
from benchmark.cli.imports import import_whole
from benchmark.config.compose import compose
from benchmark.errors import BenchmarkError
from benchmark.token_text import one_line

if TYPE_CHECKING:
    from benchmark.conformance import Result

ABOUT = """\
Checks an explainer on a few neurons of the built-in subject: that it answers as the interface asks,
that nothing changes an explanation that must not change it, that it sees no held-out text and that
what it queries is counted. Ends with status 1 if a check fails.
"""
EXAMPLES = """\
python -m benchmark check explainer=n2g
python -m benchmark check explainer._target_=package.module.Class explainer.option=3
python -m benchmark check explainer=n2g model=planted        # on neurons that are known rules
"""

# A quick setting; whatever is named on the command line stands.
SETTING = {
    "dataset.max_documents": "160",
    "context_length": "32",
    "contexts.explain": "128",
    "contexts.sample": "64",
    "contexts.exemplars": "8",
    "contexts.held_out": "48",
    "contexts.uniform": "16",
    "contexts.top": "4",
    "neurons.layers": "[0]",
    "neurons.per_layer": "5",
    "device": "cpu",
}
WIDTH = 66


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser("check", ABOUT, takes="an explainer", examples=EXAMPLES, overrides=True)
    add_changes(made, "every key of `run`, such as explainer=<name>, model=... or dataset=...")
    return made


def command(words: Sequence[str]) -> int:
    """Check one explainer and print a table; the exit status is 1 if a check failed."""
    words = parser().read(words).change
    if not any(word.startswith(("explainer=", "explainer._target_=")) for word in words):
        raise BenchmarkError("check takes an explainer: check explainer=<name>; see check --help.")
    with tempfile.TemporaryDirectory(prefix="neuron-benchmark-") as cache:
        return _print(_results(compose([*quick_setting(words, cache), *words])))


def quick_setting(words: Sequence[str], cache: str) -> list[str]:
    """Return the keys of the quick setting that the command line leaves open."""
    named = {word.partition("=")[0].lstrip("+") for word in words}
    if "neurons.list" in named:
        named |= {"neurons.layers", "neurons.per_layer"}
    setting = {**SETTING, "cache_dir": cache}
    return [f"{key}={value}" for key, value in setting.items() if key not in named]


def _results(composed: Any) -> list[Result]:
    from benchmark.config.run_config import check_config

    config = check_config(composed)
    import_whole("benchmark.conformance", "benchmark.subject.build")
    from benchmark.conformance import check_explainer

    name, subject = config.explainer["name"], config.model["name"]
    sys.stdout.write(f"explainer {one_line(name)} on neurons of subject {one_line(subject)}\n")
    sys.stdout.flush()
    return list(check_explainer(config))


def _print(results: Sequence[Result]) -> int:
    from benchmark.conformance import FAILED
    from benchmark.terminal.table import print_rows

    rows = []
    for result in results:
        first, *rest = textwrap.wrap(result.text, WIDTH) or [""]
        rows += [[result.check, result.status, first], *(["", "", line] for line in rest)]
    print_rows(["check", "result", "what was found"], rows, text_columns=3)
    failed = [result.check for result in results if result.status == FAILED]
    if failed:
        sys.stdout.write(f"{len(failed)} of {len(results)} checks failed: {', '.join(failed)}\n")
        return 1
    sys.stdout.write("no check failed\n")
    return 0
