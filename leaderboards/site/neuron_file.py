"""Data of a neuron's page: its contexts and plots, as compact values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Int
from torch import Tensor

from leaderboards.site.encoding import letters, numbers, positions, rounded
from leaderboards.site.measure import NeuronData, Shown
from leaderboards.site.reductions import Miss, Windows

TOKEN_LETTERS = 3


class _Tokens:
    """The tokens of one neuron's page, numbered in the order in which they are met."""

    def __init__(self, text_of: Callable[[int], str]) -> None:
        self._text_of = text_of
        self._numbers: dict[int, int] = {}

    def encoded(self, tokens: Int[Tensor, "*shape"]) -> str:
        found = [
            self._numbers.setdefault(token, len(self._numbers)) for token in tokens.ravel().tolist()
        ]
        return numbers(np.array(found, dtype=np.int64), TOKEN_LETTERS)

    def texts(self) -> list[str]:
        return [self._text_of(token) for token in self._numbers]


def neuron_file(data: NeuronData, text_of: Callable[[int], str]) -> dict[str, Any]:
    """Return the contexts and plots of a neuron for `assets/neuron.js`."""
    tokens = _Tokens(text_of)
    scale = max(data.statistics.maximum, data.statistics.maximum_held_out, 1e-30)
    exemplars, top, *misses = (_windows(one, tokens, scale) for one in data.windows)
    windows = [exemplars, top, *misses]
    # One letter tells the lines of most texts apart.
    width = {slug: 1 + (len(data.texts[slug].lines) > 64) for slug in data.decided}
    for slug, decided in data.decided.items():
        for one, lines in zip(windows, decided, strict=True):
            one["lines"][slug] = numbers(lines.numpy(), width[slug])
    value: dict[str, Any] = {
        "scale": rounded(scale, 6),
        "threshold": rounded(data.statistics.threshold, 6),
        "lines": width,
        "exemplars": exemplars,
        "top": top,
        "methods": {
            slug: _method(shown, positives, negatives, tokens, scale)
            for (slug, shown), positives, negatives in zip(
                data.methods.items(), misses[::2], misses[1::2], strict=True
            )
        },
    }
    value["tokens"] = tokens.texts()
    return value


def _windows(windows: Windows, tokens: _Tokens, scale: float) -> dict[str, Any]:
    return {
        "n": windows.tokens.shape[0],
        "width": windows.tokens.shape[1],
        "tokens": tokens.encoded(windows.tokens),
        "truth": letters(windows.truth.numpy(), scale),
        "starts": windows.starts,
        "peaks": [rounded(peak) for peak in windows.peaks],
        "predicted": {
            slug: letters(values.numpy(), scale) for slug, values in windows.predicted.items()
        },
        "lines": {},
    }


def _method(
    shown: Shown,
    positives: dict[str, Any],
    negatives: dict[str, Any],
    tokens: _Tokens,
    scale: float,
) -> dict[str, Any]:
    points, spread = shown.points, shown.spectrum
    truth, prediction = points.truth[0].numpy(), points.prediction[0].numpy()
    low = float(min(0.0, truth.min(initial=0), prediction.min(initial=0)))
    high = float(max(scale, truth.max(initial=0), prediction.max(initial=0)))
    return {
        "failed": shown.explanation is None,
        "spectrum": {
            "low": rounded(float(spread.low[0])),
            "high": rounded(float(spread.high[0])),
            "quiet": spread.counts[0, 0].tolist(),
            "fires": spread.counts[0, 1].tolist(),
        },
        "points": {
            "low": rounded(low),
            "high": rounded(high),
            "truth": positions(truth, low, high),
            "predicted": positions(prediction, low, high),
            "tokens": tokens.encoded(shown.point_tokens),
        },
        "positives": {**positives, "at": _rounded(shown.false_positives)},
        "negatives": {**negatives, "at": _rounded(shown.false_negatives)},
    }


def _rounded(miss: Miss) -> list[float | None]:
    return [rounded(value) for value in miss.predicted]
