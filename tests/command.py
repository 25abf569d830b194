"""The command line on a small subject and a small corpus, called in this process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from benchmark.cli.main import main
from benchmark.results import Run, find_runs, load_run
from tests.subject import checkpoints

N_LAYERS, D_MLP, N_CTX = 2, 24, 32
# Contexts that a run takes of each split, with those of `uniform_small` that `uniform` lacks.
EXPLAIN, HELD_OUT = 96, 40 + 3
# Libraries that take long to load, or that only some commands need.
HEAVY = (
    "datasets",
    "gensim",
    "jinja2",
    "jsonschema",
    "matplotlib",
    "pandas",
    "pyarrow",
    "pydantic",
    "sklearn",
    "torch",
    "transformer_lens",
    "transformers",
    "wandb",
)
DEAD = (1, 5)  # a neuron that is never above zero
SETTINGS = (
    "context_length=16",
    "contexts.explain=96",
    "contexts.sample=48",
    "contexts.exemplars=4",
    "contexts.held_out=40",
    "contexts.uniform=32",
    "contexts.small=8",
    "contexts.top=4",
    "neurons.per_layer=6",
    "neurons.block_size=4",
    "bootstrap.resamples=200",
    "device=cpu",
)


@dataclass(frozen=True)
class Answer:
    """What a command ended with."""

    status: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """The one message of a command that failed."""
        lines = self.err.splitlines()
        assert self.status == 1, self.err
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: ")
        assert "Traceback" not in self.err + self.out
        return lines[0].removeprefix("error: ")


def call(*words: str) -> Answer:
    """Run the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(list(words))
    return Answer(status, out.getvalue(), err.getvalue())


class Command:
    """Commands in a folder of their own, with results and cache in it.

    Attributes:
        folder: the current folder; `results` and `cache` are made in it.
        small: what every `run` begins with: subject, corpus, and small numbers.
    """

    def __init__(self, folder: Path, checkpoint: Path, texts: Path) -> None:
        self.folder = folder
        self.small = (
            "model=local",
            f"model.source={checkpoint}",
            "dataset=text",
            f"dataset.path={texts}",
            *SETTINGS,
            f"results_dir={folder / 'results'}",
            f"cache_dir={folder / 'cache'}",
        )

    def run(self, *words: str) -> Answer:
        """`run` on the small subject, however it ends."""
        return call("run", *self._overrides(words))

    def finished(self, *words: str) -> Run:
        """The run that `run` on the small subject ends with."""
        before = set(self.folders())
        answer = self.run(*words)
        assert answer.status == 0, answer.err
        (new,) = set(self.folders()) - before
        return load_run(new)

    def folders(self) -> list[Path]:
        """The folders of all finished runs."""
        results = self.folder / "results"
        return find_runs([results]) if results.exists() else []

    def files(self) -> set[str]:
        """All files below the folder."""
        return {
            path.relative_to(self.folder).as_posix()
            for path in self.folder.rglob("*")
            if path.is_file()
        }

    def subprocess(self, *words: str) -> list[str]:
        """The words of the same `run` for a process of its own."""
        return [sys.executable, "-m", "benchmark", "run", *self._overrides(words)]

    def _overrides(self, words: Sequence[str]) -> list[str]:
        """The small numbers, and the quickest method unless the words name another one."""
        named = any(word.startswith(("explainer=", "explainer._target_=")) for word in words)
        return [*self.small, *([] if named else ["explainer=token_lookup"]), *words]


def table(run: Run, *, without: Sequence[str] = ("seconds",)) -> list[dict[str, Any]]:
    """The rows of scores but for columns that no two runs share."""
    return [
        {name: value for name, value in row.items() if not any(part in name for part in without)}
        for row in run.scores.rows()
    ]


def explanations(run: Run) -> list[Any]:
    """The lines of explanations.jsonl."""
    text = (run.folder / "explanations.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def write_checkpoint(folder: Path) -> Path:
    """A random SoLU model in the layout of the built-in subject, with one dead neuron."""
    checkpoints.builtin_folder(folder, n_layers=N_LAYERS, d_mlp=D_MLP, n_ctx=N_CTX)
    weights = load_file(folder / "model.safetensors")
    layer, neuron = DEAD
    weights[f"layers.{layer}.mlp.fc_in.bias"][neuron] = -60
    save_file(weights, folder / "model.safetensors")
    return folder


def write_texts(folder: Path, n_documents: int = 80, seed: int = 0) -> Path:
    """Documents of the checkpoint's words, some common and some rare."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = random.Random(seed)
    for number in range(n_documents):
        words = (
            min(checkpoints.D_VOCAB - 1, 2 + int(generator.expovariate(0.2)))
            for _ in range(generator.randrange(40, 120))
        )
        text = " ".join(f"word{word}" for word in words)
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("subject") / "small")


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("corpus") / "texts")


@pytest.fixture
def command(
    checkpoint: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """The command line in an empty current folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Command(folder, checkpoint, texts)


def child_environment() -> dict[str, str]:
    """The environment of a process of its own: this checkout, one thread, no GPU."""
    return {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
