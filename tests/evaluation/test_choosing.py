"""Choice among candidates: on which contexts they are compared, and which one is kept."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from benchmark.evaluation.choosing import EVENLY, STRONGEST, choose, compared_contexts
from benchmark.evaluation.simulators import SimulatedExplainer
from benchmark.interface import Costs, Explained, Failure, Prediction
from explainers.sentence import Sentence

BOS = 0
TOKENS = torch.randint(1, 9, (40, 80), generator=torch.Generator().manual_seed(1))
TOKENS[:, 0] = BOS
TRUTH = torch.rand(2, 40, 80, generator=torch.Generator().manual_seed(2))
EXPERIMENT = SimpleNamespace(
    store=SimpleNamespace(
        calibration_truth=lambda block: SimpleNamespace(bos=BOS, tokens=TOKENS, activations=TRUTH)
    )
)


class Scripted:
    """Predicts the truth with as much noise as the text says; a text may also break it."""

    def __init__(self):
        self.seen = []

    def simulate(self, explanations, tokens):
        self.seen.append((sorted(one.text for one in explanations), tokens))
        rows = torch.stack([(TOKENS[:, :65] == row).all(1).nonzero()[0, 0] for row in tokens])
        values = []
        for one in explanations:
            neuron, _, noise = one.text.partition(" ")
            if noise == "breaks":
                raise ValueError("cannot read it")
            true = TRUTH[int(neuron)][rows][:, : tokens.shape[1]]
            noise = torch.rand(true.shape, generator=torch.Generator().manual_seed(3)) * float(
                noise
            )
            values.append(true + noise)
        return Prediction(torch.stack(values), costs=Costs(llm_tokens=10, usd=0.5))


def chosen(*texts, neuron=0):
    simulator = Scripted()
    first, *others = [Sentence(f"{neuron} {text}", 1.0) for text in texts]
    answers = [Explained(Failure("no")), Explained(Failure("no"))]
    answers[neuron] = Explained(first, Costs(), tuple(others))
    explainer = SimulatedExplainer(SimpleNamespace(), lambda: simulator)
    kept, costs = choose(EXPERIMENT, explainer, None, answers)
    assert isinstance(kept[1 - neuron], Failure)
    return kept[neuron].text.partition(" ")[2], costs, simulator


@pytest.mark.parametrize("neuron", [0, 1])
def test_the_best_is_kept_wherever_it_stands(neuron):
    for texts in (("0", "1", "3"), ("1", "3", "0"), ("3", "0", "1")):
        kept, costs, simulator = chosen(*texts, neuron=neuron)
        assert kept == "0"
        assert costs[neuron]["cost/choose_llm_tokens"] == pytest.approx(10)
        assert costs[neuron]["cost/choose_usd"] == pytest.approx(0.5)
        assert costs[neuron]["cost/choose_tokens"] == 3 * 16 * 65
        assert costs[1 - neuron] == dict.fromkeys(costs[neuron], 0.0)
        assert len(simulator.seen) == 1  # all of a neuron's together


def test_of_equal_ones_the_first_is_kept():
    kept, _, _ = chosen("2", "2.0", "2.00")
    assert kept == "2"


def test_one_that_cannot_be_simulated_is_passed_over():
    assert chosen("breaks", "3", "1")[0] == "1"
    assert chosen("breaks", "breaks")[0] == "breaks"


def test_without_candidates_nothing_is_simulated():
    simulator = Scripted()
    explainer = SimulatedExplainer(SimpleNamespace(), lambda: simulator)
    answers = [Explained(Sentence("0 1", 1.0)), Explained(Failure("no"))]
    kept, costs = choose(EXPERIMENT, explainer, None, answers)
    assert kept == [answers[0].answer, answers[1].answer]
    assert (costs, simulator.seen) == ([{}, {}], [])


@pytest.mark.parametrize("n", [1, 5, 8, 9, 16, 40])
def test_contexts_are_the_strongest_and_some_of_the_rest(n):
    activations = torch.rand(n, 6, generator=torch.Generator().manual_seed(n))
    found = compared_contexts(activations).tolist()
    peaks = activations.amax(1).tolist()
    order = sorted(range(n), key=lambda row: -peaks[row])
    assert found[:STRONGEST] == order[:STRONGEST]
    assert len(set(found)) == len(found) == min(n, STRONGEST + EVENLY)
    rest = sorted(order[STRONGEST:])
    if len(rest) > EVENLY:
        assert found[STRONGEST] == rest[0]
        assert found[-1] == rest[-1]
