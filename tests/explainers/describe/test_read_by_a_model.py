"""The sentence of a description, simulated by a language model instead of by itself."""

from __future__ import annotations

import torch

from benchmark.evaluation.simulators import SimulatedExplainer, with_simulator
from benchmark.simulators import AllAtOnce
from benchmark.vocabulary import Vocabulary
from explainers.describe import Describe, Description
from explainers.describe.text import Clue
from tests.language_models import ScriptedModel
from tests.simulators.planted import TOKENS, TRUTH, Tokenizer, perfect_labels


def test_a_language_model_reads_the_sentence() -> None:
    vocabulary = Vocabulary(Tokenizer(), bos=0, size=9)
    description = Description.made(8.0, 0, [Clue(100, (1,))], vocabulary)
    model = ScriptedModel(labels=perfect_labels)
    simulator = AllAtOnce()
    simulator.use_tokenizer(Tokenizer())
    simulator.use_language_model(model)
    prediction = simulator.simulate([description], TOKENS)
    text = TOKENS != 0
    assert torch.allclose(prediction.values[0][text], TRUTH[text])
    assert torch.allclose(description.simulate(TOKENS)[text], TRUTH[text])
    # The first request tries the labels, on a sentence of the simulator's own.
    asked = [request.prefix for request in model.label_requests][1:]
    assert asked
    assert all(f"It looks for: {description.text}\n" in prefix for prefix in asked)


def test_a_simulator_may_be_chosen_for_it() -> None:
    found = with_simulator(
        Describe(), {"name": "all_at_once", "_target_": "benchmark.simulators.AllAtOnce"}
    )
    assert isinstance(found, SimulatedExplainer)
