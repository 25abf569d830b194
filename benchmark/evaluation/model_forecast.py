"""Forecast of what language models will be asked in a run, from the prompts of a few neurons."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.config.run_config import BootstrapConfig, RunConfig
from benchmark.evaluation.answers import explain_block
from benchmark.evaluation.choosing import choose
from benchmark.evaluation.experiment import Experiment, open_experiment
from benchmark.evaluation.explain import evidence_of, prepare_explainer
from benchmark.evaluation.language_models import explainer_of
from benchmark.evaluation.score import score_explanations
from benchmark.evaluation.simulators import explaining
from benchmark.interface import SAMPLE, NeedsSubject, Usage, includes
from benchmark.llm.counting import CountingModel
from benchmark.plugins.handed import HandedStorage

NEURONS = 3  # whose prompts are made
EXPLAIN, SAMPLED, HELD_OUT = 256, 128, 128  # contexts that are measured for them
SMALL_SET = ("uniform_small",)
CHOOSE = "choose"


@dataclass(frozen=True)
class ModelCosts:
    """What one purpose of a run asks a language model, per neuron.

    Attributes:
        purpose: `explain`, `choose`, `simulate`, or the name of a scorer.
        model: its name.
        requests: requests per neuron.
        prompt_tokens, completion_tokens: per neuron; of answers the most that they may have.
        usd: per neuron.
        exact: whether tokens are counted with the model's tokenizer and not estimated.
        priced: whether the model has a price.
    """

    purpose: str
    model: str
    requests: float
    prompt_tokens: float
    completion_tokens: float
    usd: float
    exact: bool
    priced: bool


def model_costs(config: RunConfig) -> list[ModelCosts]:
    """Return what language models would be asked, from the real prompts of a few neurons.

    A few neurons of one layer are explained, simulated and scored on a small part of the text, by
    models that give the same answer to everything. Nothing is asked, and nothing is kept.

    Raises:
        BenchmarkError: something cannot be made or loaded.
    """
    models: dict[str, CountingModel] = {}

    def make(chosen: Mapping[str, Any], kind: str) -> CountingModel:
        models[kind] = CountingModel(chosen)
        models[kind].purpose = PURPOSES.get(kind, kind.partition(".")[2])
        return models[kind]

    with tempfile.TemporaryDirectory(prefix="neuron-benchmark-") as folder:
        explainer = explainer_of(config, make)
        if not models and not any("llm" in options for options in config.scorers.values()):
            return []
        experiment = open_experiment(reduced(config, folder))
        experiment.make_model = make
        _ = experiment.scorers
        if not models:
            return []
        n = _asked(experiment, explainer, models)
    return [
        _per_neuron(purpose, model, n) for model in models.values() for purpose in model.counted
    ]


PURPOSES = {"explainer": "explain", "simulator": "simulate"}


def reduced(config: RunConfig, cache: str) -> RunConfig:
    """Return a run of a few neurons and a small part of the text."""
    contexts, layers = config.contexts, config.neurons.layers
    sets = config.simulator.get("scoring_sets")
    few = sets is not None and tuple(sets) == SMALL_SET
    neurons = dataclasses.replace(
        config.neurons,
        per_layer=NEURONS,
        layers=layers[:1] if layers else None,
        list=config.neurons.list[:NEURONS] if config.neurons.list else None,
    )
    if neurons.list is None and not layers:
        neurons = dataclasses.replace(neurons, layers=[0])
    return dataclasses.replace(
        config,
        neurons=neurons,
        contexts=dataclasses.replace(
            contexts,
            explain=min(contexts.explain or EXPLAIN, max(EXPLAIN, contexts.exemplars)),
            sample=min(contexts.sample, SAMPLED),
            held_out=max(HELD_OUT, contexts.uniform) if not few else HELD_OUT,
            uniform=min(contexts.uniform, HELD_OUT) if few else contexts.uniform,
            calibrate=min(contexts.calibrate or HELD_OUT, HELD_OUT),
        ),
        bootstrap=BootstrapConfig(resamples=1, document_resamples=0),
        cache_dir=cache,
        calibration="none",
        dry_run=False,
    )


def _asked(experiment: Experiment, explainer: Any, models: dict[str, CountingModel]) -> int:
    """Explain, simulate and score a few neurons; return how many."""
    explains = explaining(explainer)
    experiment.sampled = includes(evidence_of(explains), SAMPLE)
    block = experiment.blocks()[0]
    calibrate = "simulator" in models
    experiment.store.prepare([block], sample=experiment.sampled, calibrate=calibrate)
    if isinstance(explainer, NeedsSubject):
        explainer.bind(experiment.handed_subject)
    storage = HandedStorage(experiment.store.cache)
    prepare_explainer(explains, experiment.explain_text(), storage)
    evidence = experiment.store.evidence(block, sample=experiment.sampled)
    answers = explain_block(explains, evidence, experiment.handed_subject)
    if calibrate:
        models["simulator"].purpose = CHOOSE
    explanations, _ = choose(experiment, explainer, block, answers)
    if calibrate:
        models["simulator"].purpose = PURPOSES["simulator"]
    score_explanations(experiment, explainer, block, explanations, {})
    return len(block.neurons)


def _per_neuron(purpose: str, model: CountingModel, n: int) -> ModelCosts:
    counted = model.counted[purpose]
    usage: Usage = counted.usage
    return ModelCosts(
        purpose=purpose,
        model=model.name,
        requests=counted.requests / n,
        prompt_tokens=usage.prompt_tokens / n,
        completion_tokens=usage.completion_tokens / n,
        usd=usage.usd / n,
        exact=model.exact,
        priced=model.priced,
    )
