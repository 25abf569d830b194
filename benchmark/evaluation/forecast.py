"""Forecast of a run: time, memory and disk, from a model's shape and what shards were measured to
cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.config.run_config import RunConfig, listed_neurons
from benchmark.engine.schedule import simulated
from benchmark.errors import BenchmarkError
from benchmark.evaluation.shapes import Shape
from benchmark.evaluation.shard_costs import ShardCosts

RANKED_BYTES = 20  # of a top context beside its activations: value, row and document
MERGED_BYTES = 12  # the same of one that is merged: value and row
CHUNK_BYTES = 1 << 23  # of a file that is being written, in memory
NUMBER = 4  # bytes of float32, in which activations come from a subject
SIZES = {"float32": 4, "bfloat16": 2, "float16": 2}
DRIVER_SECONDS = 0.005  # the most that a shard may cost the driver
SCORING_COPIES = 8  # of a block's uniform truth, while it is sorted in double precision
PROCESS_BYTES = 600 * 10**6  # Python with its libraries, as docs/performance.md measures it


@dataclass(frozen=True)
class Amounts:
    """How much text and how many neurons a run is about.

    Attributes:
        layers: which.
        n_units: of each of these layers.
        neurons: that are explained, of all layers together.
        likely: neurons that the first pass keeps on the sample, before it is known which are dead.
        explain, sample, held_out, uniform, calibrate: contexts of each kind; no sample is 0.
        exemplars, top: contexts of each neuron.
        length: tokens in a context.
        shard: contexts that are captured together.
        block_size: neurons that are explained together.
        at_once: neurons whose activations are kept at once; None for all.
        stored: bytes of a stored number.
    """

    layers: tuple[int, ...]
    n_units: int
    neurons: int
    likely: int
    explain: int
    sample: int
    held_out: int
    uniform: int
    calibrate: int
    exemplars: int
    top: int
    length: int
    shard: int
    block_size: int
    at_once: int | None
    stored: int

    @property
    def groups(self) -> list[int]:
        """Return the neurons of each group that is measured, explained and scored together."""
        size = max(self.at_once or self.neurons, min(self.block_size, self.neurons), 1)
        return _cut(self.neurons, size)

    def captures(self, contexts: int) -> list[int]:
        """Return the contexts of each shard of capture of a split."""
        return _cut(contexts, self.shard)

    def blocks(self, neurons: int) -> list[int]:
        """Return the neurons of each shard of explaining; each is of one layer."""
        of_layer = -(-self.neurons // len(self.layers))
        layers, rest = divmod(neurons, of_layer)
        return layers * _cut(of_layer, self.block_size) + _cut(rest, self.block_size)

    @property
    def profile_bytes(self) -> int:
        """Return what the exemplars of all units take on disk, parts that are merged included."""
        every = len(self.layers) * self.n_units
        return self._ranked(every, self.exemplars, len(self.captures(self.explain)))

    def sample_bytes(self, neurons: int) -> int:
        """Return what a group of neurons takes on disk on the sample, the spare ones included."""
        kept = self.likely if self.at_once is None else neurons
        return kept * self.sample * self.length * self.stored

    def truth_bytes(self, neurons: int) -> int:
        """Return what they take on the contexts of scoring that all neurons share."""
        return neurons * (self.uniform + self.calibrate) * self.length * self.stored

    def top_bytes(self, neurons: int) -> int:
        """Return what their own top contexts take, parts that are merged included."""
        return self._ranked(neurons, self.top, len(self.captures(self.held_out)))

    def group_bytes(self, neurons: int) -> int:
        """Return all that is kept of some neurons but the profile."""
        return self.sample_bytes(neurons) + self.truth_bytes(neurons) + self.top_bytes(neurons)

    @property
    def disk_bytes(self) -> int:
        """Return what a run takes on disk at most: as `Tables.bytes_of` counts."""
        return self.profile_bytes + self.group_bytes(self.groups[0])

    @property
    def kept_bytes(self) -> int:
        """Return what is left on disk when a run has ended: without parts that were merged."""
        top = len(self.layers) * self.n_units * self.exemplars
        top += self.neurons * self.top * (self.at_once is None)
        each = self.length * self.stored + MERGED_BYTES
        if self.at_once is not None:
            return top * each
        return top * each + self.sample_bytes(self.neurons) + self.truth_bytes(self.neurons)

    def _ranked(self, units: int, k: int, captures: int) -> int:
        return units * k * (captures + 1) * (self.length * self.stored + RANKED_BYTES)


def amounts_of(config: RunConfig, shape: Shape, *, sampled: bool) -> Amounts:
    """Return what a configuration asks of a model of some shape, whatever its corpus holds.

    Raises:
        BenchmarkError: it asks for a whole split, or for a layer or a neuron that the model lacks.
    """
    contexts, neurons = config.contexts, config.neurons
    for name in ("explain", "held_out", "calibrate"):
        if getattr(contexts, name) is None:
            raise BenchmarkError(
                f"contexts.{name}=null means the whole split, whose size no shape tells; give a "
                "number of contexts."
            )
    listed = [] if neurons.list is None else listed_neurons(neurons.list)
    layers = tuple(range(shape.layers)) if neurons.layers is None else tuple(set(neurons.layers))
    layers = tuple({layer for layer, _ in listed}) or layers
    if not layers:
        raise BenchmarkError("neurons.layers is empty; name layers such as [0,3] or leave it out.")
    for layer in layers:
        if not 0 <= layer < shape.layers:
            raise BenchmarkError(
                f"layer {layer} does not exist: '{shape.name}' has layers 0 to {shape.layers - 1}."
            )
    for layer, neuron in listed:
        if not 0 <= neuron < shape.neurons:
            raise BenchmarkError(
                f"neuron {layer}.{neuron} does not exist: layer {layer} of '{shape.name}' has "
                f"neurons 0 to {shape.neurons - 1}."
            )
    explain, held_out = contexts.explain or 0, contexts.held_out or 0
    small = contexts.small  # at most: those of them that the uniform set lacks are run besides
    each = shape.neurons if neurons.per_layer is None else min(neurons.per_layer, shape.neurons)
    return Amounts(
        layers=layers,
        n_units=shape.neurons,
        neurons=len(listed) or len(layers) * each,
        likely=len(listed) or len(layers) * neurons.likely(shape.neurons),
        explain=explain,
        sample=min(contexts.sample, explain) * sampled,
        held_out=held_out + small,
        uniform=min(contexts.uniform, held_out) + small,
        calibrate=(contexts.calibrate or 0) * config.calibrated,
        exemplars=min(contexts.exemplars, explain),
        top=min(contexts.top, held_out),
        length=config.context_length,
        shard=contexts.shard,
        block_size=neurons.block_size,
        at_once=config.storage.neurons,
        stored=SIZES[config.storage.dtype or config.dtype],
    )


@dataclass(frozen=True)
class Machine:
    """What runs a worker.

    Attributes:
        rate: operations of the subject a second.
        disk_rate: bytes a second of the disk that all workers share.
        batch_tokens: tokens in one forward pass.
        weight_bytes: of one parameter.
        process_bytes: of a process before it does anything, without weights.
    """

    rate: float
    disk_rate: float
    batch_tokens: int
    weight_bytes: int
    process_bytes: int


@dataclass(frozen=True)
class Memory:
    """What a worker holds at most, in bytes.

    Attributes:
        subject: on the device: weights, a batch in flight, the running top contexts.
        block: beside it, in main memory: the process, and a block's evidence, truth and predictions
            or the chunks of files that are written.
        loading: in main memory while weights are on their way to a device.
    """

    subject: int
    block: int
    loading: int


def memory_of(shape: Shape, amounts: Amounts, machine: Machine) -> Memory:
    """Return what a worker holds at most: an estimate of what is large, from how the code works."""
    layers, length = len(amounts.layers), amounts.length
    width = max(shape.neurons, amounts.n_units)
    weights = shape.parameters * machine.weight_bytes
    # Of each layer its units and their squares; of the layer that runs a few copies.
    per_token = NUMBER * (2 * layers * amounts.n_units + 6 * width + 12 * shape.width)
    k = max(amounts.exemplars, amounts.top)
    top = layers * amounts.n_units * k * (length * amounts.stored + RANKED_BYTES)
    block = max(amounts.blocks(amounts.neurons), default=0)
    contexts = 2 * (amounts.sample + amounts.exemplars)  # read, and turned
    predicted = min(amounts.held_out, amounts.uniform + block * amounts.top)
    scored = 2 * predicted + SCORING_COPIES * amounts.uniform + amounts.top + amounts.calibrate
    of_block = NUMBER * block * length * max(contexts, scored)
    row = amounts.n_units * length * amounts.stored
    chunks = layers * max(CHUNK_BYTES, row) * (amounts.sample + amounts.uniform > 0)
    return Memory(
        weights + machine.batch_tokens * per_token + top,
        machine.process_bytes + max(of_block, chunks),
        machine.process_bytes + weights,
    )


@dataclass(frozen=True)
class Forecast:
    """What a run would take with some workers.

    Attributes:
        workers: how many.
        shards: of capture and of explaining.
        capture_seconds: until all activations are on disk, merging included.
        explain_seconds: until all neurons are explained and scored.
        busy: the share of the workers' time in which they work.
    """

    workers: int
    shards: int
    capture_seconds: float
    explain_seconds: float
    busy: float

    @property
    def seconds(self) -> float:
        """Return the time of the run; loading the model and waiting in a queue are not in it."""
        return self.capture_seconds + self.explain_seconds


def forecast(
    shape: Shape,
    amounts: Amounts,
    costs: ShardCosts,
    machine: Machine,
    workers: int,
    *,
    captured: bool = False,
) -> Forecast:
    """Return what a run would take if its shards cost what those of another run cost.

    Forward passes take as long as their operations; what the explainer and the scores take beside
    the subject is as measured. What is written and read passes the disk once, at its rate.

    Args:
        shape: of the subject.
        amounts: of text and neurons.
        costs: measured, of the explainer.
        machine: what each worker has.
        workers: how many.
        captured: whether all activations are on disk already.
    """
    phases = _Phases(workers, machine.disk_rate)
    flop = shape.flop(max(amounts.layers))
    token = amounts.length * flop / machine.rate  # seconds of a context
    # The first pass profiles all units; it also keeps the sample, unless groups are kept in turn.
    together = amounts.at_once is None
    capture = explain = 0.0
    if not captured:
        first = amounts.profile_bytes + together * amounts.sample_bytes(amounts.neurons)
        capture = phases.run([token * n for n in amounts.captures(amounts.explain)], first)
        capture += amounts.profile_bytes / machine.disk_rate  # the driver merges parts
    neuron = costs.own_seconds
    neuron += costs.query_tokens * shape.mean_flop(amounts.layers) / machine.rate
    for group in amounts.groups:
        if not captured:
            passes = [*amounts.captures(amounts.held_out), *amounts.captures(amounts.calibrate)]
            if amounts.sample and not together:
                passes += amounts.captures(amounts.explain)
            written = amounts.group_bytes(group) - together * amounts.sample_bytes(group)
            capture += phases.run([token * n for n in passes], written)
            capture += amounts.top_bytes(group) / machine.disk_rate
        blocks = [neuron * n for n in amounts.blocks(group)]
        explain += phases.run(blocks, amounts.group_bytes(group))
    total = capture + explain
    busy = phases.worked / (workers * total) if total else 0.0
    return Forecast(workers, phases.shards, capture, explain, busy)


class _Phases:
    """Phases of a run, one after the other: the schedule of each, or its disk if that is slower."""

    def __init__(self, workers: int, disk_rate: float) -> None:
        self._workers, self._disk_rate = workers, disk_rate
        self.shards = 0
        self.worked = 0.0

    def run(self, seconds: Sequence[float], moved: int) -> float:
        """Return how long shards take that move so many bytes between them and one disk."""
        each = moved / self._disk_rate / max(1, len(seconds))
        self.shards += len(seconds)
        self.worked += sum(seconds) + each * len(seconds)
        schedule = simulated([one + each for one in seconds], self._workers, DRIVER_SECONDS)
        return max(schedule.seconds, moved / self._disk_rate)


def _cut(whole: int, size: int) -> list[int]:
    """Return the sizes of the parts of a whole that is cut into parts of one size, and a rest."""
    return [min(size, whole - start) for start in range(0, whole, size)]
