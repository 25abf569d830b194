"""Windows seen in another split, against sets of tuples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.corpus import overlap
from benchmark.corpus.contexts import Contexts
from benchmark.corpus.overlap import copied_record, copied_share, seen_windows
from benchmark.corpus.packing import pack
from benchmark.corpus.windows import window_hashes

BOS = 0


def contexts(split: str, documents: list[list[int]], length: int) -> Contexts:
    rows = [np.array(each, dtype=np.int32) for each in documents]
    tokens, belongs, _ = pack(rows, BOS, length)
    return Contexts(split, BOS, torch.from_numpy(tokens), torch.from_numpy(belongs))


def slow(found: Contexts, documents: list[list[int]], width: int) -> tuple[list, list]:
    """Compare every window of the contexts with every window of the documents."""
    known = {tuple(d[i : i + width]) for d in documents for i in range(len(d) - width + 1)}
    complete, seen = [], []
    for row in found.tokens.tolist():
        ends = range(1, len(row) + 1)
        windows = [tuple(row[max(0, end - width) : end]) for end in ends]
        complete.append([len(each) == width and BOS not in each for each in windows])
        seen.append(
            [whole and each in known for whole, each in zip(complete[-1], windows, strict=True)]
        )
    return complete, seen


texts = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=30), min_size=1, max_size=6)


@given(texts, texts, st.integers(1, 5), st.integers(3, 9))
def test_seen_windows_are_those_of_the_reference(asked, reference, width, length) -> None:
    found, known = contexts("held_out", asked, length), contexts("explain", reference, length)
    # What does not fill a context is dropped from the reference, too.
    stream = known.tokens[:, 1:].reshape(-1).tolist()
    owners = known.documents[:, 1:].reshape(-1).tolist()
    kept: dict[int, list[int]] = {owner: [] for owner in owners}
    for token, owner in zip(stream, owners, strict=True):
        kept[owner] += [token] * (token != BOS)
    complete, seen = seen_windows(found, known, width)
    assert (complete.tolist(), seen.tolist()) == slow(found, list(kept.values()), width)


@pytest.mark.parametrize("chunk", [1, 7, 30])
def test_a_reference_read_in_parts_gives_the_same(monkeypatch, chunk: int) -> None:
    draw = np.random.default_rng(0)
    found = contexts("held_out", [draw.integers(1, 3, 200).tolist()], 9)
    known = contexts("explain", [draw.integers(1, 3, 90).tolist() for _ in range(3)], 5)
    whole = seen_windows(found, known, 7)
    monkeypatch.setattr(overlap, "CHUNK_TOKENS", chunk)
    parts = seen_windows(found, known, 7)
    assert torch.equal(whole[0], parts[0])
    assert torch.equal(whole[1], parts[1])
    assert 0 < whole[1].sum() < whole[0].sum()


def test_the_share_of_a_copied_half() -> None:
    half = list(range(1, 401))
    found = contexts("held_out", [half, list(range(1001, 1401))], 101)
    known = contexts("explain", [half], 101)
    share = copied_share(found, known)
    assert share["window"] == 32
    assert share["share"] == share["seen"] / share["windows"]
    assert 0.45 < share["share"] < 0.55
    assert copied_record(0, 0)["share"] is None


@pytest.mark.parametrize("length", [2, 5, 32, 33, 97, 401])
def test_copied_text_is_found_whatever_the_length_of_the_contexts(length: int) -> None:
    half = list(range(1, 401))
    found = contexts("held_out", [half, list(range(1001, 1401))], length)
    known = contexts("explain", [half, list(range(2001, 2401))], length)
    share = copied_share(found, known)
    # All windows of both documents, but for what fills no context.
    assert 2 * (400 - 31) - length < share["windows"] <= 2 * (400 - 31)
    assert 0.45 < share["share"] < 0.75


@given(st.lists(st.integers(0, 2**31), max_size=60), st.integers(1, 9))
def test_equal_windows_alone_have_equal_hashes(values: list[int], width: int) -> None:
    hashes = window_hashes(np.array(values, dtype=np.int64), width).tolist()
    windows = [tuple(values[i : i + width]) for i in range(len(values) - width + 1)]
    assert len(hashes) == len(windows)
    assert len(set(zip(hashes, windows, strict=True))) == len(set(hashes)) == len(set(windows))


def test_hashes_are_the_same_on_every_machine() -> None:
    (found,) = window_hashes(np.frombuffer(b"neuron", dtype=np.uint8), 6).tolist()
    assert found == 8_588_599_113_170_472_709
