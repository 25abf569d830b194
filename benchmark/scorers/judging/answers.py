"""Answers of judges: what is said of each window, with its probability where there is one.

An answer that is not exactly what was asked for is a parse failure: it is counted, never guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.interface import Message, Reply

_SEPARATORS = " \t\r\n,;.[]()"
_WITHOUT = str.maketrans("", "", _SEPARATORS)


@dataclass(frozen=True)
class Question:
    """What a judge is asked in one request.

    Attributes:
        messages: the request.
        labels: the right answer for each of its windows.
        one_of: whether it is the number of one window, counted from 1; else a digit, 0 or 1, is
            asked for each.
    """

    messages: tuple[Message, ...]
    labels: tuple[bool, ...]
    one_of: bool = False


@dataclass(frozen=True)
class Verdict:
    """What a judge says of one window.

    Attributes:
        label: what is right.
        said: what it says.
        probability: that it gives to saying yes; None where there are no log-probabilities.
    """

    label: bool
    said: bool
    probability: float | None


def read_answer(question: Question, reply: Reply) -> list[Verdict] | None:
    """Return what a reply says of each window of a question; None for a parse failure."""
    n = len(question.labels)
    text = reply.text.translate(_WITHOUT)
    if question.one_of:
        if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= n:
            return None
        said = [place == int(text) - 1 for place in range(n)]
        chances = _chances(reply, [str(int(text))], [str(place + 1) for place in range(n)])
        found = None if chances is None else chances[0]
    else:
        if not re.fullmatch(f"[01]{{{n}}}", text):
            return None
        said = [letter == "1" for letter in text]
        chances = _chances(reply, list(text), ["0", "1"])
        found = None if chances is None else [one for _, one in chances]
    probabilities = [None] * n if found is None else found
    return [Verdict(*verdict) for verdict in zip(question.labels, said, probabilities, strict=True)]


def _chances(
    reply: Reply, written: Sequence[str], labels: Sequence[str]
) -> list[list[float]] | None:
    """Return the probabilities of labels, among themselves, at each place where one is written.

    None unless the likeliest tokens of the answer are exactly the labels that its text has.
    """
    if reply.logprobs is None:
        return None
    places = [likely for likely in reply.logprobs if likely and _label(_likeliest(likely))]
    if [_label(_likeliest(likely)) for likely in places] != list(written):
        return None
    found = []
    for likely in places:
        sums = dict.fromkeys(labels, 0.0)
        for token, logprob in likely.items():
            if (label := _label(token)) in sums:
                sums[label] += math.exp(logprob)
        total = sum(sums.values())
        found.append([value / total for value in sums.values()])
    return found


def _likeliest(likely: Mapping[str, float]) -> str:
    return max(likely, key=lambda token: likely[token])


def _label(token: str) -> str:
    """Return the number that a token is, beside separators; empty for any other token."""
    text = token.translate(_WITHOUT)
    return text if text.isdecimal() and text.isascii() else ""
