"""A neuron that fires on one word, and language models that judge what is said of it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import torch

from benchmark.evidence import Truth
from benchmark.interface import Failure, Reply, Request, ScoredBlock, Usage
from tests.scorers.judging.test_items import make_truth
from tests.scorers.judging.test_simulated import block_of

WORD = 7
EXPLANATION = "fires on w7"


class Words:
    """A tokenizer of words that are numbers."""

    def decode(self, tokens: list[int], clean_up_tokenization_spaces: bool = True) -> str:
        assert not clean_up_tokenization_spaces
        return "".join(f" w{token}" for token in tokens)


class Subject:
    tokenizer = Words()


class Text:
    def __init__(self, text: str = EXPLANATION) -> None:
        self.text = text

    def describe(self) -> str:
        return self.text


def planted(seed: int = 0, n: int = 2, n_contexts: int = 160) -> Truth:
    """Text in which neurons fire on `WORD`, some times stronger than others."""
    truth = make_truth(seed, n_contexts, n)
    strength = 0.6 + 0.4 * torch.rand(
        truth.tokens.shape, generator=torch.Generator().manual_seed(1)
    )
    every = ((truth.tokens == WORD) * strength).expand(n, -1, -1)
    neuron = torch.arange(n)[:, None]
    return replace(
        truth,
        uniform_activations=every[:, truth.uniform],
        top_activations=every[neuron, truth.top],
        small=None,
    )


def court(truth: Truth, explanations: list[Any] | None = None) -> ScoredBlock:
    n = len(truth.top)
    block = block_of(truth, torch.zeros(n, *truth.tokens.shape))
    given = [Text()] * n if explanations is None else explanations
    return replace(block, explanations=given, subject=Subject())  # type: ignore[arg-type]


def texts_of(request: Request) -> list[str]:
    parts = re.split(r"--- Text \d+ ---\n", request.messages[-1].content)
    return [part.rstrip("\n") for part in parts[1:]]


def is_marked_right(text: str) -> bool:
    """Whether exactly the words w7 stand between marks."""
    marked = " ".join(re.findall("⟦(.*?)⟧", text)).split()
    return set(marked) == {"w7"} and "w7" not in re.sub("⟦.*?⟧", " ", text).split()


def digits(values: list[bool], sure: float | None = None) -> Reply:
    """The answer of a judge who is `sure`, in log-probabilities where they are given."""
    text = ",".join(str(int(value)) for value in values)
    logprobs = None
    if sure is not None:
        known = torch.tensor([sure, 1 - sure]).log().tolist()
        logprobs = tuple(
            {letter: 0.0}
            if letter == ","
            else {letter: known[0], str(1 - int(letter)): known[1], "x": -9.0}
            for letter in text
        )
    return Reply(text, usage=Usage(100, 0, len(values), 0.01), logprobs=logprobs)


def detects(request: Request) -> Reply:
    return digits(["w7" in text.split() for text in texts_of(request)], 0.9)


def checks_marks(request: Request) -> Reply:
    return digits([is_marked_right(text) for text in texts_of(request)], 0.8)


def finds_intruder(request: Request) -> Reply:
    wrong = [not is_marked_right(text) for text in texts_of(request)]
    number = str(wrong.index(True) + 1)
    return Reply(number, usage=Usage(100, 0, 1), logprobs=({number: -0.1, "9": -3.0},))


def failed() -> Failure:
    return Failure("too hard")
