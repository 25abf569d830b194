"""The model card: a template, and the numbers of one training and one evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from benchmark.builtin.reach import PICTURE


@dataclass(frozen=True)
class _Activation:
    """What the card says of an activation function."""

    name: str
    neurons: str
    site: str


ACTIVATIONS = {
    "solu_ln": _Activation(
        "SoLU",
        "SoLU neurons with a LayerNorm behind them (`solu_ln`)",
        "the activation after SoLU, before its LayerNorm",
    ),
    "gelu": _Activation(
        "GELU",
        "GELU neurons (`gelu`), no norm in the MLP",
        "the activation after GELU",
    ),
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
    activation = ACTIVATIONS[architecture["act_fn"]]
    neurons, held_out, trigram = (evaluation[key] for key in ("neurons", "held_out", "trigram"))
    n_neurons = neurons["per_layer"] * len(neurons["dead"])
    values: dict[str, Any] = {
        **{name: _plain(value) for name, value in architecture.items()},
        **{name: _plain(value) for name, value in recipe.items()},
        "name": evaluation["subject"],
        "activation": activation.name,
        "neurons_described": activation.neurons,
        "site_described": activation.site,
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
