"""Substitutes: tokens that replaced others, and the neuron's activation then."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Substitute:
    """A proposal that was tried.

    Attributes:
        distance: tokens from the activating token back to the last one replaced; 0 is itself.
        original: the ids that were replaced.
        replacement: the ids that replaced them.
        activation: what the neuron then did, as a part of its largest activation.
        kept: whether that is enough of the activation (a positive substitute) or not.
    """

    distance: int
    original: tuple[int, ...]
    replacement: tuple[int, ...]
    activation: float
    kept: bool
