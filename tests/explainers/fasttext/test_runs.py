"""Whole runs: what is prepared, from which text, how often, and what needs it no more."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmark.errors import BenchmarkError
from benchmark.evaluation.explain import prepare_explainer
from benchmark.interface import ExplainText
from benchmark.results import load_run
from explainers.controls import Shuffled
from tests.command import Command, call, checkpoint, command, explanations, table, texts
from tests.explainers.fasttext.toy import Memory
from tests.runs.methods import Method

__all__ = ["checkpoint", "command", "texts"]

FASTTEXT = ("explainer=fasttext", "explainer.dimensions=8", "explainer.epochs=1")


class Reading(Method):
    """Remembers what it was prepared with, and when."""

    evidence = "exemplars+sample+text"

    def prepare(self, text, storage):
        Method.calls.append(("prepare", text))
        assert storage.read("reading", {"a": 1}) is None
        storage.write("reading", {"a": 1}, {"x": torch.ones(2)})
        assert storage.read("reading", {"a": 1})["x"].tolist() == [1, 1]


class CannotRead(Method):
    evidence = "exemplars+text"

    def prepare(self, text, storage):
        raise ValueError("words fail me")


def test_an_explainer_reads_the_explain_split_and_nothing_else(command: Command) -> None:
    Method.calls.clear()
    answer = command.run("explainer._target_=tests.explainers.fasttext.test_runs.Reading")
    assert answer.status == 0, answer.err
    (name, text), *later = Method.calls
    assert name == "prepare"
    assert all(layer != "prepare" for layer, _ in later)  # once, before the first block
    assert isinstance(text, ExplainText)
    everything = {tuple(row) for row in text.tokens.tolist()}
    assert everything
    held_out = _contexts(command, "held_out")
    explain = _contexts(command, "explain")
    assert everything == explain
    assert not everything & held_out
    (run,) = [load_run(folder) for folder in command.folders()]
    assert run.record.timings["prepare_seconds"] >= 0
    Method.calls.clear()
    assert command.run("explainer._target_=tests.explainers.fasttext.test_runs.Reading").status == 0
    trust = ("--trust", "tests.explainers.fasttext.test_runs.Reading")
    assert call("score", str(run.folder), *trust).status == 0
    assert Method.calls == []  # neither showing nor scoring a run again reads anything


def _contexts(command: Command, split: str) -> set[tuple[int, ...]]:
    from benchmark.corpus import load_corpus
    from benchmark.subject import load_subject

    values = dict(word.split("=", 1) for word in command.small)
    subject = load_subject(
        {"name": "local", "kind": "local", "source": values["model.source"]}, device="cpu"
    )
    corpus = load_corpus(
        {"name": "text", "kind": "text", "path": values["dataset.path"]},
        subject.tokenizer,
        bos=subject.bos,
        context_length=int(values["context_length"]),
    )
    return {tuple(row) for row in corpus.splits[split].tokens.tolist()}


def test_what_goes_wrong_while_preparing_is_a_message(command: Command) -> None:
    answer = command.run("explainer._target_=tests.explainers.fasttext.test_runs.CannotRead")
    assert answer.message.endswith("could not be prepared: ValueError: words fail me")
    assert command.folders() == []


def test_others_are_left_alone_and_a_shuffled_one_hands_it_on() -> None:
    text = ExplainText(torch.zeros(1, 2, dtype=torch.long), 0, None, 1)
    prepare_explainer(Method(), text, Memory())
    Method.calls.clear()
    prepare_explainer(Shuffled(Reading()), text, Memory())
    prepare_explainer(Shuffled(Method()), text, Memory())
    assert Method.calls == [("prepare", text)]


def test_a_run_is_scored_and_shown_without_the_vectors(command: Command) -> None:
    run = command.finished(*FASTTEXT)
    assert {line["status"] for line in run.scores.rows()} == {"ok"}
    kept = list((command.folder / "cache" / "fasttext").rglob("*.safetensors"))
    assert len(kept) == 1
    kept[0].unlink()
    before = table(run)
    answer = call("score", str(run.folder), f"cache_dir={command.folder / 'cache'}")
    assert answer.status == 0, answer.err
    assert table(load_run(run.folder)) == before
    row = before[0]
    shown = call("show", str(run.folder), f"{row['layer']}.{row['neuron']}")
    assert "activating word" in shown.out
    assert not kept[0].exists()  # nothing was trained again


def test_the_evidence_is_recorded_and_part_of_the_runs_identity(command: Command) -> None:
    default = command.finished(*FASTTEXT)
    assert default.record.explainer.evidence == "exemplars+text"
    answer = command.run(*FASTTEXT, "explainer.evidence=exemplars")
    assert answer.status == 0, answer.err
    runs = {run.record.explainer.evidence: run for run in map(load_run, command.folders())}
    assert set(runs) == {"exemplars+text", "exemplars"}
    assert runs["exemplars"].record.run_id != default.record.run_id
    # Without the text nothing is read of the explain split.
    assert "its exemplars" in explanations(runs["exemplars"])[0]["explanation"]["shown"]["vectors"]
    tracks = call("leaderboard", str(command.folder / "results"), "--table", "tracks")
    headings = [line for line in tracks.out.splitlines() if "track evidence" in line]
    assert {line.rpartition(": ")[2] for line in headings} == {"exemplars", "exemplars+text"}


def test_a_second_run_reads_the_vectors_and_says_the_same(command: Command) -> None:
    first = command.finished(*FASTTEXT)
    (kept,) = (command.folder / "cache" / "fasttext").rglob("*.safetensors")
    written = kept.stat().st_mtime_ns
    again = command.finished(*FASTTEXT, "fresh=true")
    assert kept.stat().st_mtime_ns == written
    assert explanations(again) == explanations(first)
    kept.unlink()
    third = command.finished(*FASTTEXT, "fresh=true")
    assert explanations(third) == explanations(first)


def test_vectors_that_cannot_be_had_end_in_a_message(command: Command, tmp_path: Path) -> None:
    (tmp_path / "x.vec").write_bytes(b"nonsense")
    answer = command.run("explainer=fasttext", f"explainer.vectors={tmp_path / 'x.vec'}")
    assert "cannot be read as word vectors as text" in answer.message
    answer = command.run("explainer=fasttext", "explainer.keep=falls")
    assert "keep of fasttext 'falls' is not known" in answer.message


def test_errors_of_ones_own_are_not_wrapped() -> None:
    class Refuses(Method):
        evidence = "exemplars+text"

        def prepare(self, text, storage):
            raise BenchmarkError("this method wants other text")

    with pytest.raises(BenchmarkError, match=r"^this method wants other text$"):
        prepare_explainer(Refuses(), None, Memory())
