"""Flags of verbs that have some, such as `--format md`; a slip becomes one message."""

from __future__ import annotations

import argparse
from typing import NoReturn

from benchmark.errors import BenchmarkError


class Flags(argparse.ArgumentParser):
    """A parser whose complaint is a `BenchmarkError` that names the verb's help.

    Args:
        verb: the verb that the words belong to.
    """

    def __init__(self, verb: str) -> None:
        super().__init__(prog=verb, add_help=False, allow_abbrev=False)
        self._verb = verb

    def error(self, message: str) -> NoReturn:
        """Say what is wrong.

        Raises:
            BenchmarkError: always.
        """
        raise BenchmarkError(
            f"{self._verb}: {message}; `python -m benchmark {self._verb} --help` explains it."
        )
