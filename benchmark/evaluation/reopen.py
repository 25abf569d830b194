"""Finished runs opened again: their configuration, explainer, subject, blocks and explanations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from benchmark.config.literal import literal
from benchmark.errors import BenchmarkError, named
from benchmark.evaluation.explain import check_explainer, load_explanation, restore
from benchmark.evaluation.simulators import SimulatedExplainer, check_simulator
from benchmark.files.reading import first_line
from benchmark.interface import Explainer, Explanation, Failure, Simulator, SubjectModel
from benchmark.plugins.isolation import isolated
from benchmark.plugins.making import imported_class, options_of
from benchmark.plugins.objects import object_of
from benchmark.plugins.trusted import TARGET, UntrustedError, canonical, check_options
from benchmark.results import Run, SavedExplanation

if TYPE_CHECKING:
    from benchmark.config.run_config import RunConfig
    from benchmark.evaluation.experiment import Experiment
    from benchmark.evidence import Block


# What values of any kind in any place of somebody's configuration can make a check raise.
MISFITS = (TypeError, ValueError, KeyError, AttributeError, RecursionError, OverflowError)


class ReopenedRun:
    """A finished run whose saved explanations are read again, by classes that the reader accepts.

    Explanations are made by `from_dict` of the explainer's class; the explainer is made of the
    options in run.json, and neither explains nor prepares anything.

    Args:
        run: the run, anybody's.
        trust: classes that the reader trusts besides built-in explainers and installed plug-ins.
    """

    def __init__(self, run: Run, trust: Collection[str] = ()) -> None:
        self.run = run
        self._trust = frozenset(trust)
        self._config: RunConfig | None = None

    @cached_property
    def explainer(self) -> Explainer:
        """Return the run's explainer, together with its simulator where it has one.

        The simulator is made when something is to be simulated.

        Raises:
            UntrustedError: run.json names a class that is not accepted; nothing was imported.
            BenchmarkError: there is no such class, or it refuses its options.
        """
        simulator = self.run.record.simulator
        if simulator is None:
            return self._alone
        check_simulator_options(self.run, self._trust)
        return cast(
            Explainer,
            SimulatedExplainer(self._alone, lambda: self._simulator(simulator.options)),
        )

    def _simulator(self, options: Mapping[str, Any]) -> Simulator:
        """Return the run's simulator, with the language model that it asks.

        Answers that are kept are read; anew the model is asked only if it is trusted.
        """
        from benchmark.evaluation.language_models import give_model

        config = config_of(self.run) if self._config is None else self._config
        made = _made_simulator(options)
        give_model(made, "simulator", options, config, self._trust)
        return made

    @cached_property
    def _alone(self) -> Explainer:
        """Return the run's explainer.

        Raises:
            UntrustedError: run.json names a class that is not accepted; nothing was imported.
            BenchmarkError: there is no such class, or it refuses its options.
        """
        options = self.run.record.explainer.options
        check_options(options, f"the run in '{self.run.folder}'", self._trust)
        explainer = object_of(options) or _made(options_of(options), "explainer")
        check_explainer(explainer, str(options[TARGET]))
        return cast(Explainer, explainer)

    def explanation(self, saved: SavedExplanation) -> Explanation | None:
        """Return the explanation of a line, None for a failure; it may still need the subject.

        Raises:
            BenchmarkError: as `explainer`, or the line is not what this explainer saves.
        """
        if saved.explanation is None:
            return None
        return load_explanation(self._alone, saved.explanation, saved.name)

    def describe(self, explanation: Explanation, neuron: str) -> str:
        """Return an explanation of the run as text for a person.

        Raises:
            BenchmarkError: it cannot describe itself, or changes something that others share.
        """
        return self._said(explanation.describe, neuron)

    def remarks(self, explanation: Explanation, neuron: str) -> str:
        """Return what an explanation with `remarks()` says besides its text; else nothing.

        Raises:
            BenchmarkError: as `describe`.
        """
        remarks = getattr(explanation, "remarks", None)
        return self._said(remarks, neuron) if callable(remarks) else ""

    def _said(self, say: Callable[[], object], neuron: str) -> str:
        target = self.run.record.explainer.target
        try:
            with isolated(target, "while it describes"):
                return str(say())
        except BenchmarkError:
            raise
        except Exception as error:
            raise BenchmarkError(
                f"explainer {target} cannot describe neuron {neuron}: {named(error)}"
            ) from error

    def restored(self, saved: SavedExplanation, subject: SubjectModel) -> Explanation | Failure:
        """Return the explanation of a line, ready to simulate, or its failure.

        Raises:
            BenchmarkError: as `explanation`.
        """
        return restore(saved, self.explainer, subject)

    def open(self, config: RunConfig | None = None) -> Experiment:
        """Return the run's subject and corpus, which must be those of the run.

        Args:
            config: the run's configuration, but for what changes no number; its own by default.

        Raises:
            BenchmarkError: they cannot be loaded, or one of them is another.
        """
        from benchmark.evaluation.experiment import open_experiment

        self._config = config_of(self.run) if config is None else config
        experiment = open_experiment(self._config)
        experiment.sampled = False  # what reads a run needs the truth
        experiment.trust = self._trust
        check_same(self.run, experiment)
        return experiment


def check_simulator_options(run: Run, trust: Collection[str] = ()) -> None:
    """Check every class that the options of a run's simulator name; nothing is imported.

    Raises:
        UntrustedError: a class is neither built in, an installed plug-in nor trusted.
    """
    if run.record.simulator is not None:
        options = run.record.simulator.options
        check_options(options, f"the run in '{run.folder}'", trust, "simulator")


def acceptable(
    runs: Iterable[Run], trust: Collection[str] = ()
) -> tuple[list[Run], list[UntrustedError]]:
    """Return the runs whose explainers may be imported, and why the others' may not."""
    kept: list[Run] = []
    refused: list[UntrustedError] = []
    for run in runs:
        try:
            check_options(run.record.explainer.options, f"the run in '{run.folder}'", trust)
            check_simulator_options(run, trust)
        except UntrustedError as error:
            refused.append(error)
        else:
            kept.append(run)
    return kept, refused


def config_of(run: Run) -> RunConfig:
    """Return the configuration of a run.

    Raises:
        BenchmarkError: this version cannot read it, or the run was imported.
    """
    from benchmark.config.run_config import recorded_config

    check_not_imported(run)

    recorded = recorded_config({**literal(run.record.config), "dry_run": False})
    return checked_config(run, recorded)


def check_not_imported(run: Run) -> None:
    """Check that a run was made here, on a subject and a corpus that can be opened again.

    Raises:
        BenchmarkError: it was imported.
    """
    if run.record.imported is not None:
        raise BenchmarkError(
            f"the run in '{run.folder}' was imported ({run.record.imported.format}): its language "
            "model and its text are not here, so nothing can be simulated or scored again. show, "
            "compare and sanity read it, and run explainer=sentences "
            f"explainer.path={run.folder}/sentences.jsonl simulates its sentences on a text that "
            "is here."
        )


def checked_config(run: Run, composed: Any) -> RunConfig:
    """Return the configuration of a run, or one made from it, with every value checked.

    Raises:
        BenchmarkError: this version cannot read it.
    """
    from benchmark.config.run_config import check_config

    try:
        return check_config(composed)
    except (BenchmarkError, *MISFITS) as error:
        reason = str(error) if isinstance(error, BenchmarkError) else f"{first_line(error)}."
        raise BenchmarkError(f"the configuration of the run in '{run.folder}': {reason}") from error


def check_same(run: Run, experiment: Experiment) -> None:
    """Check that subject and corpus are still those of the run.

    Raises:
        BenchmarkError: one of them is another.
    """
    record = run.record
    check_fingerprint(run, "subject", record.subject.fingerprint, experiment.subject.fingerprint)
    check_fingerprint(run, "corpus", record.corpus.fingerprint, experiment.corpus.fingerprint)


def check_fingerprint(run: Run, what: str, then: str, now: str) -> None:
    """Check that the subject or the corpus, named by `what`, is the one of the run.

    Raises:
        BenchmarkError: it is another.
    """
    if then != now:
        raise BenchmarkError(
            f"the {what} is not the one of run '{run.folder}': its fingerprint is now "
            f"{now[:12]}, in the run {then[:12]}. The scores would not be comparable; "
            "run the explainer again instead."
        )


def blocks_of(run: Run, experiment: Experiment) -> list[Block]:
    """Return the neurons of a run in the blocks that they were explained in."""
    from benchmark.evaluation.experiment import cut_blocks

    neurons = sorted(run.record.neurons.per_layer.items())
    return cut_blocks(neurons, experiment.config.neurons.block_size)


def _made_simulator(options: Mapping[str, Any]) -> Simulator:
    made = object_of(options) or _made(options_of(options), "simulator")
    return check_simulator(made, str(options[TARGET]))


def _made(value: Any, kind: str) -> Any:
    """Return options with the classes that they name made; all of them were checked before."""
    if isinstance(value, Mapping):
        options = {str(key): _made(entry, kind) for key, entry in value.items() if key != TARGET}
        if TARGET not in value:
            return options
        target = canonical(str(value[TARGET]))
        made_of = imported_class(target, kind, f"'{target}'")
        try:
            return made_of(**options)
        except (Exception, SystemExit) as error:
            raise BenchmarkError(
                f"{kind} '{target}' could not be made again from run.json: {_reason(error)}"
            ) from error
    if isinstance(value, list | tuple):
        return [_made(entry, kind) for entry in value]
    return value


def _reason(error: BaseException) -> str:
    text = str(error) if isinstance(error, BenchmarkError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())
