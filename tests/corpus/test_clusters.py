"""Near-duplicate clusters, against comparing every pair of documents."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.corpus import clusters as module
from benchmark.corpus.clusters import cluster_documents, join, sketch
from benchmark.corpus.documents import Document, split_of
from benchmark.corpus.splitting import ALWAYS_DRAWN, assign_splits
from benchmark.files.tensor_cache import TensorCache


def prose(seed: int, words: int = 600) -> str:
    draw = random.Random(seed)
    return " ".join(f"{draw.choice('bcdfgklmnprst')}{draw.randrange(10**6)}" for _ in range(words))


def ordered(texts: list[str]) -> list[Document]:
    return sorted((Document("", text) for text in texts), key=lambda each: each.digest)


def groups(documents: list[Document], labels: np.ndarray) -> set[frozenset[str]]:
    return {
        frozenset(each.text for each, label in zip(documents, labels, strict=True) if label == one)
        for one in labels
    }


def slow_clusters(sketches: list[set[int]], share: float) -> list[int]:
    """Compare all pairs, and let every cluster bear the number of its first member."""
    labels = list(range(len(sketches)))
    for a, b in combinations(range(len(sketches)), 2):
        common = len(sketches[a] & sketches[b])
        if common and common >= share * min(len(sketches[a]), len(sketches[b])):
            low, high = sorted((labels[a], labels[b]))
            labels = [low if label == high else label for label in labels]
    return labels


@given(
    st.lists(st.sets(st.integers(0, 30), max_size=12), max_size=14),
    st.sampled_from([0.01, 0.2, 0.5, 1.0]),
)
def test_clusters_are_those_of_comparing_every_pair(sets: list[set[int]], share: float) -> None:
    sketches = [np.array(sorted(each), dtype=np.uint64) for each in sets]
    assert join(sketches, share).tolist() == slow_clusters(sets, share)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.3])
def test_a_licence_in_many_documents_joins_those_of_which_it_is_enough(share: float) -> None:
    for seed in range(12):
        draw = random.Random(seed)
        licence = set(range(3))
        sets = []
        for n in range(60):
            own = {1000 * n + k for k in range(1000, 1000 + draw.choice([2, 5, 20, 200]))}
            some = {each for each in licence if draw.random() < 0.8}
            sets.append(own | some)
        sketches = [np.array(sorted(each), dtype=np.uint64) for each in sets]
        assert join(sketches, share).tolist() == slow_clusters(sets, share)


def test_clusters_do_not_depend_on_the_order_of_the_documents() -> None:
    texts = [prose(seed) + " " + prose(1000 + seed // 3, 40) for seed in range(30)]
    documents = [Document("", text) for text in texts]
    found = groups(documents, cluster_documents(documents, 0.02))
    assert found == groups(documents[::-1], cluster_documents(documents[::-1], 0.02))
    assert len(found) == 10


def test_a_long_document_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sketch(prose(1)).tolist()
    for n_bytes in (1, 64, 100, 1777):
        monkeypatch.setattr(module, "CHUNK_BYTES", n_bytes)
        assert sketch(prose(1)).tolist() == whole
    assert len(whole) > 100


def test_an_edited_copy_joins_its_original_and_others_do_not() -> None:
    original = prose(1)
    edited = original.replace(original[500:520], "something else", 1).replace(" ", "\n  ")
    documents = ordered([original, edited, prose(2), prose(3)])
    found = groups(documents, cluster_documents(documents, 0.02))
    assert frozenset({original, edited}) in found
    assert len(found) == 3


def test_a_quotation_joins_by_the_share_of_the_shorter_document() -> None:
    long, quotation = prose(1, 4000), prose(1, 300)
    documents = ordered([long, quotation + prose(2, 100)])
    assert len(groups(documents, cluster_documents(documents, 0.5))) == 1
    documents = ordered([long, quotation + prose(2, 4000)])
    assert len(groups(documents, cluster_documents(documents, 0.5))) == 2


def test_texts_shorter_than_a_window_are_on_their_own() -> None:
    documents = ordered(["short", "short too", ""])
    assert cluster_documents(documents, 0.02).tolist() == [0, 1, 2]
    assert len(sketch("x" * 99)) == 0


def test_a_cluster_goes_to_the_split_of_its_smallest_digest() -> None:
    families = [[prose(seed) + f" {n}" for n in range(3)] for seed in range(40)]
    documents = ordered([text for family in families for text in family])
    splits, counts = assign_splits(documents)
    of_text = {each.text: split for each, split in zip(documents, splits, strict=True)}
    for family in families:
        smallest = min(Document("", text).digest for text in family)
        assert {of_text[text] for text in family} == {split_of(smallest)}
    assert counts["clusters"]["clusters"] == 40
    assert counts["clusters"]["documents_in_clusters"] == 120
    assert counts["clusters"]["largest"] == 3
    assert len(set(splits)) == 3


def test_other_documents_move_none() -> None:
    documents = ordered([prose(seed) for seed in range(30)])
    before = dict(zip((d.digest for d in documents), assign_splits(documents)[0], strict=True))
    more = ordered([each.text for each in documents] + [prose(seed) for seed in range(50, 60)])
    after = dict(zip((d.digest for d in more), assign_splits(more)[0], strict=True))
    assert before.items() <= after.items()


def test_a_family_larger_than_a_twentieth_is_never_held_out() -> None:
    family = [prose(1) + f" {n}" for n in range(ALWAYS_DRAWN + 5)]
    documents = ordered([*family, *(prose(seed) for seed in range(2, 40))])
    for seed in range(12):
        splits, _ = assign_splits(documents, seed=seed)
        assert {
            split for each, split in zip(documents, splits, strict=True) if each.text in family
        } == {"explain"}


def test_without_clusters_each_document_has_its_own_split() -> None:
    documents = ordered([prose(1), prose(1) + " more"])
    splits, counts = assign_splits(documents, near_duplicates=None)
    assert splits == [split_of(each.digest) for each in documents]
    assert counts == {"clusters": None}


def test_clusters_are_read_from_the_cache(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = ordered([prose(1), prose(1) + " more", prose(2)])
    made = assign_splits(documents, cache=TensorCache(tmp_path))
    monkeypatch.setattr("benchmark.corpus.splitting.cluster_documents", None)
    assert assign_splits(documents, cache=TensorCache(tmp_path)) == made
