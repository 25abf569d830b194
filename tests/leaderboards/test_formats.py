"""The same rows in every format, and names that would mean something in one of them."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest

from benchmark.corpus.overlap import copied_record
from benchmark.errors import BenchmarkError
from benchmark.results import CorpusRecord
from leaderboards.formats import FORMATS, render
from leaderboards.page import page_of
from leaderboards.result_folders import Results, Unread
from tests.leaderboards.made_up import NEURONS, made_up_run

NASTY = r"<script>alert('1')</script>|a_b*c`d\e$f%g&h#i{j}[k](l)~^"
COPIED = CorpusRecord(
    name="texts",
    fingerprint="c1",
    context_length=16,
    counts={"copied": copied_record(100_000, 834)},
)
SENTENCE = "0.83 % of the 100,000 windows of 32 tokens"
HALF = [0.5] * len(NEURONS)


def results(*runs, unread=()):
    return Results(list(runs), list(unread), [])


@pytest.fixture(scope="module")
def shown():
    """A table with everything that a table can have."""
    causal = {
        "causal/uniform_mean": HALF,
        "effect/uniform_mean": list(range(1, len(NEURONS) + 1)),
        "causal/firing_zero": [0.25] * len(NEURONS),
        "novel/pearson": HALF,
        "uniform/positives": range(1, len(NEURONS) + 1),
    }
    options = {"corpus": COPIED}
    costs = {"sizes": 2000, "tokens": 1234.4}
    return results(
        made_up_run("best", pearson=HALF, columns=causal, **costs, documents=0.1, **options),
        made_up_run("next", pearson=HALF, sizes=10, evidence="exemplars+sample", **options),
        made_up_run(
            "oracle", 0.6, control=True, failed=[(0, 1)], noise=0.0, documents=0.0, **options
        ),
        made_up_run("few", neurons=NEURONS[:4]),
    )


def markdown_rows(text: str, title: str) -> list[dict[str, str]]:
    """The table under a heading."""
    lines = text.splitlines()
    (start,) = (place for place, line in enumerate(lines) if line.lstrip("#").strip() == title)
    found = []
    for line in lines[start + 1 :]:
        if line.startswith("|"):
            found.append(line)
        elif found or line.startswith("#"):
            break
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in found]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def test_markdown_has_the_rows_in_order_with_every_column(shown) -> None:
    text = render(page_of(shown), "md")
    rows = markdown_rows(text, "uniform")
    assert [(row["#"], row["explainer"], row["≈"]) for row in rows] == [
        ("control", "oracle", ""),
        ("1", "best", ""),
        ("2", "next", "≈"),
    ]
    best = rows[1]
    assert best == {
        "#": "1",
        "explainer": "best",
        "evidence": "exemplars",
        "r": "0.500",
        "95 % interval": best["95 % interval"],
        "over neurons": "[0.500, 0.500]",
        "≈": "",
        "novel r": "0.500",
        "AUPRC": "0.500",
        "F1": "0.500",
        "IoU": "0.500",
        "top F1": "0.500",
        "causal": "0.500",
        "positives": "12.5",
        "null": "1",
        "undef.": "0",
        "coverage": "100%",
        "tokens/n.": "1,234",
        "s/n.": "0.5000",
        "bytes": "2,000",
    }
    low, high = map(float, best["95 % interval"].strip("[]").split(","))
    assert low < 0.4 < 0.6 < high
    assert rows[2]["95 % interval"] == "[0.500, 0.500]ⁿ"
    assert "ⁿ over neurons alone" in text
    # Runs of earlier versions have neither.
    assert [rows[2][name] for name in ("causal", "novel r", "positives")] == ["-", "-", "-"]
    assert (rows[0]["coverage"], rows[0]["undef."]) == ("96%", "1")
    (apart,) = markdown_rows(text, "not comparable")
    assert apart["explainer"] == "few"
    assert "it is of other neurons" in apart["reason"]
    layers = markdown_rows(text, "by layer")
    assert list(layers[0]) == ["#", "explainer", "layer 0", "layer 1"]
    fronts = {
        row["explainer"]: row["bytes"]
        for row in markdown_rows(text, "quality against size and cost")
    }
    assert fronts == {"best": "2,000", "next": "10 ●"}
    assert [row["explainer"] for row in markdown_rows(text, "track size: 1 KB")] == [
        "oracle",
        "next",
    ]


def test_every_format_tells_what_holds_over_documents_and_what_over_neurons() -> None:
    """A lead of .1 that other documents move by .3 holds over neurons of these documents only."""
    board = results(made_up_run("best", 0.1, documents=0.3), made_up_run("next", documents=0.0))
    page = page_of(board)
    rows = markdown_rows(render(page, "md"), "uniform")
    assert [row["≈"] for row in rows] == ["", "°"]
    for form in FORMATS:
        text = render(page, form)
        assert "°" in text or r"$^\circ$" in text, form
    _, row = [
        row
        for row in csv.DictReader(io.StringIO(render(page, "csv")))
        if row["scoring_set"] == "uniform"
    ]
    assert (row["mark"], row["tied"], row["interval_over"]) == (
        "°",
        "false",
        "neurons and documents",
    )
    assert float(row["neuron_holm_p_above"]) < 0.05 < float(row["holm_p_above"])
    assert float(row["low_above"]) < 0 < float(row["high_above"])
    first = next(csv.DictReader(io.StringIO(render(page, "csv"))))
    assert float(first["low"]) < float(first["neuron_low"])
    assert float(first["neuron_high"]) < float(first["high"])
    above = json.loads(render(page, "json"))["leaderboards"][0]["rows"][1]["above"]
    assert above["over"] == "neurons and documents"
    assert above["significant"] is False
    assert above["neuron_low"] > 0 > above["low"]


def test_an_unsound_metric_is_shown_with_a_mark(shown) -> None:
    text = render(page_of(shown, metrics=["recall", "pearson"]), "md")
    row = markdown_rows(text, "uniform")[0]
    assert "recall †" in row
    assert "recall" not in row
    assert "† fails the sanity tests" in text
    assert "†" not in render(page_of(shown), "md").replace("≈", "")


def test_another_ranking_metric_is_named(shown) -> None:
    rows = markdown_rows(render(page_of(shown, rank_by="auprc"), "md"), "uniform")
    assert "uniform/auprc" in rows[0]
    assert "r" not in rows[0]


def test_csv_has_a_row_a_run_and_scoring_set_with_types_that_read_back(shown) -> None:
    rows = list(csv.DictReader(io.StringIO(render(page_of(shown), "csv"))))
    assert [(row["scoring_set"], row["rank"], row["label"]) for row in rows] == [
        ("uniform", "", "oracle"),
        ("uniform", "1", "best"),
        ("uniform", "2", "next"),
        ("uniform", "", "few"),
        ("novel", "", "oracle"),
        ("novel", "1", "best"),
        ("novel", "2", "next"),
        ("novel", "", "few"),
        ("top", "", "oracle"),
        ("top", "1", "best"),
        ("top", "2", "next"),
        ("top", "", "few"),
    ]
    best, few = rows[1], rows[3]
    assert float(best["uniform/pearson"]) == 0.5
    assert (best["tied"], rows[2]["tied"], rows[2]["p_above"]) == ("false", "true", "1.0")
    assert (best["causal/uniform_mean"], best["causal/firing_zero"]) == ("0.5", "0.25")
    assert rows[2]["causal/uniform_mean"] == ""
    assert (best["novel_pearson"], best["positives"]) == ("0.5", "12.5")
    assert (rows[2]["novel_pearson"], rows[2]["positives"]) == ("", "")
    assert rows[2]["fronts"] == "bytes explain_seconds subject_tokens"
    assert "other neurons" in few["apart"]
    assert few["uniform/pearson"] == ""
    assert best["apart"] == ""


@pytest.mark.parametrize("part", ["layers", "tracks", "subjects", "fronts"])
def test_the_other_tables_have_csv_of_their_own(shown, part) -> None:
    rows = list(csv.DictReader(io.StringIO(render(page_of(shown, parts=[part]), "csv"))))
    assert {"best", "next"} <= {row["label"] for row in rows}
    assert all(None not in row.values() for row in rows)


def test_one_csv_file_holds_one_table(shown) -> None:
    with pytest.raises(BenchmarkError, match="one CSV file holds one table, not layers and tracks"):
        render(page_of(shown, parts=["layers", "tracks"]), "csv")


def test_json_has_everything_and_the_numbers_of_the_model(shown) -> None:
    page = page_of(shown)
    data = json.loads(render(page, "json"))
    board, row = data["leaderboards"][0], data["leaderboards"][0]["rows"][1]
    assert (board["subject"], board["scoring_set"]) == ("small", "uniform")
    assert row["label"] == "best"
    assert row["scores"]["causal/firing_zero"]["mean"] == 0.25
    assert row["scores"]["uniform/f1"]["n_null"] == 1
    assert set(row["scores"]) >= {"uniform/pearson", "novel/pearson", "top/f1"}
    assert (row["positives"], board["rows"][2]["positives"]) == (12.5, None)
    assert "top/pearson" not in row["scores"]
    assert row["layers"]["0"]["neurons"] == 12
    assert board["apart"][0]["label"] == "few"
    assert [track["name"] for track in board["tracks"]][:3] == [
        "exemplars",
        "exemplars+sample",
        "1 KB",
    ]
    assert data["across_subjects"]["rows"][1]["mean"] == 0.5
    exact = page.boards[0].rows[0].key.mean
    assert board["rows"][0]["key"]["mean"] == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("format_", ["md", "html", "latex"])
def test_copied_text_is_stated_with_each_table_of_scores(shown, format_) -> None:
    text = " ".join(render(page_of(shown), format_).split())
    assert text.count(SENTENCE if format_ != "latex" else SENTENCE.replace("%", r"\%")) == 3
    assert SENTENCE.replace("%", r"\%") not in render(page_of(results(made_up_run("old"))), format_)


def test_copied_text_is_a_number_for_machines(shown) -> None:
    rows = csv.DictReader(io.StringIO(render(page_of(shown), "csv")))
    assert [row["copied_share"] for row in rows][:3] == ["0.00834"] * 3
    board = json.loads(render(page_of(shown), "json"))["leaderboards"][0]
    assert board["copied"] == copied_record(100_000, 834)


class Cells(HTMLParser):
    """The tags and texts of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.texts.append(data)


def test_html_shows_names_and_never_runs_them() -> None:
    text = render(page_of(results(made_up_run(NASTY), made_up_run("b"))), "html")
    parsed = Cells()
    parsed.feed(text)
    assert parsed.open == []
    assert "script" not in parsed.tags
    assert NASTY in parsed.texts
    assert "http" not in text


def test_latex_escapes_what_it_would_read_and_closes_what_it_opens() -> None:
    text = render(page_of(results(made_up_run(NASTY), made_up_run("b"))), "latex")
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") > 3
    body = [line for line in text.splitlines() if not line.startswith("%")]
    rows = [line for line in body if line.endswith(r" \\")]
    columns = re.search(r"begin\{tabular\}\{(l+)(r+)\}", text)
    assert rows[0].count(" & ") == len(columns[1] + columns[2]) - 1
    assert r"a\_b" in text
    assert r"\$f\%g\&h\#i\{j\}" in text
    bare = re.sub(r"\\[\\{}$&%#_]", "", "\n".join(body))
    assert "#" not in bare
    assert bare.count("{") == bare.count("}")
    assert not any(line.startswith("[") for line in body)


def test_markdown_escapes_what_it_would_read() -> None:
    text = render(page_of(results(made_up_run(NASTY), made_up_run("b"))), "md")
    (row,) = [row for row in markdown_rows(text, "uniform") if row["explainer"] != "b"]
    assert row["explainer"] == r"\<script>alert('1')\</script>\|a_b\*c\`d\\e$f%g&h#i{j}[k]\(l)~^"


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_at_all_is_a_page_too(form) -> None:
    assert render(page_of(results()), form).endswith("\n")


def test_what_could_not_be_read_is_named(tmp_path) -> None:
    unread = [Unread(tmp_path / "broken", "it is damaged")]
    page = page_of(results(made_up_run("a"), unread=unread))
    assert markdown_rows(render(page, "md"), "not read") == [
        {"run": "broken", "reason": "it is damaged"}
    ]
    assert json.loads(render(page, "json"))["unread"][0]["reason"] == "it is damaged"


def test_numbers_have_six_digits_and_no_minus_before_a_zero() -> None:
    from leaderboards.formats.numbers import rounded

    assert [rounded(value) for value in (1 / 3, -0.0, 1234567.8, 7, None)] == [
        0.333333,
        0.0,
        1234570.0,
        7,
        None,
    ]
    assert str(rounded(-1e-300 * 0)) == "0.0"
