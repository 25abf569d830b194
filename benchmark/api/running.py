"""One run from Python: names, folders, hub ids or an explainer object in, a finished run out."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.api.overrides import overrides_of
from benchmark.api.runs import Run
from benchmark.config.compose import compose
from benchmark.config.run_config import RunConfig, check_config
from benchmark.errors import BenchmarkError
from benchmark.interface import Explainer
from benchmark.plugins.trusted import targets_of

if TYPE_CHECKING:
    from benchmark.evaluation.run import Outcome
    from benchmark.tracking import MakeExtras

_ONE_AT_A_TIME = threading.RLock()


def run(
    explainer: str | Explainer | Mapping[str, Any] = "n2g",
    *,
    options: Mapping[str, Any] | None = None,
    model: str | Path | Mapping[str, Any] | None = None,
    dataset: str | Path | Mapping[str, Any] | None = None,
    layers: int | Sequence[int] | None = None,
    per_layer: int | str | None = None,
    neurons: str | Sequence[Any] | Mapping[str, Any] | None = None,
    metrics: str | Sequence[str] | Mapping[str, Any] | None = None,
    seed: int | None = None,
    device: str | None = None,
    results_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    tracking: str | Mapping[str, Any] | None = None,
    fresh: bool = False,
    **settings: Any,
) -> Run:
    """Explain neurons, simulate them on held-out text, score the simulation and save everything.

    It is what `python -m benchmark run` does: the same settings give the same files and the same
    run id, an interrupted run is continued, and a finished one is read instead of computed again.
    What is left out, or None, is as on the command line.

    Args:
        explainer: a name (`python -m benchmark list explainers`), or an object with the methods of
            `Explainer`. Of an object the run records the class and what its constructor was given,
            which must be plain values kept as attributes of the same names.
        options: options of the explainer, where it is a name.
        model: the subject: a name, a folder with a checkpoint, or a hub id.
        dataset: the corpus: a name, a file or folder with texts, or a hub id.
        layers: the layers that neurons are drawn from; all by default.
        per_layer: how many neurons are drawn from each layer; `"all"` for all living ones.
        neurons: named neurons instead of a draw, such as `["3.400", "0.12"]`; or a dict of keys
            such as `{"seed": 1}`.
        metrics: a name of a set of metrics, or a list of metrics.
        seed: of contexts, random controls and the bootstrap.
        device: `cuda` or `cpu`; by default CUDA where there is one.
        results_dir: where runs are saved, `results` by default.
        cache_dir: where activations are kept; the user's cache folder by default.
        tracking: `none` or `wandb`.
        fresh: whether to run again although the same run is finished.
        settings: any other key of the configuration, such as `context_length=64`; what is below a
            key is given as a dict, `contexts={"explain": 128}`. A group that is chosen by name
            (`model`, `dataset`, ...) also takes a dict with `name` and other keys of it.

    Returns:
        The finished run.

    Raises:
        BenchmarkError: a name, a value or a type is not one that there is, or whatever else the
            user can fix; the message is that of the command line.

    Example:
        >>> import benchmark
        >>> quick = {"dataset": {"name": "stdlib", "max_documents": 160}, "context_length": 32}
        >>> run = benchmark.run("token_lookup", model="planted", per_layer=4, **quick)
        >>> run.record.explainer.name, len(run.scores)
        ('token_lookup', 4)
    """
    given = {
        "explainer": explainer,
        "options": options,
        "model": model,
        "dataset": dataset,
        "layers": layers,
        "per_layer": per_layer,
        "neurons": neurons,
        "metrics": metrics,
        "seed": seed,
        "device": device,
        "results_dir": results_dir,
        "cache_dir": cache_dir,
        "tracking": tracking,
        "fresh": fresh or None,
    }
    words = overrides_of({**settings, **{k: v for k, v in given.items() if v is not None}})
    config = check_config(compose(words))
    if config.dry_run:
        raise BenchmarkError(
            "dry_run=true prints a plan on the command line; benchmark.open_experiment(...) shows "
            "what a run would work on."
        )
    outcome = run_config(config, ["python", "-m", "benchmark", "run", *words])
    return Run.of(outcome.run, targets_of(config.explainer))


def run_config(
    config: RunConfig, command: Sequence[str] = (), extras: MakeExtras | None = None
) -> Outcome:
    """Run a checked configuration; see `benchmark.evaluation.run.run`.

    Threads run one after another: what an explainer changes of the process, such as its current
    folder, can be watched for one of them at a time.
    """
    from benchmark.evaluation import run as evaluation

    with _ONE_AT_A_TIME:
        return evaluation.run(config, command, extras)
