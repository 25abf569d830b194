"""Firing thresholds: the activation from which on a neuron counts as firing."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from benchmark.config.run_config import MAXIMUM, MEDIAN_EXEMPLAR
from benchmark.evidence.profile import LayerProfile

NEVER_FIRES = torch.finfo(torch.float32).max
"""The threshold of a neuron that is never above zero: no activation reaches it."""


def firing_thresholds(
    profile: LayerProfile, reference: str, fraction: float
) -> Float[Tensor, " n_units"]:
    """Return the firing threshold of every neuron of a layer, raw units.

    It is `fraction` of the neuron's reference. `median_exemplar` is the median of its exemplars'
    largest activations, of those that are positive: an exemplar on which the neuron is silent says
    nothing of how strongly it fires. `maximum` is its largest activation on the `explain` split.
    A neuron whose largest activation is not positive never fires under either: its threshold would
    be zero or negative, at which the zero prediction fires on every token.

    Args:
        profile: the layer's profile.
        reference: one of `FIRING_REFERENCES`.
        fraction: the part of the reference, above 0 and at most 1.

    Source: `maximum` is that of Foote et al. 2023, "Neuron to Graph" (arXiv 2305.19911).
    """
    values = {MEDIAN_EXEMPLAR: _median_peak(profile), MAXIMUM: profile.max_activation}[reference]
    thresholds: Tensor = fraction * values
    return thresholds.masked_fill(profile.max_activation <= 0, NEVER_FIRES)


def _median_peak(profile: LayerProfile) -> Float[Tensor, " n_units"]:
    peaks = profile.top_values[:, : profile.n_exemplars]
    if not peaks.shape[1]:
        return profile.max_activation
    return peaks.masked_fill(peaks <= 0, torch.nan).nanquantile(0.5, dim=1)
