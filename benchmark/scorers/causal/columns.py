"""Names of the causal scores in a run's table. Importing this loads nothing heavy."""

from __future__ import annotations

CAUSAL = "causal"
EFFECT = "effect"
UNIFORM, FIRING = "uniform", "firing"
CONTEXTS = (UNIFORM, FIRING)
MEAN, ZERO = "mean", "zero"
ABLATIONS = (MEAN, ZERO)


def causal_columns() -> list[str]:
    """The causal scores, such as `causal/uniform_mean`, in order."""
    return [f"{CAUSAL}/{contexts}_{ablation}" for contexts in CONTEXTS for ablation in ABLATIONS]


def effect_column(contexts: str, ablation: str) -> str:
    """The column of what ablating a neuron changes: the mean divergence in nats per token."""
    return f"{EFFECT}/{contexts}_{ablation}"
