"""Every verb on a run whose explanations are in parts, as those of more than 1,024 neurons are."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from benchmark.results import Run, explanation_files, load_run
from benchmark.results.explanation_files import names_on_disk
from leaderboards.submission import all_files
from tests.command import Command, call, checkpoint, table, texts
from tests.sealing import reseal

__all__ = ["checkpoint", "texts"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Run:
    command = Command(tmp_path_factory.mktemp("parts"), checkpoint, texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explanation_files, "NEURONS_IN_PART", 5)
        return command.finished("explainer=n2g")


@pytest.fixture
def run(finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(explanation_files, "NEURONS_IN_PART", 5)
    monkeypatch.chdir(tmp_path)
    return load_run(shutil.copytree(finished.folder, tmp_path / "results" / "run"))


def damage(run: Run, part: int) -> None:
    """Change a part and not its length."""
    path = run.folder / run.explanation_files.names[part]
    path.write_bytes(path.read_bytes()[::-1])


def test_a_run_of_many_neurons_writes_parts(run: Run) -> None:
    n_parts = -(-len(run.scores) // 5)
    assert n_parts > 1
    assert names_on_disk(run.folder) == [f"explanations/{n:05d}.jsonl" for n in range(n_parts)]
    assert [(one.layer, one.neuron) for one in run.explanations()] == run.scores.neurons()


@pytest.mark.parametrize(
    "words",
    [
        ["show", "{run}", "{neuron}"],
        ["search", "{run}", "word2"],
        ["similar", "{run}"],
        ["report", "{run}", "-o", "site"],
        ["score", "{run}"],
        ["plot", "{run}", "--neuron", "{neuron}"],
        ["submit", "{run}", "--to", "published"],
    ],
    ids=lambda words: words[0],
)
def test_every_verb_reads_parts_and_notices_damage(run: Run, words: list[str]) -> None:
    layer, neuron = run.scores.neurons()[0]
    given = [word.format(run=run.folder, neuron=f"{layer}.{neuron}") for word in words]
    answer = call(*given)
    assert answer.status == 0, answer.err
    damage(run, 0)
    shutil.rmtree("published", ignore_errors=True)
    answer = call(*given)
    assert answer.status == 1
    said = " ".join((answer.err + answer.out).split())
    assert "00000.jsonl' is not the file that the run wrote" in said
    assert "Traceback" not in said


def test_one_neuron_is_shown_whatever_other_parts_hold(run: Run) -> None:
    damage(run, 1)
    layer, neuron = run.scores.neurons()[0]
    answer = call("show", str(run.folder), f"{layer}.{neuron}", "--no-contexts")
    assert answer.status == 0, answer.err
    layer, neuron = run.scores.neurons()[5]
    assert "00001.jsonl' is not" in call("show", str(run.folder), f"{layer}.{neuron}").message


def test_scores_again_are_the_same(run: Run) -> None:
    before = table(run), list(run.explanations())
    answer = call("score", str(run.folder))
    assert answer.status == 0, answer.err
    assert "largest difference 0\n" in answer.out
    again = load_run(run.folder)
    assert (table(again), list(again.explanations())) == before


def test_scoring_again_parts_the_one_file_of_an_earlier_version(run: Run) -> None:
    before = table(run), list(run.explanations())
    single = _as_one_file(run)
    assert names_on_disk(single.folder) == ["explanations.jsonl"]
    answer = call("score", str(single.folder))
    assert answer.status == 0, answer.err
    again = load_run(single.folder)
    assert len(names_on_disk(single.folder)) > 1
    assert "explanations.jsonl" not in again.record.files
    assert (table(again), list(again.explanations())) == before


def _as_one_file(run: Run) -> Run:
    """Return the run with its explanations in one file."""
    whole = b"".join((run.folder / name).read_bytes() for name in names_on_disk(run.folder))
    shutil.rmtree(run.folder / "explanations")
    (run.folder / "explanations.jsonl").write_bytes(whole)
    reseal(run.folder)
    return load_run(run.folder)


def test_a_submission_to_the_hub_takes_all_parts(run: Run) -> None:
    files = all_files(run, {})
    assert list(files) == run.explanation_files.names
    assert all(isinstance(path, Path) and path.is_file() for path in files.values())


@pytest.mark.parametrize("kind", ["missing", "too many", "unlisted neuron"])
def test_a_submission_with_other_parts_is_refused(run: Run, kind: str) -> None:
    names = run.explanation_files.names
    if kind == "missing":
        (run.folder / names[-1]).unlink()
        expected = re.escape(f"has no {names[-1]}")
    elif kind == "too many":
        shutil.copy(run.folder / names[0], run.folder / "explanations" / "00099.jsonl")
        expected = r"00099\.jsonl' is not a file of this run"
    else:
        lines = (run.folder / names[0]).read_bytes().splitlines(keepends=True)
        (run.folder / names[0]).write_bytes(b"".join([*lines[1:], lines[1]]))
        expected = r"00000\.jsonl' is not the file that the run wrote"
    message = call("submit", str(run.folder), "--to", "published").message
    assert re.search(expected, message)
    assert not Path("published").exists()
