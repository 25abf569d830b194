"""Errors of language models, each one sentence that says what to do."""

from benchmark.errors import BenchmarkError

AGAIN = "Every answer that arrived is kept; the same command tries again."


class BudgetError(BenchmarkError):
    """A request would pass the budget of the run."""


class NotKeptError(BenchmarkError):
    """An answer is not kept, and the model that gives it may not be asked."""


class LanguageModelError(BenchmarkError):
    """A language model cannot be asked, or its answer cannot be read."""
