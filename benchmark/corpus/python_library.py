"""The Python standard library as a corpus: a frozen snapshot, and that of the running Python."""

from __future__ import annotations

import json
import lzma
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from benchmark.corpus.documents import Document
from benchmark.errors import BenchmarkError

SNAPSHOT = Path(__file__).parent / "stdlib" / "python-3.11.7.jsonl.xz"

# Tests are left out because many distributions ship Python without them, installed packages
# because they are not the library, and _sysconfigdata because it describes one machine. The
# modules of `encodings` are tables of characters, one much like the other.
LEFT_OUT_FOLDERS = frozenset(
    {
        *("test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"),
        "encodings",
    }
)
LEFT_OUT_PREFIX = "_sysconfigdata"
# A file that says at its start that a program wrote it.
GENERATED = re.compile(
    r"auto-?generated|automatically generated|generated (by|from|with)|do not edit", re.IGNORECASE
)
GENERATED_LINES = 4


def snapshot_documents(path: Path = SNAPSHOT) -> Iterator[Document]:
    """Yield the documents of the frozen snapshot: the same text under every Python.

    Raises:
        BenchmarkError: the file is missing or damaged.
    """
    try:
        with lzma.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            for line in lines:
                row = json.loads(line)
                yield Document(row["name"], row["text"])
    except (OSError, EOFError, lzma.LZMAError, ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(
            f"the corpus stdlib cannot be read from {path} ({error}); install the package again."
        ) from error


def library_documents(folder: Path | None = None) -> Iterator[Document]:
    """Yield every source file of the running interpreter's library, in the order of the paths."""
    root = library_folder() if folder is None else folder
    for path in sorted(root.rglob("*.py")):
        if is_document(path, root):
            text = path.read_text(encoding="utf-8", errors="replace")
            if not is_generated(text):
                yield Document(path.relative_to(root).as_posix(), text)


def is_document(path: Path, root: Path) -> bool:
    """Tell whether a path below the library's folder `root` belongs to the corpus."""
    relative = path.relative_to(root)
    return (
        relative.suffix == ".py"
        and not LEFT_OUT_FOLDERS.intersection(relative.parts)
        and not relative.name.startswith(LEFT_OUT_PREFIX)
    )


def is_generated(text: str) -> bool:
    """Tell whether the first lines of a file say that a program wrote it."""
    return (
        GENERATED.search("\n".join(text.split("\n", GENERATED_LINES)[:GENERATED_LINES])) is not None
    )


def library_folder() -> Path:
    """Return the folder of the running interpreter's library."""
    return Path(sysconfig.get_paths()["stdlib"])


def write_snapshot(path: Path, documents: Iterator[Document]) -> None:
    """Write documents as one JSON object a line, compressed with xz; empty texts are left out."""
    lines = [
        json.dumps({"name": each.name, "text": each.text}, ensure_ascii=False) + "\n"
        for each in documents
        if each.text.strip()
    ]
    content = "".join(lines).encode("utf-8")
    path.write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
