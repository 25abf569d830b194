"""The histogram of the model card counts every neuron once, on the right side of the threshold."""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ElementTree

import pytest
import torch

from benchmark.builtin.card import (
    ALIVE_COLOUR,
    BINS_BELOW,
    DEAD_COLOUR,
    bin_edges,
    reach_histogram,
    reach_picture,
)
from benchmark.evidence import DEAD_FRACTION

SVG = "{http://www.w3.org/2000/svg}"


def test_the_threshold_is_an_edge_and_bins_are_equally_wide():
    edges = bin_edges()
    assert edges[BINS_BELOW] == DEAD_FRACTION
    steps = [math.log10(right / left) for left, right in itertools.pairwise(edges)]
    assert steps == pytest.approx([0.25] * len(steps))


def test_every_neuron_is_counted_once_and_by_the_threshold():
    reach = 10 ** torch.empty(1000, dtype=torch.float64).uniform_(-9, 4)
    reach[:4] = torch.tensor([0.0, DEAD_FRACTION, math.nextafter(DEAD_FRACTION, 0), 1e9])
    counts, edges = reach_histogram(reach), bin_edges()
    assert sum(counts) == 1000
    assert len(counts) == len(edges) - 1
    assert sum(counts[:BINS_BELOW]) == int((reach < DEAD_FRACTION).sum())
    for place in range(1, len(counts) - 1):
        inside = (reach >= edges[place]) & (reach < edges[place + 1])
        assert counts[place] == int(inside.sum())


def test_the_picture_has_a_bar_for_every_bin_that_is_not_empty():
    counts = [[0] * (len(bin_edges()) - 1) for _ in range(2)]
    counts[0][2], counts[0][BINS_BELOW], counts[1][BINS_BELOW + 3] = 7, 11, 22
    picture = reach_picture({"reach_edges": bin_edges(), "reach_counts": counts})
    root = ElementTree.fromstring(picture)
    bars = [one for one in root.iter(f"{SVG}rect") if one.get("fill") != "#fff"]
    assert [bar.get("fill") for bar in bars] == [DEAD_COLOUR, ALIVE_COLOUR, ALIVE_COLOUR]
    tall = [float(bar.get("height")) for bar in bars]
    assert tall == pytest.approx([tall[2] * 7 / 22, tall[2] / 2, tall[2]], abs=0.1)
    (line,) = [one for one in root.iter(f"{SVG}line") if one.get("stroke-dasharray")]
    at = float(line.get("x1"))
    assert float(bars[0].get("x")) < at <= float(bars[1].get("x"))
    texts = [one.text for one in root.iter(f"{SVG}text")]
    assert {"layer 0", "layer 1", "dead", "alive", "7", "11", "22", "0.01", "1"} <= set(texts)
