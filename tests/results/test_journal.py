"""The journal of a block: what was appended is there again, whatever happened to the file's end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.results.journal import Journal

HEAD = {"block": 3, "identity": "abc"}
ENTRIES = [{"neuron": number, "text": "a\nb ünï" * number} for number in range(4)]


def test_entries_are_read_again_in_their_order(tmp_path):
    path = tmp_path / "explained.jsonl"
    journal = Journal(path, HEAD)
    assert not path.exists()
    journal.append(ENTRIES[:1])
    journal.append(ENTRIES[1:3])
    assert Journal(path, HEAD).entries == ENTRIES[:3] == journal.entries
    again = Journal(path, HEAD)
    again.append(ENTRIES[3:])
    assert Journal(path, HEAD).entries == ENTRIES


@given(st.data())
def test_cut_or_changed_anywhere_what_stands_before_is_kept(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("journal") / "explained.jsonl"
    Journal(path, HEAD).append(ENTRIES)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(whole[:at])
    else:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    n_whole = max(0, whole[:at].count(b"\n") - 1)  # the first line says whose it is
    journal = Journal(path, HEAD)
    assert journal.entries == ENTRIES[:n_whole]
    journal.append([{"neuron": 9}])
    assert Journal(path, HEAD).entries == [*ENTRIES[:n_whole], {"neuron": 9}]


@pytest.mark.parametrize("kept", [0, 2, 4])
def test_entries_are_forgotten(tmp_path, kept):
    path = tmp_path / "explained.jsonl"
    journal = Journal(path, HEAD)
    journal.forget()  # there is no file yet
    journal.append(ENTRIES)
    journal.forget(kept)
    assert journal.entries == ENTRIES[:kept] == Journal(path, HEAD).entries
    journal.append(ENTRIES[:1])
    assert Journal(path, HEAD).entries == [*ENTRIES[:kept], ENTRIES[0]]


def test_those_of_another_run_do_not_count(tmp_path):
    path = tmp_path / "explained.jsonl"
    Journal(path, HEAD).append(ENTRIES)
    other = Journal(path, {**HEAD, "identity": "abd"})
    assert other.entries == []
    other.append(ENTRIES[:1])
    assert Journal(path, HEAD).entries == []
