"""Token-by-token simulator: one request for each token of a text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from benchmark.interface import Message, Reply, Request, Usage
from benchmark.simulators.examples import EXAMPLES, Example
from benchmark.simulators.levels import NINE, Asked, LevelSimulator, Spent, expected

HIGHEST = len(NINE) - 1
LIKELIEST = 20  # log-probabilities asked for; endpoints give no more
INSTRUCTIONS = """\
Every neuron of a language model looks for something in a text. You are told what one neuron looks \
for, and a text up to some token; behind each earlier token stands how strongly the neuron fired \
on it, from 0, not at all, to 9, as strongly as it ever does. On most tokens it is 0. Answer with \
the level of the last token: one digit and nothing else."""


class TokenByToken(LevelSimulator):
    """Asks for the level of each token alone, the levels before it being known.

    The answer is one digit. Where the model gives its log-probabilities, the expected level counts,
    else the digit itself. The levels before a token are those that were predicted, rounded; so the
    tokens of a context are asked one after another, and all contexts of all neurons side by side.

    Scale: level / 9 x the neuron's largest activation on the `explain` split. Levels go from 0 to
    9, because 10 is two tokens of many models, of which the first looks like the level 1.

    It costs a prompt a token: about a hundred times as much as `all_at_once`.
    """

    name = "token_by_token"

    def read(self, asked: Sequence[Asked]) -> tuple[list[Float[Tensor, " tokens"]], Spent]:
        """Return the level of each token, as a part of the highest; NaN where none is read."""
        found: list[list[float]] = [[] for _ in asked]
        usage, n_requests, unread = Usage(), 0, 0
        for at in range(max((len(one.tokens) for one in asked), default=0)):
            rows = [row for row, one in enumerate(asked) if at < len(one.tokens)]
            replies = self.model.ask(
                [
                    request(asked[row].explanation, asked[row].tokens[: at + 1], found[row])
                    for row in rows
                ]
            )
            for row, reply in zip(rows, replies, strict=True):
                level = level_of(reply)
                found[row].append(level)
                usage += reply.usage
                unread += math.isnan(level)
            n_requests += len(replies)
        return [torch.tensor(levels) for levels in found], Spent(usage, n_requests, unread)


def request(explanation: str, tokens: Sequence[str], before: Sequence[float]) -> Request:
    """Return what is asked about the last of some tokens.

    Args:
        explanation: what the neuron looks for.
        tokens: the text up to the token that is asked about.
        before: the levels of all but the last, as parts of the highest.
    """
    levels = [0 if math.isnan(part) else round(part * HIGHEST) for part in before]
    messages = [Message("system", INSTRUCTIONS)]
    for example in EXAMPLES[:2]:
        for at in (example.revealed, example.levels.index(max(example.levels))):
            messages += _shown(example, at)
    messages.append(Message("user", _question(explanation, tokens, levels)))
    return Request(tuple(messages), max_tokens=1, top_logprobs=LIKELIEST)


def _shown(example: Example, at: int) -> list[Message]:
    levels = [example.level(place, HIGHEST) for place in range(at + 1)]
    question = _question(example.explanation, example.tokens[: at + 1], levels[:-1])
    return [Message("user", question), Message("assistant", str(levels[-1]))]


def _question(explanation: str, tokens: Sequence[str], levels: Sequence[int]) -> str:
    lines = [f"{token}\t{level}" for token, level in zip(tokens, levels, strict=False)]
    listed = "".join(f"{line}\n" for line in lines)
    return f"It looks for: {' '.join(explanation.split())}\nText:\n{listed}{tokens[-1]}\t?"


def level_of(reply: Reply) -> float:
    """Return the level that an answer says, as a part of the highest; NaN where it says none.

    Example:
        >>> from benchmark import Reply
        >>> import math
        >>> level_of(Reply("9", logprobs=({"9": math.log(0.5), "0": math.log(0.3)},)))
        0.625
        >>> level_of(Reply(" 3"))
        0.3333333333333333
    """
    if reply.logprobs:
        probabilities = _digits(reply.logprobs[0])
        total = sum(probabilities.values())
        if total:
            parts = torch.tensor([[probabilities.get(label, 0.0) / total for label in NINE]])
            return round(float(expected(parts.log())), 6)
    digit = re.fullmatch(r"\s*([0-9])\s*\.?\s*", reply.text)
    return int(digit[1]) / HIGHEST if digit else math.nan


def _digits(logprobs: Mapping[str, float]) -> dict[str, float]:
    """Return the probabilities of the digits among the likeliest tokens, spaces left aside."""
    found: dict[str, float] = {}
    for token, logprob in logprobs.items():
        label = token.strip()
        if label in NINE:
            found[label] = found.get(label, 0.0) + math.exp(logprob)
    return found
