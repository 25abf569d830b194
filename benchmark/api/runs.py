"""Finished runs in Python: their scores, and explanations that describe and simulate."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import results
from benchmark.api.tables import Summary, frame_of, headlines, html_table, import_pandas
from benchmark.config.run_config import neuron_of
from benchmark.errors import BenchmarkError, named
from benchmark.results import SavedExplanation, find_runs
from benchmark.token_text import one_line

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float
    from torch import Tensor

    from benchmark.api.experiment import Experiment
    from benchmark.evaluation.reopen import ReopenedRun
    from benchmark.interface import Explanation


@dataclass(frozen=True, repr=False)
class Run(results.Run):
    """A finished run: its record, its scores, and its explanations as objects.

    Attributes:
        folder: where its files are.
        record: what `run.json` holds: subject, corpus, explainer, neurons, costs, environment.
        scores: one row per neuron; `scores.column("uniform/pearson")` is `[n_neurons]`.
        unverified: why nobody has computed its numbers again, where it is somebody's submission.
        trust: classes that its explanations may be read by, besides those of explainers that are
            built in or installed.

    Raises:
        BenchmarkError: a file is missing or damaged when it is read, a neuron is not in the run,
            or its explainer cannot be imported here.

    Example:
        >>> import benchmark
        >>> quick = {"dataset": {"name": "stdlib", "max_documents": 160}, "context_length": 32}
        >>> run = benchmark.run("token_lookup", model="planted", neurons=["0.1", "0.8"], **quick)
        >>> run.neurons
        ['0.1', '0.8']
        >>> run.summary["uniform/pearson"].n
        2
        >>> run.explanation("0.1").status
        'ok'
        >>> print(repr(run).splitlines()[1])
          neurons: 2 of 2 explained, of layers 0, from exemplars+sample
    """

    trust: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: results.Run, trust: Collection[str] = ()) -> Run:
        """Return a run that was read, with the classes that may read its explanations."""
        return cls(run.folder, run.record, run.scores, run.unverified, tuple(trust))

    @property
    def neurons(self) -> list[str]:
        """Return the names of its neurons, such as `3.400`, by layer and neuron."""
        return [f"{layer}.{neuron}" for layer, neuron in self.scores.neurons()]

    @property
    def summary(self) -> Summary:
        """Return means over neurons with their intervals by column, such as `uniform/pearson`."""
        return self.record.summary

    def to_pandas(self) -> pd.DataFrame:
        """Return the scores as a data frame, one row per neuron, with its name as the index.

        Raises:
            BenchmarkError: pandas is not installed.
        """
        return frame_of(self.scores)

    def explanation(self, name: Any, neuron: int | None = None) -> NeuronExplanation:
        """Return what the run says about a neuron.

        Args:
            name: the neuron as `"3.400"` or `(3, 400)`; or its layer.
            neuron: its index in the layer, where `name` is the layer.

        Raises:
            BenchmarkError: it is no neuron, or not one of the run.
        """
        layer, index = (name, neuron) if neuron is not None else neuron_of(name)
        return self._with_methods(super().explanation(layer, index))

    def explanations(
        self, only: Collection[tuple[int, int]] | None = None
    ) -> Iterator[NeuronExplanation]:
        """Yield what the run says about each neuron, by layer and neuron.

        Args:
            only: (layer, neuron) of those to yield; all by default.

        Raises:
            BenchmarkError: a file is missing or a line of it is damaged.
        """
        return map(self._with_methods, super().explanations(only))

    @cached_property
    def experiment(self) -> Experiment:
        """Return the subject, corpus and neurons of the run, loaded when they are first asked for.

        Raises:
            BenchmarkError: they cannot be loaded, or one of them is another than the run's.
        """
        from benchmark.api.experiment import Experiment
        from benchmark.evaluation.reopen import blocks_of

        inner = self._reopened.open()
        return Experiment(inner, blocks_of(self, inner))

    @cached_property
    def _reopened(self) -> ReopenedRun:
        from benchmark.evaluation.reopen import ReopenedRun

        return ReopenedRun(self, self.trust)

    def _with_methods(self, saved: SavedExplanation) -> NeuronExplanation:
        fields = {each.name: getattr(saved, each.name) for each in dataclasses.fields(saved)}
        return NeuronExplanation(**fields, run=self)

    def __repr__(self) -> str:
        return "\n".join(
            [
                f"Run {one_line(self.record.run_id)}",
                *(f"  {name}: {value}" for name, value in self._lines_shown()[1:]),
            ]
        )

    def _lines_shown(self) -> list[tuple[str, str]]:
        record = self.record
        neurons, explainer = record.neurons, record.explainer
        layers = ", ".join(map(str, record.subject.layers))
        scores = ", ".join(f"{name} {value}" for name, value in headlines(self.summary).items())
        shown = [
            ("run", record.run_id),
            (
                "neurons",
                f"{neurons.explained} of {neurons.asked} explained, of layers {layers}, "
                f"from {explainer.evidence}",
            ),
            ("explainer", f"{explainer.name} on {record.subject.name}, {record.corpus.name}"),
            ("scores", scores or "none of the headlines"),
            ("files", str(self.folder)),
        ]
        return [(name, one_line(value)) for name, value in shown]

    def _repr_html_(self) -> str:
        return html_table(["run", self.record.run_id], self._lines_shown()[1:])


@dataclass(frozen=True, repr=False)
class NeuronExplanation(SavedExplanation):
    """What a run says about one neuron.

    Attributes:
        layer: the neuron's layer.
        neuron: its index in the layer.
        status: `ok`, or `failed` for a neuron without explanation, which scores as zero.
        explanation: what was saved of the explanation, JSON values; None where it failed.
        error: why it failed; None where it did not.
        run: the run.

    Raises:
        BenchmarkError: the neuron has no explanation to describe or simulate, or the run's
            explainer or subject is not available.

    Example:
        >>> import benchmark
        >>> quick = {"dataset": {"name": "stdlib", "max_documents": 160}, "context_length": 32}
        >>> run = benchmark.run("token_lookup", model="planted", neurons=["0.1", "0.8"], **quick)
        >>> explanation = run.explanation("0.1")
        >>> explanation.name
        '0.1'
        >>> tokens = run.experiment.corpus.splits["held_out"].tokens[:2]
        >>> tuple(explanation.simulate(tokens).shape)  # [batch, pos], raw activation units
        (2, 32)
    """

    run: Run = dataclasses.field(kw_only=True)

    def describe(self) -> str:
        """Return the explanation as text for a person.

        Raises:
            BenchmarkError: there is none, or its class cannot be imported or describe it.
        """
        return self.run._reopened.describe(self._checked(), self.name)

    def simulate(self, tokens: Any) -> Float[Tensor, "*batch pos"]:
        """Predict the neuron's activation on every token.

        Args:
            tokens: token ids of the subject, `[pos]` or `[batch, pos]`, BOS first.

        Returns:
            Predictions in raw activation units, of the shape of `tokens`; NaN on tokens that the
            run's simulator does not predict.

        Raises:
            BenchmarkError: there is no explanation, it cannot be simulated, or `tokens` are not
                whole numbers of one of these shapes.
        """
        import torch

        from benchmark.evaluation.simulate import simulate
        from benchmark.interface import Failure, NeedsSubject
        from benchmark.plugins.handed import handed

        try:
            ids = torch.as_tensor(tokens)
        except (TypeError, ValueError, RuntimeError) as error:
            raise BenchmarkError(f"these are no token ids: {named(error)}.") from error
        if ids.dim() not in (1, 2) or ids.is_floating_point() or ids.dtype == torch.bool:
            raise BenchmarkError(
                f"tokens are {ids.dtype} of shape {list(ids.shape)}; give token ids as whole "
                "numbers, [pos] or [batch, pos]."
            )
        explanation, explainer = self._checked(), self.run._reopened.explainer
        for one in (explanation, explainer):  # whose simulator may need the tokenizer
            if isinstance(one, NeedsSubject):
                one.bind(handed(self.run.experiment.subject))
        rows = ids.long() if ids.dim() == 2 else ids.long()[None]
        found = simulate(explainer, [explanation], rows)
        answer = found.explanations[0]
        if isinstance(answer, Failure):
            raise BenchmarkError(f"neuron {self.name} cannot be simulated: {answer.error}")
        values = found.predictions[0]
        if found.predicted is not None:
            values = values.masked_fill(~found.predicted[0], torch.nan)
        return values if ids.dim() == 2 else values[0]

    def _checked(self) -> Explanation:
        explanation = self.run._reopened.explanation(self)
        if explanation is None:
            raise BenchmarkError(f"neuron {self.name} has no explanation: {one_line(self.error)}")
        return explanation

    def __repr__(self) -> str:
        record = self.run.record
        text = f"failed: {self.error}" if self.error else f"saved as {len(str(self.explanation))} "
        text += "" if self.error else "characters; describe() says it in words"
        return one_line(f"{record.explainer.name} on {record.subject.name} {self.name}: {text}")

    def _repr_html_(self) -> str:
        from benchmark.api.contexts import explanation_html, plain_html, text_html
        from benchmark.evaluation.text_lines import judged_text

        try:
            description = self.describe()
            shown = text_html(description, judged_text(self._checked(), description))
        except BenchmarkError as error:
            shown = plain_html(str(error))
        # A simulator may cost money, which looking at an explanation must not.
        silent = self.error or self.run.record.simulator is not None
        simulate = None if silent else self.simulate
        return explanation_html(self.run, self.name, shown, simulate)


class Runs(list[Run]):
    """Finished runs, as `load_runs` gives them: a list that shows itself as a table."""

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per run: its names and headline scores.

        Raises:
            BenchmarkError: pandas is not installed.
        """
        return import_pandas().DataFrame(self._rows())

    def _rows(self) -> list[dict[str, str]]:
        return [
            {
                "run": run.record.run_id,
                "subject": run.record.subject.name,
                "corpus": run.record.corpus.name,
                "explainer": run.record.explainer.name,
                "neurons": str(len(run.scores)),
                **headlines(run.summary),
            }
            for run in self
        ]

    def _repr_html_(self) -> str:
        rows = self._rows()
        columns = list(dict.fromkeys(name for row in rows for name in row))
        return html_table(columns, [[row.get(name, "") for name in columns] for row in rows])


def load_run(path: Path | str, *, trust: Collection[str] = ()) -> Run:
    """Read a finished run, whose files must be those that it wrote.

    Args:
        path: the run's folder, or the `run.json` in it.
        trust: classes, `package.module.Class`, that may read its explanations although they are
            neither built in nor installed: their code is imported and run.

    Raises:
        BenchmarkError: there is no finished run, it was written by a later version, or a file of
            it is missing, damaged or another than the run wrote.

    Example:
        >>> import benchmark
        >>> quick = {"dataset": {"name": "stdlib", "max_documents": 160}, "context_length": 32}
        >>> run = benchmark.run("token_lookup", model="planted", neurons=["0.1", "0.8"], **quick)
        >>> benchmark.load_run(run.folder).record.run_id == run.record.run_id
        True
    """
    return Run.of(results.load_run(path), trust)


def load_runs(
    folder: Path | str | Collection[Path | str] = "results", *, trust: Collection[str] = ()
) -> list[Run]:
    """Read all finished runs at or below a folder, or several, sorted by their folders.

    Args:
        folder: a folder of results, or several.
        trust: as for `load_run`.

    Raises:
        BenchmarkError: a folder does not exist, or a run in it cannot be read.

    Example:
        >>> import benchmark
        >>> quick = {"dataset": {"name": "stdlib", "max_documents": 160}, "context_length": 32}
        >>> run = benchmark.run("token_lookup", model="planted", neurons=["0.1", "0.8"], **quick)
        >>> [found.record.explainer.name for found in benchmark.load_runs(run.folder)]
        ['token_lookup']
    """
    folders = [folder] if isinstance(folder, str | Path) else list(folder)
    return Runs(load_run(found, trust=trust) for found in find_runs(folders))
