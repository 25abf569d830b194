"""Every verb on generated hostile inputs: one message, nothing run, nothing changed, no escapes.

`FUZZ_CASES` says how many cases each test draws (`make fuzz` draws many), `FUZZ_SEED` which. A
failure prints the seed of its case.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.cli.main import VERBS
from benchmark.results import Run
from benchmark.tracking import MakeExtras
from tests.command import SETTINGS, Answer, call
from tests.fuzz.damage import DAMAGES, ODD, RECORD, SCORES, TEXTS, damaged, state

CASES = int(os.environ.get("FUZZ_CASES", "3"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
SECONDS = 60  # for one command; more is a hang
# What may not reach a terminal: all controls but line ends and tabs, and letters that turn it.
RAW = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

Verb = Callable[[Path, Path, Path], list[str]]
# Of a damaged run, a sound one beside it, and a folder for output; single runs, then folders.
SINGLE: dict[str, Verb] = {
    "show": lambda bad, _good, _out: ["show", str(bad)],
    "show a neuron": lambda bad, _good, _out: [
        "show",
        str(bad),
        neuron_of(_good),
        "--no-direct",
        "--no-contexts",
    ],
    "show directly": lambda bad, _good, out: (
        ["show", str(bad), neuron_of(_good), f"--cache-dir={out / 'cache'}"]
    ),
    "draw": lambda bad, _good, out: (
        [
            "show",
            str(bad),
            neuron_of(_good),
            "--no-direct",
            "--no-contexts",
            "--graph",
            str(out / "g.svg"),
        ]
    ),
    "search": lambda bad, _good, _out: ["search", str(bad), "--repeats"],
    "similar": lambda bad, _good, _out: ["similar", str(bad)],
    "score": lambda bad, _good, out: ["score", str(bad), f"cache_dir={out / 'cache'}"],
    "sanity": lambda bad, _good, out: ["sanity", str(bad), f"cache_dir={out / 'cache'}"],
    "compare": lambda bad, good, _out: ["compare", str(bad), str(good), "--resamples=50"],
    "submit": lambda bad, _good, out: (
        ["submit", str(bad), "--to", str(out / "to"), "--cache-dir", str(out / "cache")]
    ),
    "publish": lambda bad, _good, _out: ["publish", str(bad)],
    "report": lambda bad, _good, out: (
        ["report", str(bad), "-o", str(out / "site"), f"--cache-dir={out / 'cache'}"]
    ),
}
FOLDERS: dict[str, Verb] = {
    "show all": lambda bad, _good, _out: ["show", str(bad.parent)],
    "compare all": lambda bad, _good, _out: ["compare", str(bad.parent), "--resamples=50"],
    **{
        f"leaderboard {form}": (
            lambda bad, _good, _out, form=form: ["leaderboard", str(bad.parent), "--format", form]
        )
        for form in ("md", "csv", "json", "html", "latex")
    },
    "publish all": lambda bad, _good, _out: ["publish", str(bad.parent)],
    "plot": lambda bad, _good, out: ["plot", str(bad.parent), "-o", str(out), "--plot", "bars"],
}
NEEDS_EXPLANATIONS = ("show a neuron", "show directly", "draw", "search", "similar", "score")
NEEDS_EXPLANATIONS += ("submit", "report")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two small finished runs on neurons that are known rules; the first one has graphs."""
    folder = tmp_path_factory.mktemp("fuzz")
    small = [word for word in SETTINGS if not word.startswith("neurons.")]
    for explainer in ("n2g", "token_lookup"):
        answer = call(
            "run",
            "model=planted",
            f"explainer={explainer}",
            *small,
            "neurons.per_layer=2",
            "dataset.max_documents=80",
            f"results_dir={folder / 'results'}",
            f"cache_dir={folder / 'cache'}",
        )
        assert answer.status == 0, answer.err
    found = {path.parent.parent.name: path.parent for path in folder.rglob(RECORD)}
    return found["n2g"], found["token_lookup"]


@pytest.fixture(autouse=True)
def flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that the payload writes when somebody imports it; it must never be there."""
    path = tmp_path / "imported"
    monkeypatch.setenv("FUZZ_FLAG", str(path))
    monkeypatch.setenv("WANDB_MODE", "offline")
    yield path
    assert not path.exists(), "a module beside run.json was imported"


class NoTracker:
    """Makes what would be logged, and logs it nowhere."""

    def start(self, name: str, config: dict[str, Any]) -> None:
        pass

    def finish(self, run: Run, extras: MakeExtras | None = None) -> list[str]:
        if extras is not None:
            extras(run)
        return []

    def abandon(self) -> None:
        pass


@pytest.fixture(autouse=True)
def no_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.tracking.make_tracker", lambda options: NoTracker())


def neuron_of(run: Path) -> str:
    layer, neurons = next(
        iter(json.loads((run / RECORD).read_text())["neurons"]["per_layer"].items())
    )
    return f"{layer}.{neurons[0]}"


def asked(words: list[str]) -> Answer:
    """What a command ends with, checked for what holds of every command."""

    def hang(_number: int, _frame: object) -> None:
        raise AssertionError(f"no end after {SECONDS} seconds: {words}")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(SECONDS)
    try:
        answer = call(*words)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert "Traceback" not in answer.out + answer.err, (words, answer.err)
    for text in (answer.out, re.sub(r"(?m)^\r|\n*(\x1b\[A)+", "", answer.err)):
        found = RAW.search(text.replace("\r", ""))
        assert found is None, (words, text[max(0, found.start() - 60) : found.end() + 60])
    assert answer.status in (0, 1), words
    if answer.status:
        assert re.search(r"(?m)^error: .", answer.err), (words, answer.err)
    return answer


def cases(test: str) -> Iterator[tuple[int, random.Random]]:
    """Seeds and generators, the same for the same test and `FUZZ_SEED`."""
    for number in range(CASES):
        seed = f"{SEED}/{test}/{number}"
        yield number, random.Random(seed)


@pytest.mark.parametrize("name", list(DAMAGES))
def test_a_damaged_run(
    name: str, runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Single-run verbs end with a message, verbs over folders name it and show the sound run."""
    for number, generator in cases(name):
        work = tmp_path / f"case-{number}"
        bad = work / "runs" / "bad"
        (work / "runs").mkdir(parents=True)
        monkeypatch.chdir(work)  # `python -m` looks there for modules first
        monkeypatch.syspath_prepend(str(work))
        good = Path(shutil.copytree(runs[1], work / "runs" / "good"))
        fatal = damaged(runs[0], bad, name, generator)
        single, several = generator.choice(list(SINGLE)), generator.choice(list(FOLDERS))
        before = state(work / "runs")
        out = work / "out"
        answer = asked(SINGLE[single](bad, good, out))
        about = f"{name}, case {number} of FUZZ_SEED={SEED}: {single}: {answer.out[:500]}"
        if fatal and ("explanations" not in name or single in NEEDS_EXPLANATIONS):
            assert answer.status == 1, about
        if name == "odd class" and single in NEEDS_EXPLANATIONS:
            assert answer.status == 1, about
        if single != "score" or answer.status:
            assert state(work / "runs") == before, about
        if single == "score":
            shutil.rmtree(bad)
            damaged(runs[0], bad, name, generator)
            before = state(work / "runs")
        answer = asked(FOLDERS[several](bad, good, out))
        about = f"{name}, case {number} of FUZZ_SEED={SEED}: {several}: {answer.err}"
        assert state(work / "runs") == before, about
        if fatal and "explanations" not in name and several != "compare all":
            assert "left out: " in answer.err, about
            assert answer.status == 0, about  # the sound run is shown


@pytest.mark.parametrize("key", ["seed", "neurons.list", "explainer.name", "contexts.top"])
def test_odd_values_on_the_command_line(key: str, tmp_path: Path) -> None:
    for _number, generator in cases(key):
        value = generator.choice([*(text for text in ODD if len(text) < 10_000), *TEXTS])
        asked(["run", "--dry-run", "model=planted", f"cache_dir={tmp_path}", f"{key}={value}"])
        digits = generator.choice(["9" * 5000, "1e999", "-1", "²", *TEXTS[:4]])
        for words in (["show", str(tmp_path), digits], ["sanity", str(tmp_path), "--seed", digits]):
            assert asked(words).status == 1
        assert asked(["similar", str(tmp_path), "--top", digits]).status == 1
        assert asked(["compare", str(tmp_path), "--resamples", digits]).status == 1


HOSTILE = (
    *("", "-", "--", "---", "-x", "=", "--=", "a=b", "[", "{x}", "%s", "%(default)s", "\x1b[31m"),
    *("9" * 400, "0.0", "-1", "results", "--no-such-option", "--top", "--json"),
    *("--trust", "--trust=", "--format=", "--metrics=[", "--seed=²", "--older-than=1y", "--as"),
    *("metrics=", "seed=1", "trust=a.b", "direct=false", "tracking.mode=x", "\u202e", "--help=x"),
)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "run"])
def test_odd_words(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number, generator in cases(f"words {verb}"):
        words = [generator.choice(HOSTILE) for _ in range(generator.randrange(1, 5))]
        where = [f"--cache-dir={tmp_path / 'none'}"] if verb == "cache" else []
        answer = asked([verb, *where, *words])
        if answer.status:
            assert len(answer.err.splitlines()) == 1, (number, words, answer.err)
            assert "usage:" not in answer.err
        assert list(tmp_path.iterdir()) == []


def test_odd_corpora(tmp_path: Path) -> None:
    for number, generator in cases("corpora"):
        name = f"a{number}." + generator.choice(["jsonl", "parquet", "txt"])
        path = tmp_path / name
        kind = generator.randrange(4)
        if kind == 0:
            os.mkfifo(path)
        elif kind == 1:
            path.write_bytes(generator.randbytes(200))
        elif kind == 2:
            path.write_text('{"text": ' + generator.choice(ODD) + "}\n")
        else:
            path.write_text(generator.choice(TEXTS), encoding="utf-8")
        words = ["run", "--dry-run", "model=planted", "dataset=text", f"dataset.path={path}"]
        # None of them has text enough for a context.
        assert asked([*words, f"cache_dir={tmp_path / 'cache'}"]).status == 1


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_odd_checkpoints(file: str, checkpoint: Path, tmp_path: Path) -> None:
    for number, generator in cases(file):
        folder = Path(shutil.copytree(checkpoint, tmp_path / f"{number}"))
        path = folder / file
        kind = generator.randrange(3)
        if kind == 0:
            path.unlink()
            os.mkfifo(path)
        elif kind == 1:
            path.write_bytes(path.read_bytes()[: generator.randrange(60)])
        else:
            path.write_text(generator.choice(ODD))
        words = ["run", "--dry-run", "model=local", f"model.source={folder}", "dataset=stdlib"]
        assert asked([*words, f"cache_dir={tmp_path / 'cache'}"]).status == 1


def test_odd_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of any installed package is named and skipped."""
    group = "[neuron_simulator_benchmark.explainers]\n"
    for number, generator in cases("entry points"):
        site = tmp_path / f"site-{number}"
        about = site / f"odd{number}-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: odd{number}\n")
        (site / f"raising{number}.py").write_text(
            generator.choice(
                ["raise KeyboardInterrupt", "raise SystemExit(0)", "1/0", "class E:\n  '''\x1b'''"]
            )
        )
        line = generator.choice(
            ["!!!", "x = !!!", "x =", "= a:b", "x\x1b = a:b", "ü = a:b", f"x = raising{number}:E"]
        )
        encoding = "latin-1" if "ü" in line else "utf-8"
        (about / "entry_points.txt").write_bytes(f"{group}{line}\n".encode(encoding))
        monkeypatch.syspath_prepend(str(site))
        answer = asked(["list", "explainers"])
        assert answer.status == 0
        assert "n2g" in answer.out
        sys.modules.pop(f"raising{number}", None)


def test_the_damage_is_damage(runs: tuple[Path, Path], tmp_path: Path) -> None:
    """Each kind of damage changes the run, and without any the verbs succeed."""
    for name in DAMAGES:
        folder = tmp_path / name
        damaged(runs[0], folder, name, random.Random(1))
        sound = {path.name: path.read_bytes() for path in runs[0].iterdir() if path.is_file()}
        changed = [
            file
            for file, data in sound.items()
            if not (folder / file).is_file()
            or (folder / file).is_symlink()
            or (folder / file).read_bytes() != data
        ]
        assert changed, name
        assert set(changed) <= {RECORD, SCORES, "explanations.jsonl"}
    for verb in ("show", "show a neuron", "search", "compare"):
        assert asked(SINGLE[verb](runs[0], runs[1], tmp_path)).status == 0
