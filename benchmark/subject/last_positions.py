"""All neurons at the last position of contexts that share their beginnings with stems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.subject.batching import BatchSize
from benchmark.subject.prefix_cache import (
    KeysValues,
    KeyValues,
    Stems,
    call_tokens,
    plan_calls,
    whole_cost,
)
from benchmark.subject.site import Sites

if TYPE_CHECKING:
    from benchmark.subject.subject import Subject

Rows = Int[np.ndarray, " rows"]


def worth_it(stems: Stems, length: int, batch_tokens: int, device: torch.device) -> bool:
    """Whether running the stems first costs less than running all contexts whole."""
    cost = call_tokens(device)
    shared = np.sort(stems.shared.cpu().numpy())[::-1]
    n_stems, stem_length = stems.tokens.shape
    first = whole_cost(n_stems, stem_length, batch_tokens, cost)
    rest = plan_calls(shared, length, batch_tokens, cost).cost
    return first + rest < whole_cost(len(shared), length, batch_tokens, cost)


def from_stems(
    subject: Subject,
    sites: Sites,
    key_values: KeyValues,
    tokens: Int[Tensor, "batch pos"],
    layer: int,
    stems: Stems,
    batch: BatchSize,
) -> Iterator[tuple[Rows, Float[Tensor, "rows d_mlp"]]]:
    """Batches of contexts, which are rows of `tokens`, each context in one of them.

    The keys and values of one batch of stems are held at a time. Where they leave too little
    memory for those that go on from them, these run fewer at once; that says nothing about how
    many whole contexts fit, so `batch` stays as it is.
    """
    n_stems, stem_length = stems.tokens.shape
    of, shared = stems.of.cpu().numpy(), stems.shared.cpu().numpy()
    by_stem = np.argsort(of, kind="stable")
    bounds = np.searchsorted(of[by_stem], np.arange(n_stems + 1))
    call_cost = call_tokens(subject.device)
    together = BatchSize(batch.tokens)

    def keep(rows: slice) -> list[KeysValues]:
        part = stems.tokens[rows].to(subject.device)

        def run(options: Mapping[str, Any]) -> None:
            sites.read(part, [layer], _nothing, last=True, options=options)

        return key_values.kept(run)

    def go_on(
        rest: Int[Tensor, "some pos"], past_of: Tensor, kept: Sequence[KeysValues], left_out: int
    ) -> Callable[[slice], Tensor]:
        def run(rows: slice) -> Tensor:
            chosen = past_of[rows]
            past = [(k[chosen, :, :left_out], v[chosen, :, :left_out]) for k, v in kept]
            with key_values.given(past, rest.shape[1]) as options:
                part = rest[rows].to(subject.device)
                return sites.read(part, [layer], last_position, last=True, options=options)[layer]

        return run

    for part, kept in subject.in_batches(n_stems, stem_length, batch, keep):
        contexts = by_stem[bounds[part.start] : bounds[part.stop]]
        contexts = contexts[np.argsort(-shared[contexts], kind="stable")]
        plan = plan_calls(shared[contexts], tokens.shape[1], together.tokens, call_cost)
        for start, stop, left_out in plan.calls:
            asked = contexts[start:stop]
            rest = tokens[torch.from_numpy(asked), left_out:]
            past_of = torch.from_numpy(of[asked] - part.start).to(subject.device)
            run = go_on(rest, past_of, kept, left_out)
            for rows, found in subject.in_batches(len(asked), rest.shape[1], together, run):
                yield asked[rows], found
            del run
        del kept  # before the next ones are computed


def pairs_of(rows: Rows, bounds: Int[np.ndarray, " bounds"]) -> tuple[Rows, Rows]:
    """The pairs of some contexts, and of each the place of its context among them.

    Args:
        rows: the contexts.
        bounds: the pairs of context i are those from `bounds[i]` to before `bounds[i + 1]`.
    """
    counts = bounds[rows + 1] - bounds[rows]
    places = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    return bounds[rows][places] + within, places


def _nothing(neurons: Tensor) -> Tensor:
    return neurons[:0]


def last_position(neurons: Float[Tensor, "batch pos d_mlp"]) -> Float[Tensor, "batch d_mlp"]:
    """What is kept of a layer's activations where only the last position is asked for."""
    return neurons[:, -1].float()
