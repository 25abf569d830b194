"""Rows of a table: which stand in it, in which order, and marks of neighbours."""

from __future__ import annotations

import dataclasses
import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metrics
from benchmark.errors import BenchmarkError
from benchmark.results import CorpusRecord, SubjectRecord
from leaderboards import average_over_subjects, build
from leaderboards.boards import pareto_front
from tests.leaderboards.made_up import NEURONS, made_up_run, quality

CONTROLS = {"control": True, "noise": 0.0}


def board(runs, scoring_set="uniform", group=1, **options):
    (found,) = [
        one
        for one in build(runs, **options)
        if one.scoring_set == scoring_set and one.group == group
    ]
    return found


def test_there_is_one_table_for_each_subject_corpus_and_scoring_set() -> None:
    other = CorpusRecord(name="code", fingerprint="c2")
    runs = [made_up_run("a"), made_up_run("b", 0.1), made_up_run("a", corpus=other, run_id="x")]
    found = [(one.subject, one.corpus, one.scoring_set) for one in build(runs)]
    assert found == [
        ("small", "code", "uniform"),
        ("small", "code", "top"),
        ("small", "texts", "uniform"),
        ("small", "texts", "top"),
    ]


def test_rows_are_ranked_by_uniform_pearson_whatever_the_scoring_set() -> None:
    flattering = {"top/pearson": [0.99] * len(NEURONS), "top/f1": [0.99] * len(NEURONS)}
    runs = [made_up_run("worst", columns=flattering), made_up_run("best", 0.2)]
    runs.append(made_up_run("middle", 0.1))
    for scoring_set in ("uniform", "top"):
        found = board(runs, scoring_set)
        assert [(row.rank, row.label) for row in found.rows] == [
            (1, "best"),
            (2, "middle"),
            (3, "worst"),
        ]
        assert found.ranked_by == "uniform/pearson"
    assert found.rows[2].score("top/f1").mean == pytest.approx(0.99)


def test_a_row_has_the_means_interval_counts_and_costs_of_its_run() -> None:
    n = len(NEURONS)
    run = made_up_run(
        "a",
        sizes=[10] * (n - 1) + [10 + 24 * n],
        tokens=7.0,
        seconds=0.125,
        failed=[(0, 2), (1, 1)],
        columns={
            "causal/uniform_mean": [0.5] * (n - 2) + [1.0, None],
            "effect/uniform_mean": [1.0] * (n - 2) + [2.0, 5.0],
        },
    )
    (row,) = board([run]).rows
    assert row.key.mean == pytest.approx(run.scores.column("uniform/pearson").mean())
    expected = metrics.mean_over_neurons(run.scores.column("uniform/pearson"))
    assert (row.key.low, row.key.high) == (expected.low, expected.high)
    assert (row.asked, row.explained, row.coverage) == (n, n - 2, (n - 2) / n)
    assert row.undefined == {"uniform": 2, "top": 0}
    assert (row.subject_tokens, row.explain_seconds, row.simulate_seconds) == (7.0, 0.125, 0.25)
    assert (row.bytes, row.largest_bytes) == (10 + 24, 10 + 24 * n)
    assert (row.score("uniform/f1").n, row.score("uniform/f1").n_null) == (n - 1, 1)
    assert row.score("causal/uniform_mean").mean == (0.5 * (n - 2) + 1) / (n - 1)
    assert row.score("causal/uniform_mean_weighted").mean == pytest.approx((0.5 * (n - 2) + 2) / n)
    assert row.score("causal/uniform_mean").n_null == 1
    assert row.score("causal/firing_zero") is None
    assert sorted(row.layers) == [0, 1]
    first_layer = run.scores.column("uniform/pearson")[: n // 2]
    assert row.layers[0]["uniform/pearson"] == pytest.approx(first_layer.mean())
    assert (row.layers[0]["failed"], row.layers[1]["failed"]) == (1, 1)
    assert row.above is None
    assert not row.tied()


def test_causal_scores_by_other_settings_than_most_are_left_out() -> None:
    def run(name: str, contexts: int, shift: float):
        config = {"metrics": {"causal": {"contexts": contexts}}}
        columns = {"causal/uniform_mean": [0.5] * len(NEURONS)}
        return made_up_run(name, shift, config=config, columns=columns)

    runs = [run("a", 16, 0.3), run("b", 4, 0.2), run("c", 16, 0.1), made_up_run("d")]
    rows = board(runs).rows
    assert [row.label for row in rows] == ["a", "b", "c", "d"]
    assert ["causal/uniform_mean" in row.scores for row in rows] == [True, False, True, False]


def test_a_summary_that_lies_moves_no_row() -> None:
    """The tables are made of the scores, not of what run.json says about them."""
    run = made_up_run("liar")
    summary = {
        name: dataclasses.replace(entry, mean=0.999) for name, entry in run.record.summary.items()
    }
    lying = dataclasses.replace(run, record=dataclasses.replace(run.record, summary=summary))
    assert board([lying]).rows[0].key == board([run]).rows[0].key


def test_a_run_with_another_confidence_lends_no_interval() -> None:
    bootstrap = {"bootstrap": {"resamples": 100, "confidence": 0.5}}
    (row,) = board([made_up_run("a", config=bootstrap)]).rows
    assert row.score("uniform/f1").low is None
    assert row.key.low is not None


def test_a_difference_is_that_to_the_row_above_corrected_over_the_table() -> None:
    runs = [
        made_up_run("a", 0.2),
        made_up_run("b", 0.1),
        made_up_run("c", 0.1005, noise=0.05),
        made_up_run("d", 0.0),
    ]
    rows = board(runs).rows
    pairs = [
        metrics.paired_difference(
            above.run.scores.column("uniform/pearson"), row.run.scores.column("uniform/pearson")
        )
        for above, row in itertools.pairwise(rows)
    ]
    adjusted = metrics.holm([pair.p for pair in pairs])
    assert [row.above.mean for row in rows[1:]] == [pair.mean for pair in pairs]
    assert [row.above.p for row in rows[1:]] == [pair.p for pair in pairs]
    assert [row.above.adjusted_p for row in rows[1:]] == adjusted
    assert any(one.adjusted_p > one.p for one in (row.above for row in rows[1:]))
    assert [row.tied() for row in rows] == [False, False, True, False]


def test_a_difference_must_hold_over_documents_as_well() -> None:
    """Marks: none over both, one over neurons of these documents only, one for neither."""
    rows = board(
        [
            made_up_run("a", 0.3, documents=0.01),
            made_up_run("b", 0.2, documents=0.01),
            made_up_run("c", 0.1, documents=0.3),
            made_up_run("d", 0.1, noise=0.01, documents=0.3),
        ]
    ).rows
    assert [row.label for row in rows[:2]] == ["a", "b"]
    assert [row.mark() for row in rows] == ["", "", "°", "≈"]
    assert [row.tied() for row in rows] == [False, False, False, True]
    for above, row in itertools.pairwise(rows):
        column = "uniform/pearson"
        expected = metrics.paired_difference(
            above.run.scores.column(column),
            row.run.scores.column(column),
            replicates=(above.run.scores.replicates(column), row.run.scores.replicates(column)),
        )
        difference = row.above
        assert (difference.low, difference.high) == (expected.both_low, expected.both_high)
        assert (difference.neuron_low, difference.neuron_high) == (expected.low, expected.high)
        assert (difference.p, difference.neuron_p) == (expected.both_p, expected.p)
        assert difference.over == "neurons and documents"


@pytest.mark.parametrize("other", [{}, {"documents": 0.0, "draw": "another"}])
def test_runs_without_common_documents_are_tested_over_neurons_and_say_so(other: dict) -> None:
    """A difference of which nothing is known over documents never gets the full mark."""
    rows = board([made_up_run("a", 0.2, documents=0.0), made_up_run("b", 0.0, **other)]).rows
    difference = rows[1].above
    assert (difference.over, rows[1].mark()) == ("neurons", "°")
    assert (difference.low, difference.p) == (difference.neuron_low, difference.neuron_p)
    assert rows[0].key.over == "neurons and documents"
    assert rows[1].key.over == ("neurons and documents" if other else "neurons")


def test_the_interval_of_a_row_is_over_neurons_and_documents_and_the_old_one_stays() -> None:
    run = made_up_run("a", documents=0.2)
    (row,) = board([run]).rows
    values, replicates = (
        run.scores.column("uniform/pearson"),
        run.scores.replicates("uniform/pearson"),
    )
    both = metrics.mean_over_neurons_and_documents(values, replicates)
    alone = metrics.mean_over_neurons(values)
    assert (row.key.low, row.key.high) == (both.low, both.high)
    assert row.key.over_neurons() == (alone.low, alone.high)
    assert row.key.high - row.key.low > 3 * (alone.high - alone.low)


def test_holms_correction_can_undo_a_significance() -> None:
    """A pair that alone would be significant and is not among the others of the table."""
    n = 8
    neurons = NEURONS[:n]
    base = np.linspace(0.3, 0.6, n)
    # Eight neurons, all signs alike: p = 2/256 = 0.0078. Seven of them alike: p about 0.02.
    steps = np.full(n, 0.01)
    one_off = steps.copy()
    one_off[0] = -0.008
    runs = [made_up_run("e0", pearson=base, neurons=neurons)]
    for number in range(1, 8):
        base = base - one_off
        runs.append(made_up_run(f"e{number}", pearson=base, neurons=neurons))
    rows = board(runs).rows
    assert [row.label for row in rows] == [f"e{number}" for number in range(8)]
    assert all(row.above.p < 0.05 < row.above.adjusted_p for row in rows[1:])
    assert all(row.tied() for row in rows[1:])


def test_equal_rows_are_tied_and_stand_in_the_order_of_their_names() -> None:
    same = list(quality(0.0))
    runs = [made_up_run(name, pearson=same) for name in ("b", "a", "c")]
    rows = board(runs).rows
    assert [row.label for row in rows] == ["a", "b", "c"]
    assert [row.tied() for row in rows] == [False, True, True]


def test_controls_stand_in_the_table_without_a_rank() -> None:
    runs = [
        made_up_run("oracle", 0.5, **CONTROLS),
        made_up_run("n2g", 0.2),
        made_up_run("zero", -0.2, **CONTROLS),
        made_up_run("lookup", 0.1),
    ]
    rows = board(runs).rows
    assert [(row.rank, row.label) for row in rows] == [
        (None, "oracle"),
        (1, "n2g"),
        (2, "lookup"),
        (None, "zero"),
    ]


def test_the_order_of_the_runs_changes_nothing() -> None:
    runs = [made_up_run(name, shift) for name, shift in (("a", 0.1), ("b", 0.0), ("c", 0.1))]
    runs += [made_up_run("d", neurons=NEURONS[:5]), made_up_run("e", options={"x": 1})]
    runs += [made_up_run("e", options={"x": 2}, run_id="e2")]
    expected = build(runs)
    for seed in range(5):
        shuffled = random.Random(seed).sample(runs, len(runs))
        assert build(shuffled) == expected


def test_runs_of_one_explainer_are_told_apart_by_their_options() -> None:
    runs = [
        made_up_run("n2g", 0.2, run_id="1", options={"top": 3, "deep": {"x": 1}, "same": True}),
        made_up_run("n2g", 0.1, run_id="2", options={"top": 5, "deep": {"x": 1}, "same": True}),
        made_up_run("n2g", 0.0, run_id="3", options={"top": 5, "deep": {"x": 2}, "same": True}),
        made_up_run("n2g", -0.1, run_id="4", options={"top": 5, "same": True}),
        made_up_run("zero", -0.2),
    ]
    assert [row.label for row in board(runs).rows] == [
        "n2g (deep.x=1, top=3)",
        "n2g (deep.x=1, top=5)",
        "n2g (deep.x=2, top=5)",
        "n2g (deep.x=unset, top=5)",
        "zero",
    ]


def test_runs_of_equal_options_are_told_apart_by_their_id() -> None:
    runs = [made_up_run("n2g", 0.1, run_id="one"), made_up_run("n2g", run_id="two")]
    assert [row.label for row in board(runs).rows] == ["n2g (one)", "n2g (two)"]
    runs = [made_up_run("n2g", 0.1, target="a.First"), made_up_run("n2g", target="b.Other")]
    assert [row.label for row in board(runs).rows] == ["n2g (First)", "n2g (Other)"]


APART = [
    ({"neurons": NEURONS[:6]}, "it is of other neurons, 6 of which 6 are in both; it lacks 0.6"),
    ({"corpus": CorpusRecord(name="texts", fingerprint="c2")}, "it is of another corpus, 'texts'"),
    ({"subject": SubjectRecord(name="small", fingerprint="s2")}, "it is of another subject"),
    ({"schema_version": 0}, "its record has schema version 0 instead of 1"),
    ({"config": {"firing_threshold": 0.2}}, "firing_threshold is 0.2 instead of 0.5"),
    (
        {"config": {"firing_reference": "median_exemplar"}},
        "firing_reference is median_exemplar instead of maximum",
    ),
    ({"config": {"context_length": 8}}, "context_length is 8 instead of 16"),
    ({"without": ["uniform/pearson"]}, "it has no scores 'uniform/pearson'"),
]


@pytest.mark.parametrize(("changes", "reason"), APART)
def test_a_run_that_cannot_be_compared_is_kept_apart_and_named(changes, reason) -> None:
    odd = made_up_run("odd", 0.9, **changes)
    found = board([odd, made_up_run("a"), made_up_run("b", 0.1)])
    assert [row.label for row in found.rows] == ["b", "a"]
    assert [(one.label, one.run_id) for one in found.excluded] == [("odd", "id-odd")]
    assert found.excluded[0].reason.startswith(reason)
    assert found.n_neurons == len(NEURONS)


def test_a_second_group_has_boards_of_its_own_and_is_named_in_the_first() -> None:
    few = {"neurons": NEURONS[:6]}
    runs = [made_up_run(name) for name in ("a", "b", "c")]
    runs += [made_up_run("a", 0.3, run_id="a6", **few), made_up_run("b", 0.2, run_id="b6", **few)]
    first, second = board(runs), board(runs, group=2)
    assert len(first.rows) == 3
    assert [one.run_id for one in first.excluded] == ["a6", "b6"]
    assert [row.run_id for row in second.rows] == ["a6", "b6"]
    assert (second.n_neurons, second.excluded) == (6, [])
    assert second.differs.startswith("it is of other neurons")
    assert first.differs == ""


def test_runs_that_nothing_can_be_ranked_by_are_named() -> None:
    (found,) = build([made_up_run("a", without=["uniform/pearson"])])
    assert found.rows == []
    assert "no scores 'uniform/pearson'" in found.excluded[0].reason


def test_an_unsound_metric_or_chosen_text_ranks_nothing() -> None:
    runs = [made_up_run("a"), made_up_run("b", 0.1)]
    assert board(runs, rank_by="auprc").ranked_by == "uniform/auprc"
    with pytest.raises(BenchmarkError, match="'recall' cannot be a ranking key"):
        build(runs, rank_by="recall")
    with pytest.raises(BenchmarkError, match="'top/f1' cannot be a ranking key"):
        build(runs, rank_by="top/f1")
    with pytest.raises(BenchmarkError, match="'r' is not known"):
        build(runs, rank_by="r")


def test_each_kind_of_evidence_has_a_track_and_one_of_a_later_version_too() -> None:
    kinds = ("exemplars+dreams", "exemplars+text", "exemplars", "exemplars+sample+text", "")
    runs = [
        made_up_run(f"method{at}", 0.1 * at, evidence=evidence) for at, evidence in enumerate(kinds)
    ]
    tracks = [track for track in board(runs).tracks if track.family == "evidence"]
    assert [(track.name, [row.label for row in track.rows]) for track in tracks] == [
        ("exemplars", ["method2"]),
        ("exemplars+text", ["method1"]),
        ("exemplars+sample+text", ["method3"]),
        ("exemplars+dreams", ["method0"]),
    ]


def test_tracks_hold_the_rows_of_one_evidence_or_within_one_size() -> None:
    runs = [
        made_up_run("tiny", 0.0, sizes=1024),
        made_up_run("small", 0.1, sizes=[1024] * (len(NEURONS) - 1) + [1025]),
        made_up_run("large", 0.2, sizes=65_536, evidence="exemplars+sample"),
        made_up_run("huge", 0.3, sizes=65_537, evidence="exemplars+sample"),
        made_up_run("zero", -0.2, sizes=9, **CONTROLS),
    ]
    found = {track.name: track for track in board(runs).tracks}
    assert {name: [row.label for row in track.rows] for name, track in found.items()} == {
        "exemplars": ["small", "tiny", "zero"],
        "exemplars+sample": ["huge", "large"],
        "1 KB": ["tiny", "zero"],
        "4 KB": ["small", "tiny", "zero"],
        "16 KB": ["small", "tiny", "zero"],
        "64 KB": ["large", "small", "tiny", "zero"],
        "unlimited": ["huge", "large", "small", "tiny", "zero"],
    }
    assert [(row.rank, row.above is None) for row in found["64 KB"].rows] == [
        (1, True),
        (2, False),
        (3, False),
        (None, False),
    ]
    assert [track.name for track in board(runs).tracks][:2] == ["exemplars", "exemplars+sample"]
    in_track, in_table = found["exemplars"].rows[2], board(runs).rows[4]
    assert in_track.above.mean == in_table.above.mean
    assert in_track.above.adjusted_p <= in_table.above.adjusted_p
    assert found["64 KB"].limit == 65_536
    assert found["unlimited"].limit is None


def test_the_fronts_leave_controls_out() -> None:
    runs = [
        made_up_run("oracle", 0.5, sizes=1, tokens=0, seconds=0, **CONTROLS),
        made_up_run("good", 0.2, sizes=1000, tokens=50, seconds=0.1),
        made_up_run("cheap", 0.1, sizes=10, tokens=50, seconds=0.2),
        made_up_run("beaten", 0.0, sizes=20, tokens=0, seconds=0.3),
    ]
    fronts = {row.label: row.fronts for row in board(runs).rows}
    assert fronts == {
        "oracle": frozenset(),
        "good": {"bytes", "subject_tokens", "explain_seconds"},
        "cheap": {"bytes"},
        "beaten": {"subject_tokens"},
    }


POINTS = st.lists(
    st.tuples(st.none() | st.integers(0, 4), st.none() | st.integers(0, 4)), max_size=12
)


@given(POINTS)
def test_the_front_is_what_trying_every_pair_gives(points) -> None:
    def beaten(place: int) -> bool:
        quality, cost = points[place]
        return any(
            other is not None
            and price is not None
            and other >= quality
            and price <= cost
            and (other > quality or price < cost)
            for other, price in points
        )

    expected = [None not in point and not beaten(place) for place, point in enumerate(points)]
    assert pareto_front(*([point[i] for point in points] for i in (0, 1))) == expected


def test_a_mean_across_subjects_is_empty_when_a_part_is_missing() -> None:
    two = {"subject": SubjectRecord(name="second", fingerprint="s2")}
    runs = [
        made_up_run("both", pearson=[0.5] * len(NEURONS)),
        made_up_run("both", pearson=[0.25] * len(NEURONS), run_id="x", **two),
        made_up_run("one", pearson=[0.9] * len(NEURONS)),
        made_up_run("zero", pearson=[0.0] * len(NEURONS), control=True),
        made_up_run("zero", pearson=[0.0] * len(NEURONS), control=True, run_id="z", **two),
        made_up_run("empty", pearson=[None] * len(NEURONS)),
        made_up_run("empty", pearson=[0.5] * len(NEURONS), run_id="e", **two),
    ]
    for run in runs[-2:]:
        run.record.explainer.options["same"] = 1
    found = average_over_subjects(build(runs))
    assert found.cells == [("second", "texts"), ("small", "texts")]
    assert [(row.rank, row.label, row.parts, row.mean) for row in found.rows] == [
        (1, "both", [0.25, 0.5], 0.375),
        (None, "zero", [0.0, 0.0], 0.0),
        (None, "empty", [0.5, None], None),
        (None, "one", [None, 0.9], None),
    ]


def test_options_make_another_row_across_subjects() -> None:
    two = {"subject": SubjectRecord(name="second", fingerprint="s2"), "run_id": "x"}
    runs = [made_up_run("a", options={"x": 1}), made_up_run("a", options={"x": 2}, **two)]
    found = average_over_subjects(build(runs))
    assert [(row.label, row.mean) for row in found.rows] == [("a (x=1)", None), ("a (x=2)", None)]


def test_nothing_gives_nothing() -> None:
    assert build([]) == []
    assert average_over_subjects([]).rows == []
