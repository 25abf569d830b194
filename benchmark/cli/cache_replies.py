"""Kept answers of language models: what there is of them, and removing them deliberately."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmark.llm.reply_store import ReplyStore, reply_file
from benchmark.token_text import one_line


def print_replies(folder: Path, older_than: float | None = None) -> None:
    """Print what is kept of each language model; nothing where there is nothing."""
    from benchmark.terminal.table import print_rows

    held = ReplyStore(reply_file(folder)).held(older_than)
    if not held:
        return
    rows = [
        [one_line(model), f"{n:,}", f"{tokens:,}", f"{usd:,.2f}"] for model, n, tokens, usd in held
    ]
    print_rows(["language model", "answers", "tokens", "usd"], rows, text_columns=1)
    n = sum(each[1] for each in held)
    sys.stdout.write(
        f"{n:,} kept answers of language models, in {one_line(reply_file(folder))}; only "
        "--prune --replies removes them\n"
    )


def prune_replies(folder: Path, older_than: float | None, dry_run: bool) -> int:
    """Remove kept answers; return the exit status."""
    store = ReplyStore(reply_file(folder))
    n = sum(each[1] for each in store.held(older_than))
    if not dry_run:
        n = store.remove(older_than)
    would = "would remove" if dry_run else "removed"
    sys.stdout.write(f"{would} {n:,} kept answers from {one_line(reply_file(folder))}\n")
    return 0
