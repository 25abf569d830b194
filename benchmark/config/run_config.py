"""The typed configuration of a run, checked before anything heavy is loaded."""

from __future__ import annotations

import dataclasses
import difflib
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from benchmark.config.literal import literal
from benchmark.config.scorers import resolved
from benchmark.engine.options import LOCAL, engine_options
from benchmark.errors import BenchmarkError, unknown
from benchmark.llm.options import NO_MODEL, llm_options

OWN_SIMULATOR = "own"  # explanations simulate themselves
Calibration = Literal["none", "linear", "isotonic"]
FiringReference = Literal["median_exemplar", "maximum"]
DType = Literal["float32", "bfloat16", "float16"]
CALIBRATIONS: tuple[Calibration, ...] = typing.get_args(Calibration)
FIRING_REFERENCES: tuple[FiringReference, ...] = typing.get_args(FiringReference)
DTYPES: tuple[DType, ...] = typing.get_args(DType)
NO_CALIBRATION: Calibration = "none"
MEDIAN_EXEMPLAR, MAXIMUM = "median_exemplar", "maximum"
# What a configuration means that was written before a key existed.
BEFORE = {"firing_reference": MAXIMUM}
MLP_NEURONS = "mlp"
# Which neurons are dead is known only after the pass over the explain split. It keeps activations
# of twice as many as are drawn, and these, so that half of a layer may be dead.
SPARE = 16
SHARD = 512  # contexts that are captured together
LARGEST = 10**9
MOST_RESAMPLES = 10**6  # all of them are held in memory
MOST_DOCUMENT_RESAMPLES = 10**4  # all of them are kept of every neuron
MOST = {
    "bootstrap.resamples": MOST_RESAMPLES,
    "bootstrap.document_resamples": MOST_DOCUMENT_RESAMPLES,
}
MODEL_KEYS = ("name", "kind", "source", "revision", "dataset", "description")

# Named here because a field called `list` hides the type inside its class.
Integers = list[int]


@dataclass
class NeuronsConfig:
    """Which neurons a run is about."""

    layers: Integers | None = None
    per_layer: int | None = 64
    seed: int = 0
    list: Any = None
    block_size: int = 256

    def likely(self, n_units: int) -> int:
        """Return how many units of a layer are drawn before it is known which are dead."""
        return n_units if self.per_layer is None else min(n_units, 2 * self.per_layer + SPARE)


@dataclass
class ContextsConfig:
    """Numbers of contexts; see `EvidenceSettings`."""

    explain: int | None = 4096
    sample: int = 2048
    exemplars: int = 20
    held_out: int | None = 2048
    uniform: int = 1024
    small: int = 64
    small_tokens: int = 64
    top: int = 20
    calibrate: int | None = 512
    shard: int = SHARD


@dataclass
class StorageConfig:
    """How measured activations are kept on disk.

    Attributes:
        dtype: their precision; None for the subject's own, which is exact.
        neurons: how many neurons are kept at once, at least a block of them; None for all. A
            smaller number takes a pass over the text for each so many, and removes what was
            measured of them once they are scored.
    """

    dtype: str | None = None
    neurons: int | None = None


@dataclass
class BootstrapConfig:
    """Intervals of means over neurons, and over neurons and documents.

    Attributes:
        resamples: how often neurons are drawn.
        confidence: probability that an interval covers.
        document_resamples: how often the documents of the `uniform` set are drawn; 0 for never,
            which leaves the intervals over neurons alone.
    """

    resamples: int = 10_000
    confidence: float = 0.95
    document_resamples: int = 200


@dataclass
class CausalConfig:
    """How neurons are replaced by their simulation inside the subject; see docs/causal.md.

    Attributes:
        contexts: held-out contexts of each kind, uniform and firing, that a neuron is replaced on.
        together: how many neurons of a layer are replaced at once; more than there are means all.
    """

    contexts: int = 16
    together: Integers = field(default_factory=lambda: [16, 64])


@dataclass
class MetricsConfig:
    """The metrics that a run computes.

    Attributes:
        name: the name of the choice.
        metrics: names of metrics.
        both_references: whether scores of firing are computed under the other `firing_reference`
            as well, in columns such as `uniform_maximum/f1`.
        causal: null for a run without causal scores.
    """

    name: str = MISSING
    metrics: list[str] = MISSING
    both_references: bool = False
    causal: CausalConfig | None = None


@dataclass
class RunConfig:
    """A whole run. The groups chosen by name keep the keys that their own files give them.

    `scorer` names scorers that are added; once the configuration is checked it is None, and
    `scorers` holds the options of each of them by name.
    """

    model: dict[str, Any] = MISSING
    dataset: dict[str, Any] = MISSING
    explainer: dict[str, Any] = MISSING
    simulator: dict[str, Any] = field(default_factory=lambda: {"name": OWN_SIMULATOR})
    llm: dict[str, Any] = field(default_factory=lambda: {"name": NO_MODEL})
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    scorer: Any = None
    scorers: dict[str, Any] = field(default_factory=dict)
    tracking: dict[str, Any] = MISSING
    engine: dict[str, Any] = field(default_factory=lambda: {"name": LOCAL})
    unit: dict[str, Any] = field(default_factory=lambda: {"name": MLP_NEURONS, "kind": MLP_NEURONS})
    neurons: NeuronsConfig = field(default_factory=NeuronsConfig)
    context_length: int = 128
    contexts: ContextsConfig = field(default_factory=ContextsConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    firing_reference: str = MEDIAN_EXEMPLAR
    firing_threshold: float = 0.5
    calibration: str = NO_CALIBRATION
    bootstrap: BootstrapConfig = field(default_factory=BootstrapConfig)
    seed: int = 0
    device: str | None = None
    dtype: str = "float32"
    batch_tokens: int | None = None
    results_dir: str = "results"
    cache_dir: str | None = None
    fresh: bool = False
    dry_run: bool = False

    @property
    def calibrated(self) -> bool:
        """Return whether predictions are also scored after calibration."""
        return self.calibration != NO_CALIBRATION

    @property
    def explains_neurons(self) -> bool:
        """Return whether MLP neurons are explained, the default kind of unit."""
        return self.unit.get("kind") == MLP_NEURONS

    @property
    def other_reference(self) -> str | None:
        """Return the firing reference besides the chosen one that scores are under, if any."""
        if not self.metrics.both_references:
            return None
        return next(name for name in FIRING_REFERENCES if name != self.firing_reference)


def check_config(composed: DictConfig) -> RunConfig:
    """Turn what Hydra composed into a `RunConfig`.

    Raises:
        BenchmarkError: for an unknown key, or a value of the wrong type or out of range.
    """
    try:
        # Resolved once: what comes out may hold `${` itself, as a folder of that name does.
        composed = OmegaConf.create(literal(OmegaConf.to_container(composed, resolve=True)))
        _check_sections(composed)
        _lists_of_one(composed)
        merged = OmegaConf.merge(OmegaConf.structured(RunConfig), composed)
        missing = OmegaConf.missing_keys(merged)
        if missing:
            name = sorted(missing)[0]
            raise BenchmarkError(
                f"{name} has no value; give it one on the command line: {name}=..."
            )
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise _readable(error, composed) from None
    assert isinstance(config, RunConfig)
    _check_text(dataclasses.asdict(config))
    for group in (config.explainer, config.simulator):
        if group.get("name") == "custom":
            # Two classes of somebody's own are not the same one in a table.
            group["name"] = str(group.get("_target_")).rpartition(".")[2]
    for name in ("model", "dataset", "explainer", "unit", "simulator"):
        group = getattr(config, name)
        group["name"] = _checked_name(f"{name}.name", group.get("name", name))
    config.scorers, config.scorer = resolved(config.scorer, config.scorers), None
    engine_options(config.engine)
    llm_options(config.llm)
    _check_names(config)
    _check_ranges(config)
    _check_neurons(config.neurons)
    return config


def recorded_config(recorded: Mapping[str, Any]) -> DictConfig:
    """Return the configuration that a run's record holds, with keys that are younger than it.

    A key that did not exist when the run was made gets the value that the run was made with,
    which need not be the default of today.
    """
    return OmegaConf.create({**BEFORE, **recorded})


def setting(config: Mapping[str, Any], key: str) -> Any:
    """Return the value of a key such as `contexts.top` in a run's recorded configuration.

    A key that is younger than the run has the value that the run was made with.
    """
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return BEFORE.get(key) if value is None else value


def config_keys() -> Iterator[str]:
    """Yield every key of a run's configuration that is the same whatever is chosen by name."""
    yield from _keys_of(RunConfig)


def _keys_of(section: type, above: str = "") -> Iterator[str]:
    for name, hint in typing.get_type_hints(section).items():
        yield f"{above}{name}"
        if inside := _section(hint):
            yield from _keys_of(inside, f"{above}{name}.")


def _section(hint: Any) -> type | None:
    """Return the dataclass of a group of keys, which may be null; None for other types."""
    for option in (hint, *typing.get_args(hint)):
        if isinstance(option, type) and dataclasses.is_dataclass(option):
            return option
    return None


def unknown_key(key: str, known: Iterable[str], hint: str = "") -> BenchmarkError:
    """Return the error for a key that is not there, with the nearest one and those beside it."""
    names = sorted(set(known))
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.75)
    guess = f"; did you mean '{near[0]}'?" if near else "."
    above = key
    beside: list[str] = []
    while not beside and above:
        above = above.rpartition(".")[0]
        beside = [name for name in names if name.rpartition(".")[0] == above]
    return BenchmarkError(f"key '{key}' is not known{guess} known: {', '.join(beside)}.{hint}")


def _check_sections(composed: DictConfig) -> None:
    """Refuse `neurons=3`: a value instead of a group of keys."""
    for name, hint in typing.get_type_hints(RunConfig).items():
        if not (dataclasses.is_dataclass(hint) or typing.get_origin(hint) is dict):
            continue
        value = composed.get(name) if not OmegaConf.is_missing(composed, name) else None
        if value is not None and not isinstance(value, DictConfig):
            keys = [key for key in config_keys() if key.startswith(f"{name}.")]
            inside = f"; set one of them: {', '.join(keys)}" if keys else ""
            raise BenchmarkError(f"{name}={value}: '{name}' is a group of keys{inside}.")


def _lists_of_one(composed: DictConfig) -> None:
    """Read `neurons.layers=3` as `[3]` and `metrics.metrics=f1` as `[f1]`."""
    lists = (("neurons.layers", int), ("metrics.metrics", str), ("metrics.causal.together", int))
    for key, kind in lists:
        value = OmegaConf.select(composed, key)
        if isinstance(value, kind) and not isinstance(value, bool):
            OmegaConf.update(composed, key, [value])
        elif isinstance(value, DictConfig):
            raise _wrong_type(key, value)


def _readable(error: OmegaConfBaseException, composed: DictConfig) -> BenchmarkError:
    """Return what OmegaConf refuses, in words about the key and its value."""
    key = str(error.full_key or "")
    if isinstance(error, ConfigKeyError) or "not in '" in str(error):
        return unknown_key(key, config_keys())
    if _wanted(key) is None:
        return BenchmarkError(f"{key or 'configuration'}: {str(error).strip().splitlines()[0]}")
    return _wrong_type(key, OmegaConf.select(composed, key))


def _wrong_type(key: str, value: Any) -> BenchmarkError:
    shown = OmegaConf.to_container(value) if isinstance(value, DictConfig | ListConfig) else value
    return BenchmarkError(f"{key}={'null' if shown is None else shown} must be {_wanted(key)}.")


def _wanted(key: str) -> str | None:
    """Return what a key's value has to be, for a message; None if it has no fixed type."""
    hint: Any = RunConfig
    for part in re.sub(r"\[\d+\]", "", key).split("."):
        section = _section(hint)
        hint = typing.get_type_hints(section).get(part) if section else None
    options = typing.get_args(hint) if type(None) in typing.get_args(hint) else (hint,)
    kinds = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "text",
        list[int]: "whole numbers in brackets, such as [0,3]",
        list[str]: "names in brackets, such as [pearson,f1]",
    }
    return (
        " or ".join(
            "null" if option is type(None) else kinds[option]
            for option in options
            if option is type(None) or option in kinds
        )
        or None
    )


def _checked_name(key: str, name: Any) -> str:
    """Return a name of results and tables; YAML reads 2024 as a number."""
    if isinstance(name, bool) or not isinstance(name, str | int) or not str(name).strip():
        shown = "null" if name is None else name
        raise BenchmarkError(f"{key}={shown} must be a name; leave it out for the usual one.")
    return str(name)


def _check_text(value: Any, key: str = "") -> None:
    """Refuse text that no file of results could hold: bytes of a path that are not UTF-8."""
    if isinstance(value, dict):
        for name, entry in value.items():
            _check_text(entry, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list | tuple):
        for entry in value:
            _check_text(entry, key)
    elif isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            shown = value.encode("utf-8", "backslashreplace").decode()
            raise BenchmarkError(f"{key}={shown} holds bytes that are not UTF-8.") from None


def _check_names(config: RunConfig) -> None:
    from metrics import METRICS

    for key in config.model:
        if key not in MODEL_KEYS:
            raise unknown_key(f"model.{key}", [f"model.{name}" for name in MODEL_KEYS])
    for name in config.metrics.metrics:
        if not isinstance(name, str) or name not in METRICS:
            raise unknown("metric", str(name)[:60], METRICS)
    if not config.metrics.metrics:
        raise BenchmarkError("metrics.metrics is empty; name at least one, as in [pearson].")
    for key, folder in (("results_dir", config.results_dir), ("cache_dir", config.cache_dir)):
        if folder is not None and not folder.strip():
            raise BenchmarkError(f"{key} is empty; name a folder, or leave it out.")
    if config.dtype not in DTYPES:
        raise unknown("dtype", config.dtype, DTYPES)
    if config.storage.dtype is not None and config.storage.dtype not in DTYPES:
        raise unknown("storage.dtype", config.storage.dtype, DTYPES)
    if config.calibration not in CALIBRATIONS:
        raise unknown("calibration", config.calibration, CALIBRATIONS)
    if config.firing_reference not in FIRING_REFERENCES:
        raise unknown("firing_reference", config.firing_reference, FIRING_REFERENCES)


def _check_ranges(config: RunConfig) -> None:
    at_least: dict[str, tuple[int | float | None, int]] = {
        "context_length": (config.context_length, 2),
        "neurons.per_layer": (config.neurons.per_layer, 1),
        "neurons.block_size": (config.neurons.block_size, 1),
        "contexts.explain": (config.contexts.explain, 1),
        "contexts.sample": (config.contexts.sample, 1),
        "contexts.exemplars": (config.contexts.exemplars, 1),
        "contexts.held_out": (config.contexts.held_out, 1),
        "contexts.uniform": (config.contexts.uniform, 1),
        "contexts.small": (config.contexts.small, 1),
        "contexts.small_tokens": (config.contexts.small_tokens, 1),
        "contexts.top": (config.contexts.top, 1),
        "contexts.calibrate": (config.contexts.calibrate, 1),
        "contexts.shard": (config.contexts.shard, 1),
        "storage.neurons": (config.storage.neurons, 1),
        "bootstrap.resamples": (config.bootstrap.resamples, 1),
        "bootstrap.document_resamples": (config.bootstrap.document_resamples, 0),
        "batch_tokens": (config.batch_tokens, 1),
        "seed": (config.seed, 0),
        "neurons.seed": (config.neurons.seed, 0),
    }
    causal = config.metrics.causal
    if causal is not None:
        at_least |= {
            "metrics.causal.contexts": (causal.contexts, 1),
            "metrics.causal.together": (min(causal.together, default=1), 1),
        }
    for key, (value, lowest) in at_least.items():
        if value is not None and value < lowest:
            raise BenchmarkError(f"{key}={value} is too small; the smallest is {lowest}.")
        largest = MOST.get(key, LARGEST)
        if value is not None and value > largest and "seed" not in key:
            raise BenchmarkError(f"{key}={value} is too large; the largest is {largest}.")
    if not 0 < config.firing_threshold <= 1:
        raise BenchmarkError(
            f"firing_threshold={config.firing_threshold} is not a part of the firing reference; "
            "give a number above 0 and at most 1."
        )
    if not 0 < config.bootstrap.confidence < 1:
        raise BenchmarkError(
            f"bootstrap.confidence={config.bootstrap.confidence} is not between 0 and 1."
        )


def _check_neurons(neurons: NeuronsConfig) -> None:
    if neurons.list is None:
        return
    pairs = listed_neurons(neurons.list)
    neurons.list = [[layer, neuron] for layer, neuron in pairs]
    for layer, neuron in pairs:
        if neurons.layers is not None and layer not in neurons.layers:
            raise BenchmarkError(
                f"neurons.list holds neuron {layer}.{neuron}, but neurons.layers={neurons.layers} "
                f"leaves layer {layer} out; give only one of the two."
            )


def listed_neurons(values: Any) -> list[tuple[int, int]]:
    """Read `neurons.list` as pairs (layer, neuron), sorted and without repetition.

    Raises:
        BenchmarkError: for an entry that is no pair; also for a bare number such as 3.400, which
            YAML reads as 3.4 and so means another neuron.
    """
    example = 'write neurons as layer.neuron: neurons.list=["0.12","3.400"].'
    if isinstance(values, str):
        values = [values]
    if not isinstance(values, list | tuple):
        raise BenchmarkError(f"neurons.list={values} is no list; {example}")
    pairs = set()
    for value in values:
        if isinstance(value, float):
            raise BenchmarkError(
                f"neurons.list holds the number {value}, which may have lost a zero; {example}"
            )
        parts = re.split("[./]", value) if isinstance(value, str) else value
        if not _is_pair(parts):
            raise BenchmarkError(f"neurons.list holds {value!r:.80}; {example}")
        pairs.add((int(parts[0]), int(parts[1])))
    if not pairs:
        raise BenchmarkError("neurons.list is empty; leave it out or name neurons: [0.12].")
    return sorted(pairs)


def neuron_of(name: Any) -> tuple[int, int]:
    """Return layer and index of a neuron such as `"3.400"` or `(3, 400)`.

    Raises:
        BenchmarkError: it is none.
    """
    return listed_neurons([name])[0]


def _is_pair(parts: Any) -> bool:
    if not isinstance(parts, list | tuple) or len(parts) != 2:
        return False
    return all(
        re.fullmatch(r"\s*[0-9]{1,9}\s*", part)
        if isinstance(part, str)
        else isinstance(part, int) and not isinstance(part, bool) and abs(part) <= LARGEST
        for part in parts
    )
