"""`run`: one run or a sweep of runs."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.cli.arguments import Parser, add_changes, add_wide
from benchmark.cli.imports import import_whole
from benchmark.config.catalogue import config_folder
from benchmark.config.compose import compose, compose_sweep
from benchmark.errors import message_of
from benchmark.plugins.trusted import targets_of
from benchmark.token_text import one_line

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from benchmark.evaluation.run import Outcome
    from benchmark.results import Run
    from benchmark.tracking import Extras

ABOUT = """\
Explains neurons of a subject, simulates them on held-out text, scores the simulation and saves
everything under results/. The same command continues an interrupted run.

what is chosen by name (`python -m benchmark list ...` shows the names):
  explainer=n2g                   model=solu-tiny        dataset=stdlib
  metrics=standard|[pearson,f1]   tracking=none|wandb
  engine=local|processes|submitit|ray
  llm=none|openai|local           the language model that explains, simulates or judges
  simulator=own|all_at_once|json|token_by_token|first_logits

often used keys:
  neurons.per_layer=64            neurons drawn from each layer (null: all)
  neurons.layers=[0,3]            layers (null: all)
  neurons.list=[0.12,3.400]       named neurons instead of a draw: layer.neuron
  contexts.explain=4096           contexts searched for exemplars
  contexts.uniform=1024           held-out contexts of the headline score
  context_length=128              tokens in a context
  firing_reference=maximum        firing as in the papers: half of the largest activation
  calibration=linear              score the predictions also on the neuron's own scale
  scorer=<name or YAML file>      measure more than the metrics
  simulator._target_=<class>      who predicts from explanations that are text
  seed=0                          contexts, random controls, bootstrap
  device=cuda|cpu                 default: cuda where there is one
  results_dir=results             where runs are saved
  cache_dir=...                   where activations are kept
  fresh=true                      run again although the same run is finished

every key: {config}
"""
EXAMPLES = """\
python -m benchmark run explainer=n2g model=solu-8l
python -m benchmark run model=local model.source=path/to/checkpoint \\
    dataset=text dataset.path=path/to/texts
python -m benchmark run -m explainer=zero,mean,random,shuffled,oracle,token_lookup
"""


def parser() -> Parser:
    """Return the parser of this verb."""
    about = ABOUT.format(config=config_folder() / "config.yaml")
    made = Parser("run", about, examples=EXAMPLES, overrides=True)
    add_changes(made, "keys of the configuration")
    made.add_argument(
        "-m",
        "--multirun",
        action="store_true",
        help="run every combination of comma-separated values, one after another",
    )
    made.add_argument("--dry-run", action="store_true", help="print what would be done and stop")
    add_wide(made)
    return made


def command(words: Sequence[str]) -> int:
    """Compose the configurations, run them and print one table of all of them."""
    given = parser().read(words)
    sweep = given.multirun
    changes = [*given.change, *(["dry_run=true"] if given.dry_run else [])]
    typed = ["python", "-m", "benchmark", "run", *words]
    session = _Session(typed, sweep)
    for composed in compose_sweep(changes) if sweep else [compose(changes)]:
        session.run(composed)
    return session.close()


class _Session:
    """What the runs of one command have in common: one table, one exit status."""

    def __init__(self, typed: Sequence[str], sweep: bool) -> None:
        self._typed = typed
        self._sweep = sweep
        self._outcomes: list[Outcome] = []
        self._errors: list[Exception] = []

    def run(self, composed: DictConfig) -> None:
        """Run one configuration; in a sweep a failed one does not stop those after it."""
        try:
            self._run(composed)
        except Exception as error:
            if not self._sweep:
                raise
            self._errors.append(error)
            if message := message_of(error):
                sys.stderr.write(f"error: {one_line(message)}\n")

    def _run(self, composed: DictConfig) -> None:
        from benchmark.config.run_config import check_config

        config = check_config(composed)
        import_whole("benchmark.evaluation.run", "benchmark.subject.build", "pyarrow.parquet")
        from benchmark.evaluation.completion import completed

        config = completed(config)
        if config.dry_run:
            from benchmark.cli.plan import print_plan

            print_plan(config)
            return
        from benchmark.api import run_config
        from benchmark.cli.finished import print_finished, print_started

        if self._sweep and config.tracking.get("group", "") is None:
            # The same command, continued after an interruption, goes on in the same group.
            digest = hashlib.sha256(shlex.join(self._typed).encode()).hexdigest()
            config.tracking["group"] = f"sweep-{digest[:8]}"
        print_started(config)
        # The classes that the user names are his own choice; a run that is there is read by them.
        trust = targets_of(config.explainer)
        outcome = run_config(config, self._typed, lambda done: _extras(done, trust))
        self._outcomes.append(outcome)
        print_finished(outcome, headline=self._sweep)

    def close(self) -> int:
        """Print the table; return the exit status, or raise a fault that the user cannot fix."""
        if self._outcomes:
            from benchmark.cli.finished import print_table

            print_table([outcome.run for outcome in self._outcomes], report=True)
        for error in self._errors:
            if message_of(error) is None:
                raise error
        return 1 if self._errors else 0


def _extras(run: Run, trust: Sequence[str]) -> Extras:
    """Return tables and plots of the run's leaderboard, for a tracker that asks for them."""
    from leaderboards.tracker_extras import extras_of

    return extras_of(run, trust)
