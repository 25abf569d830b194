"""Records of `run.json`: everything needed to repeat a run, and its summary."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchmark.column import Column
from benchmark.errors import BenchmarkError
from benchmark.files.explanation_size import SIZE_MEASURE
from benchmark.results.columns import (
    DRAWN_SETS,
    POSITIVES,
    UNDEFINED,
    cost_column,
    problem_of,
    score_column,
)
from benchmark.results.encoding import plain
from benchmark.results.fields import read_record

SCHEMA_VERSION = 1

# What an interval is over.
OVER_NEURONS, OVER_BOTH = "neurons", "neurons and documents"

SIZE_COLUMN = cost_column("bytes")


@dataclass(frozen=True, kw_only=True)
class UnitsRecord:
    """What was explained: the kind of unit, and how many units each layer of the subject has."""

    kind: str
    per_layer: list[int]


@dataclass(frozen=True, kw_only=True)
class SubjectRecord:
    """The language model whose neurons were explained.

    `fingerprint` covers weights, site and units; `site` is the name of the tensor that units are
    read from; `units` is None in records of earlier versions, which explained MLP neurons; `d_mlp`
    is None for other units; `batch_tokens` is how many tokens a forward pass took at once.
    """

    name: str
    fingerprint: str
    site: str = ""
    source: str = ""
    layers: list[int] = field(default_factory=list)
    n_layers: int | None = None
    d_mlp: int | None = None
    units: UnitsRecord | None = None
    device: str = ""
    dtype: str = ""
    batch_tokens: int | None = None

    def n_units(self, layer: int) -> int | None:
        """Return how many units a layer has; None where the record does not say."""
        if self.units is None:
            return self.d_mlp
        return self.units.per_layer[layer] if 0 <= layer < len(self.units.per_layer) else None


@dataclass(frozen=True, kw_only=True)
class CorpusRecord:
    """The text.

    `counts` are documents, contexts and tokens per split, as the corpus gives them, and under
    `uniform_tokens`, `novel_tokens` and `uniform_small_tokens` how many tokens of these scoring
    sets there are.
    """

    name: str
    fingerprint: str
    context_length: int | None = None
    counts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NeuronsRecord:
    """Which neurons were asked for, and how many were explained.

    `rule` says how they were drawn, `per_layer` lists them, `dead` counts per layer the dead
    neurons (see `benchmark.evidence.selection`), which are not drawn, `named_dead` lists those of
    them that were named one by one, `coverage` is explained / asked.
    """

    per_layer: dict[int, list[int]] = field(default_factory=dict)
    rule: Any = None
    dead: dict[int, int] = field(default_factory=dict)
    named_dead: dict[int, list[int]] = field(default_factory=dict)
    asked: int = 0
    explained: int = 0
    coverage: float | None = None


@dataclass(frozen=True, kw_only=True)
class ExplainerRecord:
    """The method: `target` is the class, `evidence` what it saw, `options` its other settings."""

    name: str
    target: str = ""
    evidence: str = ""
    control: bool = False
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SimulatorRecord:
    """Who predicted from the explanations: `target` is the class, `options` its settings."""

    name: str
    target: str = ""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ImportedRecord:
    """Where a run was imported from: explanations of others, whose subject and text are not here.

    `sha256` is of the `files` that were read.
    """

    format: str
    files: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class GitRecord:
    """The commit that ran; `dirty` means that files differed from it or were not part of it."""

    commit: str
    dirty: bool


@dataclass(frozen=True, kw_only=True)
class EnvironmentRecord:
    """Software and hardware; no names of hosts, users or folders."""

    python: str = ""
    platform: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    git: GitRecord | None = None
    cpu: str = ""
    cpu_cores: int | None = None
    gpus: list[str] = field(default_factory=list)
    cuda: str | None = None


@dataclass(frozen=True, kw_only=True)
class MetricSummary:
    """A metric over neurons: the mean with its interval, of the `n` neurons that have a value.

    `low` and `high` are by bootstrap over what `over` says: `neurons and documents`, or `neurons`
    where the documents were not resampled. `neuron_low` and `neuron_high` are over neurons alone;
    records of earlier versions lack them, and theirs is `low` and `high`. `layer_low` and
    `layer_high` are over whole layers, None where there is but one.

    `n_null` neurons have none, because the metric cannot be computed for them. Without any value
    the mean is None. `median` is that of counts of tokens, None for metrics.
    """

    mean: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    n_null: int = 0
    layer_low: float | None = None
    layer_high: float | None = None
    over: str = OVER_NEURONS
    neuron_low: float | None = None
    neuron_high: float | None = None
    median: float | None = None

    def over_neurons(self) -> tuple[float | None, float | None]:
        """Return the interval over neurons alone, also of a record of an earlier version."""
        if self.over == OVER_NEURONS:
            return self.low, self.high
        return self.neuron_low, self.neuron_high


@dataclass(frozen=True, kw_only=True)
class TogetherRecord:
    """Neurons of a layer replaced all at once, with `metrics=causal`.

    `neurons` are those whose ablation changes the output most, strongest first. The losses are the
    mean cross-entropy of the next token in nats over `tokens` positions: of the subject as it is,
    with the neurons simulated, mean-ablated and zero-ablated. `recovered_<ablation>` is the part of
    the ablation's loss that the simulation wins back, 1 if all; None where it costs none.
    """

    layer: int
    neurons: list[int]
    tokens: int
    loss: float
    loss_simulated: float
    loss_mean: float
    loss_zero: float
    recovered_mean: float | None = None
    recovered_zero: float | None = None


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """Size and SHA-256 of a file beside `run.json`, to notice that it is damaged or another."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A finished run, as `run.json` holds it.

    `summary` has a `MetricSummary` under `<scoring set>/<metric>` and a count of neurons under
    `<scoring set>/undefined`; under `<scoring set>/positives` that of how many tokens the neurons
    fire on. `simulator` is None where explanations simulated themselves. `columns` are what scorers
    that were added declared of theirs; those of the benchmark's own scorers follow from their
    names. `together` holds what replacing many neurons at once does; it is empty without
    `metrics=causal`. `started` and `finished` are ISO 8601 in UTC, `timings` seconds
    and what was done in them. `size_measure` says how `cost/bytes` was measured. A run of an
    earlier version, which counted bytes of JSON text, has none; its sizes are not read, because
    they cannot be compared. `imported` is None but for a run that was imported from others.
    """

    run_id: str
    subject: SubjectRecord
    corpus: CorpusRecord
    explainer: ExplainerRecord
    simulator: SimulatorRecord | None = None
    imported: ImportedRecord | None = None
    neurons: NeuronsRecord = field(default_factory=NeuronsRecord)
    summary: dict[str, MetricSummary | int] = field(default_factory=dict)
    columns: list[Column] = field(default_factory=list)
    together: list[TogetherRecord] = field(default_factory=list)
    benchmark_version: str = ""
    started: str = ""
    finished: str = ""
    command: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    environment: EnvironmentRecord = field(default_factory=EnvironmentRecord)
    seeds: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, Any] = field(default_factory=dict)
    files: dict[str, FileRecord] = field(default_factory=dict)
    size_measure: str = SIZE_MEASURE
    schema_version: int = SCHEMA_VERSION

    def metric(self, column: str) -> MetricSummary | None:
        """Return the summary of a column such as `uniform/pearson`, None if the run has none."""
        found = self.summary.get(column)
        return found if isinstance(found, MetricSummary) else None

    @property
    def small_alone(self) -> bool:
        """Return whether a simulator predicted `uniform_small` alone of the uniform text."""
        whole, small = (self.metric(score_column(one, POSITIVES)) for one in DRAWN_SETS)
        return whole is not None and small is not None and not whole.n and small.n > 0

    def undefined(self, scoring_set: str) -> int:
        """Return how many neurons have an undefined correlation on a scoring set."""
        found = self.summary.get(score_column(scoring_set, UNDEFINED), 0)
        return found if isinstance(found, int) else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values.

        Raises:
            TypeError: a field holds something without JSON form, for example in `config`.
        """
        data: dict[str, Any] = plain(self, "run")
        return {"schema_version": data.pop("schema_version"), **data}

    @classmethod
    def from_dict(cls, data: Any, where: str = "run.json") -> RunRecord:
        """Return the record that `to_dict` gave, also of an earlier version of this package.

        Raises:
            BenchmarkError: the data is no run record, was written by a later version, or a field
                is missing or wrong.
        """
        version = data.get("schema_version") if isinstance(data, dict) else None
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise BenchmarkError(f"{where}: not the record of a benchmark run (no schema_version).")
        if version > SCHEMA_VERSION:
            raise BenchmarkError(
                f"{where}: written with schema version {version}, this package reads up to "
                f"{SCHEMA_VERSION}; install a newer neuron-simulator-benchmark."
            )
        record = read_record(cls, {"size_measure": "", **data}, where)
        if record.size_measure != SIZE_MEASURE:
            record.summary.pop(SIZE_COLUMN, None)
        for column in record.columns:
            if problem := problem_of(column):
                raise BenchmarkError(f"{where}: columns: {problem}.")
        return record
