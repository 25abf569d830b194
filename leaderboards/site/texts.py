"""Texts of a neuron's explanations: which is read first, its lines, and the tokens they decide."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Int
from torch import Tensor

from benchmark.errors import BenchmarkError, named
from benchmark.evaluation.text_lines import deciding_lines, lines_of
from benchmark.interface import Explanation, OffersLines, TextLine, has_complete_text
from benchmark.plugins.isolation import contained
from leaderboards.site.reductions import Windows, take_windows

CANNOT = "it cannot be described"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShownText:
    """What a page shows of the text of an explanation.

    Attributes:
        text: what it says, or why it cannot.
        remarks: what it says besides; empty for one that says nothing.
        complete: whether the text is the whole explanation.
        lines: its lines with what each does; empty where it does not say.
    """

    text: str
    remarks: str
    complete: bool
    lines: tuple[TextLine, ...]


def shown_text(explanation: Explanation) -> ShownText:
    """Return the text of an explanation; one that cannot say something does without it."""
    remarks = _remarks(explanation)
    try:
        with contained():
            text, complete = str(explanation.describe()), has_complete_text(explanation)
    except Exception as error:
        return ShownText(f"({CANNOT}: {named(error)})", remarks, False, ())
    lines: tuple[TextLine, ...] = ()
    try:
        lines = lines_of(explanation, text)
    except BenchmarkError as error:
        logger.warning("a text is shown without what its lines do: %s", error)
    return ShownText(text, remarks, complete, lines)


def decided_windows(
    explanations: Mapping[str, Explanation],
    texts: Mapping[str, ShownText],
    windows: Sequence[Windows],
) -> dict[str, list[Int[Tensor, "k window"]]]:
    """Return the lines that decide the tokens of a page, of each text that has lines.

    Args:
        explanations: of one neuron, by method.
        texts: theirs.
        windows: what the page shows of contexts. A token is decided within its whole context.

    Returns:
        By method the number of a line for each token of each of the windows.
    """
    contexts = torch.cat([one.contexts for one in windows])
    sizes = [len(one.contexts) for one in windows]
    found = {}
    for slug, text in texts.items():
        if not text.lines:
            continue
        try:
            lines = deciding_lines(
                cast(OffersLines, explanations[slug]), contexts, len(text.lines)
            ).split(sizes)
        except BenchmarkError as error:
            logger.warning("lines of a text mark no tokens: %s", error)
            continue
        found[slug] = [
            take_windows(part, torch.tensor(one.starts, dtype=torch.long))
            for part, one in zip(lines, windows, strict=True)
        ]
    return found


def _remarks(explanation: Explanation) -> str:
    """Return what an explanation says besides its text, nothing of one without remarks."""
    remarks = getattr(explanation, "remarks", None)
    if not callable(remarks):
        return ""
    try:
        with contained():
            return str(remarks())
    except Exception as error:
        return f"({CANNOT}: {named(error)})"
