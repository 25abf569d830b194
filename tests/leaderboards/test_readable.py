"""The track of explanations whose text is the whole explanation, in every format and picture."""

from __future__ import annotations

import csv
import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import BenchmarkError
from leaderboards.boards import build
from leaderboards.formats import FORMATS, render
from leaderboards.page import page_of
from leaderboards.plots.characters import quality_against_characters
from leaderboards.plots.drawing import encoded
from leaderboards.plots.gallery import plots_of
from leaderboards.result_folders import Results
from tests.command import call
from tests.leaderboards.made_up import NEURONS, made_up_run, saved
from tests.leaderboards.test_formats import markdown_rows

N = len(NEURONS)


def readable_run(name, characters, lines=3, failed=(), **options):
    """A made-up run with the length of each neuron's text, the same for all or one by one."""
    each = [characters] * N if isinstance(characters, int) else list(characters)
    known = [None if neuron in failed else one for neuron, one in zip(NEURONS, each, strict=True)]
    columns = {
        "cost/characters": known,
        "cost/lines": [None if one is None else lines for one in known],
        **options.pop("columns", {}),
    }
    return made_up_run(name, columns=columns, failed=failed, **options)


def board(runs):
    return next(one for one in build(runs) if one.scoring_set == "uniform")


def readable(runs):
    return {
        track.name: [row.label for row in track.rows]
        for track in board(runs).tracks
        if track.family == "readable"
    }


def test_a_run_is_on_the_track_if_all_its_explained_neurons_have_complete_texts() -> None:
    partly = [100] * (N - 1) + [None]
    runs = [
        readable_run("whole", 100),
        readable_run("failing", 200, 0.1, failed=[(0, 1), (1, 3)]),
        readable_run("partly", partly, 0.2),
        made_up_run("old", 0.3),
        readable_run("none", [None] * N),
        readable_run("zero", 20, pearson=[0.0] * N, control=True),
    ]
    assert readable(runs)["unlimited"] == ["failing", "whole", "zero"]
    rows = {row.label: row for row in board(runs).rows}
    assert (rows["failing"].characters, rows["failing"].largest_characters) == (200, 200)
    assert [rows[name].characters for name in ("partly", "old", "none")] == [None] * 3
    assert rows["partly"].within == rows["old"].within == {}


def test_a_budget_holds_the_runs_whose_longest_text_fits() -> None:
    runs = [
        readable_run("short", 300, shift=0.0),
        readable_run("middle", [300] * (N - 1) + [301], shift=0.1),
        readable_run("long", 1200, shift=0.2),
        readable_run("longest", 1201, shift=0.3),
        readable_run("zero", 9, shift=-0.3, control=True, noise=0.0),
    ]
    assert readable(runs) == {
        "300 characters": ["short", "zero"],
        "600 characters": ["middle", "short", "zero"],
        "1,200 characters": ["long", "middle", "short", "zero"],
        "unlimited": ["longest", "long", "middle", "short", "zero"],
    }
    tracks = [track for track in board(runs).tracks if track.family == "readable"]
    assert [track.limit for track in tracks] == [300, 600, 1200, None]
    assert [(row.rank, row.above is None) for row in tracks[1].rows] == [
        (1, True),
        (2, False),
        (None, False),
    ]
    in_track, in_table = tracks[2].rows[1], board(runs).rows[2]
    assert in_track.above.mean == in_table.above.mean
    assert in_track.above.adjusted_p <= in_table.above.adjusted_p


def test_without_complete_texts_there_is_no_such_track_and_no_such_column() -> None:
    results = Results([made_up_run("a"), made_up_run("b", 0.1)], [], [])
    assert readable(results.runs) == {}
    for form in FORMATS:
        text = render(page_of(results), form)
        assert "characters" not in text.replace("characters of", ""), form
        assert "readable" not in text


def test_r_within_a_budget_counts_longer_texts_as_zero() -> None:
    characters = [250 + 100 * at for at in range(N)]
    pearson = [0.9] * (N - 1) + [None]
    run = readable_run("a", characters, pearson=pearson, documents=0.05)
    (row,) = board([run]).rows
    for budget in (300, 600, 1200):
        fits = [one <= budget for one in characters]
        score = row.within[budget]
        # The last neuron has no r at all, whatever its length.
        assert (score.n, score.n_null) == (N - 1, 1)
        assert score.mean == pytest.approx(0.9 * sum(fits) / (N - 1))
        assert score.low < score.mean < score.high
        assert score.over == "neurons and documents"
        # Other documents move only the neurons that count.
        values = run.scores.replicates("uniform/pearson").values[:-1]
        spread = np.where(np.array(fits)[:-1, None], values, 0).mean(0).std()
        assert score.high - score.low >= 3 * spread
    whole = readable_run("b", 300, pearson=pearson, documents=0.05)
    row = board([whole]).rows[0]
    assert row.within[300] == row.key


@pytest.fixture(scope="module")
def shown() -> Results:
    half = [0.5] * N
    runs = [
        readable_run(
            "rules",
            [200 + 50 * at for at in range(N)],
            columns={"novel/pearson": [0.4] * N},
            pearson=half,
            sizes=120,
        ),
        readable_run("short", 150, lines=7, pearson=[0.25] * N, sizes=90),
        made_up_run("other", 0.5),
        readable_run("mean", 30, lines=1, pearson=[0.0] * N, control=True),
    ]
    return Results(runs, [], [])


def test_markdown_has_the_track_with_every_column(shown) -> None:
    text = render(page_of(shown), "md")
    rows = markdown_rows(text, "track readable: unlimited")
    assert [(row["#"], row["explainer"]) for row in rows] == [
        ("1", "rules"),
        ("2", "short"),
        ("control", "mean"),
    ]
    assert rows[0] == {
        "#": "1",
        "explainer": "rules",
        "evidence": "exemplars",
        "r": "0.500",
        "95 % interval": "[0.500, 0.500]ⁿ",
        "over neurons": "[0.500, 0.500]",
        "≈": "",
        "novel r": "0.400",
        "r within 300": f"{0.5 * 3 / N:.3f}",
        "r within 600": f"{0.5 * 9 / N:.3f}",
        "r within 1,200": f"{0.5 * 21 / N:.3f}",
        "characters": "775",
        "lines": "3.0",
        "longest": "1,350",
        "bytes": "120",
    }
    assert rows[1]["r within 300"] == "0.250"
    assert [row["explainer"] for row in markdown_rows(text, "track readable: 300 characters")] == [
        "short",
        "mean",
    ]
    below = text.partition("track readable: unlimited")[2]
    assert "the r of a neuron whose text is longer counts as 0" in " ".join(below.split())
    general = {row["explainer"]: row for row in markdown_rows(text, "uniform")}
    assert (general["rules"]["characters"], general["short"]["lines"]) == ("775", "7.0")
    assert (general["other"]["characters"], general["other"]["lines"]) == ("-", "-")
    fronts = markdown_rows(text, "quality against size and cost")
    assert {row["explainer"]: row["characters"] for row in fronts} == {
        "other": "-",
        "rules": "775 ●",
        "short": "150 ●",
    }


def test_every_format_has_the_track_and_says_how_longer_texts_count(shown) -> None:
    for form in ("md", "html", "latex"):
        text = " ".join(render(page_of(shown), form).split())
        assert "track readable: 1,200 characters" in text, form
        assert "counts as 0" in text, form
        assert "775" in text, form


def test_csv_has_the_length_of_texts_and_r_within_it(shown) -> None:
    rows = list(csv.DictReader(io.StringIO(render(page_of(shown, parts=["tracks"]), "csv"))))
    of_track = [row for row in rows if (row["track"], row["name"]) == ("readable", "unlimited")]
    assert [row["label"] for row in of_track] == ["rules", "short", "mean"]
    rules = of_track[0]
    assert (rules["characters"], rules["largest_characters"]) == ("775.0", "1350.0")
    assert float(rules["r_within_300"]) == pytest.approx(0.5 * 3 / N)
    assert float(rules["r_within_600_low"]) < float(rules["r_within_600"])
    table = list(csv.DictReader(io.StringIO(render(page_of(shown), "csv"))))
    other = next(row for row in table if row["label"] == "other")
    assert (other["characters"], other["lines"], other["r_within_300"]) == ("", "", "")
    assert next(row for row in table if row["label"] == "short")["lines"] == "7.0"
    fronts = list(csv.DictReader(io.StringIO(render(page_of(shown, parts=["fronts"]), "csv"))))
    assert {row["label"] for row in fronts if row["front"] == "characters"} == {"rules", "short"}


def test_json_has_them_too(shown) -> None:
    data = json.loads(render(page_of(shown), "json"))["leaderboards"][0]
    rows = {row["label"]: row for row in data["rows"]}
    rules = rows["rules"]
    assert (rules["characters"], rules["largest_characters"], rules["lines"]) == (775, 1350, 3)
    assert set(rules["r_within"]) == {"300", "600", "1200"}
    assert rules["r_within"]["300"]["mean"] == pytest.approx(0.5 * 3 / N)
    assert "characters" not in rows["other"]
    names = [(track["name"], track["limit"]) for track in data["tracks"][-4:]]
    assert names == [
        ("300 characters", 300),
        ("600 characters", 600),
        ("1,200 characters", 1200),
        ("unlimited", None),
    ]


def test_show_and_the_help_name_them(shown, tmp_path: Path) -> None:
    def of_summary(run):
        costs = {
            f"cost/{name}": {"mean": value, "n": N, "n_null": 0}
            for name, value in (("characters", 775.0), ("lines", 3.0))
        }
        return {**run.record.to_dict()["summary"], **costs}

    from benchmark.results import RunRecord

    for run in shown.runs[:3:2]:
        data = run.record.to_dict()
        if run is shown.runs[0]:
            data["summary"] = of_summary(run)
        record = RunRecord.from_dict(data)
        saved(type(run)(run.folder, record, run.scores), tmp_path / "results" / record.run_id)
    answer = call("show", str(tmp_path / "results"))
    assert answer.status == 0, answer.err
    lines = [line.split() for line in answer.out.splitlines()]
    heading = next(line for line in lines if line[:1] == ["explainer"])
    assert heading[-3:] == ["bytes", "characters", "lines"]
    assert next(line for line in lines if line[:1] == ["rules"])[-2:] == ["775", "3.0"]
    assert next(line for line in lines if line[:1] == ["other"])[-2:] == ["-", "-"]
    assert "characters, lines: of the text of one explanation" in answer.out
    assert "characters" not in call("show", str(tmp_path / "results" / "id-other")).out
    assert "readable" in " ".join(call("leaderboard", "--help").out.split())
    assert "characters" in call("plot", "--help").out


# Pictures


def crowd():
    """Runs whose points lie near each other, with long names."""
    runs = [
        readable_run(
            "rules",
            size,
            shift=shift,
            run_id=f"r{size}{evidence}",
            evidence=evidence,
            options={"max_characters": size, "evidence": evidence},
        )
        for size, shift in ((300, 0.1), (600, 0.12), (1000, 0.13), (4000, 0.15))
        for evidence in ("exemplars", "exemplars+sample")
    ]
    runs += [
        readable_run(f"method_{at}", 280 + at, shift=0.1 + at / 500, seconds=at) for at in range(5)
    ]
    return [
        *runs,
        readable_run("zero", 26, pearson=[0.0] * N, control=True),
        readable_run("mean", 26, pearson=[0.0] * N, control=True),
        made_up_run("long", 0.4),
    ]


def labels_of(figure):
    (axes,) = figure.axes
    return [text for text in axes.texts if text.get_text()]


def test_every_complete_run_is_on_the_picture_and_each_curve_has_one_label() -> None:
    figure = quality_against_characters(board(crowd()))
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    names = sorted(text.get_text().split("\n")[0] for text in labels_of(figure))
    assert names == ["mean", *(f"method_{at}" for at in range(5)), *["rules"] * 2, "zero"]
    points = {tuple(line.get_xydata()[0]) for line in axes.lines if len(line.get_xdata()) == 1}
    complete = [row for row in board(crowd()).rows if row.characters is not None]
    assert {(row.characters, row.key.mean) for row in complete} <= points
    placed = {text.get_text(): text.xy for text in labels_of(figure)}
    row = next(row for row in board(crowd()).rows if row.label == "method_3")
    assert placed["method_3"] == (row.characters, row.key.mean)
    front = next(line for line in axes.lines if line.get_label() == "Pareto front")
    on_it = [row for row in board(crowd()).rows if "characters" in row.fronts]
    assert sorted(front.get_xdata()) == sorted(row.characters for row in on_it)
    assert len(on_it) > 2


def test_no_label_covers_another_one_or_leaves_the_axes() -> None:
    figure = quality_against_characters(board(crowd()))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = [text.get_window_extent() for text in labels_of(figure)]
    assert len(boxes) == 9
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    for box in boxes:
        assert axes.bbox.x0 <= box.x0 < box.x1 <= axes.bbox.x1
        assert axes.bbox.y0 <= box.y0 < box.y1 <= axes.bbox.y1


def test_the_same_runs_give_the_same_picture() -> None:
    found = board(crowd())
    first, again = (encoded(quality_against_characters(found), "svg") for _ in range(2))
    assert first == again
    assert b">exemplars+sample<" in first


def test_the_plot_is_among_the_others_where_there_is_something_to_show() -> None:
    names = [name for name, _ in plots_of([board(crowd())])]
    assert "small-texts-characters" in names
    alone = board([made_up_run("long"), readable_run("zero", 26, control=True)])
    with pytest.raises(BenchmarkError, match="no explainer has a score and complete"):
        quality_against_characters(alone)
    assert list(plots_of([alone], ["characters"])) == []


def test_texts_of_no_length_and_a_single_run_are_drawn(tmp_path: Path) -> None:
    empty = board([readable_run("empty", 0, lines=0)])
    assert encoded(quality_against_characters(empty), "png").startswith(b"\x89PNG")
    saved(readable_run("rules", 300), tmp_path / "results" / "rules")
    words = ["plot", str(tmp_path / "results"), "--plot", "characters", "-o", str(tmp_path)]
    assert call(*words).status == 0
    assert (tmp_path / "small-texts-characters.svg").is_file()
