"""Measurements of neurons: profiles, evidence of the explain split, held-out truth."""

from benchmark.evidence.firing import NEVER_FIRES, firing_thresholds
from benchmark.evidence.profile import LayerProfile, profile_layers
from benchmark.evidence.selection import (
    DEAD_FRACTION,
    DEAD_MEANS,
    Selection,
    dead_neurons,
    draw_neurons,
    relative_reach,
)
from benchmark.evidence.settings import EvidenceSettings
from benchmark.evidence.store import Block, EvidenceStore
from benchmark.evidence.truth import (
    CalibrationTruth,
    Truth,
)
from benchmark.results.columns import (
    NOVEL,
    SCORING_SETS,
    SHARED_SETS,
    TOP,
    TOP_AND_RANDOM,
    UNIFORM,
    base_set,
)

__all__ = [
    "DEAD_FRACTION",
    "DEAD_MEANS",
    "NEVER_FIRES",
    "NOVEL",
    "SCORING_SETS",
    "SHARED_SETS",
    "TOP",
    "TOP_AND_RANDOM",
    "UNIFORM",
    "Block",
    "CalibrationTruth",
    "EvidenceSettings",
    "EvidenceStore",
    "LayerProfile",
    "Selection",
    "Truth",
    "base_set",
    "dead_neurons",
    "draw_neurons",
    "firing_thresholds",
    "profile_layers",
    "relative_reach",
]
