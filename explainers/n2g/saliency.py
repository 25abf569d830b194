"""Saliency: how much of the activation is lost when a context token is masked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

from explainers.n2g.examples import Example
from explainers.n2g.prompts import NEAR_ZERO
from explainers.n2g.settings import Settings
from explainers.queries import SharedStarts, SubjectQueries

# Variants of contexts built at once: bounds memory, not what runs together.
NUMBERS_AT_ONCE = 1 << 22
PROBE_LENGTH = 4


def measure_saliency(
    examples: Sequence[Example],
    maxima: Float[np.ndarray, " n"],
    texts: Sequence[Int[np.ndarray, "k ctx"]],
    queries: SubjectQueries,
    settings: Settings,
) -> None:
    """Fill in the importances of every example.

    The importance of a context token is 1 - masked activation / activation, at the activating
    token, within 0 and 1: a token whose masking raises the activation is not important. Where the
    activation is too near zero to divide by, nothing is important. The activating token itself is
    not masked, its importance is 1.

    A masked token is replaced by the `mask_token` of the queries, which the subject has an opinion
    of, too: where the tokenizer has no padding token, as that of solu-tiny, it is BOS, and the
    subject sees a new document begin there. Importances are measured against that.

    BOS stands before every context, so masking says nothing about it. Where a context was only
    met at a start, other text is put between BOS and the context; the importance of the start is
    what is lost at the best of these probes.

    Args:
        examples: of all neurons of the block.
        maxima: each neuron's largest activation, raw units.
        texts: each neuron's exemplars, the probes being their last tokens.
        queries: the subject.
        settings: the thresholds.
    """
    for group in _groups(examples):
        tokens = np.stack([example.tokens for example in group])
        owners = np.array([example.owner for example in group])
        length = tokens.shape[1] - 1
        places = np.arange(1, length)
        masked = np.repeat(tokens[:, None], len(places), axis=1)
        masked[:, np.arange(len(places)), places] = queries.mask_token
        shared = SharedStarts(
            list(tokens[:, :length]),
            np.repeat(np.arange(len(group)), len(places)),
            np.tile(places, len(group)),
        )
        found = queries.activations(
            masked.reshape(-1, length + 1), np.repeat(owners, len(places)), shared
        ).reshape(len(group), len(places))
        for example, activations in zip(group, found, strict=True):
            example.importances = np.zeros(length + 1, dtype=np.float32)
            example.importances[places] = importance(
                activations, example.activation, float(maxima[example.owner])
            )
            example.importances[length] = 1
    _probe_starts(examples, maxima, texts, queries, settings)


def importance(
    masked: Float[np.ndarray, " m"], activation: float, maximum: float
) -> Float[np.ndarray, " m"]:
    """Return 1 - masked / activation within 0 and 1.

    It is 0 for an activation near zero or not finite, and where what was masked gives no number.
    """
    if not (np.isfinite(activation) and activation > NEAR_ZERO * maximum):
        return np.zeros(len(masked), dtype=np.float32)
    share = 1 - masked.astype(np.float64) / activation
    return np.where(np.isnan(share), 0, np.clip(share, 0, 1)).astype(np.float32)


def _groups(examples: Sequence[Example]) -> Iterator[list[Example]]:
    """Return examples of one length, in parts that bound the memory of their variants."""
    by_length: dict[int, list[Example]] = {}
    for example in examples:
        by_length.setdefault(example.length, []).append(example)
    for length, members in sorted(by_length.items()):
        size = max(1, NUMBERS_AT_ONCE // (length * (length + 1)))
        for start in range(0, len(members), size):
            yield members[start : start + size]


def _probe_starts(
    examples: Sequence[Example],
    maxima: Float[np.ndarray, " n"],
    texts: Sequence[Int[np.ndarray, "k ctx"]],
    queries: SubjectQueries,
    settings: Settings,
) -> None:
    asked = [example for example in examples if example.at_start]
    contexts: list[Int[np.ndarray, " pos"]] = []
    owners: list[int] = []
    members: list[int] = []
    for member, example in enumerate(asked):
        for probe in _probes(texts[example.owner], int(example.tokens[0]), settings.start_probes):
            if len(probe) + len(example.tokens) <= queries.subject.n_ctx:
                contexts.append(np.concatenate([example.tokens[:1], probe, example.tokens[1:]]))
                owners.append(example.owner)
                members.append(member)
    found = queries.activations_of_lengths(contexts, np.array(owners, dtype=np.int64))
    bounds = np.searchsorted(members, np.arange(len(asked) + 1))
    for example, start, stop in zip(asked, bounds[:-1], bounds[1:], strict=True):
        if stop > start:
            best = found[start:stop].max(keepdims=True)
            maximum = float(maxima[example.owner])
            example.importances[0] = importance(best, example.activation, maximum)[0]


def _probes(
    text: Int[np.ndarray, "k ctx"], bos: int, wanted: int
) -> list[Int[np.ndarray, " probe"]]:
    """Return the last tokens of a neuron's exemplars that hold no document's start."""
    ends = text[:, -PROBE_LENGTH:]
    return [end for end in ends if not (end == bos).any()][:wanted]
