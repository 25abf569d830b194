"""The check in a process of its own, whose sets and dicts of text have another order."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmark.conformance.results import NotCheckedError, WrongError
from benchmark.conformance.setting import make_setting
from benchmark.conformance.trial import Answer, Trial, text_of
from benchmark.interface import Failure, has_complete_text
from benchmark.plugins.isolation import contained

SECONDS = 300


class OtherProcess:
    """A second process that explains the same evidence; it runs beside the other checks."""

    def __init__(self, config: Any) -> None:
        environment = dict(os.environ)
        environment["PYTHONHASHSEED"] = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._folder = tempfile.TemporaryDirectory(prefix="neuron-benchmark-")
        self._errors = Path(self._folder.name) / "errors"
        self._answer = Path(self._folder.name) / "answer.json"
        question = Path(self._folder.name) / "question.json"
        question.write_text(json.dumps(dataclasses.asdict(config)), encoding="utf-8")
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmark.conformance.process", question, self._answer],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env=environment,
            )

    def close(self) -> None:
        """End the process if it still runs, and remove its files."""
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def check(self, trial: Trial) -> str:
        """Check that another process makes the same explanations."""
        ours = digests(trial)
        try:
            status = self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise NotCheckedError(
                f"the second process was not done after {SECONDS} seconds"
            ) from None
        if status:
            lines = self._errors.read_text(encoding="utf-8", errors="replace").split("\n")
            last = next((line for line in reversed(lines) if line.strip()), f"status {status}")
            raise WrongError(f"in a process of its own the explainer breaks: {last.strip()}")
        theirs = json.loads(self._answer.read_text(encoding="utf-8"))
        pairs = zip(ours, theirs, strict=True)
        rows = [row for row, (one, other) in enumerate(pairs) if one != other]
        if rows:
            raise WrongError(
                f"in another process, with another PYTHONHASHSEED, {trial.names(rows)} is "
                "explained otherwise; never go through a set of text, or use hash(): sort first."
            )
        return "another process gives the same explanations"


def digests(trial: Trial) -> list[str]:
    """Return a digest of each answer, and of its text where that is the whole explanation."""
    texts = (text_of(answer) + _complete_text(answer) for answer in trial.answers)
    return [hashlib.sha256(text.encode("utf-8", "replace")).hexdigest() for text in texts]


def _complete_text(answer: Answer) -> str:
    if isinstance(answer, Failure):
        return ""
    try:
        with contained():
            return f"\n{answer.describe()}" if has_complete_text(answer) else ""
    except Exception:
        return ""  # other checks say so


def main(question: str, answer: str) -> None:
    """Explain what the other process explains, and write the digests of the answers."""
    from benchmark.plugins.own_packages import find_own_packages

    find_own_packages()
    from omegaconf import OmegaConf

    from benchmark.config.literal import literal
    from benchmark.config.run_config import check_config

    data = json.loads(Path(question).read_text(encoding="utf-8"))
    trial = Trial(make_setting(check_config(OmegaConf.create(literal(data)))))
    Path(answer).write_text(json.dumps(digests(trial)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
