"""Texts, a tokenizer of letters, and language models that know the rule of a neuron."""

from __future__ import annotations

import json

import torch

from benchmark.interface import Reply
from explainers.sentence import Sentence

WORDS = ["<bos>", " rain", " fell", "\n", "\t", "{", '"', " the", " snow"]
BOS = 0
TOKENS = torch.tensor([[0, 7, 1, 2, 3, 5], [0, 1, 0, 4, 6, 1]])
"""Two contexts, the second with a BOS between two documents."""
RAIN = Sentence("rain in any text", 8.0)
"""Of a neuron that is 8 on ` rain` and 0 elsewhere."""
TRUTH = torch.where(TOKENS == 1, 8.0, 0.0)


class Tokenizer:
    all_special_tokens = ("<bos>",)

    def decode(self, ids):
        return "".join(WORDS[token] for token in ids)

    def get_vocab(self):
        return {word: index for index, word in enumerate(WORDS)}


def level_of(token: str, highest: int = 10) -> int:
    """What a perfect model says of a token."""
    return highest if token.strip() == "rain" else 0


def perfect_labels(request):
    """All the probability on the right level at each place."""
    levels = [
        level_of(piece.strip("\n").rstrip("\t"), len(request.labels) - 1)
        for piece in request.pieces
    ]
    return torch.eye(len(request.labels))[levels]


def perfect_json(request):
    """The text of the last question with the right levels."""
    tokens = json.loads(request.messages[-1].content)["tokens"]
    return json.dumps({"levels": [{"token": t, "level": level_of(t)} for t in tokens]})


def perfect_digit(request):
    """The right level of the last token, from 0 to 9."""
    last = request.messages[-1].content.splitlines()[-1].partition("\t")[0]
    return Reply(str(level_of(last, 9)))
