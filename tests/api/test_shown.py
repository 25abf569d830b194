"""Runs, explanations and experiments as a notebook and a prompt show them, and what they answer."""

from __future__ import annotations

import dataclasses
import re
import sys
import types
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

import benchmark
from tests.api.explainers import Always, Constant
from tests.lined import Lined, LinedTokens

HOSTILE = "<script>alert(1)</script>\x1b]0;x\x07\u202e&\n"


class Tags(HTMLParser):
    """The tags and the text of a page; fails where a tag is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def renamed(run: benchmark.Run, name: str) -> benchmark.Run:
    """The run with a name of somebody else's choice wherever it shows one."""
    record = run.record
    record = dataclasses.replace(
        record,
        run_id=name,
        subject=dataclasses.replace(record.subject, name=name),
        corpus=dataclasses.replace(record.corpus, name=name),
        explainer=dataclasses.replace(record.explainer, name=name, evidence=name),
    )
    return dataclasses.replace(run, record=record, folder=Path(name))


def test_a_run_is_five_lines(finished: benchmark.Run) -> None:
    lines = repr(finished).split("\n")
    assert len(lines) == 5
    assert finished.record.run_id in lines[0]
    assert "token_lookup on planted, stdlib" in lines[2]
    assert re.search(r"r \d\.\d{3}", lines[3])
    assert str(finished.folder) in lines[4]
    assert len(repr(renamed(finished, HOSTILE)).splitlines()) == 5
    assert "\x1b" not in repr(renamed(finished, HOSTILE))


def test_a_run_is_a_table_in_a_notebook(finished: benchmark.Run) -> None:
    page = Tags(finished._repr_html_())
    assert page.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert "token_lookup on planted" in page.text
    hostile = Tags(renamed(finished, HOSTILE)._repr_html_())
    assert hostile.tags == page.tags
    assert "<script>" in hostile.text
    assert "\x1b" not in hostile.text
    runs = Tags(benchmark.load_runs(finished.folder.parents[3])._repr_html_())
    assert finished.record.run_id in runs.text


def test_scores_are_a_data_frame(finished: benchmark.Run) -> None:
    pytest.importorskip("pandas")
    frame = finished.to_pandas()
    assert frame.index.tolist() == finished.neurons
    expected = finished.scores.column("uniform/pearson")
    assert frame["uniform/pearson"].tolist() == pytest.approx(expected.tolist(), nan_ok=True)
    assert len(benchmark.load_runs(finished.folder).to_pandas()) == 1


def test_without_pandas_there_is_a_sentence(
    finished: benchmark.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(benchmark.BenchmarkError, match="pip install pandas"):
        finished.to_pandas()


def test_an_explanation_shows_its_contexts_shaded(finished: benchmark.Run) -> None:
    name = finished.neurons[0]
    explanation = finished.explanation(name)
    page = explanation._repr_html_()
    found = Tags(page)
    assert explanation.describe().splitlines()[0] in found.text
    assert "whole explanation" not in found.text
    shades = {float(alpha) for alpha in re.findall(r"230,120,20,([\d.]+)\)", page)}
    predicted = {float(alpha) for alpha in re.findall(r"40,120,220,([\d.]+)\)", page)}
    assert {0.0, 1.0} <= shades  # the neuron's maximum is in its first exemplar
    assert max(predicted) > 0.5
    assert page.count("<div style") == 6  # three contexts, each with truth and prediction
    evidence = finished.experiment.evidence(name)
    anchor = int(evidence.exemplars.anchors[0, 0])
    token = finished.experiment.subject.tokenizer.decode(
        [int(evidence.exemplars.tokens[0, 0, anchor])]
    )
    assert token.strip() in found.text


class HandedOver(LinedTokens):
    """A class of its own: one that was handed over is trusted wherever it is named."""


def test_a_complete_text_is_shown_first_with_what_its_lines_do(
    small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = benchmark.run(HandedOver(), layers=0, per_layer=2, **small)
    explanation = run.explanation(run.neurons[0])
    text = explanation.describe()
    assert len(text.splitlines()) > 2
    again = Lined.from_text(text, benchmark.Vocabulary.of(run.experiment.subject))
    tokens = run.experiment.truth(run.neurons[0]).tokens[:4]
    assert torch.equal(again.simulate(tokens), explanation.simulate(tokens))
    page = explanation._repr_html_()
    rows = [
        re.findall("<td[^>]*>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", page)[1:]
    ]
    assert [unescape(row[0]) for row in rows] == text.splitlines()
    assert rows[0][1:] == ["-", "-", "-"]
    assert all(re.fullmatch(r"-?[\d.]+ %", cell) for row in rows[1:] for cell in row[1:3])
    size = f"{len(rows)} lines, {len(text)} characters"
    assert f"This text is the whole explanation: {size}. ‹ › holds" in Tags(page).text
    assert "variance: the part of" in Tags(page).text
    assert page.index("whole explanation") < page.index("Top activating examples")
    monkeypatch.setattr(Lined, "lines", lambda self: 1 / 0)
    without = Tags(explanation._repr_html_())
    assert text in without.text
    assert f"{size}. ‹ › holds" in without.text
    assert "variance" not in without.text


def test_what_is_hostile_in_an_explanation_stays_text(small: dict[str, Any]) -> None:
    run = benchmark.run(Constant(2.0), layers=0, per_layer=2, **small)
    named = dataclasses.replace(renamed(run, HOSTILE), folder=run.folder)
    page = Tags(named.explanation(run.neurons[0])._repr_html_())
    assert "b" in page.tags  # of the title, and no other
    assert "always 2.0 <b>" in page.text
    assert "script" not in page.tags
    assert "\x1b" not in page.text


def test_without_a_cache_contexts_are_not_measured_in_passing(
    small: dict[str, Any], tmp_path: Path
) -> None:
    import shutil

    settings = {**small, "cache_dir": tmp_path / "cache"}
    run = benchmark.run("mean", layers=0, per_layer=2, **settings)
    shutil.rmtree(tmp_path / "cache" / "exemplars")
    page = Tags(benchmark.load_run(run.folder).explanation(run.neurons[0])._repr_html_())
    assert "they are not in the cache" in page.text


def test_a_neuron_may_be_named_in_two_ways(finished: benchmark.Run) -> None:
    name = finished.neurons[1]
    layer, neuron = map(int, name.split("."))
    assert finished.explanation(name) == finished.explanation((layer, neuron))
    assert finished.explanation(layer, neuron).name == name
    assert [each.name for each in finished.explanations()] == finished.neurons
    with pytest.raises(benchmark.BenchmarkError, match="has no layer 3, neuron 400"):
        finished.explanation("3.400")
    with pytest.raises(benchmark.BenchmarkError, match="may have lost a zero"):
        finished.explanation(3.4)


def test_simulating_is_what_the_run_scored(finished: benchmark.Run) -> None:
    experiment, name = finished.experiment, finished.neurons[0]
    truth = experiment.truth(name)
    tokens = truth.tokens[truth.uniform]
    explanation = finished.explanation(name)
    predictions = explanation.simulate(tokens)
    assert predictions.shape == tokens.shape
    assert torch.equal(explanation.simulate(tokens[0]), predictions[0])
    assert torch.equal(explanation.simulate(tokens[:2].tolist()), predictions[:2])
    scored = tokens != truth.bos
    both = torch.stack([predictions[scored], truth.uniform_activations[0][scored]])
    r = float(torch.corrcoef(both.double())[0, 1])
    assert r == pytest.approx(finished.scores.column("uniform/pearson")[0], abs=1e-5)
    for wrong in ("text", [[1.5]], torch.ones(1, 1, 1, dtype=torch.long)):
        with pytest.raises(benchmark.BenchmarkError, match="token"):
            explanation.simulate(wrong)


@pytest.mark.parametrize("name", ["oracle", "shuffled", "zero"])
def test_a_control_that_needs_the_subject_simulates(name: str, small: dict[str, Any]) -> None:
    run = benchmark.run(name, layers=0, per_layer=2, **small)
    experiment = run.experiment
    tokens = experiment.truth(run.neurons[0]).tokens[:2]
    found = benchmark.load_run(run.folder).explanation(run.neurons[0]).simulate(tokens)
    assert found.shape == tokens.shape
    if name == "oracle":
        layer, neuron = map(int, run.neurons[0].split("."))
        true = experiment.subject.activations(tokens, layer, [neuron])[..., 0]
        assert torch.equal(found, true.clamp(min=0)) or torch.equal(found, true)


def test_scoring_by_hand_is_what_a_run_does(small: dict[str, Any]) -> None:
    run = benchmark.run(Constant(2.0), neurons=["0.1", "0.8", "0.12"], **small)
    experiment = benchmark.open_experiment(neurons=["0.1", "0.8", "0.12"], **small)
    assert experiment.neurons == run.neurons
    table = experiment.score([Always(2.0)] * 3)
    for column in run.scores.metric_columns:
        expected = run.scores.column(column)
        assert table.column(column).tolist() == pytest.approx(expected.tolist(), nan_ok=True)
    assert table.summary["uniform/f1"] == run.summary["uniform/f1"]
    some = experiment.score({"0.8": Always(2.0), (0, 1): benchmark.Failure("no")})
    assert some.neurons() == [(0, 1), (0, 8)]
    assert some.column("status").tolist() == ["failed", "ok"]
    assert some.column("top/f1")[1] == table.column("top/f1")[1] > 0
    Tags(some._repr_html_())
    assert repr(some).startswith("ScoreTable of 2 neurons: r ")


def test_what_an_experiment_refuses(small: dict[str, Any]) -> None:
    experiment = benchmark.open_experiment(neurons=["0.1", "0.8"], **small)
    for call, message in (
        (lambda: experiment.evidence("0.2"), r"neuron 0\.2 is not one of this experiment; it has"),
        (lambda: experiment.truth(0.1), "may have lost a zero"),
        (lambda: experiment.score([Always(1.0)]), "1 explanations for 2 neurons"),
        (lambda: experiment.score({}), "no explanation to score"),
        (lambda: experiment.score({"0.5": Always(1.0)}), r"neuron 0\.5 is not one"),
        (lambda: experiment.score({"0.1": "text"}), "has no 'simulate'"),
        (lambda: experiment.tokens(5), "give text"),
        (lambda: experiment.tokens("a " * 5000), "tokens; subject 'planted' reads"),
        (lambda: benchmark.open_experiment("nowhere"), "model 'nowhere' is not known"),
        (lambda: benchmark.load_subject("nowhere"), "model 'nowhere' is not known"),
        (lambda: benchmark.load_corpus("stdlb", experiment.subject), "did you mean 'stdlib'"),
        (lambda: benchmark.load_corpus("stdlib", "planted"), "takes the subject that reads"),
    ):
        with pytest.raises(benchmark.BenchmarkError, match=message):
            call()


def test_the_old_ways_to_load_still_work(small: dict[str, Any]) -> None:
    config = {"name": "planted", "kind": "planted"}
    subject = benchmark.load_subject(config, device="cpu")
    dataset = {"name": "stdlib", "kind": "stdlib", "max_documents": 160}
    old = benchmark.load_corpus(dataset, subject.tokenizer, bos=subject.bos, context_length=32)
    new = benchmark.load_corpus(small["dataset"], subject, context_length=32)
    assert old.fingerprint == new.fingerprint


def test_bars_of_a_notebook_are_the_notebooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ipywidgets can draw them; without it they are text, with no warning."""
    from tqdm import notebook, tqdm

    from benchmark.terminal import progress

    assert progress._bar() is tqdm
    python = types.ModuleType("IPython")
    python.get_ipython = lambda: None
    monkeypatch.setitem(sys.modules, "IPython", python)
    assert progress._bar() is tqdm  # IPython in a terminal
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", types.ModuleType("zmqshell"))
    for widgets, expected in ((object(), notebook.tqdm_notebook), (None, tqdm)):
        monkeypatch.setattr(notebook, "IProgress", widgets)
        monkeypatch.delitem(sys.modules, "tqdm.autonotebook", raising=False)
        assert progress._bar() is expected
    monkeypatch.delitem(sys.modules, "tqdm.autonotebook", raising=False)
