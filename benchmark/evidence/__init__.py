"""Measurements of neurons: profiles, evidence of the explain split, held-out truth."""

from benchmark.evidence.capture import Capture
from benchmark.evidence.firing import NEVER_FIRES, firing_thresholds
from benchmark.evidence.profile import LayerProfile, profile_layers
from benchmark.evidence.selection import (
    DEAD_FRACTION,
    DEAD_MEANS,
    Selection,
    dead_neurons,
    draw_neurons,
    draw_order,
    relative_reach,
)
from benchmark.evidence.settings import EvidenceSettings
from benchmark.evidence.store import Block, EvidenceStore
from benchmark.evidence.truth import CalibrationTruth, Truth

__all__ = [
    "DEAD_FRACTION",
    "DEAD_MEANS",
    "NEVER_FIRES",
    "Block",
    "CalibrationTruth",
    "Capture",
    "EvidenceSettings",
    "EvidenceStore",
    "LayerProfile",
    "Selection",
    "Truth",
    "dead_neurons",
    "draw_neurons",
    "draw_order",
    "firing_thresholds",
    "profile_layers",
    "relative_reach",
]
