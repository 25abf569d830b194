"""`judge`: a language model asked about the explanations of a finished run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark.cli.arguments import Parser, add_changes, add_run, add_trust, add_wide
from benchmark.cli.imports import import_whole
from benchmark.cli.score import config_of
from benchmark.errors import BenchmarkError, unknown
from benchmark.plugins.trusted import targets_of

if TYPE_CHECKING:
    from benchmark.results import Run

JUDGES = ("detection", "fuzzing", "intruder")
CHANGEABLE = ("llm", "scorers", "device", "batch_tokens", "cache_dir")
ABOUT = """\
Asks a language model about windows of held-out text, and adds its scores to a finished run:
detection, which of them activate the neuron; fuzzing, whether the right tokens are marked;
intruder, which of several does not belong, for which no explanation is read. Every answer is kept,
so that the same command asks nothing twice and continues where it was interrupted.
"""
EXAMPLES = """\
python -m benchmark judge results/<run> --judge detection llm=openai llm.model=<name>
python -m benchmark judge results/<run> --judge detection,fuzzing llm=local llm.source=<folder>
python -m benchmark judge results/<run> llm=openai llm.model=<name> scorers.detection.items=20
"""


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser(
        "judge", ABOUT, takes="the folder of a run first", examples=EXAMPLES, overrides=True
    )
    add_run(made)
    made.add_argument(
        "--judge",
        metavar="NAME",
        default=",".join(JUDGES),
        help="detection, fuzzing, intruder, or several of them separated by commas (default: all)",
    )
    keys = ", ".join(f"{key}=..." for key in CHANGEABLE)
    add_changes(made, f"the language model, and options of judges: {keys}")
    add_wide(made)
    add_trust(made)
    return made


def command(words: Sequence[str]) -> int:
    """Judge a run, and say what was found and what it took."""
    given = parser().read(words)
    names = _judges(given.judge)
    from benchmark.cli.find import find_folder

    folder = find_folder(given.run)
    import_whole("benchmark.evaluation.rescore", "benchmark.subject.build")
    from benchmark.cli.finished import print_table
    from benchmark.evaluation.rescore import rescore, run_to_score

    run = run_to_score(folder)
    of_model = [word for word in given.change if word.partition("=")[0].partition(".")[0] == "llm"]
    model = _model(of_model)
    others = [word for word in given.change if word not in of_model]
    config = config_of(run, others, CHANGEABLE, _judged_by(run, names, model))
    trust = (*given.trust, *targets_of(config.scorers), *_address(model))
    result = rescore(run, config, trust)
    for name in names:
        sys.stdout.write(f"{_summary(result.run, name)}\n")
    print_table([result.run])
    return 0


def _judges(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in JUDGES:
            raise unknown("judge", name[:60], JUDGES)
    if not names:
        raise BenchmarkError(f"--judge names no judge; known: {', '.join(JUDGES)}.")
    return list(dict.fromkeys(names))


def _model(words: Sequence[str]) -> dict[str, Any] | None:
    """Return the config of the language model that words choose; None without a word."""
    from omegaconf import OmegaConf

    from benchmark.config.compose import compose
    from benchmark.llm.options import NO_MODEL, llm_options

    if not words:
        return None
    found: Any = OmegaConf.to_container(compose(words).llm, resolve=False)
    llm_options({key: value for key, value in found.items() if value != "???"})
    if found.get("name") == NO_MODEL:
        raise BenchmarkError("judges ask a language model, and llm=none chooses none.")
    return dict(found)


def _judged_by(run: Run, names: Sequence[str], model: dict[str, Any] | None) -> dict[str, Any]:
    """Return the scorers that a run has by now, and how each judge begins: with its defaults."""
    recorded = run.record.config.get("scorers") or {}
    kept = {name: options for name, options in recorded.items() if name not in names}
    judges = {name: {} if model is None else {"llm": model} for name in names}
    return {"scorer": list(names), "scorers": {**kept, **judges}}


def _address(model: dict[str, Any] | None) -> list[str]:
    """Return what of a language model that the user chose is asked without further trust."""
    from benchmark.llm.options import LocalOptions, OpenAIOptions, llm_options

    options = None if model is None else llm_options(model)
    if isinstance(options, OpenAIOptions):
        return [options.url]
    return [options.source] if isinstance(options, LocalOptions) else []


def _summary(run: Run, name: str) -> str:
    """Return in one line what a judge found, could not read, and cost."""
    from leaderboards.cells import number

    columns = [one for one in run.record.columns if one.scorer == name]
    of = {one.metric.removeprefix("judge_"): one.name for one in columns}
    judged, unread, tokens, usd = (
        float(run.scores.column(of[key]).sum())
        for key in ("judged", "parse_failures", "tokens", "usd")
    )
    auc, accuracy = (number(run.record.metric(of[key])) for key in ("auc", "balanced_accuracy"))
    paid = f", ${usd:,.2f}" if usd else ""
    return (
        f"{name}: AUC {auc}, balanced accuracy {accuracy}; {judged:,.0f} windows judged, answers "
        f"about {unread:,.0f} not read; {tokens:,.0f} tokens{paid}"
    )
