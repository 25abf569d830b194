"""What is measured about neurons: profiles, evidence of the explain split, held-out truth."""

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
    CALIBRATED_SETS,
    CALIBRATED_SUFFIX,
    SCORING_SETS,
    TOP,
    TOP_AND_RANDOM,
    UNIFORM,
    CalibrationTruth,
    Truth,
)

__all__ = [
    "CALIBRATED_SETS",
    "CALIBRATED_SUFFIX",
    "DEAD_FRACTION",
    "DEAD_MEANS",
    "SCORING_SETS",
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
    "dead_neurons",
    "draw_neurons",
    "profile_layers",
    "relative_reach",
]
