"""JSON simulator: the text copied by the model, each token with its level."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from benchmark.interface import Message, Request, Usage
from benchmark.simulators.examples import EXAMPLES
from benchmark.simulators.levels import TEN, Asked, LevelSimulator, Spent

HIGHEST = len(TEN) - 1
TOKENS_PER_ENTRY, TOKENS_BESIDES = 24, 64  # of an answer, at most
INSTRUCTIONS = """\
Every neuron of a language model looks for something in a text. You get JSON: what one neuron \
looks for, and the tokens of a text. Answer with JSON: {"levels": [{"token": ..., "level": ...}, \
...]}, one entry for each token in the same order, the token copied letter by letter, and its \
level, a whole number that tells how strongly the neuron fires on this token: from 0, not at all, \
to 10, as strongly as it ever does. On most tokens it is 0."""
ENTRY = {
    "type": "object",
    "properties": {
        "token": {"type": "string"},
        "level": {"type": "integer", "minimum": 0, "maximum": HIGHEST},
    },
    "required": ["token", "level"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {"levels": {"type": "array", "items": ENTRY}},
    "required": ["levels"],
    "additionalProperties": False,
}


class JsonCopy(LevelSimulator):
    """Asks for the whole text again as JSON, each token with its level, and reads what comes.

    For endpoints that give no log-probabilities: it needs nothing but an answer. The answer is
    aligned with the text, so that a token that was copied wrongly, left out or added costs that
    token alone, and an answer that was cut costs what is behind the cut.

    Scale: level / 10 x the neuron's largest activation on the `explain` split; levels are whole
    numbers from 0 to 10, one for each token and no expected value.
    """

    name = "json"

    def read(self, asked: Sequence[Asked]) -> tuple[list[Float[Tensor, " tokens"]], Spent]:
        """Return the level of each token, as a part of the highest; NaN where none is read."""
        replies = self.model.ask([request(one) for one in asked])
        levels = [
            aligned(one.tokens, entries(reply.text))
            for one, reply in zip(asked, replies, strict=True)
        ]
        usage = sum((reply.usage for reply in replies), Usage())
        unread = sum(bool(one.isnan().all()) for one in levels)
        return levels, Spent(usage, len(replies), unread)


def request(asked: Asked) -> Request:
    """Return what is asked about one context."""
    example = EXAMPLES[1]
    levels = [{"token": t, "level": n} for t, n in zip(example.tokens, example.levels, strict=True)]
    messages = (
        Message("system", INSTRUCTIONS),
        Message("user", _question(example.explanation, example.tokens)),
        Message("assistant", _json({"levels": levels})),
        Message("user", _question(asked.explanation, asked.tokens)),
    )
    most = TOKENS_PER_ENTRY * len(asked.tokens) + TOKENS_BESIDES
    return Request(messages, max_tokens=most, schema=SCHEMA)


def _question(explanation: str, tokens: Sequence[str]) -> str:
    return _json({"looks for": " ".join(explanation.split()), "tokens": list(tokens)})


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def entries(text: str) -> list[tuple[str, float]]:
    """Return the tokens and levels of an answer, as far as it is JSON.

    Whatever stands around the entries is passed over, and so are entries that are not a text and a
    number from 0 to 10.

    Example:
        >>> entries('Here: [{"token": "{", "level": 2}, {"token": " a", "level": "7"}, {"tok')
        [('{', 2.0), (' a', 7.0)]
    """
    found: list[tuple[str, float]] = []
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            found += _entries_of(value)
        at = text.find("{", end)
    return found


def _entries_of(value: dict[str, Any]) -> list[tuple[str, float]]:
    lists = [inner for inner in value.values() if isinstance(inner, list)]
    given = lists[0] if lists else [value]
    found = []
    for one in given:
        if isinstance(one, dict) and isinstance(one.get("token"), str):
            level = _level(one.get("level"))
            if level is not None:
                found.append((one["token"], level))
    return found


def _level(value: Any) -> float | None:
    if isinstance(value, str) and value.strip() in TEN:
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= HIGHEST else None


def aligned(tokens: Sequence[str], given: Sequence[tuple[str, float]]) -> Float[Tensor, " tokens"]:
    """Return the level of each token of a text, as a part of the highest; NaN where none is given.

    Spaces around a token are left aside, since many models drop them.

    Example:
        >>> aligned((" a", "b", " a"), [("a", 10.0), ("B", 5.0), ("a", 0.0)]).tolist()
        [1.0, nan, 0.0]
    """
    levels = torch.full((len(tokens),), math.nan)
    matcher = difflib.SequenceMatcher(
        None, [_key(one) for one in tokens], [_key(one) for one, _ in given], autojunk=False
    )
    for block in matcher.get_matching_blocks():
        for step in range(block.size):
            levels[block.a + step] = given[block.b + step][1] / HIGHEST
    return levels


def _key(token: str) -> str:
    return token.strip() or token
