"""`--trust`: classes that the reader of a result trusts, in every verb that reads one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmark.errors import BenchmarkError
from benchmark.plugins.trusted import DOTTED

FLAG, KEY = "--trust", "trust="


def take_trust(words: Sequence[str], *, key: bool = False) -> tuple[list[str], tuple[str, ...]]:
    """Return the words without `--trust <class>`, and the classes.

    Args:
        words: of the command line.
        key: whether `trust=<class>` means the same, as in verbs whose options are `key=value`.

    Raises:
        BenchmarkError: what follows is not the name of a class.
    """
    rest: list[str] = []
    trusted: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word == FLAG:
            if not left:
                raise BenchmarkError(f"{FLAG} needs a class: {FLAG} package.module.Class.")
            trusted.append(left.pop(0))
        elif word.startswith(f"{FLAG}="):
            trusted.append(word.removeprefix(f"{FLAG}="))
        elif key and word.startswith(KEY):
            trusted.append(word.removeprefix(KEY))
        else:
            rest.append(word)
    for name in trusted:
        if not re.fullmatch(DOTTED, name):
            raise BenchmarkError(f"{FLAG} {name} names no class; write package.module.Class.")
    return rest, tuple(trusted)
