"""A subject and a corpus whose tokens would run as scripts if a page let them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import torch

from benchmark.builtin.recipe import BOS_TOKEN
from benchmark.interface import Failure
from tests.command import write_checkpoint

# Every one of these sets `window.hacked` if any part of a page takes it for more than text.
WORDS = (
    "<script>window.hacked=1</script>",
    "</script><script>window.hacked=2</script>",
    "<img/src=x/onerror=window.hacked=3>",
    "\"onmouseover='window.hacked=4'",
    "</title><svg/onload=window.hacked=5>",
    "<!--<script>",
    "{{7*7}}",
    "${window.hacked=6}",
    "javascript:window.hacked=7",
    "&lt;b&gt;",
    "]]></style>",
    "\\u003cscript\\u003e",
    "__proto__",
    "constructor",
)
PLAIN = tuple(f"word{number}" for number in range(2, 9))
UNKNOWN = "<unk>"


class Says:
    """Predicts one number and describes itself as a script."""

    def __init__(self, value):
        self.value = value

    def simulate(self, tokens):
        return torch.full(tokens.shape, self.value)

    def describe(self):
        return f"{WORDS[0]} {WORDS[1]}"

    def to_dict(self):
        return {"value": self.value}

    @classmethod
    def from_dict(cls, data):
        return cls(data["value"])


class SaysScript:
    """Fails for even neurons, with a script as the reason."""

    evidence = "exemplars"
    explanation_class = Says

    def explain(self, evidence, subject):
        return [
            Failure(WORDS[1]) if neuron % 2 == 0 else Says(0.5 * maximum)
            for neuron, maximum in zip(
                evidence.neurons.tolist(), evidence.max_activation.tolist(), strict=True
            )
        ]


def hostile_checkpoint(folder: Path) -> Path:
    """The small subject of `tests.command`, whose tokens are the words above."""
    write_checkpoint(folder)
    path = folder / "tokenizer.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    words = (BOS_TOKEN, UNKNOWN, *PLAIN, *WORDS)
    data["model"]["vocab"] = {word: number for number, word in enumerate(words)}
    data["pre_tokenizer"] = {"type": "WhitespaceSplit"}
    path.write_text(json.dumps(data), encoding="utf-8")
    return folder


def hostile_texts(folder: Path, n_documents: int = 80) -> Path:
    """Documents of these words."""
    folder.mkdir(parents=True)
    generator = random.Random(0)
    for number in range(n_documents):
        length = generator.randrange(40, 120)
        text = " ".join(generator.choice((*PLAIN, *WORDS)) for _ in range(length))
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    return folder
