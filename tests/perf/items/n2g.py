"""N2G on blocks of all layers, against the same method as a loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmark.evaluation.simulate import simulate
from benchmark.interface import Evidence
from explainers.n2g import N2G, N2GExplanation
from explainers.n2g.settings import Settings
from explainers.n2g.trie import ANY, Path
from tests.perf.comparison import Comparison, Meter
from tests.perf.slow_n2g import slow_n2g
from tests.perf.workload import Workload

# The loop is too slow to count its tokens and calls over whole blocks: it explains every so manieth
# neuron. Time is taken on all neurons, as a few of them cost the most.
EVERY = 4
SECONDS_A_NEURON = Meter("s", lambda call: float(call()))
TOKENS = Meter("tokens", lambda call: float(call()))
CALLS = Meter("calls", lambda call: float(call()))

Explain = Callable[[Evidence, Any], object]


def _fast(augmenter: str) -> Explain:
    return N2G(augmenter=augmenter).explain


def _slow(evidence: Evidence, subject: Any) -> object:
    return slow_n2g(evidence, subject, Settings())


def _slow_strong(evidence: Evidence, subject: Any) -> object:
    return slow_n2g(evidence, subject, Settings(), weak=False)


def _per_neuron(
    workload: Workload, explain: Explain, counter: str, every: int = 1
) -> Callable[[], float]:
    """Seconds, tokens or calls a neuron, mean over all layers."""

    def measure() -> float:
        subject, total, n = workload.subject, 0.0, 0
        for evidence in workload.evidence:
            asked = evidence.select(torch.arange(0, evidence.n_neurons, every))
            began = _read(subject, counter)
            explain(asked, subject)
            total += _read(subject, counter) - began
            n += asked.n_neurons
        return total / n

    return measure


def _read(subject: Any, counter: str) -> float:
    return time.perf_counter() if counter == "seconds" else float(getattr(subject, counter))


def seconds(workload: Workload) -> Comparison:
    """Time to explain a neuron, and what the loop takes."""
    return _against_the_loop(workload, "seconds", SECONDS_A_NEURON, every=1)


def seconds_strong(workload: Workload) -> Comparison:
    """The same against a loop that never looks at exemplars which are too weak to count."""
    return _against_the_loop(workload, "seconds", SECONDS_A_NEURON, _slow_strong, every=1)


def tokens(workload: Workload) -> Comparison:
    """Subject tokens a neuron."""
    return _against_the_loop(workload, "tokens_run", TOKENS)


def calls(workload: Workload) -> Comparison:
    """Forward passes a neuron."""
    return _against_the_loop(workload, "calls_run", CALLS)


def _against_the_loop(
    workload: Workload, counter: str, meter: Meter, loop: Explain = _slow, every: int = EVERY
) -> Comparison:
    every = min(every, workload.sizes.neurons)
    return Comparison(
        measured=_per_neuron(workload, _fast("none"), counter),
        baseline=_per_neuron(workload, loop, counter, every),
        meter=meter,
    )


def augmentation(workload: Workload) -> Comparison:
    """Subject tokens a neuron with substitutes from the subject, against none."""
    return Comparison(
        measured=_per_neuron(workload, _fast("subject"), "tokens_run"),
        baseline=_per_neuron(workload, _fast("none"), "tokens_run"),
        meter=TOKENS,
    )


def simulate_block(workload: Workload) -> Comparison:
    """A block of tries over a corpus, against filling the array of its predictions."""
    subject, sizes = workload.subject, workload.sizes
    rng = np.random.default_rng(0)
    text = workload.corpus.splits["explain"].tokens
    text = text[: max(1, sizes.tokens // text.shape[1])]
    explanations = [_random_trie(text.numpy(), subject.bos, rng) for _ in range(sizes.neurons)]
    explainer = N2G()
    found = torch.empty(sizes.neurons, text.numel())
    return Comparison(
        measured=lambda: simulate(explainer, explanations, text),
        baseline=lambda: found.fill_(1.0),
    )


def _random_trie(text: Any, bos: int, rng: np.random.Generator) -> N2GExplanation:
    """Ten patterns of one to eight tokens as they stand in the text, half of them wildcards."""
    paths = {}
    for _ in range(10):
        row = text[rng.integers(len(text))]
        end = int(rng.integers(1, len(row)))
        length = int(rng.integers(1, min(8, end) + 1))
        literal = rng.random(length) < 0.5
        literal[[0, -1]] = True
        pattern = [int(row[end - back]) if literal[back] else ANY for back in range(length)]
        if pattern[0] != bos:
            paths[tuple(pattern)] = Path(tuple(pattern), (1.0,) * length, 0.75, 1)
    return N2GExplanation(1.0, tuple(paths.values()))
