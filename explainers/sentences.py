"""Sentences explainer: what somebody wrote about neurons, read from a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from benchmark.errors import BenchmarkError
from benchmark.files.reading import lines, parse_json_line
from benchmark.interface import EXEMPLARS, Evidence, Failure, SubjectModel
from explainers.float32 import shortest
from explainers.sentence import Sentence


class Sentences:
    """Reads sentences about neurons from a file, so that anybody's can be simulated and scored.

    The file holds a JSON object on each line, `{"neuron": "3.400", "text": "..."}`; other keys are
    left aside. Where no neurons are listed, the run is about those of the file. The scale of the
    neurons, their largest activation on the `explain` split, comes from the evidence.
    """

    evidence: str = EXEMPLARS
    explanation_class: ClassVar[type[Any]] = Sentence

    def __init__(self, path: str) -> None:
        """Name the file; it is read when it is needed."""
        self.path = str(path)

    @classmethod
    def files_of(cls, options: Mapping[str, Any]) -> list[Path]:
        """Return the file, whose content is a part of a run's identity.

        Raises:
            BenchmarkError: there is none.
        """
        return [_file(str(options["path"]))]

    def named_neurons(self) -> list[str]:
        """Return the neurons of the file, such as `3.400`.

        Raises:
            BenchmarkError: the file cannot be read.
        """
        return list(self._texts)

    def explain(
        self,
        evidence: Evidence,
        subject: SubjectModel,  # noqa: ARG002
    ) -> list[Sentence | Failure]:
        """Return the sentence of each neuron; one that is not in the file is a failure.

        Raises:
            BenchmarkError: the file cannot be read.
        """
        found: list[Sentence | Failure] = []
        maxima = map(shortest, evidence.max_activation.tolist())
        for neuron, maximum in zip(evidence.neurons.tolist(), maxima, strict=True):
            text = self._texts.get(f"{evidence.layer}.{neuron}")
            if text is None:
                found.append(Failure(f"'{self.path}' has no sentence about this neuron"))
            else:
                found.append(Sentence(text, maximum))
        return found

    @cached_property
    def _texts(self) -> dict[str, str]:
        """Return the text of each neuron by its name.

        Raises:
            BenchmarkError: the file is not there, or a line is no sentence about a neuron.
        """
        path = _file(self.path)
        texts: dict[str, str] = {}
        for number, line in lines(path):
            if not line.strip():
                continue
            where = f"line {number} of '{path}'"
            data = parse_json_line(line, where)
            given = data if isinstance(data, Mapping) else {}
            neuron, text = given.get("neuron"), given.get("text")
            if not isinstance(neuron, str) or not isinstance(text, str) or not text.strip():
                raise BenchmarkError(
                    f"{where} is no sentence about a neuron; write "
                    '{"neuron": "3.400", "text": "..."}.'
                )
            found = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", neuron.strip())
            if found is None:
                raise BenchmarkError(
                    f"{where} names the neuron {neuron!r:.60}; write layer.neuron, as in 3.400."
                )
            name = f"{int(found[1])}.{int(found[2])}"
            if name in texts:
                raise BenchmarkError(f"{where} is the second sentence about neuron {name}.")
            texts[name] = " ".join(text.split())
        if not texts:
            raise BenchmarkError(f"'{path}' holds no sentence.")
        return texts


def _file(given: str) -> Path:
    path = Path(given).expanduser()
    if not path.is_file():
        raise BenchmarkError(f"explainer.path={given}: there is no such file.")
    return path
