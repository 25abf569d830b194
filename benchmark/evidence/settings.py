"""Amounts of text that are measured, and what is kept of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from benchmark.config.run_config import MEDIAN_EXEMPLAR, SHARD


@dataclass(frozen=True)
class EvidenceSettings:
    """Numbers of contexts; each is an upper bound where the corpus holds fewer.

    Attributes:
        explain: contexts of the `explain` split that are searched for exemplars (None: all).
        sample: contexts of these drawn uniformly and stored whole.
        exemplars: exemplars per neuron, from distinct documents.
        held_out: contexts of the `held_out` split that are searched for top contexts (None: all).
        uniform: contexts of these that make up the `uniform` scoring set.
        small: contexts of the `held_out` split, drawn by their content, of `uniform_small`.
        small_tokens: tokens of each of these that are scored, the first ones after the BOS.
        top: a neuron's own top contexts of these, the `top` scoring set; `top_and_random` adds as
            many contexts of the uniform set.
        calibrate: contexts of the `calibrate` split that calibration is fitted on (None: all).
        firing: the part of a neuron's firing reference from which on an activation is firing.
        firing_reference: `median_exemplar` or `maximum`; see `firing_thresholds`.
        shard: contexts of a split that are captured together; it decides nothing but the last
            digits of means.
        storage: the precision in which activations are kept, such as `bfloat16`; None keeps them
            as exactly as the subject computes them.
        seed: decides all draws of contexts but that of `small`.
    """

    explain: int | None = 4096
    sample: int = 2048
    exemplars: int = 20
    held_out: int | None = 2048
    uniform: int = 1024
    small: int = 64
    small_tokens: int = 64
    top: int = 20
    calibrate: int | None = 512
    firing: float = 0.5
    firing_reference: str = MEDIAN_EXEMPLAR
    shard: int = SHARD
    storage: str | None = None
    seed: int = 0


def draw_rows(available: int, wanted: int | None, seed: int, purpose: str) -> Int[Tensor, " n"]:
    """Draw rows uniformly without replacement, ascending.

    A smaller draw with the same seed and purpose is a part of a larger one.
    """
    key = hashlib.sha256(f"{seed}:{purpose}".encode()).digest()
    order = np.random.default_rng(list(key)).permutation(available)
    chosen = order if wanted is None else order[:wanted]
    return torch.from_numpy(np.sort(chosen))
