"""Every item can be measured. How fast anything is, no test asserts."""

from __future__ import annotations

import math
import re

import pytest
import torch

from tests.perf.__main__ import main
from tests.perf.comparison import GIGABYTES, Comparison, Figures, compare
from tests.perf.item import Item, Target
from tests.perf.items import ITEMS
from tests.perf.items.evidence import bare_forward
from tests.perf.report import row, three_digits
from tests.perf.workload import TinyWorkload


@pytest.fixture(scope="module")
def workload(tmp_path_factory):
    return TinyWorkload(tmp_path_factory.mktemp("perf"))


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_every_item_yields_a_ratio(item, workload):
    figures = compare(item.prepare(workload), rounds=1, warm_up=False)
    assert math.isfinite(figures.ratio)
    assert figures.ratio > 0
    assert len(row(item, figures)) == 6


def test_names_are_distinct():
    names = [item.name for item in ITEMS]
    assert len(set(names)) == len(names)


def test_the_command_prints_a_table(capsys):
    assert main(["--quick", "evidence", "token-lookup"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("$ python -m tests.perf --quick evidence token-lookup\n")
    assert len(re.findall(r"\d ×", printed)) >= 2
    assert "tokenise" not in printed


def test_an_unknown_item_is_refused(capsys):
    assert main(["--quick", "evidenec"]) == 2
    assert "no item evidenec" in capsys.readouterr().err


def test_rounds_alternate_and_medians_are_taken():
    calls = []

    def returning(name, values):
        values = iter(values)

        def call():
            calls.append(name)
            return next(values)

        return call

    figures = compare(
        Comparison(
            measured=returning("measured", [100, 4, 6, 50]),
            baseline=returning("baseline", [100, 1, 2, 9]),
            meter=GIGABYTES,
            factor=10,
        ),
        rounds=3,
    )
    assert calls == ["baseline", "measured"] * 4
    assert figures == Figures(60, 20, "GB")
    assert figures.ratio == 3


@pytest.mark.parametrize(
    ("limit", "ratio", "met"),
    [(3, True, "yes"), (2.9, True, "no"), (60, False, "yes"), (59, False, "no")],
)
def test_a_target_is_a_ratio_or_a_measurement(limit, ratio, met):
    item = Item("name", "what", lambda workload: None, Target(limit, ratio))
    assert row(item, Figures(60, 20, "s"))[-1] == met


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.000524, "0.000524"),
        (7.236, "7.24"),
        (436, "436"),
        (999.4, "999"),
        (999.6, "1,000"),
        (1330, "1,330"),
        (1333.3, "1,330"),
        (2_345_678, "2,350,000"),
    ],
)
def test_numbers_have_three_digits_and_no_exponent(value, text):
    assert three_digits(value) == text
    item = Item("name", "what", lambda workload: None, Target(3000))
    cells = row(item, Figures(value, value, "tokens"))
    assert cells[1:3] == [f"{text} tokens"] * 2
    assert cells[4] == "≤ 3,000 tokens"


def test_the_bare_forward_runs_the_layers_and_no_more(workload):
    from benchmark.subject.native import plain_native

    model = plain_native(workload.subject.model)
    ran = []
    for name in ("layers.0.mlp.fc_in", "layers.1.mlp.fc_in", "layers.1.mlp.fc_out", "head"):
        model.get_submodule(name).register_forward_hook(lambda *_, name=name: ran.append(name))
    tokens = torch.zeros(3, 4, dtype=torch.long)
    bare_forward(model, model.get_submodule("layers.1.mlp.ln"), tokens, batch=2)
    assert ran == ["layers.0.mlp.fc_in", "layers.1.mlp.fc_in"] * 2
