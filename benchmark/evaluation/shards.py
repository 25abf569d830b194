"""Shards of a run: captures of activations, and blocks of neurons that are explained and scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.config.run_config import RunConfig
from benchmark.errors import BenchmarkError
from benchmark.evaluation.answers import KeptAnswers, cost_columns, explain_block, restoring
from benchmark.evaluation.choosing import choose
from benchmark.evaluation.experiment import Experiment, open_experiment
from benchmark.evaluation.explain import evidence_of, prepare_explainer
from benchmark.evaluation.language_models import explainer_of
from benchmark.evaluation.score import score_explanations
from benchmark.evaluation.simulators import explaining
from benchmark.evidence import Block, Capture
from benchmark.interface import SAMPLE, Explainer, Failure, NeedsSubject, includes
from benchmark.llm.spending import begin_session
from benchmark.plugins.handed import HandedStorage
from benchmark.plugins.objects import TARGET, class_of
from benchmark.results.block_files import BlockFiles

OPENS = f"{__name__}:open_worker"


@dataclass(frozen=True)
class BlockTask:
    """A block of neurons to explain and to score.

    Attributes:
        block: the neurons.
        folder: of the run.
        identity: the digest of what determines the run.
    """

    block: Block
    folder: Path
    identity: str


class RunShards:
    """Does the shards of one run in one process, each of which writes its own file.

    Args:
        experiment: subject, text and scorers.
        explainer: with its simulator.
    """

    def __init__(self, experiment: Experiment, explainer: Explainer) -> None:
        self.experiment = experiment
        self.explainer = explainer
        self._prepared = False
        experiment.sampled = includes(evidence_of(explaining(explainer)), SAMPLE)

    def __call__(self, task: Capture | BlockTask) -> None:
        """Do a shard; nothing happens where its file is there already.

        Raises:
            BenchmarkError: the surroundings are at fault, or a scorer breaks.
        """
        if isinstance(task, Capture):
            self.experiment.store.capture(task)
            return
        files = BlockFiles(task.folder, task.identity)
        if files.load(task.block.index) is None:
            self.prepare()
            self._explain(task.block, files)

    def prepare(self) -> None:
        """Let the explainer learn from text, and bind it to the subject, once.

        Raises:
            BenchmarkError: it could not.
        """
        if self._prepared:
            return
        if isinstance(self.explainer, NeedsSubject):  # its simulator may need the tokenizer
            self.explainer.bind(self.experiment.handed_subject)
        storage = HandedStorage(self.experiment.store.cache)
        prepare_explainer(explaining(self.explainer), self.experiment.explain_text(), storage)
        self._prepared = True

    def _explain(self, block: Block, files: BlockFiles) -> None:
        subject, store = self.experiment.subject, self.experiment.store
        handed, explains = self.experiment.handed_subject, explaining(self.explainer)
        sampled = self.experiment.sampled
        evidence = store.evidence(block, sample=sampled)
        journal = files.journal(block.index)
        kept = KeptAnswers(
            block.layer, journal, restoring(explains, handed), lambda: subject.tokens_run
        )

        def again() -> Any:
            return store.evidence(block, sample=sampled)

        answers = explain_block(explains, evidence, handed, again, kept)
        kept.lap()
        costs = cost_columns(answers, kept.spent)
        del evidence
        explanations, choosing = choose(self.experiment, self.explainer, block, answers)
        costs = [row | more for row, more in zip(costs, choosing, strict=True)]
        scored = score_explanations(self.experiment, self.explainer, block, explanations, costs)
        files.save(block.index, *scored)

    def fail(self, block: Block, files: BlockFiles, reason: str) -> None:
        """Write the rows of a block that could not be explained: each neuron has failed.

        Raises:
            BenchmarkError: as a shard.
        """
        failures = [Failure(reason) for _ in block.neurons]
        scored = score_explanations(self.experiment, self.explainer, block, failures, {})
        files.save(block.index, *scored)


def open_worker(setting: Mapping[str, Any]) -> RunShards:
    """Return what does the shards of a run whose configuration is handed over.

    Raises:
        BenchmarkError: subject, corpus or explainer cannot be loaded here.
    """
    config = setting["config"]
    assert isinstance(config, RunConfig)
    begin_session(setting.get("session"))
    return RunShards(open_experiment(config), explainer_of(config))


def check_importable(config: RunConfig) -> None:
    """Check that other processes can make the explainer and the simulator of a run.

    Raises:
        BenchmarkError: a class was handed over that no import finds.
    """
    for name, group in (("explainer", config.explainer), ("simulator", config.simulator)):
        if class_of(str(group.get(TARGET))) is not None:
            raise BenchmarkError(
                f"engine={config.engine['name']} makes the {name} in other processes, which cannot "
                f"import '{group[TARGET]}'; put the class into a module, or leave engine=local."
            )
