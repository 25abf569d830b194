"""The Python standard library as a corpus: real code and English that every machine has."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from pathlib import Path

from benchmark.corpus.documents import Document

# Tests are left out because many distributions ship Python without them, installed packages
# because they are not the library, and _sysconfigdata because it describes one machine.
LEFT_OUT_FOLDERS = frozenset(
    {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
)
LEFT_OUT_PREFIX = "_sysconfigdata"


def stdlib_documents(folder: Path | None = None) -> Iterator[Document]:
    """Yield every source file of the running interpreter's library, in the order of the paths."""
    root = stdlib_folder() if folder is None else folder
    for path in sorted(root.rglob("*.py")):
        if is_document(path, root):
            text = path.read_text(encoding="utf-8", errors="replace")
            yield Document(path.relative_to(root).as_posix(), text)


def is_document(path: Path, root: Path) -> bool:
    """Whether a path below the library's folder `root` is a file of the corpus."""
    relative = path.relative_to(root)
    return (
        relative.suffix == ".py"
        and not LEFT_OUT_FOLDERS.intersection(relative.parts)
        and not relative.name.startswith(LEFT_OUT_PREFIX)
    )


def stdlib_folder() -> Path:
    """The folder of the running interpreter's library."""
    return Path(sysconfig.get_paths()["stdlib"])
