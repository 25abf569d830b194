"""Rate of capture: how many operations of a subject a device does a second, timed on one batch."""

from __future__ import annotations

import time

import torch

from benchmark.evaluation.experiment import Experiment
from benchmark.evaluation.shapes import Shape
from benchmark.evidence.capture import LayerJob, stream_layers
from benchmark.evidence.profile import LayerAccumulator

# The most that is run to find out, so that it takes seconds.
MOST_FLOP = {"cpu": 1e11, "cuda": 2e13}


def capture_rate(experiment: Experiment, shape: Shape) -> tuple[float, int] | None:
    """Time the profile of one batch of contexts, twice, and count the second time.

    Nothing is written, and the subject's own count of tokens stays as it is.

    Args:
        experiment: subject, text and layers.
        shape: the subject's.

    Returns:
        Operations a second and the tokens of the batch; None where a single context takes too long.

    Raises:
        BenchmarkError: the batch does not fit into memory.
    """
    subject, store = experiment.subject, experiment.store
    device, length = torch.device(subject.device), experiment.config.context_length
    flop = shape.flop(max(experiment.layers))
    most = MOST_FLOP.get(device.type, MOST_FLOP["cpu"])
    n = min(subject.batch_tokens // length or 1, int(most // (flop * length)), len(store.explain))
    if n == 0:
        return None
    contexts = store.explain.select(slice(0, n))
    quiet = subject.with_passes(subject.passes.uncounted())
    seconds = 0.0
    for _ in range(2):
        states = {
            layer: LayerAccumulator(
                subject.n_units(layer),
                store.tables.n_exemplars,
                length,
                store.tables.dtype,
                device,
            )
            for layer in experiment.layers
        }
        began = time.perf_counter()
        stream_layers(
            quiet,
            contexts,
            torch.empty(0, dtype=torch.long),
            {layer: LayerJob(None, None, state) for layer, state in states.items()},
            distinct_documents=True,
            first_row=0,
            searched=len(contexts),
            dtype=store.tables.dtype,
            advance=lambda _: None,
        )
        for state in states.values():
            state.result()  # waits for the device
        seconds = time.perf_counter() - began
    return n * length * flop / seconds, n * length
