"""Cutting a long text after paragraphs, else lines, else anywhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmark.corpus.documents import Document, cut, cut_documents

TEXTS = st.text(alphabet="ab \n\té", max_size=120)


@given(TEXTS, st.integers(min_value=1, max_value=30))
def test_the_pieces_are_short_enough_and_joined_give_the_text(text: str, limit: int) -> None:
    pieces = cut(text, limit)
    assert "".join(pieces) == text
    assert all(len(piece) <= limit for piece in pieces)
    assert all(pieces) or pieces == [""]


@given(TEXTS, st.integers(min_value=1, max_value=30))
def test_it_cuts_inside_a_line_only_where_no_line_ends(text: str, limit: int) -> None:
    pieces = cut(text, limit)
    for piece in pieces[:-1]:
        if not piece[-1].isspace():
            assert len(piece) == limit
            assert "\n" not in piece


def test_a_text_that_fits_is_one_piece() -> None:
    assert cut("a\n\nb", 4) == ["a\n\nb"]


def test_as_many_paragraphs_as_fit() -> None:
    assert cut("aa\n\nbb\n\ncc\n\ndd", 9) == ["aa\n\nbb\n\n", "cc\n\ndd"]
    assert cut("aa\n \t\nbb\nbb", 8) == ["aa\n \t\n", "bb\nbb"]


def test_a_long_paragraph_is_cut_after_a_line() -> None:
    assert cut("one\ntwo\nthree\n", 8) == ["one\ntwo\n", "three\n"]


def test_a_long_line_is_cut_where_it_must() -> None:
    assert cut("abcdefgh\n\nij", 3) == ["abc", "def", "gh\n", "\nij"]


def test_the_pieces_of_a_document_are_numbered_and_short_ones_keep_their_name() -> None:
    documents = [Document("long", "aa\n\nbb"), Document("short", "a")]
    assert list(cut_documents(documents, 4)) == [
        Document("long#1", "aa\n\n"),
        Document("long#2", "bb"),
        Document("short", "a"),
    ]
    assert list(cut_documents(documents, None)) == documents
