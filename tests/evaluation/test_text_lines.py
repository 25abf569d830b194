"""Lines of complete texts as anybody's explanation gives them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark import BenchmarkError, OffersLines, TextLine, Vocabulary, load_subject
from benchmark.evaluation.text_lines import deciding_lines, lines_of
from tests.lined import Lined

TOKENS = torch.tensor([[0, 7, 8, 300], [9, 9, 7, 1]])


def made(**changes):
    made = Lined(
        elsewhere=0.5,
        sets=[([7, 8], 2.0), ([9], 1.5)],
        spellings={"7": "a", "8": "b", "9": "c"},
        judged=[(0.4, 0.9, 1.2), (0.1, None, float("nan"))],
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_the_toy_is_a_complete_text():
    vocabulary = Vocabulary.of(load_subject("planted", device="cpu"))
    toy = made(spellings={str(one): vocabulary.spell(one) for one in (7, 8, 9)})
    again = Lined.from_text(toy.describe(), vocabulary)
    assert again.describe() == toy.describe()
    assert torch.equal(again.simulate(TOKENS), toy.simulate(TOKENS))
    assert isinstance(toy, OffersLines)
    assert toy.simulate(TOKENS).tolist() == [[0.5, 2.0, 2.0, 0.5], [1.5, 1.5, 2.0, 0.5]]
    with pytest.raises(ValueError, match="neither"):
        Lined.from_text("elsewhere 1\n2 on a", vocabulary)


def test_lines_are_read_with_numbers_that_are_known():
    toy = made()
    assert lines_of(toy, toy.describe()) == (
        TextLine("elsewhere 0.5"),
        TextLine("2 ‹a|b›", 0.4, 0.9, 1.2),
        TextLine("1.5 ‹c›", 0.1),
    )
    judged = [TextLine(line.text, np.float32(0.5)) for line in toy.lines()]
    found = lines_of(made(lines=lambda: judged), toy.describe())
    assert [type(line.variance) for line in found] == [float] * 3


def test_without_complete_text_or_lines_there_are_none():
    toy = made()
    assert lines_of(made(text_is_complete=False), toy.describe()) == ()
    assert lines_of(object(), "text") == ()


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (lambda: made().lines()[1:], "offers lines that are not those of its text"),
        (lambda: ["text"], "cannot say what its lines do: AttributeError"),
        (lambda: [TextLine("elsewhere 0.5", "much")], "cannot say what its lines do: ValueError"),
        (lambda: exit(3), "cannot say what its lines do: SystemExit"),
    ],
)
def test_lines_that_cannot_be_shown_are_named(lines, says):
    with pytest.raises(BenchmarkError, match=f"^tests.lined.Lined {says}"):
        lines_of(made(lines=lines), made().describe())


def test_every_token_is_decided_by_a_line():
    toy = made()
    found = deciding_lines(toy, TOKENS, 3)
    assert found.tolist() == [[0, 1, 1, 0], [2, 2, 1, 0]]
    for dtype in (torch.int8, torch.int32):
        as_given = made(deciding_lines=lambda tokens, to=dtype: toy.deciding_lines(tokens).to(to))
        assert torch.equal(deciding_lines(as_given, TOKENS, 3), found)
    as_array = made(deciding_lines=lambda tokens: toy.deciding_lines(tokens).numpy())
    assert torch.equal(deciding_lines(as_array, TOKENS, 3), found)


def test_nobody_changes_the_tokens():
    tokens = TOKENS.clone()
    deciding_lines(made(deciding_lines=lambda given: given.zero_()), tokens, 1)
    assert torch.equal(tokens, TOKENS)


@pytest.mark.parametrize(
    ("decide", "says"),
    [
        (lambda tokens: tokens * 0 + 3, "names a deciding line that is none of its 3"),
        (lambda tokens: tokens * 0 - 1, "names a deciding line that is none of its 3"),
        (lambda tokens: tokens[0], r"gives deciding lines of torch.int64 and shape \[4\]"),
        (lambda tokens: tokens * 0.5, r"gives deciding lines of torch.float32 and shape \[2, 4\]"),
        (lambda tokens: tokens > 0, r"gives deciding lines of torch.bool and shape \[2, 4\]"),
        (lambda tokens: None, "cannot say which line decides a token: "),
    ],
)
def test_deciding_lines_that_are_none_are_named(decide, says):
    with pytest.raises(BenchmarkError, match=f"^tests.lined.Lined {says}"):
        deciding_lines(made(deciding_lines=decide), TOKENS, 3)
