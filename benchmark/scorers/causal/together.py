"""Many neurons of a layer at once: how much of the loss of ablating them a simulation recovers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.interface import text_mask
from benchmark.results import TogetherRecord
from benchmark.scorers.causal.divergence import cross_entropy
from benchmark.scorers.causal.variants import variants_of
from benchmark.subject.intervene import Intervention, contexts_at_once

if TYPE_CHECKING:
    from benchmark.subject import Subject

# Loss per token, in nats, up to which an ablation costs nothing that could be recovered.
VANISHING = 1e-6


def score_together(
    subject: Subject,
    layer: int,
    neurons: Int[Tensor, " n"],
    tokens: Int[Tensor, "c ctx"],
    prediction: Float[Tensor, "n c ctx"],
    *,
    mean: Float[Tensor, " n"],
    maximum: Float[Tensor, " n"],
    sizes: Sequence[int],
) -> list[TogetherRecord]:
    """Return the loss recovered when the first neurons of a list are replaced all at once.

    (L(ablated) - L(simulated)) / (L(ablated) - L(original)), where L is the mean cross-entropy of
    the next token over positions that are, and are followed by, text. None where ablating costs no
    loss.

    Args:
        subject: the language model.
        layer: the layer of the neurons.
        neurons: those that matter most first.
        tokens: held-out contexts.
        prediction: simulated activations there, raw units.
        mean: mean activations on the `explain` split.
        maximum: largest activations there.
        sizes: how many neurons are replaced at once; more than there are means all of them.

    Raises:
        BenchmarkError: the subject has no output distribution, or memory ran out.
    """
    text = text_mask(tokens, subject.bos)
    predicted = text.clone()
    predicted[:, :-1] &= text[:, 1:]
    predicted[:, -1] = False
    n_tokens = int(predicted.sum())
    chosen = sorted({min(size, len(neurons)) for size in sizes})
    original: list[float] = []  # of each context
    losses: list[list[Tensor]] = [[] for _ in chosen]
    at_once = contexts_at_once(subject, tokens.shape[1])
    for rows in torch.arange(len(tokens)).split(at_once):
        found = Intervention(subject, tokens[rows], layer)
        here, counts = tokens[rows].to(subject.device), predicted[rows].to(subject.device)
        everything = torch.arange(len(rows))
        untouched = torch.zeros(len(rows), dtype=torch.float64)
        for part, logits in found.logits(everything):
            untouched[part] = cross_entropy(here[part], counts[part], logits)
        original += untouched.tolist()
        for number, size in enumerate(chosen):
            columns = neurons[:size]
            variants = variants_of(
                prediction[:size, rows].permute(1, 2, 0),
                found.activations[..., columns.to(subject.device)].cpu(),
                mean[:size].expand(len(rows), -1),
                maximum[:size].expand(len(rows), -1),
                text[rows],
            )
            variant, place = variants.to_run.nonzero(as_tuple=True)
            sums = torch.zeros(len(place), dtype=torch.float64)
            for part, logits in found.logits(
                place, columns.expand(len(place), -1), variants.values[variant, place]
            ):
                at = place[part].to(subject.device)
                sums[part] = cross_entropy(here[at], counts[at], logits)
            losses[number].append(variants.measured(sums, untouched))
    return [
        _record(
            layer,
            neurons[:size],
            n_tokens,
            math.fsum(original),
            [math.fsum(row) for row in torch.cat(losses[number], dim=1).tolist()],
        )
        for number, size in enumerate(chosen)
    ]


def _record(
    layer: int, neurons: Tensor, n_tokens: int, original: float, losses: Sequence[float]
) -> TogetherRecord:
    """Return the record of one set of neurons from sums of losses."""
    simulated, mean, zero = losses
    n_scored = max(1, n_tokens)

    def recovered(ablated: float) -> float | None:
        cost = ablated - original
        return (ablated - simulated) / cost if cost / n_scored > VANISHING else None

    return TogetherRecord(
        layer=layer,
        neurons=neurons.tolist(),
        tokens=n_tokens,
        loss=original / n_scored,
        loss_simulated=simulated / n_scored,
        loss_mean=mean / n_scored,
        loss_zero=zero / n_scored,
        recovered_mean=recovered(mean),
        recovered_zero=recovered(zero),
    )
