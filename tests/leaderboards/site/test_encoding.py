"""Compact values, read back as `assets/contexts.js` reads them."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

import leaderboards.site
from leaderboards.site.encoding import (
    ALPHABET,
    TOP_OF_LETTER,
    data_script,
    json_text,
    letters,
    numbers,
    positions,
)
from leaderboards.site.neuron_file import TOKEN_LETTERS

SCRIPT = (Path(leaderboards.site.__file__).parent / "assets" / "contexts.js").read_text("utf-8")


def test_the_script_has_the_same_alphabet_and_sizes() -> None:
    assert f'"{ALPHABET.decode()}"' in SCRIPT
    assert f"TOP = {TOP_OF_LETTER}, LEVELS = 62, TOKEN_LETTERS = {TOKEN_LETTERS}" in SCRIPT


def test_a_letter_is_a_step_of_the_scale() -> None:
    values = np.linspace(-1, 4, 300)
    text = letters(values, scale=2.0)
    shares = np.array([ALPHABET.index(letter.encode()) for letter in text]) / 62 * TOP_OF_LETTER
    wanted = (values / 2.0).clip(0, TOP_OF_LETTER)
    assert np.abs(shares - wanted).max() <= TOP_OF_LETTER / 62
    assert letters(np.array([0.0, -1.0, 0.01]), 1.0) == "AAB"  # little is not nothing


@pytest.mark.parametrize("width", [1, 2, 3])
def test_numbers_come_back(width: int) -> None:
    values = np.random.default_rng(0).integers(0, 64**width, 200)
    text = numbers(values, width)
    back = []
    for at in range(0, len(text), width):
        found = 0
        for letter in text[at : at + width]:
            found = found * 64 + ALPHABET.index(letter.encode())
        back.append(found)
    assert back == values.tolist()
    with pytest.raises(ValueError, match="outside"):
        numbers(np.array([64**width]), width)


def test_positions_lie_between_their_ends() -> None:
    values = np.array([-2.0, 0.0, 1.0, 3.0])
    text = positions(values, -1.0, 3.0)
    found = [
        -1
        + (ALPHABET.index(text[at].encode()) * 64 + ALPHABET.index(text[at + 1].encode()))
        / 4095
        * 4
        for at in range(0, 8, 2)
    ]
    assert found == pytest.approx([-1, 0, 1, 3], abs=4 / 4095)


@pytest.mark.parametrize(
    "text",
    ["</script>", "<!--", "<SCRIPT x>", "]]>", "&lt;", "a\u2028b\u2029c", '"\\', "\x00\x1f", "é😀"],
)
def test_json_says_the_same_without_what_ends_a_script(text: str) -> None:
    found = json_text({text: [text]})
    assert not re.search("[<>&\u2028\u2029]", found)
    assert json.loads(found) == {text: [text]}
    assert json.loads(data_script("kind", text).split(",", 1)[1].removesuffix(");\n")) == text


def test_what_is_not_finite_is_null() -> None:
    assert json_text([math.nan, math.inf, np.float32(0.5)]) == "[null,null,0.5]"
