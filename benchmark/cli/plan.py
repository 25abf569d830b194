"""`run --dry-run`: what a run would do, and what it would find in the cache."""

from __future__ import annotations

import dataclasses
import sys

from benchmark.cli.finished import named_dead
from benchmark.config.run_config import MAXIMUM, RunConfig
from benchmark.corpus.copies import copies
from benchmark.engine.options import engine_options
from benchmark.evaluation.experiment import Experiment, cache_folder, open_experiment
from benchmark.evaluation.explain import build_explainer
from benchmark.evaluation.record import run_folder, run_identity
from benchmark.evidence import Block
from benchmark.terminal.table import print_rows
from leaderboards.cells import marked


def print_plan(config: RunConfig) -> None:
    """Load subject and corpus, measure nothing, and print the resolved plan."""
    explainer = build_explainer(config.explainer)
    experiment = open_experiment(config)
    subject, corpus, store = experiment.subject, experiment.corpus, experiment.store
    length = config.context_length
    passes = _passes(experiment)
    rows = [
        ["explainer", f"{config.explainer['name']} ({config.explainer['_target_']})"],
        ["evidence", explainer.evidence],
        ["subject", f"{subject.name} ({subject.source}), site {subject.site}"],
        ["device", f"{subject.device}, {config.dtype}, {subject.batch_tokens:,} tokens at once"],
        ["layers", ", ".join(map(str, experiment.layers))],
        ["neurons", _neurons(experiment)],
        ["corpus", f"{corpus.name}, fingerprint {corpus.fingerprint[:12]}"],
        ["contexts of", f"{length} tokens"],
        ["  explain", _contexts(len(store.explain), length, len(corpus.splits["explain"]))],
        ["  sample", _contexts(len(store.sample_rows), length, len(store.explain))],
        ["  held out", _contexts(len(store.held_out), length, len(corpus.splits["held_out"]))],
        ["  uniform", _contexts(len(store.uniform_rows), length, len(store.held_out))],
        ["  copied", copies(corpus.counts)],
        ["firing", f"from {config.firing_threshold:g} of the {_reference(config)} on"],
        *_calibration(experiment),
        ["subject tokens", passes],
        ["cache", _cache(experiment)],
        ["disk", f"about {_bytes(experiment) / 1e6:,.0f} MB in {cache_folder(config)}"],
        ["metrics", ", ".join(map(marked, config.metrics.metrics))],
        *([["causal", _causal(experiment)]] if config.metrics.causal is not None else []),
        *([["scorers", ", ".join(config.scorers)]] if config.scorers else []),
        ["engine", _engine(config)],
        ["results", _results(experiment)],
    ]
    sys.stdout.write("plan (nothing is computed or written):\n")
    print_rows(["what", "how much"], rows, text_columns=2)


def _known_blocks(experiment: Experiment) -> list[Block] | None:
    """Return the blocks, if the profiles that decide them are on disk."""
    if all(experiment.store.profile_is_cached(layer) for layer in experiment.layers):
        return experiment.blocks()
    return None


def _neurons(experiment: Experiment) -> str:
    config = experiment.config.neurons
    blocks = _known_blocks(experiment)
    if blocks is not None:
        total = sum(len(block.neurons) for block in blocks)
        selections = experiment.selections()
        dead = sum(selection.n_dead for selection in selections)
        named = {each.layer: each.dead_neurons for each in selections if each.dead_neurons}
        return f"{total} in {len(blocks)} blocks; {dead} dead neurons in these layers" + (
            f"; of those that are named, {named_dead(named)}" if named else ""
        )
    return f"{_asked(experiment)} at most (dead ones are known after the first pass); " + (
        "named one by one" if config.list is not None else f"seed {config.seed}"
    )


def _asked(experiment: Experiment) -> int:
    config = experiment.config.neurons
    if config.list is not None:
        return len(config.list)
    sizes = [experiment.subject.n_units(layer) for layer in experiment.layers]
    return sum(n if config.per_layer is None else min(config.per_layer, n) for n in sizes)


def _contexts(n: int, length: int, of: int) -> str:
    return f"{n:,} contexts, {n * length:,} tokens, of {of:,} contexts"


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


def _passes(experiment: Experiment) -> str:
    blocks = _known_blocks(experiment)
    store, length = experiment.store, experiment.config.context_length
    calibrate = experiment.config.calibrated
    if blocks is not None and all(store.is_cached(b, calibrate=calibrate) for b in blocks):
        return "none before the explainer asks: all activations are in the cache"
    n = len(store.explain) * (blocks is None)
    n += min(
        len(store.explain),
        len(store.sample_rows) + _asked(experiment) * experiment.config.contexts.exemplars,
    )
    n += len(store.held_out)
    n += len(store.calibrate) * experiment.config.calibrated
    return f"about {n * length:,} to measure activations, then what the explainer asks"


def _cache(experiment: Experiment) -> str:
    store = experiment.store
    profiles = sum(store.profile_is_cached(layer) for layer in experiment.layers)
    blocks = _known_blocks(experiment)
    text = f"{profiles} of {len(experiment.layers)} profiles"
    if blocks is not None:
        cached = sum(store.is_cached(block) for block in blocks)
        text += f", {cached} of {len(blocks)} blocks"
    return f"{text} will be used"


def _causal(experiment: Experiment) -> str:
    causal = experiment.config.metrics.causal
    assert causal is not None
    passes = 2 * causal.contexts * 3 * _asked(experiment)
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
    blocks = _known_blocks(experiment)
    if blocks is None:
        return f"a new run below {experiment.config.results_dir}"
    folder, finished = run_folder(experiment, run_identity(experiment, blocks))
    begun = (folder / "unfinished").is_dir() and not finished
    state = "finished before, nothing is left to do" if finished else "a new run"
    return f"{folder} ({'begun before, will be continued' if begun else state})"


def _bytes(experiment: Experiment) -> int:
    store, config = experiment.store, experiment.config
    per_neuron = len(store.sample_rows) + len(store.uniform_rows)
    per_neuron += config.contexts.exemplars + config.contexts.top
    per_neuron += len(store.calibrate) * config.calibrated
    return 4 * config.context_length * per_neuron * _asked(experiment)
