"""Causal scores against one forward pass per neuron and context, and their exact ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch import Tensor

from benchmark.evidence import Block, Truth
from benchmark.scorers.causal import alone
from benchmark.scorers.causal.alone import score_alone
from benchmark.scorers.causal.contexts import firing_rows, spread
from benchmark.scorers.causal.together import score_together
from benchmark.subject import Subject, load_subject
from tests.subject import checkpoints
from tests.subject.checkpoints import D_VOCAB
from tests.subject.test_intervene import whole_pass

LENGTH, N_ROWS = 8, 9
NEURONS = torch.tensor([3, 7, 11, 0])


@pytest.fixture(scope="module", params=["builtin", "gpt2"])
def subject(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "builtin":
        checkpoints.builtin_folder(folder)
    else:
        checkpoints.huggingface_folder(folder, request.param)
    return load_subject({"kind": "local", "source": str(folder)}, device="cpu")


class Case:
    """Held-out text with a BOS inside, what the neurons do there, and a bad simulation of it."""

    def __init__(self, subject: Subject, layer: int) -> None:
        generator = torch.Generator().manual_seed(layer)
        self.subject, self.layer = subject, layer
        tokens = torch.randint(2, D_VOCAB, (N_ROWS, LENGTH), generator=generator)
        tokens[:, 0] = subject.bos
        tokens[4, 5] = subject.bos
        self.activations = subject.activations(tokens, layer, NEURONS).permute(2, 0, 1)
        text = tokens != subject.bos
        strongest = self.activations.masked_fill(~text, -torch.inf).amax(-1)
        own = strongest.topk(3, dim=1).indices
        uniform = torch.tensor([0, 1, 4, 5, 7])
        self.truth = Truth(
            bos=subject.bos,
            tokens=tokens,
            uniform=uniform,
            top=own,
            uniform_activations=self.activations[:, uniform],
            top_activations=self.activations[torch.arange(len(NEURONS))[:, None], own],
            novel=tokens[uniform] != subject.bos,
            documents=torch.zeros(len(uniform), LENGTH, dtype=torch.long),
        )
        self.text = text
        self.maximum = torch.stack([one[text].max() for one in self.activations])
        self.mean = torch.stack([one[text].mean() for one in self.activations])
        self.threshold = self.maximum - 0.2 * self.maximum.abs()
        noise = torch.randn(self.activations.shape, generator=generator)
        self.simulated = self.activations + noise

    def alone(self, prediction: Tensor, n_contexts: int = 3) -> dict[str, Tensor]:
        return score_alone(
            self.subject,
            Block(0, self.layer, NEURONS),
            self.truth,
            prediction,
            mean=self.mean,
            maximum=self.maximum,
            threshold=self.threshold,
            n_contexts=n_contexts,
        )

    def together(self, prediction: Tensor, sizes: tuple[int, ...] = (2, 99)) -> list[Any]:
        return score_together(
            self.subject,
            self.layer,
            NEURONS,
            self.truth.tokens,
            prediction,
            mean=self.mean,
            maximum=self.maximum,
            sizes=sizes,
        )

    def logits(self, row: int, columns: Tensor, values: Tensor) -> Tensor:
        """Logits of a context, neurons replaced wherever there is text; `values [k, pos]`."""
        own = self.activations[self.places(columns), row]
        replaced = torch.where(self.text[row], values, own).T
        return whole_pass(self.subject, self.truth.tokens[row], self.layer, columns, replaced)

    def places(self, columns: Tensor) -> Tensor:
        found = [NEURONS.tolist().index(one) for one in columns.tolist()]
        return torch.tensor(found, dtype=torch.long)


@pytest.fixture(scope="module", params=[0, 2])
def case(request: Any, subject: Subject) -> Case:
    return Case(subject, request.param)


def test_alone_equals_a_pass_per_neuron_and_context(case: Case) -> None:
    found = case.alone(case.simulated)
    assert list(found) == [
        f"{kind}/{contexts}_{ablation}"
        for kind in ("causal", "effect")
        for contexts in ("uniform", "firing")
        for ablation in ("mean", "zero")
    ]
    rows_of = {
        "uniform": [spread(case.truth.uniform, 3)] * len(NEURONS),
        "firing": firing_rows(case.truth, case.threshold, 3),
    }
    nothing = torch.zeros(0, dtype=torch.long)
    for contexts, rows_of_neurons in rows_of.items():
        for place, column in enumerate(NEURONS[:, None]):
            variants = {
                "simulated": lambda row, place=place: case.simulated[place, row],
                "mean": lambda row, place=place: case.mean[place].expand(LENGTH),
                "zero": lambda row: torch.zeros(LENGTH),
            }
            apart: dict[str, list[float]] = {name: [] for name in variants}
            for row in rows_of_neurons[place].tolist():
                original = case.logits(row, nothing, torch.zeros(0, LENGTH))
                for name, values in variants.items():
                    changed = case.logits(row, column, values(row)[None])
                    for at in case.text[row].nonzero()[:, 0].tolist():
                        p, q = (one[at].double().softmax(-1).numpy() for one in (original, changed))
                        apart[name].append(np.nan_to_num(jensenshannon(p, q)) ** 2)
            for ablation in ("mean", "zero"):
                effect = np.mean(apart[ablation])
                score = 1 - np.mean(apart["simulated"]) / effect
                column_name = f"{contexts}_{ablation}"
                assert float(found[f"effect/{column_name}"][place]) == pytest.approx(
                    effect, rel=1e-2, abs=1e-8
                )
                assert float(found[f"causal/{column_name}"][place]) == pytest.approx(
                    score, rel=1e-2, abs=1e-2
                )


def test_together_equals_a_pass_per_set_and_context(case: Case) -> None:
    records = case.together(case.simulated)
    assert [len(one.neurons) for one in records] == [2, len(NEURONS)]
    tokens, text = case.truth.tokens, case.text
    for record in records:
        columns = torch.tensor(record.neurons)
        places = case.places(columns)
        losses: dict[str, list[float]] = {name: [] for name in ("own", "sim", "mean", "zero")}
        for row in range(N_ROWS):
            values = {
                "own": case.activations[places, row],
                "sim": case.simulated[places, row],
                "mean": case.mean[places, None].expand(-1, LENGTH),
                "zero": torch.zeros(len(columns), LENGTH),
            }
            for name, replaced in values.items():
                logits = case.logits(row, columns, replaced)
                for at in range(LENGTH - 1):
                    if text[row, at] and text[row, at + 1]:
                        loss = torch.nn.functional.cross_entropy(logits[at], tokens[row, at + 1])
                        losses[name].append(float(loss))
        own, sim, mean, zero = (np.mean(losses[name]) for name in ("own", "sim", "mean", "zero"))
        assert record.tokens == len(losses["own"])
        found = (record.loss, record.loss_simulated, record.loss_mean, record.loss_zero)
        assert found == pytest.approx((own, sim, mean, zero), rel=1e-4)
        for recovered, ablated in ((record.recovered_mean, mean), (record.recovered_zero, zero)):
            if ablated - own > 1e-3:
                assert recovered == pytest.approx((ablated - sim) / (ablated - own), rel=1e-2)
            if ablated < own:
                assert recovered is None


def test_the_truth_scores_exactly_one(case: Case) -> None:
    """Also where the last digits differ, as they do between batches."""
    for prediction in (case.activations, case.activations * (1 + 1e-6)):
        found = case.alone(prediction)
        for name, values in found.items():
            if name.startswith("causal/"):
                assert not values.isnan().any()
                assert (values == 1).all(), name
        for record in case.together(prediction):
            assert record.loss_simulated == record.loss
            assert {record.recovered_mean, record.recovered_zero} <= {1.0, None}


@pytest.mark.parametrize("ablation", ["mean", "zero"])
def test_an_ablation_scores_exactly_zero(case: Case, ablation: str) -> None:
    value = case.mean if ablation == "mean" else torch.zeros(len(NEURONS))
    prediction = value[:, None, None].expand_as(case.activations).clone()
    prediction[:, ~case.text] = 99.0  # BOS is never replaced
    found = case.alone(prediction)
    for contexts in ("uniform", "firing"):
        assert (found[f"causal/{contexts}_{ablation}"] == 0).all()
        other = "zero" if ablation == "mean" else "mean"
        assert (found[f"causal/{contexts}_{other}"] != 0).all()
    for record in case.together(prediction):
        assert getattr(record, f"loss_{ablation}") == record.loss_simulated
        assert getattr(record, f"recovered_{ablation}") in (0.0, None)


def test_the_effect_of_a_neuron_is_not_the_explainers(case: Case) -> None:
    one, other = case.alone(case.simulated), case.alone(-case.simulated)
    for name in one:
        if name.startswith("effect/"):
            torch.testing.assert_close(one[name], other[name], rtol=0, atol=0)


def test_batches_and_chunks_change_nothing(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = case.alone(case.simulated)
    monkeypatch.setattr(alone, "contexts_at_once", lambda *_: 2)
    case.subject.limit_batch(LENGTH)
    apart = case.alone(case.simulated)
    case.subject.limit_batch(None)
    for name, values in whole.items():
        torch.testing.assert_close(apart[name], values, rtol=1e-3, atol=1e-3)


def test_a_neuron_without_effect_is_null(tmp_path: Path) -> None:
    folder = checkpoints.legacy_folder(tmp_path / "model", "gelu")
    path = folder / "SoLU_final.pth"
    weights = torch.load(path)
    weights["blocks.1.mlp.W_out"][int(NEURONS[1])] = 0
    torch.save(weights, path)
    case = Case(load_subject({"kind": "local", "source": str(folder)}, device="cpu"), 1)
    found = case.alone(case.simulated)
    for name, values in found.items():
        if name.startswith("causal/"):
            assert values.isnan().tolist() == [False, True, False, False]
        else:
            assert float(values[1]) == 0
    case.threshold[2] = torch.finfo(torch.float32).max  # a neuron that fires nowhere
    found = case.alone(case.simulated)
    assert found["causal/firing_mean"].isnan().tolist() == [False, True, True, False]
    assert found["causal/uniform_mean"].isnan().tolist() == [False, True, False, False]


def test_contexts_in_which_neurons_fire(case: Case) -> None:
    fires = ((case.activations >= case.threshold[:, None, None]) & case.text).any(-1)
    for wanted in (1, 3, 99):
        for neuron, rows in enumerate(firing_rows(case.truth, case.threshold, wanted)):
            uniform = {row for row in case.truth.uniform.tolist() if fires[neuron, row]}
            own = {row for row in case.truth.top[neuron].tolist() if fires[neuron, row]}
            assert len(rows) == min(wanted, len(uniform | own))
            assert rows.tolist() == sorted(set(rows.tolist()))
            assert set(rows.tolist()) <= uniform | own
            if len(rows) <= len(uniform):
                assert set(rows.tolist()) <= uniform  # own strongest ones only fill up
    assert spread(torch.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert spread(torch.arange(3), 4).tolist() == [0, 1, 2]
