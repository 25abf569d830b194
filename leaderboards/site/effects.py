"""Direct effects of neurons on the logits, as their pages show them."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from benchmark.errors import BenchmarkError
from benchmark.evidence import Block
from benchmark.subject import Subject
from benchmark.subject.direct_effects import DirectEffects, direct_effects

TOKENS = 10

logger = logging.getLogger(__name__)

Key = tuple[int, int]


@dataclass(frozen=True)
class Effects:
    """The direct effect of one neuron on the logits.

    Attributes:
        raised: token ids and by how much a unit of activation raises their logits, most first.
        lowered: the same of the tokens that it lowers most.
        cosine: of the neuron's output weights and the unembedding of the first raised token, which
            is the token that the neuron is most congruent with.
        partner: the neuron, of all layers, that this token is most congruent with.
    """

    raised: list[tuple[int, float]]
    lowered: list[tuple[int, float]]
    cosine: float
    partner: Key


def effects_of(subject: Subject, block: Block) -> list[Effects] | None:
    """Return the direct effects of a block's neurons; None where the subject has none that are
    known.
    """
    try:
        found = direct_effects(subject, block.layer, block.neurons, k=TOKENS)
    except BenchmarkError as error:
        logger.warning("pages show no direct effects: %s", error)
        return None
    return [_of_row(found, row) for row in range(len(block.neurons))]


def _of_row(found: DirectEffects, row: int) -> Effects:
    top = zip(found.top_tokens[row].tolist(), found.top_values[row].tolist(), strict=True)
    bottom = zip(found.bottom_tokens[row].tolist(), found.bottom_values[row].tolist(), strict=True)
    return Effects(
        list(top),
        list(bottom),
        float(found.cosine[row]),
        (int(found.partner_layers[row]), int(found.partner_neurons[row])),
    )
