"""Names of columns: one module knows them, and what it says of each."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from benchmark.column import DTYPES, KINDS, SUMMARIES, Column
from benchmark.results import columns
from benchmark.results.columns import describe, problem_of
from metrics import METRICS

ROOT = Path(__file__).parents[2]
HOME = ROOT / "benchmark" / "results" / "columns.py"
# A name of a column, or a part of one, in the text of a program.
GROUPS = "uniform|novel|top|top_and_random|causal|effect|calibration|cost"
WRITTEN = re.compile(rf"^({GROUPS})(_\w+)?/|/(undefined|positives|pearson)$|_calibrated$")
# What an f-string may not begin with: a group in braces, and a slash behind it.
NAMES_OF_GROUPS = {"UNIFORM", "NOVEL", "TOP", "CAUSAL", "EFFECT", "scoring_set", "of_set", "group"}


def programs():
    for package in ("benchmark", "leaderboards", "explainers"):
        yield from sorted((ROOT / package).rglob("*.py"))


def docstrings(tree):
    """The nodes of texts that are docstrings, of attributes too."""
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def names_a_column(node):
    """Whether a node of a program is the name of a column that is spelt out."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return bool(WRITTEN.search(node.value))
    if isinstance(node, ast.JoinedStr) and len(node.values) > 1:
        first, second, *_ = node.values
        if isinstance(first, ast.FormattedValue) and isinstance(second, ast.Constant):
            named = ast.unparse(first.value).rpartition(".")[2]
            return named in NAMES_OF_GROUPS and str(second.value).startswith("/")
    return False


def test_no_other_module_spells_the_name_of_a_column():
    found = []
    for path in programs():
        if path == HOME:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        left_out = docstrings(tree)
        found += [
            f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
            for node in ast.walk(tree)
            if node not in left_out and names_a_column(node)
        ]
    assert found == []


OF_A_FULL_RUN = [
    *(f"{one}/{name}" for one in columns.SCORING_SETS for name in (*METRICS, "undefined")),
    *(f"{one}_calibrated/{name}" for one in columns.SCORING_SETS for name in METRICS),
    *(f"{one}/positives" for one in columns.SCORING_SETS),
    *columns.causal_columns(),
    *(columns.effect_column(*name.partition("/")[2].split("_")) for name in ["causal/firing_zero"]),
    *("uniform/effective_tokens", "uniform/pearson_low", "uniform/pearson_high"),
    *(columns.SLOPE, columns.INTERCEPT, columns.CLIPPED),
    *map(columns.cost_column, columns.COSTS),
]


@pytest.mark.parametrize("name", OF_A_FULL_RUN)
def test_the_benchmarks_own_columns_are_known_by_their_names(name):
    found = describe(name)
    assert (found.name, found.scorer in columns.OWN_SCORERS) == (name, True)
    assert found.description
    assert found.kind in KINDS
    assert found.dtype in DTYPES
    assert found.summary in SUMMARIES


def test_only_sound_metrics_on_text_that_nobody_chose_rank():
    ranking = {name for name in OF_A_FULL_RUN if describe(name).ranks}
    sound = [name for name, metric in METRICS.items() if metric.sound]
    assert ranking == {f"{one}/{name}" for one in ("uniform", "uniform_small") for name in sound}


def test_what_must_agree_for_a_comparison():
    firing = set(columns.FIRING_KEYS)
    assert describe("uniform/pearson").comparable_on == []
    small = ["contexts.small", "contexts.small_tokens"]
    assert describe("uniform_small/pearson").comparable_on == small
    assert describe("uniform_small/positives").comparable_on == [*small, *columns.FIRING_KEYS]
    assert set(describe("uniform/f1").comparable_on) == firing
    assert set(describe("top_calibrated/f1").comparable_on) == firing | {
        "calibration",
        "contexts.calibrate",
    }
    assert describe("causal/uniform_mean").comparable_on == ["metrics.causal.contexts"]
    assert firing < set(describe("causal/firing_mean").comparable_on)


def test_a_declaration_goes_before_nothing_that_is_the_benchmarks_own():
    liar = Column(name="uniform/precision", ranks=True, scorer="liar")
    assert not describe("uniform/precision", {liar.name: liar}).ranks
    honest = Column(name="detection/f1", ranks=True, scorer="detection")
    assert describe("detection/f1", {honest.name: honest}) == honest


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "overlap"}, "must be named <group>/<what>"),
        ({"name": "toy/a b"}, "must be named <group>/<what>"),
        ({"name": "uniform/overlap"}, "'uniform' is a group of the benchmark's own"),
        ({"name": "top_calibrated/overlap"}, "is a group of the benchmark's own"),
        ({"name": "cost/usd"}, "is a group of the benchmark's own"),
        ({"kind": "cost"}, "kind is 'cost'; it can be 'score', 'measure', 'bound'"),
        ({"dtype": "text"}, "dtype is 'text'"),
        ({"summary": "median"}, "summary is 'median'"),
        ({"ranks": True, "higher_is_better": None}, "may rank only as a score"),
        ({"ranks": True, "kind": "measure"}, "may rank only as a score"),
        ({"dtype": "bool"}, "is summarised by 'count'"),
        ({"form": "{}"}, "formats no number"),
        ({"form": "1000000000d"}, "formats no number"),
    ],
)
def test_what_a_scorer_may_not_declare(changes, reason):
    column = Column(**{"name": "toy/overlap", **changes})
    assert reason in problem_of(column)


def test_what_a_scorer_may_declare():
    assert problem_of(Column(name="toy/overlap", ranks=True, form=",.1f")) == ""
    assert problem_of(Column(name="toy/n", kind="measure", dtype="int", form=",d")) == ""
    assert "a str where a" in problem_of("toy/overlap")
