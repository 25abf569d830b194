"""Records: short texts with a neuron's activations, which prompts are written from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from benchmark.interface import EXEMPLARS_AND_SAMPLE, Evidence
from explainers.sample_contexts import learnt_contexts

TOP, QUANTILES = "top", "quantiles"
RANGES = (TOP, QUANTILES)
LEVELS = 10
SILENT = 0.1  # of the largest activation: below it a neuron does not fire on a near miss

TextOf = Callable[[int], str]


@dataclass(frozen=True)
class Record:
    """A piece of text without BOS, and what the neuron does on it.

    Attributes:
        tokens: the tokens as prompts show them.
        activations: of each token, in raw units.
    """

    tokens: tuple[str, ...]
    activations: tuple[float, ...]

    @property
    def anchor(self) -> int:
        """Return where the activation is largest."""
        return max(range(len(self.activations)), key=self.activations.__getitem__)


def records_of(
    evidence: Evidence, row: int, count: int, length: int, text_of: TextOf
) -> list[Record]:
    """Return the first records of a neuron, each around the largest activation of its context.

    Args:
        evidence: its exemplars are the contexts, in the order wanted.
        row: the neuron's row.
        count: how many.
        length: tokens of a record, at most.
        text_of: the text of a token.
    """
    exemplars = evidence.exemplars
    records = []
    for context in range(min(count, exemplars.tokens.shape[1])):
        tokens = exemplars.tokens[row, context].cpu()
        activations = exemplars.activations[row, context].float().cpu()
        place = window(tokens, int(exemplars.anchors[row, context]), evidence.bos, length)
        records.append(_record(tokens[place], activations[place], text_of))
    return records


def across_the_range(evidence: Evidence, count: int, explainer: str) -> Evidence:
    """Return evidence whose exemplars are spread over the range of each neuron's activation.

    They are taken evenly, by their strength, from the exemplars and as many contexts of the sample
    (see `learnt_contexts`).

    Raises:
        BenchmarkError: the evidence has no sample.
    """
    from dataclasses import replace

    whole = learnt_contexts(evidence, EXEMPLARS_AND_SAMPLE, explainer)
    exemplars, n = whole.exemplars, whole.exemplars.tokens.shape[1]
    chosen = torch.linspace(0, n - 1, min(count, n)).round().long()
    return replace(
        whole,
        exemplars=replace(
            exemplars,
            tokens=exemplars.tokens[:, chosen],
            activations=exemplars.activations[:, chosen],
            anchors=exemplars.anchors[:, chosen],
            documents=None,
        ),
    )


def near_misses(
    evidence: Evidence, row: int, count: int, length: int, text_of: TextOf
) -> list[Record]:
    """Return records of the sample that hold a token the neuron fires on, and yet it is silent.

    The tokens are those at which the exemplars' activations are largest; each gives one record
    after the other in turn. A record is around the token, which none of its activations may
    exceed a tenth of the neuron's largest one.

    Args:
        evidence: with a sample.
        row: the neuron's row.
        count: how many, at most.
        length: tokens of a record, at most.
        text_of: the text of a token.
    """
    sample, exemplars = evidence.sample, evidence.exemplars
    assert sample is not None
    limit = SILENT * float(evidence.max_activation[row])
    anchors = exemplars.tokens[row].gather(1, exemplars.anchors[row][:, None])[:, 0]
    by_token: list[list[Record]] = []
    for anchor in dict.fromkeys(anchors.tolist()):
        found: list[Record] = []
        for context, place in (sample.tokens == anchor).nonzero().tolist():
            if len(found) == count:
                break
            tokens = sample.tokens[context].cpu()
            part = window(tokens, place, evidence.bos, length)
            activations = sample.activations[context, part, row].float().cpu()
            if float(activations.max()) < limit:
                found.append(_record(tokens[part], activations, text_of))
        by_token.append(found)
    in_turn = [found[step] for step in range(count) for found in by_token if step < len(found)]
    return in_turn[:count]


def window(tokens: Int[Tensor, " ctx"], anchor: int, bos: int, length: int) -> slice:
    """Return the tokens around a place of a context that a record shows.

    They belong to one document; where there is room three quarters of them stand before the place,
    since a neuron reads what is before it.
    """
    bounds = [-1, *(tokens == bos).nonzero()[:, 0].tolist(), len(tokens)]
    low = max(place for place in bounds if place < anchor) + 1
    high = min(place for place in bounds if place > anchor)
    length = min(length, high - low)
    start = min(max(low, anchor - 3 * length // 4), high - length)
    return slice(start, start + length)


def levels_of(records: Sequence[Record]) -> list[list[int]]:
    """Return the levels 0 to 10 of records that are shown together (Bills et al. 2023).

    A level is min(10, floor(10 x max(0, activation) / largest activation of these records); all
    are 0 where that is not above zero.
    """
    largest = max((max(one.activations) for one in records), default=0.0)
    if not largest > 0:
        return [[0] * len(one.tokens) for one in records]
    return [
        [min(LEVELS, int(LEVELS * max(0.0, value) / largest)) for value in one.activations]
        for one in records
    ]


def _record(tokens: Tensor, activations: Tensor, text_of: TextOf) -> Record:
    return Record(tuple(map(text_of, tokens.tolist())), tuple(activations.tolist()))
