"""Activations at the last position of contexts, run whole or from prefixes that they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.interface import SharedPrefixes
from benchmark.subject.batching import BatchSize, ForwardPasses
from benchmark.subject.prefix_cache import (
    KeysValues,
    KeyValues,
    call_tokens,
    plan_calls,
    whole_cost,
)
from benchmark.subject.site_reader import SiteReader

Rows = Int[np.ndarray, " rows"]


def last_positions(
    passes: ForwardPasses,
    reader: SiteReader,
    tokens: Int[Tensor, "batch pos"],
    layer: int,
    prefixes: SharedPrefixes | None,
) -> Iterator[tuple[Rows, Float[Tensor, "rows n_units"]]]:
    """Yield all units of a layer at the last position, batch by batch, and the contexts' rows."""
    if (
        prefixes is not None
        and passes.shares_prefixes
        and reader.key_values is not None
        and is_cheaper(prefixes, tokens.shape[1], passes.batch.tokens, passes.device)
    ):
        yield from run_from_prefixes(passes, reader, reader.key_values, tokens, layer, prefixes)
        return
    for rows, units in passes.over(
        tokens, lambda part: reader.read(part, [layer], _last_position, last=True)[layer]
    ):
        yield np.arange(rows.start, rows.stop), units


def is_cheaper(
    prefixes: SharedPrefixes, length: int, batch_tokens: int, device: torch.device
) -> bool:
    """Return whether running the prefixes first costs less than running all contexts whole."""
    cost = call_tokens(device)
    n_shared = np.sort(prefixes.n_shared.cpu().numpy())[::-1]
    n_prefixes, prefix_length = prefixes.tokens.shape
    first = whole_cost(n_prefixes, prefix_length, batch_tokens, cost)
    rest = plan_calls(n_shared, length, batch_tokens, cost).cost
    return first + rest < whole_cost(len(n_shared), length, batch_tokens, cost)


def run_from_prefixes(
    passes: ForwardPasses,
    reader: SiteReader,
    key_values: KeyValues,
    tokens: Int[Tensor, "batch pos"],
    layer: int,
    prefixes: SharedPrefixes,
) -> Iterator[tuple[Rows, Float[Tensor, "rows n_units"]]]:
    """Yield batches of contexts, which are rows of `tokens`, each context in one of them.

    The keys and values of one batch of prefixes are held at a time. Where they leave too little
    memory for the contexts that continue from them, these run fewer at once; that says nothing
    about how many whole contexts fit, so the batch size of the passes stays as it is.
    """
    n_prefixes, prefix_length = prefixes.tokens.shape
    prefix_of, n_shared = prefixes.prefix_of.cpu().numpy(), prefixes.n_shared.cpu().numpy()
    by_prefix = np.argsort(prefix_of, kind="stable")
    bounds = np.searchsorted(prefix_of[by_prefix], np.arange(n_prefixes + 1))
    call_cost = call_tokens(passes.device)
    together = BatchSize(passes.batch.tokens)
    no_units = torch.empty(0, dtype=torch.long, device=passes.device)

    def keep(rows: slice) -> list[KeysValues]:
        part = prefixes.tokens[rows].to(passes.device)

        def run(options: Mapping[str, Any]) -> None:
            reader.read(part, [layer], _last_position, no_units, last=True, options=options)

        return key_values.kept(run)

    def continued(
        rest: Int[Tensor, "some pos"], past_of: Tensor, kept: Sequence[KeysValues], left_out: int
    ) -> Callable[[slice], Tensor]:
        def run(rows: slice) -> Tensor:
            chosen = past_of[rows]
            past = [(k[chosen, :, :left_out], v[chosen, :, :left_out]) for k, v in kept]
            with key_values.given(past, rest.shape[1]) as options:
                part = rest[rows].to(passes.device)
                return reader.read(part, [layer], _last_position, last=True, options=options)[layer]

        return run

    for part, kept in passes.in_batches(n_prefixes, prefix_length, passes.batch, keep):
        contexts = by_prefix[bounds[part.start] : bounds[part.stop]]
        contexts = contexts[np.argsort(-n_shared[contexts], kind="stable")]
        plan = plan_calls(n_shared[contexts], tokens.shape[1], together.tokens, call_cost)
        for start, stop, left_out in plan.calls:
            members = contexts[start:stop]
            rest = tokens[torch.from_numpy(members), left_out:]
            past_of = torch.from_numpy(prefix_of[members] - part.start).to(passes.device)
            run = continued(rest, past_of, kept, left_out)
            for rows, units in passes.in_batches(len(members), rest.shape[1], together, run):
                yield members[rows], units
            del run
        del kept  # before the next ones are computed


def pairs_of(rows: Rows, bounds: Int[np.ndarray, " bounds"]) -> tuple[Rows, Rows]:
    """Return the pairs of some contexts, and for each the place of its context among them.

    Args:
        rows: the contexts.
        bounds: the pairs of context i are those from `bounds[i]` to before `bounds[i + 1]`.
    """
    counts = bounds[rows + 1] - bounds[rows]
    places = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    return bounds[rows][places] + within, places


def _last_position(units: Float[Tensor, "batch pos n_units"]) -> Float[Tensor, "batch n_units"]:
    return units[:, -1].float()
