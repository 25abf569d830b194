"""Documents of the words that the planted subject knows, on which most of its neurons fire."""

from __future__ import annotations

import random
from pathlib import Path

from benchmark.subject.planted import WORDS


def write_planted_texts(folder: Path, n_documents: int = 60) -> Path:
    """Write documents of the commonest words."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = random.Random(0)
    for number in range(n_documents):
        text = " ".join(generator.choice(WORDS[:40]) for _ in range(120))
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    return folder
