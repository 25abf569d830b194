"""Everything that the model card says about trained weights, measured."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from benchmark.builtin.data import Texts
from benchmark.builtin.export import WEIGHTS
from benchmark.builtin.loss import TextLoss, text_loss
from benchmark.builtin.ngram import trigram_loss
from benchmark.builtin.tokenizer import encode
from benchmark.corpus import Contexts
from benchmark.evidence import dead_neurons, profile_layers
from benchmark.subject import Subject
from benchmark.subject.native import plain_native

PART = 10


def measure(folder: Path, subject: Subject, texts: Texts, explain: Contexts) -> dict[str, Any]:
    """Losses, living neurons and sizes, as JSON-able values.

    Args:
        folder: where the subject was loaded from.
        subject: a subject of the built-in kind.
        texts: the documents that it was trained on, and those held out.
        explain: the contexts on which neurons must fire to count as alive.
    """
    loss = held_out_loss(subject, texts)
    counted = trigram_loss(
        _ids(subject, texts.training),
        _ids(subject, texts.held_out),
        texts.held_out_bytes,
        bos=subject.bos,
        d_vocab=subject.d_vocab,
    )
    parameters = dict(plain_native(subject.model).named_parameters())
    return {
        "texts": {
            "fingerprint": texts.fingerprint,
            "held_out_documents": len(texts.held_out),
            "held_out_tokens": loss.n_tokens,
            "held_out_bytes": loss.n_bytes,
        },
        "held_out": loss.numbers(),
        # For a test that measures a part again, which is quick.
        "held_out_part": {"every": PART, **held_out_loss(subject, texts, PART).numbers()},
        "trigram": counted.numbers(),
        "neurons": {
            "per_layer": subject.d_mlp,
            "dead": dead_per_layer(subject, explain),
            "explain_contexts": len(explain),
            "context_length": int(explain.tokens.shape[1]),
        },
        "parameters": {
            "all": sum(each.numel() for each in parameters.values()),
            "layers": sum(each.numel() for name, each in parameters.items() if "layers." in name),
        },
        "weights_bytes": (folder / WEIGHTS).stat().st_size,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def held_out_loss(subject: Subject, texts: Texts, every: int = 1) -> TextLoss:
    """The subject's loss on the held-out documents, or on every second, third, ... of them."""
    chosen = texts.held_out[::every]
    n_bytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in chosen)
    return text_loss(
        plain_native(subject.model),
        _ids(subject, chosen),
        n_bytes,
        n_ctx=subject.n_ctx,
        bos=subject.bos,
    )


def dead_per_layer(subject: Subject, explain: Contexts) -> list[int]:
    """Neurons of each layer that never fire on these contexts, as the benchmark defines it."""
    layers = range(subject.n_layers)
    profiles = profile_layers(subject, explain, layers, 1, description="neurons that fire")
    return [int(dead_neurons(profiles[layer]).sum()) for layer in layers]


def _ids(subject: Subject, texts: Sequence[str]) -> list[Int[np.ndarray, " tokens"]]:
    return encode(subject.tokenizer.backend_tokenizer, texts)
