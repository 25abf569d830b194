"""The model card, from a template and numbers, and its picture: the reach of the neurons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from benchmark.evidence import DEAD_FRACTION

PICTURE = "reach.svg"

# Bins a quarter of a power of ten wide; the threshold is the edge between two.
BINS_BELOW, BINS_ABOVE = 12, 14
BINS_PER_DECADE = 4

WIDTH, PANEL, TOP, LEFT, BOTTOM = 720, 96, 30, 64, 44
PLOT = WIDTH - LEFT - 16
DEAD_COLOUR, ALIVE_COLOUR = "#c2542d", "#2f6f9f"
STYLE = 'font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#333"'


def bin_edges() -> list[float]:
    """Return the edges of the bins, parts of the average reach of a layer."""
    threshold = math.log10(DEAD_FRACTION)
    steps = range(-BINS_BELOW, BINS_ABOVE + 1)
    return [DEAD_FRACTION if i == 0 else 10 ** (threshold + i / BINS_PER_DECADE) for i in steps]


def reach_histogram(reach: Float[Tensor, " n_units"]) -> list[int]:
    """Count neurons by their reach; what lies outside the bins is counted in the outermost.

    Args:
        reach: parts of the average reach of the layer.

    Returns:
        As many counts as there are bins between `bin_edges`.
    """
    inner = torch.tensor(bin_edges()[1:-1], dtype=torch.float64)
    place = torch.bucketize(reach.double(), inner, right=True)
    return [int(count) for count in torch.bincount(place, minlength=len(inner) + 1)]


def reach_picture(neurons: Mapping[str, Any]) -> str:
    """Return the histograms of all layers as an SVG, the threshold marked.

    Args:
        neurons: `reach_edges`, and `reach_counts` of each layer, as they were measured.
    """
    edges = [math.log10(edge) for edge in neurons["reach_edges"]]
    layers = neurons["reach_counts"]
    largest = max(max(counts) for counts in layers)
    height = TOP + PANEL * len(layers) + BOTTOM
    dead_bins = sum(edge < math.log10(DEAD_FRACTION) - 1e-9 for edge in edges[:-1])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f"<g {STYLE}>",
    ]
    for layer, counts in enumerate(layers):
        parts += _panel(layer, counts, edges, largest, dead_bins)
    base = TOP + PANEL * len(layers)
    line = _x(math.log10(DEAD_FRACTION), edges)
    parts += [
        f'<line x1="{line:.1f}" x2="{line:.1f}" y1="{TOP - 8}" y2="{base}" stroke="#333" '
        'stroke-dasharray="4 3"/>',
        f'<text x="{line - 6:.1f}" y="{TOP - 12}" text-anchor="end" fill="{DEAD_COLOUR}">'
        "dead</text>",
        f'<text x="{line + 6:.1f}" y="{TOP - 12}" fill="{ALIVE_COLOUR}">alive</text>',
        *_axis(edges, base),
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panel(
    layer: int, counts: Sequence[int], edges: Sequence[float], largest: int, dead_bins: int
) -> list[str]:
    base = TOP + PANEL * (layer + 1)
    parts = [
        f'<text x="8" y="{base - PANEL / 2:.1f}">layer {layer}</text>',
        f'<line x1="{LEFT}" x2="{LEFT + PLOT}" y1="{base}" y2="{base}" stroke="#999"/>',
    ]
    for i, count in enumerate(counts):
        if count:
            left, right = _x(edges[i], edges), _x(edges[i + 1], edges)
            tall = max(1.0, (PANEL - 22) * count / largest)
            colour = DEAD_COLOUR if i < dead_bins else ALIVE_COLOUR
            parts.append(
                f'<rect x="{left + 0.5:.1f}" y="{base - tall:.1f}" width="{right - left - 1:.1f}" '
                f'height="{tall:.1f}" fill="{colour}"/>'
            )
            parts.append(
                f'<text x="{(left + right) / 2:.1f}" y="{base - tall - 3:.1f}" font-size="8" '
                f'text-anchor="middle">{count}</text>'
            )
    return parts


def _axis(edges: Sequence[float], base: int) -> list[str]:
    parts = []
    for power in range(math.ceil(edges[0]), math.floor(edges[-1]) + 1):
        at = _x(power, edges)
        parts.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{base}" y2="{base + 4}" stroke="#999"/>'
        )
        parts.append(
            f'<text x="{at:.1f}" y="{base + 17}" text-anchor="middle">{10.0**power:g}</text>'
        )
    parts.append(
        f'<text x="{LEFT + PLOT / 2:.1f}" y="{base + 36}" text-anchor="middle">reach: largest '
        "contribution to the residual stream, as a part of the layer&#8217;s average</text>"
    )
    return parts


def _x(power: float, edges: Sequence[float]) -> float:
    return LEFT + PLOT * (power - edges[0]) / (edges[-1] - edges[0])


# What the card says of an activation function.
ACTIVATIONS = {
    "solu_ln": {
        "activation": "SoLU",
        "neurons_described": "SoLU neurons with a LayerNorm behind them (`solu_ln`)",
        "site_described": "the activation after SoLU, before its LayerNorm",
    },
    "gelu": {
        "activation": "GELU",
        "neurons_described": "GELU neurons (`gelu`), no norm in the MLP",
        "site_described": "the activation after GELU",
    },
}

TEMPLATE = Path(__file__).with_name("model_card.md")


def render_card(
    architecture: Mapping[str, Any], training: Mapping[str, Any], evaluation: Mapping[str, Any]
) -> str:
    """Return the card as Markdown.

    Args:
        architecture: what `config.json` says.
        training: what `training.json` says.
        evaluation: what `evaluation.json` says.

    Raises:
        KeyError: one of them lacks a number that the card shows.
    """
    recipe, texts = training["recipe"], training["texts"]
    neurons, held_out, trigram = (evaluation[key] for key in ("neurons", "held_out", "trigram"))
    n_neurons = neurons["per_layer"] * len(neurons["dead"])
    values: dict[str, Any] = {
        **{name: _plain(value) for name, value in architecture.items()},
        **{name: _plain(value) for name, value in recipe.items()},
        "name": evaluation["subject"],
        **ACTIVATIONS[architecture["act_fn"]],
        "n_neurons": f"{n_neurons:,}",
        "n_parameters": f"{evaluation['parameters']['all']:,}",
        "n_block_parameters": f"{evaluation['parameters']['layers']:,}",
        "megabytes": f"{evaluation['weights_bytes'] / 1e6:.1f}",
        "training_documents": f"{texts['training_documents']:,}",
        "training_tokens": f"{texts['training_tokens']:,}",
        "held_out_documents": f"{evaluation['texts']['held_out_documents']:,}",
        "held_out_tokens": f"{evaluation['texts']['held_out_tokens']:,}",
        "held_out_bytes": f"{evaluation['texts']['held_out_bytes']:,}",
        "held_out_copied": _share(evaluation["texts"]["held_out_copied"]),
        "tokens_seen": f"{training['tokens_seen']:,}",
        "epochs": f"{training['tokens_seen'] / texts['training_tokens']:.1f}",
        "decay_percent": f"{recipe['decay']:.0%}".replace("%", " %"),
        "nats_per_token": f"{held_out['nats_per_token']:.4f}",
        "bits_per_byte": f"{held_out['bits_per_byte']:.4f}",
        "trigram_nats_per_token": f"{trigram['nats_per_token']:.4f}",
        "trigram_bits_per_byte": f"{trigram['bits_per_byte']:.4f}",
        "below_trigram": f"{100 * (1 - held_out['bits_per_byte'] / trigram['bits_per_byte']):.0f}",
        "layer_rows": "\n".join(
            _layer_row(layer, neurons["per_layer"], dead, never)
            for layer, (dead, never) in enumerate(
                zip(neurons["dead"], neurons["never_above_zero"], strict=True)
            )
        ),
        "alive_percent": _alive(sum(neurons["dead"]), n_neurons),
        "dead_percent": f"{100 * neurons['dead_fraction']:g}",
        "picture": PICTURE,
        "explain_contexts": f"{neurons['explain_contexts']:,}",
        "context_length": neurons["context_length"],
        "trained_python": training["versions"]["python"],
        "date": evaluation["date"],
        **evaluation["versions"],
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(values)


def _plain(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _layer_row(layer: int, n_neurons: int, dead: int, never: int) -> str:
    return f"| {layer} | {n_neurons:,} | {dead} | {never} | {_alive(dead, n_neurons)} |"


def _alive(dead: int, of: int) -> str:
    return f"{100 * (1 - dead / of):.1f} %"


def _share(share: float | None) -> str:
    return "an unknown share" if share is None else f"{100 * share:.2f} %"
