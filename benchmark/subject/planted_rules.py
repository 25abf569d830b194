"""Rules that planted neurons follow: vectorised, and each as a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

Tokens = Int[Tensor, "batch pos"]
Firing = Bool[Tensor, "batch pos"]


def before(tokens: Tokens, distance: int) -> Tokens:
    """The token so many places before each; -1, which is no token, before the context's start."""
    shifted = torch.full_like(tokens, -1)
    if distance < tokens.shape[1]:
        shifted[:, distance:] = tokens[:, : tokens.shape[1] - distance]
    return shifted


@dataclass(frozen=True)
class Rule:
    """When a planted neuron fires.

    Attributes:
        name: which kind of rule it is.
        words: the words it is about.
        holds: where it holds, from token ids and the ids of the words and of BOS.
        expressible: whether a trie of patterns read backwards from a token can say it exactly.
    """

    name: str
    words: tuple[str, ...]
    holds: Callable[[Tokens, Sequence[int], int], Firing]
    expressible: bool


def one_token(token: str) -> Rule:
    """Fires on a token, wherever it stands."""
    return Rule("one token", (token,), lambda tokens, ids, _: tokens == ids[0], True)


def after(token: str, earlier: str) -> Rule:
    """Fires on a token right after another."""
    return Rule(
        "a token after another",
        (token, earlier),
        lambda tokens, ids, _: (tokens == ids[0]) & (before(tokens, 1) == ids[1]),
        True,
    )


def within_three(token: str, earlier: str) -> Rule:
    """Fires on a token one to three places after another."""

    def holds(tokens: Tokens, ids: Sequence[int], _: int) -> Firing:
        near = torch.stack([before(tokens, distance) == ids[1] for distance in (1, 2, 3)])
        return (tokens == ids[0]) & near.any(0)

    return Rule("a token within three after another", (token, earlier), holds, True)


def either_phrase(first: tuple[str, str], second: tuple[str, str]) -> Rule:
    """Fires on the last word of either of two phrases of two words."""

    def holds(tokens: Tokens, ids: Sequence[int], _: int) -> Firing:
        last = before(tokens, 1)
        one = (last == ids[0]) & (tokens == ids[1])
        return one | ((last == ids[2]) & (tokens == ids[3]))

    return Rule("either of two phrases", (*first, *second), holds, True)


def unless_preceded(token: str, earlier: str) -> Rule:
    """Fires on a token unless another stands right before it.

    A trie has no way to say that a token is absent.
    """
    return Rule(
        "a token unless preceded by another",
        (token, earlier),
        lambda tokens, ids, _: (tokens == ids[0]) & (before(tokens, 1) != ids[1]),
        False,
    )


def repeated(token: str) -> Rule:
    """Fires on a token that has been there before in the same document.

    At any distance: a trie has a path for each distance that it has seen, and no other.
    """

    def holds(tokens: Tokens, ids: Sequence[int], bos: int) -> Firing:
        here = tokens == ids[0]
        count = here.cumsum(1)
        # What had been counted when the document began.
        at_start = torch.where(tokens == bos, count, torch.zeros_like(count)).cummax(1).values
        return here & (count - at_start > 1)

    return Rule("a repeated token", (token,), holds, False)


def at_start(token: str) -> Rule:
    """Fires on a token only as the first one of a context or document."""
    return Rule(
        "a token only at the start of a context",
        (token,),
        lambda tokens, ids, bos: (tokens == ids[0]) & (before(tokens, 1) == bos),
        True,
    )
