"""Probabilities of labels inside a text, from the log-probabilities that a server echoes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmark.interface import LabelError, LabelRequest

if TYPE_CHECKING:
    from torch import Tensor

LOGPROBS = (20, 15, 5)  # of each token: the most that servers give, and what others do


def text_of(request: LabelRequest) -> str:
    """Return the whole text, with a placeholder at each place."""
    return request.prefix + "".join(piece + request.placeholder for piece in request.pieces)


def places_of(request: LabelRequest) -> list[int]:
    """Return where each placeholder begins in the text, in characters."""
    ends = itertools.accumulate(len(piece) + len(request.placeholder) for piece in request.pieces)
    return [len(request.prefix) + end - len(request.placeholder) for end in ends]


def body_of(request: LabelRequest) -> dict[str, Any]:
    """Return the body of a request for the text with its log-probabilities."""
    return {
        "prompt": text_of(request),
        "max_tokens": 1,  # not every server takes 0
        "temperature": 0,
        "echo": True,
        "logprobs": LOGPROBS[0],
    }


def check_body(request: LabelRequest, piece: str) -> dict[str, Any]:
    """Return the body of a request for the tokens of each label after a piece."""
    return {**body_of(request), "prompt": "".join(f"{piece}{one}\n" for one in request.labels)}


def check_labels(request: LabelRequest, piece: str, data: Mapping[str, Any], model: str) -> bool:
    """Check that each label is one token after a piece; return False where no tokens are told.

    Raises:
        LabelError: one is not.
    """
    said = data["choices"][0].get("logprobs")
    text = "".join(f"{piece}{one}\n" for one in request.labels)
    tokens = [str(token) for token in said["tokens"]] if said and said.get("tokens") else []
    before = "".join(tokens).find(text)
    if before < 0:
        return False
    starts = {at - before for at in itertools.accumulate(map(len, tokens), initial=0)}
    place = 0
    for label in request.labels:
        place += len(piece)
        inside = [at for at in starts if place < at < place + len(label)]
        if place not in starts or place + len(label) not in starts or inside:
            raise LabelError(
                f"label '{label}' is not one token of the language model '{model}' after "
                f"{piece[-4:]!r}; take other labels, such as the digits 0 to 9."
            )
        place += len(label) + 1
    return True


def humbler(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a body that asks for fewer likely tokens; None where fewer are of no use."""
    fewer = [number for number in LOGPROBS if number < body["logprobs"]]
    return {**body, "logprobs": fewer[0]} if fewer else None


def logprobs_of(request: LabelRequest, data: Mapping[str, Any]) -> Tensor | None:
    """Return the log-probabilities of the labels at each place, among the labels alone.

    Args:
        request: what was asked.
        data: the server's answer.

    Returns:
        `[places, labels]`; NaN in a row where none of the labels is among the likeliest tokens,
        or where the placeholder does not begin a token. None where the server gave no
        log-probabilities of the text.
    """
    import torch

    said = data["choices"][0].get("logprobs")
    if not said or not said.get("tokens") or not said.get("top_logprobs"):
        return None
    tokens: Sequence[str] = [str(token) for token in said["tokens"]]
    found = torch.full((len(request.pieces), len(request.labels)), math.nan)
    starts = _starts(request, tokens)
    if starts is None:
        return None
    for row, place in enumerate(places_of(request)):
        at = starts.get(place)
        likely = said["top_logprobs"][at] if at is not None else None
        if not isinstance(likely, Mapping):
            continue
        values = torch.tensor(
            [float(likely.get(label, -math.inf)) for label in request.labels], dtype=torch.float64
        )
        if torch.isfinite(values).any():
            found[row] = values.log_softmax(0).float()
    return found


def _starts(request: LabelRequest, tokens: Sequence[str]) -> dict[int, int] | None:
    """Return which token begins at each character of the text; None where they are not of it.

    A server may put marks such as `<s>` before the text, and tokens that are parts of a character
    are shown by another one; offsets are therefore counted here.
    """
    text = text_of(request)
    whole = "".join(tokens)
    before = whole.find(text)
    offsets = list(itertools.accumulate((len(token) for token in tokens), initial=0))
    if before >= 0:
        return {offset - before: at for at, offset in enumerate(offsets[:-1])}
    # Some characters are spelt otherwise: the n-th placeholder of the text is the n-th one here.
    mine, theirs = _all(text, request.placeholder), _all(whole, request.placeholder)
    if not theirs or len(theirs) < len(mine):
        return None
    at_offset = {offset: at for at, offset in enumerate(offsets[:-1])}
    return {
        here: at_offset[there]
        for here, there in zip(mine, theirs, strict=False)
        if there in at_offset
    }


def _all(text: str, part: str) -> list[int]:
    found, start = [], text.find(part)
    while start >= 0:
        found.append(start)
        start = text.find(part, start + len(part))
    return found
