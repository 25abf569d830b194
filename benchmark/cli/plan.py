"""`run --dry-run`: what a run would do, and what it would find in the cache."""

from __future__ import annotations

import dataclasses
import sys

from benchmark.cli.finished import named_dead
from benchmark.cli.plan_costs import asked, known_blocks, measuring, print_forecast
from benchmark.cli.plan_models import print_model_costs
from benchmark.config.run_config import MAXIMUM, RunConfig
from benchmark.corpus.copies import copies
from benchmark.engine.options import engine_options
from benchmark.evaluation.experiment import Experiment, open_experiment
from benchmark.evaluation.explain import build_explainer, evidence_of
from benchmark.evaluation.record import run_folder, run_identity
from benchmark.evaluation.simulators import is_own
from benchmark.interface import SAMPLE, includes
from benchmark.terminal.table import print_rows
from leaderboards.cells import marked


def print_plan(config: RunConfig) -> None:
    """Load subject and corpus, measure nothing, and print the resolved plan."""
    explainer = build_explainer(config.explainer)
    experiment = open_experiment(config)
    subject, corpus, store = experiment.subject, experiment.corpus, experiment.store
    length = config.context_length
    evidence = evidence_of(explainer)
    experiment.sampled = includes(evidence, SAMPLE)
    rows = [
        ["explainer", f"{config.explainer['name']} ({config.explainer['_target_']})"],
        *_simulator(config),
        ["evidence", evidence],
        ["subject", f"{subject.name} ({subject.source}), site {subject.site}"],
        ["device", f"{subject.device}, {config.dtype}, {subject.batch_tokens:,} tokens at once"],
        ["layers", ", ".join(map(str, experiment.layers))],
        ["neurons", _neurons(experiment)],
        ["corpus", f"{corpus.name}, fingerprint {corpus.fingerprint[:12]}"],
        ["contexts of", f"{length} tokens"],
        ["  explain", _contexts(len(store.explain), length, len(corpus.splits["explain"]))],
        ["  sample", _sample(experiment)],
        ["  held out", _contexts(len(store.held_out), length, len(corpus.splits["held_out"]))],
        ["  uniform", _contexts(len(store.uniform_rows), length, len(store.held_out))],
        ["  uniform_small", _small(experiment)],
        ["  copied", copies(corpus.counts)],
        ["firing", f"from {config.firing_threshold:g} of the {_reference(config)} on"],
        *_calibration(experiment),
        *measuring(experiment),
        ["metrics", ", ".join(map(marked, config.metrics.metrics))],
        *([["causal", _causal(experiment)]] if config.metrics.causal is not None else []),
        *([["scorers", ", ".join(config.scorers)]] if config.scorers else []),
        ["engine", _engine(config)],
        ["results", _results(experiment)],
    ]
    sys.stdout.write("plan (nothing is computed or written but the time of one batch):\n")
    print_rows(["what", "how much"], rows, text_columns=2)
    print_forecast(experiment)
    print_model_costs(config, asked(experiment))


def _simulator(config: RunConfig) -> list[list[str]]:
    """Return who predicts from explanations that are text."""
    if is_own(config.simulator):
        return []
    return [["simulator", f"{config.simulator['name']} ({config.simulator['_target_']})"]]


def _small(experiment: Experiment) -> str:
    text = experiment.store.small_text
    return f"{len(text):,} contexts, {int(text.sum()):,} tokens, the same whatever the seed"


def _neurons(experiment: Experiment) -> str:
    config = experiment.config.neurons
    blocks = known_blocks(experiment)
    if blocks is not None:
        total = sum(len(block.neurons) for block in blocks)
        selections = experiment.selections()
        dead = sum(selection.n_dead for selection in selections)
        named = {each.layer: each.dead_neurons for each in selections if each.dead_neurons}
        return f"{total} in {len(blocks)} blocks; {dead} dead neurons in these layers" + (
            f"; of those that are named, {named_dead(named)}" if named else ""
        )
    return f"{asked(experiment)} at most (dead ones are known after the first pass); " + (
        "named one by one" if config.list is not None else f"seed {config.seed}"
    )


def _contexts(n: int, length: int, of: int) -> str:
    return f"{n:,} contexts, {n * length:,} tokens, of {of:,} contexts"


def _sample(experiment: Experiment) -> str:
    store = experiment.store
    if not experiment.sampled:
        return "none: the explainer sees no sample, so none is captured"
    length = experiment.config.context_length
    return _contexts(len(store.sample_rows), length, len(store.explain))


def _calibration(experiment: Experiment) -> list[list[str]]:
    """Return the text that calibration is fitted on, where there is calibration."""
    config, store = experiment.config, experiment.store
    if not config.calibrated:
        return []
    of = len(experiment.corpus.splits["calibrate"])
    text = _contexts(len(store.calibrate), config.context_length, of)
    return [["  calibrate", f"{text}, for calibration={config.calibration}"]]


def _reference(config: RunConfig) -> str:
    if config.firing_reference == MAXIMUM:
        return "largest activation on the explain split"
    return "median exemplar's largest activation"


def _causal(experiment: Experiment) -> str:
    causal = experiment.config.metrics.causal
    assert causal is not None
    passes = 2 * causal.contexts * 3 * asked(experiment)
    together = ", ".join(map(str, causal.together)) or "none"
    return (
        f"neurons replaced on {causal.contexts} uniform and {causal.contexts} firing contexts, "
        f"at most {passes:,} passes from their layer on; together: {together} of a layer"
    )


def _engine(config: RunConfig) -> str:
    """Return who runs the shards, with the options that are not left to the engine."""
    options = dataclasses.asdict(engine_options(config.engine))
    given = [f"{key}={value}" for key, value in options.items() if value not in (None, {})]
    return ", ".join([str(config.engine["name"]), *given])


def _results(experiment: Experiment) -> str:
    blocks = known_blocks(experiment)
    if blocks is None:
        return f"a new run below {experiment.config.results_dir}"
    folder, finished = run_folder(experiment, run_identity(experiment, blocks))
    begun = (folder / "unfinished").is_dir() and not finished
    state = "finished before, nothing is left to do" if finished else "a new run"
    return f"{folder} ({'begun before, will be continued' if begun else state})"
