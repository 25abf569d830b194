"""One pass over contexts of a split: what is kept of it, streamed to files of each layer.

A capture is a piece of work that the configuration alone decides: a range of contexts, all layers
at once. Whoever makes it writes its files, and whoever finds them leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.corpus import Contexts
from benchmark.evidence.columns import ColumnWriter
from benchmark.evidence.profile import LayerAccumulator
from benchmark.evidence.segments import Segments, find_segments
from benchmark.evidence.top_contexts import TopAccumulator

if TYPE_CHECKING:
    from benchmark.subject import Subject

ALL = None
Units = tuple[int, ...] | None


@dataclass(frozen=True)
class Capture:
    """A shard of capturing: contexts of one split, and the units whose activations are kept.

    Attributes:
        split: `explain`, `held_out` or `calibrate`.
        start, stop: which of the contexts that are drawn from the split.
        units: of each layer that is run, the units that are kept, ascending; `ALL` for every one.
        profile: whether all units of these layers are profiled, on the `explain` split.
    """

    split: str
    start: int
    stop: int
    units: Mapping[int, Units]
    profile: bool = False

    @property
    def name(self) -> str:
        """Return how messages call it."""
        return f"capture {self.split} {self.start}-{self.stop}"


@dataclass(frozen=True)
class LayerJob:
    """What a capture keeps of one layer.

    Attributes:
        units: the units whose rows are stored, `[n]`; None for all of the layer.
        writer: takes the rows of the contexts that are stored; None where none is.
        profile: takes in all units of the layer; None for no profile.
        top: takes in `units`; None where their top contexts are not wanted.
    """

    units: Int[Tensor, " n"] | None
    writer: ColumnWriter | None = None
    profile: LayerAccumulator | None = None
    top: TopAccumulator | None = None


def stream_layers(
    subject: Subject,
    contexts: Contexts,
    stored: Int[Tensor, " m"],
    jobs: Mapping[int, LayerJob],
    *,
    distinct_documents: bool,
    first_row: int,
    searched: int,
    dtype: torch.dtype,
    advance: Callable[[int], object],
) -> None:
    """Run contexts once, batch by batch, and do every layer's job.

    Args:
        subject: what is run.
        contexts: the contexts of the pass, `[n, ctx]`.
        stored: which of them are stored, ascending.
        jobs: by layer.
        distinct_documents: whether a unit's top contexts come from distinct documents.
        first_row: the row of the first context among all that are drawn from its split.
        searched: how many of the contexts, the first ones, may be a unit's top contexts.
        dtype: of stored activations.
        advance: is told how many tokens were run.
    """
    segments = find_segments(contexts, distinct_documents).of_first(searched)
    if not distinct_documents:  # a context's name is its row, which no other capture has
        segments = replace(segments, document=segments.document + first_row)
    length = contexts.tokens.shape[1]
    for rows, activations in subject.stream(contexts.tokens, sorted(jobs)):
        low, high = torch.searchsorted(stored, torch.tensor([rows.start, rows.stop])).tolist()
        local = stored[low:high] - rows.start
        batch = segments.of_rows(rows)
        for layer, job in jobs.items():
            _do(job, activations[layer], local, batch, first_row + rows.start, dtype)
        advance((rows.stop - rows.start) * length)


def _do(
    job: LayerJob,
    activations: Float[Tensor, "b ctx n_units"],
    local: Int[Tensor, " r"],
    segments: Segments,
    first_row: int,
    dtype: torch.dtype,
) -> None:
    if job.profile is not None:
        job.profile.update(activations, segments, first_row)
    kept = activations
    if job.units is not None and (job.top is not None or (job.writer is not None and len(local))):
        kept = activations[:, :, job.units.to(activations.device)]
    if job.top is not None:
        job.top.update(kept, segments, first_row)
    if job.writer is not None and len(local):
        job.writer.add(by_unit(kept[local.to(kept.device)], dtype).cpu())


def by_unit(
    activations: Float[Tensor, "r ctx n"], dtype: torch.dtype = torch.float32
) -> Float[Tensor, "n r ctx"]:
    """Return the same with the units first; one transposed copy, which is many times as fast as
    three permuted dimensions.
    """
    r, length, n = activations.shape
    return activations.reshape(r * length, n).to(dtype).t().contiguous().view(n, r, length)


def by_position(activations: Float[Tensor, "n r ctx"]) -> Float[Tensor, "r ctx n"]:
    """Return the same with the units last; the inverse of `by_unit`."""
    n, r, length = activations.shape
    return activations.reshape(n, r * length).t().contiguous().view(r, length, n)
