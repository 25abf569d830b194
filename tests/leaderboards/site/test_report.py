"""The report as files: every page is there, every link leads somewhere, nothing is markup."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from benchmark.results import find_runs, load_run
from explainers.n2g import N2GExplanation
from leaderboards.site.groups import best_and_worst
from tests.command import DEAD, Command, call
from tests.leaderboards.site.conftest import TRUST, Site
from tests.leaderboards.site.hostile import WORDS


class Parsed(HTMLParser):
    """The elements of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.ids: set[str] = set()
        self.text: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if attributes.get("id"):
            assert attributes["id"] not in self.ids
            self.ids.add(attributes["id"])

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def pages(site: Site) -> dict[Path, Parsed]:
    return {path: Parsed(path) for path in site.folder.rglob("*.html")}


def test_it_says_what_it_wrote(site: Site) -> None:
    n_pages = len(list(site.folder.rglob("*.html")))
    assert f"{n_pages} pages about {len(site.neurons())} neurons and 5 runs" in site.said
    assert "index.html" in site.said


def test_there_is_a_page_for_every_explainer_layer_and_neuron(site: Site) -> None:
    neurons = site.neurons()
    assert {path.name for path in (site / "neurons").iterdir()} == {
        f"{layer}.{neuron}.html" for layer, neuron in neurons
    }
    assert {path.name for path in (site / "layers").iterdir()} == {
        f"{layer}.html" for layer, _ in neurons
    }
    explainers = {path.stem for path in (site / "explainers").iterdir()}
    assert explainers == {"token_lookup", "n2g", "zero", "saysscript", "linedtokens"}


def test_every_link_leads_to_a_file_of_the_report(site: Site, pages: dict[Path, Parsed]) -> None:
    _check_links(site.folder, pages)


def _check_links(folder: Path, pages: dict[Path, Parsed]) -> None:
    for path, page in pages.items():
        for _, attributes in page.elements:
            for name in ("href", "src", "action"):
                link = attributes.get(name)
                if link is None:
                    continue
                parts = urlparse(link)
                assert (parts.scheme, parts.netloc) == ("", ""), link
                target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
                assert target.is_file(), f"{path}: {link}"
                assert target.is_relative_to(folder.resolve())
                if parts.fragment and target in pages:
                    assert parts.fragment in pages[target].ids, f"{path}: {link}"


def test_nothing_in_a_page_is_a_script_but_ours(pages: dict[Path, Parsed]) -> None:
    for path, page in pages.items():
        names = [tag for tag, _ in page.elements]
        assert names.count("title") == 1, path
        assert "style" not in names
        assert not any(
            "onerror" in attributes or "onload" in attributes or "onmouseover" in attributes
            for _, attributes in page.elements
        )
        for tag, attributes in page.elements:
            if tag == "script":
                assert "src" in attributes or attributes["type"] == "application/json"


def test_hostile_words_are_shown_as_they_are(site: Site, pages: dict[Path, Parsed]) -> None:
    text = "".join("".join(page.text) for page in pages.values())
    for word in WORDS[:6]:
        assert word in text, word


def test_data_holds_nothing_that_could_end_a_script(site: Site) -> None:
    scripts = list(site.folder.glob("*/data/**/*.js"))
    assert len(scripts) >= 5
    for path in scripts:
        text = path.read_text(encoding="utf-8")
        assert not set("<>&\u2028\u2029") & set(text), path
        start, _, rest = text.partition(",")
        assert start.startswith("report.receive(")
        json.loads(rest.removesuffix(");\n"))
    all_text = "".join(path.read_text(encoding="utf-8") for path in scripts)
    assert "\\u003cscript\\u003ewindow.hacked=1" in all_text


def test_a_failure_and_its_reason_stand_on_the_page(site: Site, pages: dict[Path, Parsed]) -> None:
    layer, neuron = next(key for key in site.neurons() if key[1] % 2 == 0)
    path = site / f"neurons/{layer}.{neuron}.html"
    text = "".join(pages[path].text)
    assert "Failed:" in text
    assert WORDS[1] in text


def test_scores_on_a_neuron_page_are_those_of_the_run(
    site: Site, pages: dict[Path, Parsed]
) -> None:
    from benchmark.results import load_run

    runs = [load_run(path) for path in find_runs([site.results])]
    run = next(run for run in runs if run.record.explainer.name == "n2g")
    for row in run.scores.rows()[:5]:
        path = site / f"neurons/{row['layer']}.{row['neuron']}.html"
        shown = {
            attributes.get("data-value") for tag, attributes in pages[path].elements if tag == "td"
        }
        for column in run.scores.metric_columns:
            if row[column] is not None:
                assert str(row[column]) in shown, column


def test_remarks_stand_below_the_explanation(site: Site, pages: dict[Path, Parsed]) -> None:
    from benchmark.evaluation.reopen import ReopenedRun
    from benchmark.results import load_run

    runs = [load_run(path) for path in find_runs([site.results])]
    run = next(run for run in runs if run.record.explainer.name == "n2g")
    saved = next(one for one in run.explanations() if one.explanation is not None)
    explanation = ReopenedRun(run).explanation(saved)
    assert isinstance(explanation, N2GExplanation)
    text = "".join(pages[site / f"neurons/{saved.name}.html"].text)
    assert explanation.describe() in text
    assert explanation.remarks() in text[text.index(explanation.describe()) :]


def test_the_same_runs_give_the_same_report(site: Site, tmp_path: Path) -> None:
    again = tmp_path / "again"
    words = ("report", str(site.results), f"--output={again}", f"--cache-dir={site.cache}", *TRUST)
    assert call(*words).status == 0
    first = {p.relative_to(site.folder): p.read_bytes() for p in _files(site.folder)}
    second = {p.relative_to(again): p.read_bytes() for p in _files(again)}
    assert first == second


def test_a_report_of_one_control_alone(site: Site, tmp_path: Path) -> None:
    folders = find_runs([site.results])
    zero = next(folder for folder in folders if "zero" in folder.parts)
    answer = call("report", str(zero), "-o", str(tmp_path / "one"), f"--cache-dir={site.cache}")
    assert answer.status == 0, answer.err
    layer, neuron = site.neurons()[0]
    page = Parsed(tmp_path / "one" / site.group / "neurons" / f"{layer}.{neuron}.html")
    assert "No explainer but controls" in "".join(page.text)


def test_of_many_neurons_some_have_pages(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboards.site.groups.EXTREMES", 1)
    monkeypatch.setattr("leaderboards.site.group_pages.EXTREMES", 1)
    monkeypatch.setattr("leaderboards.site.group_pages.FAILURES", 1)
    some = tmp_path / "some"
    words = ("report", str(site.results), "-o", str(some), f"--cache-dir={site.cache}", *TRUST)
    answer = call(*words, "--neurons", "1")
    assert answer.status == 0, answer.err
    neurons = {path.stem for path in (some / site.group / "neurons").iterdir()}
    every = {f"{layer}.{neuron}" for layer, neuron in site.neurons()}
    assert neurons < every
    extremes = {
        f"{layer}.{neuron}"
        for run in map(load_run, find_runs([site.results]))
        for layer, neuron in best_and_worst(run)
    }
    assert extremes <= neurons
    assert f"about {len(neurons)} neurons and 5 runs" in answer.out
    pages = {path: Parsed(path) for path in some.rglob("*.html")}
    _check_links(some, pages)
    for layer in {layer for layer, _ in site.neurons()}:
        text = "".join(pages[some / site.group / "layers" / f"{layer}.html"].text)
        n_all, n_some = (
            sum(name.startswith(f"{layer}.") for name in names) for names in (every, neurons)
        )
        assert f"{n_all} of the layer's" in text
        assert (f" {n_some} of them have a page" in text) == (n_some < n_all)


def test_another_folder_is_never_replaced(site: Site, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("all of it", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    message = call("report", str(site.results), "-o", str(precious), *TRUST).message
    assert "not a report" in message
    assert sorted(tmp_path.rglob("*")) == before


def test_a_report_that_breaks_leaves_the_old_one(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old"
    shutil.copytree(site.folder, old)

    def broken(*arguments: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("leaderboards.site.report.overview_page", broken)
    assert call(
        "report", str(site.results), "-o", str(old), f"--cache-dir={site.cache}", *TRUST
    ).status
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert len(_files(old)) == len(_files(site.folder))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "at least one run"),
        (("nowhere",), "does not exist"),
        (("{results}", "-o"), "--output needs a value"),
        (("{results}", "--quick"), "option of report '--quick' is not known"),
        (("{results}", "seed=1"), "report takes no 'seed=1'"),
        (("{results}", "--device", "abacus"), "device 'abacus'"),
        (("{results}", "device=cpu"), "'device=cpu' is written --device NAME"),
    ],
)
def test_bad_input_is_named(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = [word.format(results=site.results) for word in words]
    assert says in call("report", *filled, *TRUST).message


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_dead_neurons_calibrated_scores_and_other_neurons(site: Site, tmp_path: Path) -> None:
    """Runs of one text with other neurons, one of them dead, and with calibrated scores."""
    command = Command(tmp_path, site.folder.parent / "small", site.folder.parent / "texts")
    layer, neuron = DEAD
    (_, one), (_, two) = [key for key in site.neurons() if key[0] == 0][:2]
    run = command.finished(
        "explainer=token_lookup",
        "calibration=linear",
        f"neurons.list=[[0,{one}],[{layer},{neuron}]]",
    )
    other = command.finished("explainer=n2g", f"neurons.list=[[0,{two}]]")
    out = tmp_path / "site"
    answer = call(
        "report",
        str(command.folder / "results"),
        "-o",
        str(out),
        f"--cache-dir={tmp_path / 'cache'}",
    )
    assert answer.status == 0, answer.err
    group = out / site.group
    assert {path.stem for path in (group / "neurons").iterdir()} == {
        f"0.{one}",
        f"0.{two}",
        f"{layer}.{neuron}",
    }
    dead = "".join(Parsed(group / "neurons" / f"{layer}.{neuron}.html").text)
    assert "dead" in dead
    assert "nothing" in dead
    page = Parsed(group / "neurons" / f"0.{one}.html")
    assert f"explainers/{run.record.explainer.name}.html" in str(page.elements)
    assert f"explainers/{other.record.explainer.name}.html" not in str(page.elements)
    text = " ".join("".join(page.text).split())
    # A line with a positive slope changes no correlation, and so no interval of one.
    (slope,) = [row["calibration/slope"] for row in run.scores.rows() if row["layer"] == 0]
    assert slope > 0
    intervals = re.findall(r"token_lookup *(-?[\d.−]+) \[([\d.−]+), ([\d.−]+)\]", text)
    assert len(intervals) == 8  # four sets as predicted, and four calibrated
    # That of the first is over documents, not over contexts.
    assert intervals[1:4] == intervals[5:]
    (row,) = [row for row in run.scores.rows() if row["layer"] == 0]
    ends = row["uniform/pearson"], row["uniform/pearson_low"], row["uniform/pearson_high"]
    assert intervals[0] == tuple(f"{value:.2f}" for value in ends)
    assert f"rests on {row['uniform/effective_tokens']:.3g} effective tokens" in text
    assert f"({row['uniform/positives']})" in text  # beside the firing rate
