"""Scorers that were added by name: somebody's class, with everything checked that it gives."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from benchmark.column import BOOL, INT, Column
from benchmark.errors import BenchmarkError
from benchmark.interface import NeedsLanguageModel, ScoredBlock, Scorer, SubjectModel
from benchmark.llm.handing import MakeModel, chosen_identity, hand_over, without_model
from benchmark.plugins.isolation import contained, isolated, reason_of
from benchmark.plugins.making import make
from benchmark.plugins.source_digest import source_digest
from benchmark.plugins.trusted import TARGET
from benchmark.results.columns import problem_of


@dataclass
class AddedScorer:
    """A scorer that was chosen by name, with everything checked that it gives.

    Attributes:
        name: the name that it was chosen by.
        options: its configuration, with `_target_`.

    Raises:
        BenchmarkError: it cannot be imported or made, or its columns cannot be.
    """

    name: str
    options: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Make the scorer, and read its columns once."""
        self._model_identity: dict[str, Any] | None = None
        self._label = f"scorer '{self.name}' ({self.options.get(TARGET)})"
        self._scorer = self._made()
        self._columns = self._declared()

    def columns(self) -> list[Column]:
        """Return what it declares, with its name."""
        return self._columns

    def identity(self) -> dict[str, Any]:
        """Return its options, the digest of its code, and what it adds itself."""
        own = getattr(self._scorer, "identity", None)
        added: dict[str, Any] = (
            {} if own is None else {"identity": dict(self._asked(own, "its identity"))}
        )
        if self._model_identity is not None:
            added["llm"] = self._model_identity
        return {
            "options": without_model(self.options) if "llm" in added else dict(self.options),
            "source": source_digest(self.options),
            **added,
        }

    def give_model(
        self,
        shared: Mapping[str, Any],
        cache_folder: Path,
        trust: Collection[str] | None = None,
        make: MakeModel | None = None,
    ) -> None:
        """Give it the language model that it asks, if it asks one; see `hand_over`.

        Raises:
            BenchmarkError: it asks one and none is chosen.
        """
        kind = f"scorers.{self.name}"
        if isinstance(self._scorer, NeedsLanguageModel):
            hand_over(self._scorer, kind, self.options, shared, cache_folder, trust, make)
            self._model_identity = chosen_identity(kind, self.options, shared)

    def check(self, subject: SubjectModel) -> None:
        """Let it check the subject, if it does so.

        Raises:
            BenchmarkError: it cannot score the subject.
        """
        check = getattr(self._scorer, "check", None)
        if check is not None:
            self._asked(lambda: check(subject), "the subject")

    def score(self, block: ScoredBlock) -> dict[str, list[Any]]:
        """Score a block, and check that every column has one number per neuron.

        Raises:
            BenchmarkError: it raises, changes what it is given, or gives something else.
        """
        given = (block.predictions, block.truth.uniform_activations, block.truth.top_activations)
        versions = [tensor._version for tensor in given]
        what = f"layer {block.layer}"
        found = self._asked(lambda: dict(self._scorer.score(block)), what)
        if versions != [tensor._version for tensor in given]:
            raise BenchmarkError(
                f"{self._label} changes the activations that it is given; it must work on a copy."
            )
        declared = [column.name for column in self._columns]
        if sorted(map(str, found)) != sorted(declared):
            raise BenchmarkError(
                f"{self._label} gives the columns {_listed(found)} and declares "
                f"{_listed(declared)}."
            )
        return {
            column.name: self._values(column, found[column.name], len(block.neurons))
            for column in self._columns
        }

    def _values(self, column: Column, values: Any, n: int) -> list[Any]:
        try:
            with contained():
                listed = list(values.tolist() if hasattr(values, "tolist") else values)
                kind = {BOOL: _flag, INT: _whole}.get(column.dtype, _number)
                checked = [kind(value) for value in listed]
        except Exception as error:
            raise BenchmarkError(
                f"{self._label}: column '{column.name}' must hold one {column.dtype} per neuron: "
                f"{reason_of(error)}"
            ) from error
        if len(checked) != n:
            raise BenchmarkError(
                f"{self._label} gives {len(checked)} values of column '{column.name}' for {n} "
                "neurons."
            )
        return checked

    def _asked(self, call: Any, what: str) -> Any:
        """Return what its code gives; an error of it becomes one sentence."""
        try:
            with isolated(self.name, "while it scores", kind="scorer"):
                return call()
        except (BenchmarkError, MemoryError):
            raise
        except Exception as error:
            raise BenchmarkError(
                f"{self._label} cannot score {what}: {reason_of(error)}"
            ) from error

    def _made(self) -> Scorer:
        made = make(self.options, "scorer", f"scorers.{self.name}")
        for name in ("columns", "score"):
            if not callable(getattr(made, name, None)):
                raise BenchmarkError(
                    f"{self._label} has no '{name}'; benchmark.interface.Scorer says what a "
                    "scorer needs."
                )
        return cast(Scorer, made)

    def _declared(self) -> list[Column]:
        columns = self._asked(lambda: list(self._scorer.columns()), "anything: its columns fail")
        names = [getattr(column, "name", None) for column in columns]
        problems = [problem for column in columns if (problem := problem_of(column))]
        if not columns:
            problems.append("it declares no column")
        elif not problems and len(set(names)) < len(names):
            problems.append("it declares a column twice")
        if not problems:
            odd = [c.weights for c in columns if c.weights and c.weights not in names]
            problems += [f"the weights '{weights}' are no column of it" for weights in odd]
        if problems:
            raise BenchmarkError(f"{self._label}: {problems[0]}.")
        own = f"scorers.{self.name}"
        return [
            replace(
                column,
                scorer=self.name,
                comparable_on=list(dict.fromkeys([*column.comparable_on, own])),
            )
            for column in columns
        ]


def _listed(names: Any) -> str:
    return ", ".join(f"'{name!s:.60}'" for name in names) or "nothing"


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _whole(value: Any) -> int | None:
    if value is not None and int(value) != value:
        raise ValueError(f"{value} is no whole number")
    return None if value is None else int(value)


def _flag(value: Any) -> bool:
    if value not in (True, False, None):
        raise ValueError(f"{value} is neither true nor false")
    return bool(value)
