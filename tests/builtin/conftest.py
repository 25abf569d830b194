"""A subject so small that it is trained in a second, and text for it."""

from __future__ import annotations

import random

import pytest

from benchmark.builtin.recipe import ARCHITECTURES, Recipe
from benchmark.builtin.train import train
from benchmark.corpus.documents import Document

TINY = {
    **ARCHITECTURES["solu-tiny"],
    "n_layers": 2,
    "d_model": 16,
    "d_mlp": 24,
    "n_heads": 2,
    "d_head": 8,
    "n_ctx": 16,
    "d_vocab": 300,
}
TINY_GELU = {**TINY, "act_fn": "gelu"}
RECIPE = Recipe(steps=6, batch=4, warmup=2)


def made_up_documents(n=30, seed=0):
    """Documents of a few words in random order, all different."""
    words = ["def", "return", "self", "the", "value", "of", "list", "import", "none", "if", "é"]
    rng = random.Random(seed)
    texts = [" ".join(rng.choices(words, k=rng.randint(20, 80))) for _ in range(n)]
    return [Document(f"{i}.py", f"{i}\n{text}\n") for i, text in enumerate(texts)]


def train_tiny(folder, recipe=RECIPE, documents=None, **options):
    return train(
        recipe,
        folder,
        device="cpu",
        documents=made_up_documents() if documents is None else documents,
        **{"architecture": TINY, **options},
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of a tiny training that nobody interrupted."""
    folder = tmp_path_factory.mktemp("builtin") / "tiny"
    assert train_tiny(folder) == 0
    return folder
