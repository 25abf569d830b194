"""The walk-through shows the example as it is installed and run by the tests."""

from __future__ import annotations

import re
from pathlib import Path

from benchmark.conformance.suite import CHECKS, FIRST, LAST

PROJECT = Path(__file__).parents[1]
TEXT = (PROJECT / "docs" / "adding-an-explainer.md").read_text(encoding="utf-8")
EXAMPLE = PROJECT / "tests" / "third_party"


def test_code_and_entry_point_are_those_of_the_example() -> None:
    blocks = dict(re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL))
    assert set(blocks) == {"python", "toml"}
    assert blocks["python"] in (EXAMPLE / "example_explainer.py").read_text(encoding="utf-8")
    assert blocks["toml"] in (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")


def test_what_the_check_printed_names_checks_that_there_are() -> None:
    shown = TEXT.partition("<!-- check -->")[2].partition("<!-- end of check -->")[0]
    named = re.findall(r"^     (\w[\w ]*?)  +(?:ok|not checked) ", shown, re.MULTILINE)
    assert named
    assert set(named) <= {FIRST, *CHECKS, LAST}


def test_the_contributing_guide_points_there() -> None:
    assert "docs/adding-an-explainer.md" in (PROJECT / "CONTRIBUTING.md").read_text("utf-8")
