"""Texts of a neuron's page, and the lines that decide its tokens."""

from __future__ import annotations

import logging

import pytest
import torch

from benchmark.interface import TextLine
from leaderboards.site.encoding import ALPHABET
from leaderboards.site.measure import NeuronData, Statistics
from leaderboards.site.neuron_file import neuron_file
from leaderboards.site.reductions import Windows, take_windows, window_starts
from leaderboards.site.texts import ShownText, decided_windows, shown_text

SLUG = "rules"


class Repeats:
    """Decides a token by how often it occurred before: only a whole context tells."""

    text_is_complete = True

    def __init__(self, n_lines: int = 4) -> None:
        self.texts = [f"line {number}" for number in range(n_lines)]

    def simulate(self, tokens):
        return self.deciding_lines(tokens).float()

    def deciding_lines(self, tokens):
        same = tokens[:, :, None] == tokens[:, None, :]
        return same.tril(-1).sum(-1).clamp_max(len(self.texts) - 1)

    def lines(self):
        return [TextLine(text, 0.1, 0.2, 0.3) for text in self.texts]

    def describe(self):
        return "\n".join(self.texts)

    def remarks(self):
        return "made by hand"

    @classmethod
    def from_text(cls, text, vocabulary):
        return cls(len(text.splitlines()))


class Silent(Repeats):
    def describe(self):
        raise SystemExit(3)


class NoLines(Repeats):
    def lines(self):
        return 1 / 0


class Wrong(Repeats):
    def deciding_lines(self, tokens):
        return tokens * 0 + 9


def windows(k: int, length: int = 100, seed: int = 0) -> Windows:
    generator = torch.Generator().manual_seed(seed)
    contexts = torch.randint(0, 5, (k, length), generator=generator)
    starts = window_starts(torch.randint(1, length, (k,), generator=generator), length)
    tokens = take_windows(contexts, starts)
    return Windows(contexts, tokens, tokens.float(), starts.tolist(), [1.0] * k, {})


def test_a_text_with_its_lines() -> None:
    one = Repeats()
    assert shown_text(one) == ShownText(
        "line 0\nline 1\nline 2\nline 3", "made by hand", True, tuple(one.lines())
    )


def test_what_cannot_be_said_breaks_no_page(caplog: pytest.LogCaptureFixture) -> None:
    says = "EndsProgramError: SystemExit: 3 (it would have ended the program)"
    expected = ShownText(f"(it cannot be described: {says})", "made by hand", False, ())
    assert shown_text(Silent()) == expected
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        shown = shown_text(NoLines())
    assert shown == ShownText(NoLines().describe(), "made by hand", True, ())
    assert "a text is shown without what its lines do: " in caplog.text


def test_a_token_is_decided_within_its_whole_context() -> None:
    every = [windows(3), windows(0), windows(5, seed=1)]
    one = Repeats()
    found = decided_windows({SLUG: one}, {SLUG: shown_text(one)}, every)[SLUG]
    assert [len(part) for part in found] == [3, 0, 5]
    differs = False
    for of, part in zip(every, found, strict=True):
        for context, start, tokens, lines in zip(
            of.contexts.tolist(), of.starts, of.tokens.tolist(), part.tolist(), strict=True
        ):
            for at, (token, line) in enumerate(zip(tokens, lines, strict=True)):
                assert line == min(3, context[: start + at].count(token))
                differs = differs or line != min(3, tokens[:at].count(token))
    assert differs


def test_lines_that_cannot_be_told_mark_nothing(caplog: pytest.LogCaptureFixture) -> None:
    one = Wrong()
    texts = {SLUG: shown_text(one), "other": ShownText("text", "", False, ())}
    with caplog.at_level(logging.WARNING):
        assert decided_windows({SLUG: one, "other": one}, texts, [windows(2)]) == {}
    assert "mark no tokens" in caplog.text


@pytest.mark.parametrize(("n_lines", "letters"), [(4, 1), (64, 1), (65, 2), (300, 2)])
def test_the_page_is_given_a_line_for_every_token(n_lines: int, letters: int) -> None:
    one = Repeats(n_lines)
    exemplars, top = windows(2, 400), windows(3, 400, seed=2)
    texts = {SLUG: shown_text(one)}
    decided = decided_windows({SLUG: one}, texts, [exemplars, top])
    statistics = Statistics(1.0, 1.0, 0.0, 1.0, None, None, 9, 9, None, 0, 0.0, None, False)
    data = NeuronData((0, 1), statistics, exemplars, top, [], None, {}, texts, decided)
    value = neuron_file(data, str)
    assert value["lines"] == {SLUG: letters}
    for place, lines in zip(("exemplars", "top"), decided[SLUG], strict=True):
        text = value[place]["lines"][SLUG]
        numbers = [ALPHABET.index(letter.encode()) for letter in text]
        found = [
            sum(
                digit * 64 ** (letters - 1 - at)
                for at, digit in enumerate(numbers[start : start + letters])
            )
            for start in range(0, len(numbers), letters)
        ]
        assert found == lines.flatten().tolist()
        assert max(found) >= min(n_lines - 1, 50)
