"""Does an explainer keep to the interface? A suite of checks on a small setting, in words.

`check_explainer` runs every check on one explainer; each gives a `Result`.
"""

from benchmark.conformance.results import FAILED, NOT_CHECKED, OK, Result
from benchmark.conformance.suite import check_explainer

__all__ = ["FAILED", "NOT_CHECKED", "OK", "Result", "check_explainer"]
