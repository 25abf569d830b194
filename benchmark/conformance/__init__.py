"""Checks on a small setting that an explainer keeps to the interface, with results in words.

`check_explainer` runs every check on one explainer; each gives a `Result`.
"""

from benchmark.conformance.results import FAILED, NOT_CHECKED, OK, Result
from benchmark.conformance.suite import check_explainer

__all__ = ["FAILED", "NOT_CHECKED", "OK", "Result", "check_explainer"]
