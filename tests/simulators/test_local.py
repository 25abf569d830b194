"""Simulators on a tiny model in this process, held against its logits computed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmark.errors import BenchmarkError
from benchmark.llm.making import language_model
from benchmark.simulators import AllAtOnce, FirstLogits
from benchmark.simulators.all_at_once import prefix
from benchmark.simulators.levels import NINE, TEN
from benchmark.token_text import prompt_token
from explainers.sentence import Sentence
from tests.llm.tiny import BOS, tiny_checkpoint
from tests.simulators.planted import RAIN, TOKENS, Tokenizer

SNOW = Sentence("snow in letters", 3.0)


@pytest.fixture(scope="module", params=[TEN, NINE], ids=["ten", "nine"])
def checkpoint(request, tmp_path_factory):
    """A model that has 10 as one token, and one that has not."""
    merged = (("1", "0"),) if request.param is TEN else ()
    folder = tmp_path_factory.mktemp("local") / "tiny"
    return tiny_checkpoint(folder, n_ctx=8192, merged=merged), request.param


def local(folder: Path, cache: Path):
    return language_model({"name": "local", "source": str(folder), "device": "cpu"}, cache)


def by_hand(folder: Path, explanation: Sentence, labels) -> torch.Tensor:
    """The expected levels of one whole text at a time: no prefix, no batch, no cache."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()

    def ids(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    values = torch.zeros(TOKENS.shape)
    for context, row in enumerate(TOKENS.tolist()):
        whole, places = [BOS, *ids(prefix(explanation.text, labels))], []
        shown = [(place, token) for place, token in enumerate(row) if token != row[0]]
        for number, (place, token) in enumerate(shown):
            line = f"{'' if number == 0 else chr(10)}{prompt_token(Tokenizer(), token)}\t"
            whole += ids(line)
            places.append((place, len(whole) - 1))
            whole += ids("unknown")
        with torch.no_grad():
            logits = model(torch.tensor([whole])).logits[0]
        for place, position in places:
            p = logits[position, [ids(label)[0] for label in labels]].softmax(0)
            level = sum(float(p[i]) * i for i in range(len(labels)))
            values[context, place] = level / (len(labels) - 1) * explanation.max_activation
    return values


def test_all_at_once_equals_a_computation_by_hand(checkpoint, tmp_path):
    folder, labels = checkpoint
    simulator = AllAtOnce()
    simulator.use_tokenizer(Tokenizer())
    simulator.use_language_model(local(folder, tmp_path))
    found = simulator.simulate([RAIN, SNOW], TOKENS)
    assert simulator.labels() == labels
    for row, explanation in enumerate((RAIN, SNOW)):
        want = by_hand(folder, explanation, labels)
        assert want.abs().sum() > 1
        torch.testing.assert_close(found.values[row], want, atol=2e-4, rtol=0)
    assert found.costs["unread_tokens"] == 0
    again = AllAtOnce()  # everything is kept
    again.use_tokenizer(Tokenizer())
    again.use_language_model(local(folder, tmp_path))
    assert torch.equal(again.simulate([RAIN, SNOW], TOKENS).values, found.values)


def test_first_logits_equals_a_computation_by_hand(checkpoint, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, _ = checkpoint
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    simulator = FirstLogits()
    simulator.use_tokenizer(tokenizer)  # a subject with the same vocabulary
    simulator.use_language_model(local(folder, tmp_path))
    found = simulator.simulate([SNOW], TOKENS)
    head = "## Neuron Description: snow in letters\n\n ## Input: "
    start = [BOS, *tokenizer(head, add_special_tokens=False)["input_ids"]]
    for context, row in enumerate(TOKENS.tolist()):
        with torch.no_grad():
            logits = model(torch.tensor([[*start, *row[1:]]])).logits[0]
        levels = logits[len(start) :, :11].softmax(1) @ torch.arange(11.0) / 10 * 3.0
        for place, token in enumerate(row):
            want = 0.0 if token == row[0] else float(levels[place - 1])
            assert float(found.values[0, context, place]) == pytest.approx(want, abs=2e-4)


def test_a_subject_with_other_words_is_refused(checkpoint, tmp_path):
    simulator = FirstLogits()
    simulator.use_tokenizer(Tokenizer())
    simulator.use_language_model(local(checkpoint[0], tmp_path))
    with pytest.raises(BenchmarkError, match="must have the same vocabulary"):
        simulator.simulate([SNOW], TOKENS)
