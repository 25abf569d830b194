"""Sentence for an engine whose packages are not installed."""

from benchmark.errors import BenchmarkError


def extra_missing(extra: str) -> BenchmarkError:
    """Return the error for an engine that needs an extra."""
    return BenchmarkError(
        f"engine={extra} needs packages that are not installed: "
        f"pip install 'neuron-simulator-benchmark[{extra}]'"
    )
