"""One neuron at a time: how much of its effect on the output its simulation carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.interface import HeldOut, ScoredBlock, text_mask
from benchmark.results.columns import ABLATIONS, CAUSAL_CONTEXTS, causal_column, effect_column
from benchmark.scorers.causal.contexts import firing_rows, spread
from benchmark.scorers.causal.divergence import Reference, log_probabilities
from benchmark.scorers.causal.variants import N_VARIANTS, SIMULATED, variants_of
from benchmark.subject.intervene import Intervention, contexts_at_once
from benchmark.terminal.progress import progress

if TYPE_CHECKING:
    from benchmark.evidence import Block
    from benchmark.subject import Subject

# Mean divergence per token, in nats, at or below which an ablation changes nothing but rounding.
VANISHING = 1e-10


def score_alone(
    subject: Subject,
    block: Block | ScoredBlock,
    truth: HeldOut,
    prediction: Float[Tensor, "n u ctx"],
    *,
    mean: Float[Tensor, " n"],
    maximum: Float[Tensor, " n"],
    threshold: Float[Tensor, " n"],
    n_contexts: int,
) -> dict[str, Float[Tensor, " n"]]:
    """Return the causal scores of a block of neurons, each replaced alone.

    The score is 1 - D(simulated) / D(ablated), where D is the mean over text positions of the
    Jensen-Shannon divergence of the next-token distribution from the untouched subject's. It is
    null (NaN) where ablating changes nothing, and on firing contexts where there are none.

    Args:
        subject: the language model.
        block: the neurons.
        truth: their held-out contexts and activations.
        prediction: simulated activations on `truth.tokens`, raw units.
        mean: mean activations on the `explain` split.
        maximum: largest activations there.
        threshold: firing thresholds.
        n_contexts: of each kind, how many contexts at most.

    Returns:
        `causal/<contexts>_<ablation>` and `effect/<contexts>_<ablation>` (D(ablated), nats).

    Raises:
        BenchmarkError: the subject has no output distribution, or memory ran out.
    """
    n = len(block.neurons)
    uniform = spread(truth.uniform, n_contexts)
    rows_of = [[uniform] * n, firing_rows(truth, threshold, n_contexts)]
    neuron, row, member = _pairs(rows_of, len(truth.tokens))
    text = text_mask(truth.tokens, truth.bos)
    divergence = torch.zeros(N_VARIANTS, len(neuron), dtype=torch.float64)
    distinct = row.unique()
    at_once = contexts_at_once(subject, truth.tokens.shape[1])
    with progress(len(neuron), "causal: replace each neuron", "contexts", inner=True) as bar:
        for rows in distinct.split(at_once):
            found = Intervention(subject, truth.tokens[rows], block.layer)
            reference = _reference(found, truth.tokens[rows], text[rows])
            pairs = torch.isin(row, rows).nonzero()[:, 0]
            who, where = neuron[pairs], torch.searchsorted(rows, row[pairs])
            columns = block.neurons[who]
            own = found.activations[where.to(subject.device), :, columns.to(subject.device)]
            variants = variants_of(
                prediction[who, row[pairs]][..., None],
                own.cpu()[..., None],
                mean[who, None],
                maximum[who, None],
                text[row[pairs]],
            )
            variant, place = variants.to_run.nonzero(as_tuple=True)
            sums = torch.zeros(len(place), dtype=torch.float64)
            for part, logits in found.logits(
                where[place], columns[place, None], variants.values[variant, place]
            ):
                sums[part] = reference.divergence(where[place[part]], logits)
            untouched = torch.zeros(len(pairs), dtype=torch.float64)
            divergence[:, pairs] = variants.measured(sums, untouched)
            bar.update(len(pairs))
    scores, effects = {}, {}
    for number, contexts in enumerate(CAUSAL_CONTEXTS):
        used = member[number]
        total = torch.zeros(N_VARIANTS, n, dtype=torch.float64)
        total.index_add_(1, neuron[used], divergence[:, used])
        tokens = torch.zeros(n).index_add_(0, neuron[used], text[row[used]].sum(1).float())
        for ablated, ablation in enumerate(ABLATIONS, start=1):
            effect = total[ablated] / tokens
            score = 1 - total[SIMULATED] / total[ablated]
            scores[causal_column(contexts, ablation)] = score.masked_fill(
                ~(effect > VANISHING), torch.nan
            )
            effects[effect_column(contexts, ablation)] = effect
    return {**scores, **effects}


def _pairs(
    rows_of: Sequence[Sequence[Int[Tensor, " c"]]], n_rows: int
) -> tuple[Int[Tensor, " p"], Int[Tensor, " p"], Bool[Tensor, "kinds p"]]:
    """Return every neuron with every context that it is replaced on, each pair once.

    Args:
        rows_of: for each kind of contexts, the rows of each neuron.
        n_rows: how many rows there are.

    Returns:
        The neuron and the row of each pair, and to which kinds of contexts it belongs.
    """
    keys = [
        torch.cat([neuron * n_rows + rows for neuron, rows in enumerate(of_kind)])
        for of_kind in rows_of
    ]
    every = torch.cat(keys).unique()
    member = torch.stack([torch.isin(every, of_kind) for of_kind in keys])
    return every // n_rows, every % n_rows, member


def _reference(found: Intervention, tokens: Tensor, text: Tensor) -> Reference:
    """Return what the untouched subject says, by the same path that replaced neurons take."""
    everything = torch.arange(len(tokens))
    logits = torch.cat([part for _, part in found.logits(everything)])
    return Reference(tokens.to(logits.device), text.to(logits.device), log_probabilities(logits))
