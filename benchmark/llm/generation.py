"""Generation of answers by a model in this process: a batch at a time, token by token."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from benchmark.interface import Request
from benchmark.llm.canonical import canonical
from benchmark.llm.local_model import LocalModel
from benchmark.llm.shared_prefix import Prefix, PrefixRunner


@dataclass
class Generated:
    """An answer as it grows.

    Attributes:
        request: what was asked.
        ids: its tokens so far.
        tokens: how many were drawn, the one that ends it included.
        finished: whether it ended by itself.
        done: whether it ended at all.
        text: the answer, when it has ended.
        logprobs: the likeliest tokens at each of its tokens, where they are wanted.
    """

    request: Request
    ids: list[int] = field(default_factory=list)
    tokens: int = 0
    finished: bool = False
    done: bool = False
    text: str = ""
    logprobs: tuple[Mapping[str, float], ...] | None = None


def generate(
    model: LocalModel,
    runner: PrefixRunner,
    prefix: Prefix,
    texts: Sequence[Sequence[int]],
    requests: Sequence[Request],
) -> list[Generated]:
    """Return the answers to texts that follow a prefix.

    Args:
        model: the model.
        runner: what runs it.
        prefix: what stands before each text.
        texts: token ids, none empty.
        requests: what each text asks for.
    """
    found = [Generated(one, logprobs=() if one.top_logprobs else None) for one in requests]
    draws = [_generator(one) for one in requests]
    width = max(map(len, texts))
    ids = torch.zeros(len(texts), width, dtype=torch.long)
    mask = torch.zeros(len(texts), len(prefix.ids) + width, dtype=torch.long)
    mask[:, : len(prefix.ids)] = 1
    for row, text in enumerate(texts):  # at the end, so that all answers begin in one column
        ids[row, width - len(text) :] = torch.tensor(text)
        mask[row, len(prefix.ids) + width - len(text) :] = 1
    cache = runner.repeated(prefix, len(texts))
    positions = (mask.cumsum(1) - 1).clamp(min=0)[:, len(prefix.ids) :]
    while True:
        output = runner.forward(ids, mask, positions, cache, keep=1)
        cache, logits = output.past_key_values, output.logits[:, -1].float()
        likeliest = logits.argmax(-1).tolist()
        for row, (one, draw) in enumerate(zip(found, draws, strict=True)):
            if not one.done:
                token = likeliest[row] if draw is None else _drawn(logits[row], one.request, draw)
                _extend(one, token, logits[row], model)
        if all(one.done for one in found):
            return found
        ids = torch.tensor([[one.ids[-1] if one.ids else 0] for one in found])
        positions = positions[:, -1:] + 1
        mask = torch.cat([mask, torch.ones(len(found), 1, dtype=torch.long)], 1)


def _extend(one: Generated, token: int, logits: Tensor, model: LocalModel) -> None:
    """Add a token to an answer, and end the answer where it ends."""
    one.tokens += 1
    if token in model.ends:
        one.finished = one.done = True
        one.text = model.text(one.ids)
        return
    one.ids.append(token)
    if one.logprobs is not None:
        values, tokens = logits.log_softmax(-1).topk(min(one.request.top_logprobs, len(logits)))
        # Two tokens may have one text: the likelier one counts.
        likely = zip(reversed(tokens.tolist()), reversed(values.tolist()), strict=True)
        one.logprobs += ({str(model.tokenizer.decode([i])): value for i, value in likely},)
    if one.request.stop:
        text = model.text(one.ids)
        places = [text.find(stop) for stop in one.request.stop if stop in text]
        if places:
            one.finished = one.done = True
            one.text = text[: min(places)]
            return
    if len(one.ids) >= one.request.max_tokens:
        one.done, one.text = True, model.text(one.ids)


def _generator(request: Request) -> torch.Generator | None:
    """Return what draws the answer to a request; None for the likeliest answer."""
    if request.temperature <= 0:
        return None
    digest = hashlib.sha256(canonical(request).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def _drawn(logits: Tensor, request: Request, draw: torch.Generator) -> int:
    probabilities = (logits.double() / request.temperature).softmax(-1).cpu()
    return int(torch.multinomial(probabilities, 1, generator=draw))
