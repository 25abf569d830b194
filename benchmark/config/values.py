"""Values on the command line that Hydra's grammar would not read as they are meant."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

from benchmark.config.literal import literal
from benchmark.errors import BenchmarkError

MOST_DIGITS = 1000
# Names of files and folders may hold anything, and stand for nothing but themselves.
PATHS = ("dataset.path", "model.source", "scorer", "results_dir", "cache_dir", "tracking.dir")
# A text in quotes, or a neuron outside of quotes.
_NEURON = re.compile(r"""('[^']*'|"[^"]*")|(?<![\w.])(\d+[./]\d+)(?![\w.])""")


def check_words(words: Sequence[str]) -> None:
    """Check that every word is text that can be kept, and holds no number beyond all use.

    Results hold what was typed, and are UTF-8; Python itself refuses to read numbers of thousands
    of digits.

    Raises:
        BenchmarkError: one holds bytes that are no text, at least not where this runs, or such a
            number.
    """
    for word in words:
        number = re.search(rf"\d{{{MOST_DIGITS},}}", word)
        if number:
            raise BenchmarkError(
                f"'{word[: number.start() + 20]}...' holds a number of {len(number[0]):,} digits; "
                "nothing here is so large."
            )
        try:
            word.encode("utf-8")
        except UnicodeEncodeError:
            raise _not_text(word) from None


def _not_text(word: str) -> BenchmarkError:
    given = word.encode("utf-8", "surrogateescape")
    shown = given.decode("utf-8", "backslashreplace")
    if not _is_utf8(given):
        return BenchmarkError(
            f"'{shown}' holds bytes that are not UTF-8, so it cannot be kept in results; give the "
            "file or folder another name."
        )
    return BenchmarkError(
        f"'{shown}' cannot be read in this locale ({sys.getfilesystemencoding()}); set "
        "PYTHONUTF8=1, or a locale such as LC_ALL=C.UTF-8."
    )


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def quoted(word: str, *, sweep: bool) -> str:
    """Return the override with a path in quotes: `~`, `=`, `${`, `ü` or a space are just letters.

    In a sweep a comma stands between paths. What is quoted already, a list, or null stays.
    Neurons such as 3.400 are quoted too, because YAML reads a number and drops its last zeros.
    """
    key, _, value = word.partition("=")
    if key == "neurons.list":
        return f"{key}={_NEURON.sub(lambda found: found[1] or repr(found[2]), value)}"
    if key.lstrip("+") not in PATHS or value in ("", "null", "???") or value[0] in "'\"[":
        return word
    parts = value.split(",") if sweep else [value]
    return f"{key}={','.join(quote(literal(_here(part))) for part in parts)}"


def _here(path: str) -> str:
    """Expand `~`; where it names no user's home, the path is one of the current folder."""
    return f"./{path}" if path[:1] == "~" and os.path.expanduser(path) == path else path


def quote(text: str) -> str:
    """Return text in the quotes of the grammar of overrides."""
    # A backslash means itself except before a quote.
    text = re.sub(r"(\\*)'", lambda found: f"{found[1] * 2}\\'", text)
    text = re.sub(r"(\\+)$", lambda found: found[1] * 2, text)
    return f"'{text}'"


def unreadable(words: list[str], sweep: bool) -> BenchmarkError | None:
    """Return what is wrong with the first override that Hydra cannot read, None for none."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    for word in words:
        key, _, value = word.partition("=")
        try:
            parsed = parser.parse_override(word)
        except HydraException:
            return BenchmarkError(
                f"the value of {word} cannot be read; put it in quotes of its own: "
                f'"{key}={quote(value)}"'
            )
        if parsed.is_sweep_override() and not sweep:
            return BenchmarkError(
                f"{word} names several values; add -m to run one after another, or write a list "
                f"as {key}=[{value}]"
            )
    return None
