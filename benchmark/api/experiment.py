"""One subject on one corpus with neurons to work on by hand: evidence, truth and scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark.api.overrides import overrides_of
from benchmark.api.tables import ScoreTable
from benchmark.config.compose import compose
from benchmark.config.run_config import RunConfig, check_config, neuron_of
from benchmark.errors import BenchmarkError
from benchmark.interface import Evidence, Explanation, Failure
from benchmark.token_text import one_line

if TYPE_CHECKING:
    from jaxtyping import Int
    from torch import Tensor

    from benchmark.corpus import Corpus
    from benchmark.evaluation.experiment import Experiment as Inner
    from benchmark.evidence import Block, Truth
    from benchmark.subject import Subject

SHOWN = 8


class Experiment:
    """A subject on a corpus, and neurons: what a run works on, for a notebook.

    Activations are measured for all its neurons when they are first asked for, and kept in the
    cache that runs use.

    Attributes:
        config: the configuration.
        subject: the subject; `subject.activations(tokens, layer)` gives raw activations.
        corpus: the corpus; `corpus.splits["held_out"].tokens` is `[n, context_length]`.

    Raises:
        BenchmarkError: a neuron is not one of the experiment, or activations cannot be kept.

    Example:
        >>> import benchmark
        >>> quick = {"dataset": {"name": "stdlib", "max_documents": 160}, "context_length": 32}
        >>> experiment = benchmark.open_experiment("planted", neurons=["0.1", "0.8"], **quick)
        >>> experiment.neurons
        ['0.1', '0.8']
        >>> evidence = experiment.evidence("0.1")
        >>> tuple(evidence.exemplars.tokens.shape)  # [neurons, exemplars, tokens]
        (1, 20, 32)
        >>> experiment.truth("0.1").top_activations.shape == (1, 20, 32)  # [neurons, contexts, ...]
        True
        >>> experiment.tokens("if x:").tolist()[0][0] == experiment.subject.bos
        True
    """

    def __init__(self, inner: Inner, blocks: list[Block] | None = None) -> None:
        self._inner = inner
        self._given_blocks = blocks

    @property
    def config(self) -> RunConfig:
        """Return the configuration, as a run would have it."""
        return self._inner.config

    @property
    def subject(self) -> Subject:
        """Return the language model."""
        return self._inner.subject

    @property
    def corpus(self) -> Corpus:
        """Return the text."""
        return self._inner.corpus

    @cached_property
    def neurons(self) -> list[str]:
        """Return the names of its neurons, such as `3.400`, by layer and neuron."""
        return [
            f"{block.layer}.{neuron}" for block in self._blocks for neuron in block.neurons.tolist()
        ]

    def tokens(self, text: str) -> Int[Tensor, "1 pos"]:
        """Return a text as the subject reads it: token ids, BOS first, at most its context.

        Args:
            text: any text; no special token is recognised in it.

        Raises:
            BenchmarkError: it is no text, or holds more tokens than the subject reads at once.
        """
        import torch

        if not isinstance(text, str):
            raise BenchmarkError(f"this is a {type(text).__name__}; give text.")
        ids = self.subject.tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) >= self.subject.n_ctx:
            raise BenchmarkError(
                f"the text has {len(ids)} tokens; subject '{self.subject.name}' reads "
                f"{self.subject.n_ctx} at once, BOS included."
            )
        return torch.tensor([[self.subject.bos, *ids]])

    def evidence(self, neuron: Any) -> Evidence:
        """Return what an explainer may see of a neuron, of the `explain` split alone.

        Args:
            neuron: one of the experiment's, as `"3.400"` or `(3, 400)`.

        Returns:
            Evidence about this one neuron: exemplars `[1, k, ctx]` and the sample `[m, ctx, 1]`,
            activations in raw units.

        Raises:
            BenchmarkError: it is no neuron of the experiment, or activations cannot be kept.
        """
        import torch

        block, row = self._place(neuron)
        return self._prepared.store.evidence(block).select(torch.tensor([row]))

    def truth(self, neuron: Any) -> Truth:
        """Return what a neuron truly does on held-out text, which explainers never see.

        Args:
            neuron: one of the experiment's, as `"3.400"` or `(3, 400)`.

        Returns:
            The truth of this one neuron in raw units: `uniform_activations`, `[1, m, ctx]`, on
            `tokens[uniform]`, and `top_activations`, `[1, k, ctx]`, on `tokens[top[0]]`.

        Raises:
            BenchmarkError: as `evidence`.
        """
        block, row = self._place(neuron)
        truth = self._prepared.store.truth(block)
        rows = slice(row, row + 1)
        return dataclasses.replace(
            truth,
            top=truth.top[rows],
            uniform_activations=truth.uniform_activations[rows],
            top_activations=truth.top_activations[rows],
        )

    def score(
        self, explanations: Mapping[str, Explanation | Failure] | Sequence[Explanation | Failure]
    ) -> ScoreTable:
        """Simulate explanations on held-out text and score them, as a run does.

        Args:
            explanations: by neuron, for some of the neurons or all; or a list, one for each of
                `neurons` in their order.

        Returns:
            One row per neuron that was given. A `Failure` scores as the zero prediction.

        Raises:
            BenchmarkError: the list is of another length, a name is not a neuron of the
                experiment, or something is no explanation.
        """
        import torch

        from benchmark.evaluation.language_models import give_model
        from benchmark.evaluation.record import summarise
        from benchmark.evaluation.score import score_explanations
        from benchmark.evaluation.simulators import SimulatedExplainer, build_simulator, is_own
        from benchmark.evidence import Block
        from benchmark.scorers.chosen import added_columns

        given = self._by_place(explanations)
        explainer: Any = _Given()
        if not is_own(self.config.simulator):
            simulator = build_simulator(self.config.simulator)
            give_model(simulator, "simulator", self.config.simulator, self.config)
            explainer = SimulatedExplainer(explainer, lambda: simulator)
            explainer.bind(self._inner.handed_subject)
        rows: list[dict[str, Any]] = []
        store = self._prepared.store
        for block in self._blocks:
            kept = [n for n in block.neurons.tolist() if (block.layer, n) in given]
            if not kept:
                continue
            part = Block(block.index, block.layer, torch.tensor(kept))
            store.prepare_truth([part], calibrate=self.config.calibrated)
            answers = [given[block.layer, neuron] for neuron in kept]
            scored, _ = score_explanations(self._inner, explainer, part, answers, {})
            rows += scored
        table = ScoreTable.from_rows(rows, added_columns(self._inner.scorers))
        assert isinstance(table, ScoreTable)
        table.summary = summarise(self.config, table)
        return table

    def _by_place(self, explanations: Any) -> dict[tuple[int, int], Explanation | Failure]:
        if isinstance(explanations, Mapping):
            named = list(explanations.items())
        else:
            answers = list(explanations)
            if len(answers) != len(self.neurons):
                raise BenchmarkError(
                    f"these are {len(answers)} explanations for {len(self.neurons)} neurons; give "
                    "one for each of experiment.neurons, or a dict by neuron."
                )
            named = list(zip(self.neurons, answers, strict=True))
        if not named:
            raise BenchmarkError("there is no explanation to score; give at least one.")
        needed = "simulate" if "_target_" not in self.config.simulator else "to_dict"
        for name, answer in named:
            self._place(name)
            if not isinstance(answer, Failure) and not hasattr(answer, needed):
                raise BenchmarkError(
                    f"what is given for neuron {name} is a {type(answer).__name__} and no "
                    f"explanation: it has no '{needed}'; see benchmark.Explanation."
                )
        return {neuron_of(name): answer for name, answer in named}

    def evidence_in_cache(self, neuron: Any) -> Evidence | None:
        """Return a neuron's evidence without the sample if it is measured already, else None.

        Raises:
            BenchmarkError: it is no neuron of the experiment.
        """
        import torch

        from benchmark.evidence import Block

        block, row = self._place(neuron)
        neurons = torch.tensor([int(block.neurons[row])])
        return self._inner.store.evidence_in_cache(Block(0, block.layer, neurons))

    @cached_property
    def _blocks(self) -> list[Block]:
        return self._inner.blocks() if self._given_blocks is None else self._given_blocks

    @cached_property
    def _prepared(self) -> Inner:
        """Return the same, with all activations of its neurons measured and kept."""
        self._inner.store.prepare(self._blocks, calibrate=self.config.calibrated)
        return self._inner

    def _place(self, neuron: Any) -> tuple[Block, int]:
        """Return the block of a neuron and its row in the block."""
        layer, index = neuron_of(neuron)
        for block in self._blocks:
            found = block.neurons.tolist()
            if block.layer == layer and index in found:
                return block, found.index(index)
        shown = ", ".join(self.neurons[:SHOWN]) + (", ..." if len(self.neurons) > SHOWN else "")
        raise BenchmarkError(
            f"neuron {layer}.{index} is not one of this experiment; it has {shown}. "
            f'Open one with neurons=["{layer}.{index}"].'
        )

    def __repr__(self) -> str:
        subject, corpus = self.config.model["name"], self.config.dataset["name"]
        return one_line(
            f"Experiment on {subject}, corpus {corpus}, layers "
            f"{', '.join(map(str, self._inner.layers))}"
        )


class _Given:
    """The explainer of explanations that a program made by itself."""

    evidence = "exemplars"
    explanation_class: ClassVar[type[Any]] = object

    def explain(self, evidence: Evidence, subject: Any) -> list[Explanation | Failure]:
        """Explain nothing: the explanations are there."""
        raise BenchmarkError(
            f"the explanations of layer {evidence.layer} of subject '{subject.name}' were given; "
            "there is nothing to explain."
        )


def open_experiment(
    model: str | Path | Mapping[str, Any] | None = None,
    *,
    dataset: str | Path | Mapping[str, Any] | None = None,
    neurons: str | Sequence[Any] | Mapping[str, Any] | None = None,
    layers: int | Sequence[int] | None = None,
    per_layer: int | str | None = None,
    **settings: Any,
) -> Experiment:
    """Open a subject and a corpus for some neurons, to explain and score them by hand.

    The arguments are those of `run`; the same settings give the same neurons, evidence and truth.

    Args:
        model: the subject: a name, a folder with a checkpoint, or a hub id.
        dataset: the corpus: a name, a file or folder with texts, or a hub id.
        neurons: named neurons, such as `["3.400", "0.12"]`, instead of a draw.
        layers: the layers that neurons are drawn from; all by default.
        per_layer: how many neurons are drawn from each layer; `"all"` for all living ones.
        settings: any other key of the configuration, as for `run`.

    Raises:
        BenchmarkError: a name or a value is not one that there is, or the subject does not have
            such a layer, neuron or context length.

    Example:
        >>> import benchmark
        >>> quick = {"dataset": {"name": "stdlib", "max_documents": 160}, "context_length": 32}
        >>> experiment = benchmark.open_experiment("planted", neurons=["0.1", "0.8"], **quick)
        >>> experiment.neurons
        ['0.1', '0.8']
        >>> float(experiment.evidence("0.8").max_activation) > 0
        True
    """
    from benchmark.evaluation.experiment import open_experiment as opened

    given = {
        "model": model,
        "dataset": dataset,
        "neurons": neurons,
        "layers": layers,
        "per_layer": per_layer,
    }
    named = {key: value for key, value in given.items() if value is not None}
    # No explainer is asked; the quickest stands in the configuration.
    config = check_config(compose(overrides_of({"explainer": "zero", **settings, **named})))
    return Experiment(opened(config))
