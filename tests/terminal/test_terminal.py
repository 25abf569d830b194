"""What acts on a terminal is spelt out, whoever prints it; progress bars still move."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tqdm import tqdm

from benchmark.terminal.visible_output import VisibleStream, visible_output, write_styled
from benchmark.token_text import json_text, one_line, printable
from leaderboards.formats.separated import _text

ACTING = ("\x1b]0;title\x07", "\x9b31m", "\u202e", "\u2066", "\r", "\b", "\x7f", "\ud800", "\u200b")


@pytest.mark.parametrize("text", ACTING)
def test_what_acts_is_spelt_out(text: str) -> None:
    assert printable(f"a{text}b\n").isascii()
    assert printable(f"a{text}b\n").startswith("a\\")
    assert printable(f"a{text}b\n").endswith("b\n")
    assert one_line("a\nb\tc") == r"a\nb\tc"


@given(text=st.text(st.characters(exclude_categories=["Cc", "Cf", "Cn", "Cs", "Zl", "Zp"])))
def test_other_text_stays(text: str) -> None:
    assert printable(text) == text


@given(text=st.text(st.characters()))
def test_nothing_that_acts_is_left(text: str) -> None:
    assert all(
        letter in "\n\t" or letter.isprintable() or letter.isspace() or _harmless(letter)
        for letter in printable(text)
    )


def _harmless(letter: str) -> bool:
    """Unassigned and private letters act on nothing, as far as anybody knows."""
    import unicodedata

    return unicodedata.category(letter) in ("Cn", "Co")


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_json_means_the_same(text: str) -> None:
    written = json_text(json.dumps([text], ensure_ascii=False))
    assert json.loads(written) == [text]
    assert printable(written) == written


def test_both_streams_are_visible_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with visible_output():
        print("a\x1b[31mb\nc")
        sys.stderr.write("\x1b]0;t\x07")
        write_styled("\x1b[1mours\x1b[0m\n")
    print("\x07")
    assert out.getvalue() == "a\\x1b[31mb\nc\n\x1b[1mours\x1b[0m\n\x07\n"
    assert err.getvalue() == "\\x1b]0;t\\x07"


def test_progress_bars_move() -> None:
    plain, visible = io.StringIO(), io.StringIO()
    for stream in (plain, VisibleStream(visible, bars=True)):
        options = {"mininterval": 0, "bar_format": "{n} {desc}", "desc": "name", "position": 1}
        for _ in tqdm(range(3), file=stream, **options):
            pass
    assert visible.getvalue() == plain.getvalue()
    assert "\r" in visible.getvalue()


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@sum(a)", "\t=1", "\r=1"])
def test_names_in_a_csv_are_no_formulas(name: str) -> None:
    assert _text(name)[0] not in "=+-@\t\r"
    assert _text("n2g (a=1)") == "n2g (a=1)"


def test_a_stream_is_otherwise_the_one_inside(tmp_path: Path) -> None:
    with open(tmp_path / "a", "w", encoding="utf-8") as file:
        stream = VisibleStream(file)
        assert stream.fileno() == file.fileno()
        assert stream.encoding == "utf-8"
        assert stream.write("\x07a") == 2
        stream.writelines(["b", "\x07"])
    assert (tmp_path / "a").read_text(encoding="utf-8") == "\\x07ab\\x07"
