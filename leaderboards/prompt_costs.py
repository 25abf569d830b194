"""Costs of prompts: tokens per neuron for each style and each simulator, in docs.

    python -m leaderboards.prompt_costs model=solu-tiny

makes the prompts of some neurons, asks nobody, counts tokens with the subject's tokenizer (or with
`tokenizer=<folder or hub id>`), and writes the table between the marks of the page. Every other
key=value says which neurons and text, as for `python -m benchmark run`.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark.api.experiment import Experiment
from benchmark.config.catalogue import find
from benchmark.config.compose import compose
from benchmark.config.run_config import check_config
from benchmark.errors import BenchmarkError, message_of
from benchmark.evaluation.experiment import open_experiment
from benchmark.evaluation.explain import build_explainer
from benchmark.evaluation.simulators import build_simulator
from benchmark.files.atomic import storage_errors, write_text
from benchmark.interface import LabelReply, LabelRequest, Reply, Request

PAGE = Path(__file__).parents[1] / "docs" / "language-models.md"
BEGIN, END = "<!-- prompt costs -->", "<!-- end of prompt costs -->"
SIMULATORS = ("all_at_once", "json", "token_by_token")
SENTENCE = "names of functions that check the type of an object, right after a keyword"
"""A sentence of usual length, which the prompts of simulators are made with."""
ANSWER_TOKENS = 20  # of a sentence, about
FEW = "neurons.per_layer=4"

Count = Callable[[str], int]


@dataclass
class Recording:
    """A language model that answers something of the right form, and keeps what it was asked."""

    name: str = "nobody"
    reads_labels: bool = True
    requests: list[Request] = field(default_factory=list)
    label_requests: list[LabelRequest] = field(default_factory=list)

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer each request with a level, or with the levels of a whole text."""
        self.requests += requests
        return [Reply(_answer(one)) for one in requests]

    def read_labels(self, requests: Sequence[LabelRequest]) -> list[LabelReply]:
        """Answer that all labels are alike."""
        self.label_requests += requests
        return [LabelReply(_even(len(one.pieces), len(one.labels))) for one in requests]


def _even(places: int, labels: int) -> Tensor:
    return torch.full((places, labels), 1 / labels).log()


def _answer(request: Request) -> str:
    if request.schema is None:
        return "0"
    tokens = json.loads(request.messages[-1].content)["tokens"]
    listed = [{"token": token, "level": 0} for token in tokens]
    return json.dumps({"levels": listed}, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Cost:
    """What a neuron costs on average.

    Attributes:
        name: of the style or the simulator.
        requests: how many.
        read: tokens of the prompts.
        shared: of these, tokens of beginnings that other prompts of any neuron have too, so that
            they need not be run again where a model keeps them.
        written: tokens of the answers.
    """

    name: str
    requests: float
    read: float
    shared: float
    written: float


def style_costs(experiment: Experiment, count: Count) -> list[Cost]:
    """Return what a sentence costs in each prompt style."""
    config = dict(find("explainer", "llm").config)
    costs = []
    for style in type(build_explainer(config)).styles():  # type: ignore[attr-defined]
        explainer: Any = build_explainer({**config, "style": style})
        model = Recording()
        explainer.use_language_model(model)
        for neuron in experiment.neurons:
            evidence = experiment.evidence(neuron).restricted_to(explainer.evidence)
            explainer.explain(evidence, experiment.subject)
        texts = [[message.content for message in one.messages] for one in model.requests]
        n = len(texts)
        read = sum(count(text) for messages in texts for text in messages)
        shared = sum(map(count, texts[0][:-1]))
        costs.append(Cost(style, 1, read / n, shared, ANSWER_TOKENS))
    return costs


def simulator_costs(experiment: Experiment, count: Count) -> list[Cost]:
    """Return what simulating one sentence on the `uniform_small` set costs with each simulator."""
    layer, neuron = experiment.neurons[0].split(".")
    truth = experiment.truth((int(layer), int(neuron)))
    rows = truth.rows("uniform_small")[0]
    width = int(truth.scored("uniform_small")[0].any(0).nonzero().max()) + 1
    tokens = truth.tokens[rows, :width]
    costs = []
    for name in SIMULATORS:
        simulator: Any = build_simulator(find("simulator", name).config)
        model = Recording()
        simulator.use_tokenizer(experiment.subject.tokenizer)
        simulator.use_language_model(model)
        simulator.simulate([_Sentence(SENTENCE)], tokens)
        costs.append(_simulator_cost(name, model, count))
    return costs


def _simulator_cost(name: str, model: Recording, count: Count) -> Cost:
    asked = [one for one in model.label_requests if SENTENCE in one.prefix]
    prefixes = [count(one.prefix) for one in asked]
    rest = [sum(map(count, one.pieces)) + len(one.pieces) * count(one.placeholder) for one in asked]
    read, shared, written = sum(prefixes) + sum(rest), sum(prefixes[1:]), 0
    for request in model.requests:
        *before, last = [count(message.content) for message in request.messages]
        read, shared = read + sum(before) + last, shared + sum(before)
        written += count(_answer(request))
    return Cost(name, len(asked) + len(model.requests), read, shared, written)


@dataclass(frozen=True)
class _Sentence:
    text: str
    max_activation: float = 1.0

    def describe(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        return {"text": self.text}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> _Sentence:
        return cls(data["text"])


def table_of(experiment: Experiment, tokenizer: Any, named: str) -> str:
    """Return both tables as Markdown, with what they were counted on."""

    @functools.cache
    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    n = len(experiment.neurons)
    simulated = "simulating it on `uniform_small`, by `simulator`"
    lines = [
        f"Means over {n} neurons of `{experiment.subject.name}`, counted with {named}.",
        "",
        *_rows("a sentence, by `explainer.style`", style_costs(experiment, count)),
        "",
        *_rows(simulated, simulator_costs(experiment, count)),
    ]
    return "\n".join(lines)


def _rows(what: str, costs: Sequence[Cost]) -> list[str]:
    heading = [what, "requests", "tokens read", "of these shared", "tokens written"]
    return [
        _line(heading),
        _line(["---", *["---:"] * (len(heading) - 1)]),
        *(_line([f"`{one.name}`", *(f"{value:,.0f}" for value in _numbers(one))]) for one in costs),
    ]


def _numbers(cost: Cost) -> tuple[float, ...]:
    return cost.requests, cost.read, cost.shared, cost.written


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def update(page: Path, text: str) -> None:
    """Write the tables between the marks of a page.

    Raises:
        BenchmarkError: the page has no such marks, or cannot be read or written.
    """
    try:
        whole = page.read_text(encoding="utf-8")
    except OSError as error:
        raise BenchmarkError(f"'{page}' cannot be read: {error.strerror}.") from error
    before, begun, rest = whole.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise BenchmarkError(f"'{page}' has no marks '{BEGIN}' and '{END}' for the table.")
    with storage_errors(page.parent):
        write_text(page, f"{before}{BEGIN}\n{text}\n{END}{after}")


def main(words: Sequence[str]) -> int:
    """Run from the command line: `model=...`, `page=...`, `tokenizer=...`, further overrides."""
    named = dict(word.split("=", 1) for word in words if "=" in word)
    page, tokenizer = Path(named.get("page", PAGE)), named.get("tokenizer")
    rest = [word for word in words if word.partition("=")[0] not in ("page", "tokenizer")]
    try:
        # No explainer is asked by the experiment; the quickest stands in its configuration.
        config = check_config(compose([FEW, *rest, "explainer=zero"]))
        experiment = Experiment(open_experiment(config))
        used, how = (
            experiment.subject.tokenizer,
            (
                f"its own tokenizer of {experiment.subject.d_vocab:,} tokens, of which a text "
                "takes more than of the larger vocabularies of most language models"
            ),
        )
        if tokenizer is not None:
            from transformers import AutoTokenizer

            used, how = AutoTokenizer.from_pretrained(tokenizer), f"the tokenizer of `{tokenizer}`"
        text = table_of(experiment, used, how)
        update(page, text)
    except Exception as error:
        message = message_of(error)
        if message is None:
            raise
        sys.stderr.write(f"error: {message}\n")
        return 1
    sys.stdout.write(f"{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
