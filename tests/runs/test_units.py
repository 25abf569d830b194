"""A run on other units than MLP neurons: evidence, explanations, scores and causal replacement."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from benchmark.config.run_config import check_config, recorded_config
from benchmark.evaluation.experiment import open_experiment
from benchmark.results import Run, load_run
from benchmark.scorers.causal.contexts import spread
from explainers.token_lookup import TokenLookupExplanation
from tests.command import D_MLP, N_LAYERS, Command, call, table
from tests.subject.toy_units import N_DIRECTIONS, PlainPass
from tests.subject.toy_units import more_units as more_units

pytestmark = pytest.mark.usefixtures("more_units")
CONTEXTS = 3
CAUSAL = ("metrics=causal", f"metrics.causal.contexts={CONTEXTS}", "metrics.causal.together=[2]")
LAST = N_LAYERS - 1


def unit(kind: str) -> tuple[str, str]:
    return f"unit.kind={kind}", f"unit.name={kind}"


def experiment_of(run: Run) -> Any:
    return open_experiment(check_config(recorded_config(run.record.config)))


def plain_truth(experiment: Any, layer: int, neurons: list[int], tokens: Any) -> np.ndarray:
    """What units do, by one ordinary pass for each context, `[n, contexts, ctx]`."""
    plain = PlainPass(experiment.subject, layer)
    return torch.stack([plain.activations(row)[:, neurons] for row in tokens]).numpy()


@pytest.mark.parametrize("kind", ["directions", "stream"])
def test_evidence_and_scores_are_of_these_units(command: Command, kind: str) -> None:
    run = command.finished("explainer=token_lookup", f"neurons.layers=[{LAST}]", *unit(kind))
    experiment = experiment_of(run)
    (selection,) = experiment.selections()
    neurons, store = selection.neurons.tolist(), experiment.store
    for block in experiment.blocks():
        evidence = store.evidence(block)
        exemplars, mine = evidence.exemplars, block.neurons.tolist()
        for row, neuron in enumerate(mine):
            expected = plain_truth(experiment, LAST, [neuron], exemplars.tokens[row])[..., 0]
            np.testing.assert_allclose(exemplars.activations[row], expected, atol=1e-4)
        sample = plain_truth(experiment, LAST, mine, evidence.sample.tokens)
        np.testing.assert_allclose(evidence.sample.activations, sample, atol=1e-4)
    uniform = store.held_out.tokens[store.uniform_rows]
    text = (uniform != store.held_out.bos).numpy()
    truth = plain_truth(experiment, LAST, neurons, uniform)
    for place, neuron in enumerate(neurons):
        saved = run.explanation(LAST, neuron).explanation
        prediction = TokenLookupExplanation.from_dict(saved).simulate(uniform).numpy()
        row = next(row for row in run.scores.rows() if row["neuron"] == neuron)
        expected = np.corrcoef(prediction[text], truth[..., place][text])[0, 1]
        assert row["uniform/pearson"] == pytest.approx(expected, abs=1e-4)


def test_n2g_queries_these_units(command: Command) -> None:
    run = command.finished("explainer=n2g", f"neurons.layers=[{LAST}]", *unit("directions"))
    assert set(run.scores.column("status")) == {"ok"}
    assert (run.scores.column("cost/subject_tokens") > 0).all()
    oracle = command.finished("explainer=oracle", f"neurons.layers=[{LAST}]", *unit("directions"))
    np.testing.assert_allclose(oracle.scores.column("uniform/pearson"), 1, atol=1e-6)


@pytest.mark.parametrize("kind", ["directions", "stream"])
def test_causal_scores_replace_these_units(command: Command, kind: str) -> None:
    run = command.finished(
        "explainer=oracle", f"neurons.layers=[{LAST}]", "neurons.per_layer=2", *CAUSAL, *unit(kind)
    )
    assert (run.scores.column("causal/uniform_zero") == 1).all()
    zero = command.finished(
        "explainer=zero", f"neurons.layers=[{LAST}]", "neurons.per_layer=2", *CAUSAL, *unit(kind)
    )
    assert (zero.scores.column("causal/uniform_zero") == 0).all()
    experiment = experiment_of(run)
    store, plain = experiment.store, PlainPass(experiment.subject, LAST)
    tokens = store.held_out.tokens[spread(store.uniform_rows, CONTEXTS)]
    for row in run.scores.rows():
        divergences = []
        for context in tokens:
            text = context != store.held_out.bos
            own = plain.activations(context)[:, row["neuron"]]
            ablated = plain.logits(context, row["neuron"], torch.where(text, 0.0, own))
            untouched = plain.run(context, lambda hidden: hidden)
            p, q = (each[text].double().softmax(-1).numpy() for each in (untouched, ablated))
            divergences += [jensenshannon(*pair) ** 2 for pair in zip(p, q, strict=True)]
        assert row["effect/uniform_zero"] == pytest.approx(np.mean(divergences), rel=1e-3, abs=1e-9)


def test_layers_without_units_are_left_out(command: Command) -> None:
    run = command.finished(*unit("directions"))
    assert run.record.subject.layers == [LAST]
    message = command.run("neurons.layers=[0]", *unit("directions")).message
    assert "layer 0 of subject" in message
    assert f"no units of kind 'directions'; layers [{LAST}] have" in message
    message = command.run(f"neurons.list=[[{LAST},{N_DIRECTIONS}]]", *unit("directions")).message
    assert f"has neurons 0 to {N_DIRECTIONS - 1}" in message


def test_the_record_says_which_units(command: Command) -> None:
    mlp, named = command.finished(), command.run("unit=mlp")
    assert "finished before" in named.out
    data = json.loads((mlp.folder / "run.json").read_text())
    assert data["subject"]["units"] == {"kind": "mlp", "per_layer": [D_MLP] * N_LAYERS}
    assert data["subject"]["d_mlp"] == D_MLP
    run = command.finished(f"neurons.layers=[{LAST}]", *unit("directions"))
    assert run.record.run_id != mlp.record.run_id
    subject = run.record.subject
    assert subject.d_mlp is None
    assert subject.units is not None
    assert (subject.units.kind, subject.site) == ("directions", "directions.{layer}")
    assert [subject.n_units(layer) for layer in range(-1, 3)] == [None, 0, N_DIRECTIONS, None]


def test_a_finished_run_is_scored_again_and_shown(command: Command) -> None:
    run = command.finished(f"neurons.layers=[{LAST}]", *unit("directions"))
    before = table(run)
    answer = call("score", str(run.folder))
    assert answer.status == 0, answer.err
    assert table(load_run(run.folder)) == before
    neuron = run.scores.neurons()[0][1]
    shown = call("show", str(run.folder), f"{LAST}.{neuron}")
    assert shown.status == 0, shown.err
    assert "directions.{layer}" in call("show", str(run.folder)).out


def test_a_kind_that_does_not_exist(command: Command) -> None:
    assert "unit 'sea' is not known" in command.run("unit.kind=sea").message
    assert "unit 'mlq' is not known; did you mean 'mlp'?" in command.run("unit=mlq").message
