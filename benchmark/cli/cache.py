"""`cache`: what the cache of activations holds, how large it is, and pruning it."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from benchmark.cli.arguments import Parser, add_wide, path_of
from benchmark.cli.cache_replies import print_replies, prune_replies
from benchmark.errors import BenchmarkError, unknown
from benchmark.files.cache_folder import (
    CacheEntry,
    cache_entries,
    remove_entry,
    user_cache_folder,
)
from benchmark.token_text import one_line

ABOUT = """\
Shows what the cache of activations holds, by kind, subject and corpus, and how large it is. Runs
share it: whatever is removed is measured again by the next run that needs it, with the same
numbers. Pruning while a run works costs that run time and nothing else. Answers of language models
were paid for and are shown apart; `--prune --replies` alone removes them.
"""
EXAMPLES = """\
python -m benchmark cache
python -m benchmark cache --prune --older-than 30d --dry-run
python -m benchmark cache --prune --kind sample
python -m benchmark cache --prune --replies --older-than 8w   # answers of language models, too
"""
UNITS = {"h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser("cache", ABOUT, examples=EXAMPLES)
    made.add_argument(
        "--cache-dir",
        metavar="FOLDER",
        type=path_of("--cache-dir"),
        help="the cache (default: the one of runs that name none)",
    )
    made.add_argument(
        "--results",
        metavar="FOLDER",
        type=path_of("--results"),
        default=Path("results"),
        help="runs whose records give the fingerprints of subjects and corpora their names",
    )
    made.add_argument("--kind", metavar="NAME", help="only what is of this kind, such as sample")
    made.add_argument(
        "--older-than",
        metavar="TIME",
        type=duration,
        help="only what was written so long ago, such as 12h, 30d or 8w",
    )
    made.add_argument("--prune", action="store_true", help="remove it")
    made.add_argument("--all", action="store_true", help="with --prune: remove everything")
    made.add_argument(
        "--replies",
        action="store_true",
        help="with --prune: remove kept answers of language models, and nothing else",
    )
    made.add_argument("--dry-run", action="store_true", help="with --prune: remove nothing")
    add_wide(made)
    return made


def command(words: Sequence[str]) -> int:
    """Print what the cache holds, or what is removed of it."""
    given = parser().read(words)
    chosen = given.kind is not None or given.older_than is not None
    if given.replies:
        return _replies(given)
    if given.prune and not chosen and not given.all:
        raise BenchmarkError(
            "cache --prune removes nothing until you say what: --older-than 30d, --kind sample, "
            "or --all."
        )
    if given.prune and chosen and given.all:
        raise BenchmarkError("--all removes everything; leave out --kind and --older-than.")
    if (given.all or given.dry_run) and not given.prune:
        raise BenchmarkError("--all and --dry-run belong to --prune: cache --prune --all.")
    folder = given.cache_dir.expanduser() if given.cache_dir else user_cache_folder()
    held = cache_entries(folder)
    if given.kind is not None and held and given.kind not in {entry.kind for entry in held}:
        raise unknown("kind of the cache", given.kind, {entry.kind for entry in held})
    entries = _chosen(held, given)
    where = one_line(folder)
    if not given.prune and given.kind is None:
        print_replies(folder, given.older_than)
    if not held:
        sys.stdout.write(f"the cache in {where} is empty.\n")
        return 0
    _print_entries(entries, given.results)
    size = _size(sum(entry.size for entry in entries))
    if not given.prune:
        of = "" if len(entries) == len(held) else f" of {len(held):,}"
        sys.stdout.write(f"{len(entries):,}{of} entries, {size}, in {where}\n")
        return 0
    if given.dry_run:
        sys.stdout.write(f"would remove {len(entries):,} of {len(held):,} entries, {size}\n")
        return 0
    return _remove(entries, len(held), where)


def _replies(given: Namespace) -> int:
    """Remove kept answers of language models; return the exit status."""
    if not given.prune or given.kind is not None or given.all:
        raise BenchmarkError(
            "--replies belongs to --prune alone, or with --older-than: cache --prune --replies."
        )
    folder = given.cache_dir.expanduser() if given.cache_dir else user_cache_folder()
    return prune_replies(folder, given.older_than, given.dry_run)


def duration(word: str) -> float:
    """Read `30d` as seconds.

    Raises:
        BenchmarkError: the word is something else.
    """
    found = re.fullmatch(r"([0-9]{1,6})([hdw])", word)
    if found is None:
        raise BenchmarkError(
            f"--older-than {word:.60} is no time; write hours, days or weeks as 12h, 30d or 8w."
        )
    return float(int(found[1]) * UNITS[found[2]])


def _chosen(entries: Sequence[CacheEntry], given: Namespace) -> list[CacheEntry]:
    now = time.time()
    return [
        entry
        for entry in entries
        if given.kind in (None, entry.kind)
        and (given.older_than is None or now - entry.modified > given.older_than)
    ]


def _print_entries(entries: Sequence[CacheEntry], results: Path) -> None:
    """Print a row for each kind of each subject and corpus, the largest first."""
    from benchmark.terminal.table import print_rows

    names = _names(results)
    groups: dict[tuple[str, str, str], list[CacheEntry]] = {}
    for entry in entries:
        subject, corpus = (
            names.get(entry.named(key), entry.named(key)[:12] or "-")
            for key in ("subject", "corpus")
        )
        if not entry.whole:
            subject, corpus = "unfinished or damaged", "-"
        groups.setdefault((entry.kind, subject, corpus), []).append(entry)
    sizes = {key: sum(entry.size for entry in some) for key, some in groups.items()}
    now = time.time()
    rows = [
        [
            *key,
            f"{len(groups[key]):,}",
            _size(sizes[key]),
            _age(now - max(entry.modified for entry in groups[key])),
            _age(now - min(entry.modified for entry in groups[key])),
        ]
        for key in sorted(groups, key=lambda key: (-sizes[key], key))
    ]
    if rows:
        columns = ["kind", "subject", "corpus", "entries", "size", "newest", "oldest"]
        print_rows(columns, rows, text_columns=3, least=("oldest", "corpus"))


def _names(results: Path) -> dict[str, str]:
    """Return names of subjects and corpora by fingerprint, from the records of runs."""
    if not results.is_dir():
        return {}
    from benchmark.results import find_runs
    from benchmark.results.reader import read_record_of

    names: dict[str, str] = {}
    for folder in find_runs([results]):
        with contextlib.suppress(BenchmarkError, OSError):
            record = read_record_of(folder)
            names[record.subject.fingerprint] = record.subject.name
            names[record.corpus.fingerprint] = record.corpus.name
    return names


def _remove(entries: Sequence[CacheEntry], held: int, where: str) -> int:
    """Remove entries; returns the exit status."""
    removed, size = 0, 0
    for entry in entries:
        try:
            remove_entry(entry)
        except OSError as error:
            raise BenchmarkError(
                f"'{error.filename}' cannot be removed: {error.strerror}; {removed:,} entries, "
                f"{_size(size)}, were removed before."
            ) from error
        removed, size = removed + 1, size + entry.size
    sys.stdout.write(f"removed {removed:,} of {held:,} entries, {_size(size)}, from {where}\n")
    return 0


def _size(n: int) -> str:
    """Return bytes as a person reads them."""
    value, unit = float(n), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:,.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def _age(seconds: float) -> str:
    """Return how long ago something was."""
    for unit, length in (("d", 24 * 3600), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return "now"
