"""Every example that README and docs print, typed on results in the layout of `make run`.

An example is an indented line of a page that calls `python -m benchmark` or `make`; a `\\` goes on
in the next line. Examples are typed as they stand, page by page and in their order, in a folder
with the results of a small `make run`, but for these rules:

- `run`: its configuration is composed and its plan is made, which shows that every key and value is
  right; nothing is downloaded or computed. One `run`, of all explainers, has made the results.
- `make`: the target exists, and make knows how to reach it.
- `submit --hub`: there is no network, so it ends with one message, after the checks of the run.
- Files of others that are imported are written by the tests in the format of each.
- `received/`, which docs/submitting.md calls a folder that somebody sent, is a copy of runs.
- Blocks between a pair of marks (`<!-- ... -->`) are printed by `make published`, by the command
  above each of them, and have tests of their own; so have the pages in `ELSEWHERE`.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.config.run_config import RunConfig
from tests.command import call
from tests.importing.files_of_others import (
    neuronpedia_line,
    transluce_record,
    write_delphi,
    write_lines,
    write_openai,
)
from tests.llm.tiny import tiny_checkpoint

PROJECT = Path(__file__).parents[1]
ELSEWHERE = ("adding-an-explainer.md", "python.md")
PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *(path for path in sorted(PROJECT.glob("docs/*.md")) if path.name not in ELSEWHERE),
]
EXAMPLE = re.compile(r"^    (?:\$ )?(?:\S+=\S* )*(?:\S+/time -v )?(python -m benchmark|make) (.*)$")
SMALL = (
    "contexts.explain=64",
    "contexts.sample=32",
    "contexts.exemplars=4",
    "contexts.held_out=32",
    "contexts.uniform=24",
    "contexts.top=4",
    "contexts.calibrate=8",
    "dataset.max_documents=60",
    "neurons.list=[[0,15],[0,20],[1,719]]",
    "bootstrap.resamples=100",
    "bootstrap.document_resamples=10",
)


def examples(page: Path) -> list[list[str]]:
    """The words of each example of a page, `make` or the verb first."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    text = re.sub(r"<!-- (?!end of )(.*?) -->.*?<!-- end of .*? -->", "", text, flags=re.DOTALL)
    found = []
    for line in text.splitlines():
        match = EXAMPLE.match(line)
        if match:
            words = shlex.split(match[2], comments=True)
            found.append(["make", *words] if match[1] == "make" else words)
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `results` as `make run` leaves them, of three neurons on a little text."""
    folder = tmp_path_factory.mktemp("project")
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    explainers = re.search(r"^EXPLAINERS \?= (.*)$", makefile, re.MULTILINE)
    assert explainers is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("WANDB_MODE", "offline")
        answer = call("run", "-m", f"explainer={explainers[1]}", "metrics=causal", *SMALL)
        assert answer.status == 0, answer.err
        shutil.copytree(folder / "results" / "solu-tiny" / "stdlib", folder / "received")
        write_files_of_others(folder)
        tiny_checkpoint(folder / "path" / "to" / "model", n_ctx=16384)
        yield folder


def write_files_of_others(folder: Path) -> None:
    """Write what the examples of `import` name."""
    write_openai(folder / "data" / "explanations", [(0, 3), (7, 11)])
    write_lines(folder / "batch-0.jsonl.gz", [neuronpedia_line(1)])
    write_delphi(folder / "delphi" / "results" / "run", [1, 2])
    (folder / "observatory").mkdir()
    record = transluce_record(3, 4, ("valid", "random_valid"))
    (folder / "observatory" / "neuron.json").write_text(json.dumps(record))


@pytest.fixture
def typed_in(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder of its own, which is the current one."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan_of(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Type a `run` as far as its plan, once for each combination."""
    planned: list[RunConfig] = []
    with monkeypatch.context() as patch:
        patch.setattr("benchmark.cli.plan.print_plan", planned.append)
        answer = call(*(word for word in words if word != "--dry-run"), "--dry-run")
    assert (answer.status, answer.err) == (0, "")
    expected = 1
    for word in words:
        if "-m" in words and "=" in word and "[" not in word:
            expected *= len(word.split(","))
    assert len(planned) == expected


def type_one(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if words[0] == "make":
        options = ["-n", "-o", "setup", "-C", str(PROJECT)]
        asked = subprocess.run(["make", *options, *words[1:]], capture_output=True, check=False)
        assert asked.returncode == 0, asked.stderr
    elif words[0] == "run":
        plan_of(words, monkeypatch)
    elif "--hub" in words:
        assert "hub" in call(*words).message
    else:
        answer = call(*words)
        assert answer.status == 0, answer.err
        assert answer.out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_work_as_typed(
    page: Path, typed_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in examples(page):
        try:
            type_one(words, monkeypatch)
        except AssertionError as error:
            raise AssertionError(f"{page.name}: {shlex.join(words)}: {error}") from error


def test_examples_are_found() -> None:
    found = {page.name: examples(page) for page in PAGES}
    assert len(found["README.md"]) > 25
    assert ["leaderboard", "leaderboards/published", "--check"] in found["submitting.md"]
    assert ["make", "perf"] in found["performance.md"]
    assert not [words for page in found.values() for words in page if "<" in "".join(words)]


def test_pages_that_are_typed_elsewhere_have_their_tests() -> None:
    for name in ELSEWHERE:
        if (PROJECT / "docs" / name).exists():
            test = name.removesuffix(".md").replace("-", "_")
            assert (PROJECT / "tests" / f"test_docs_{test}.py").exists()
