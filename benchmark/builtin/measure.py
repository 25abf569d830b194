"""Measurements of trained weights for the model card."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from benchmark.builtin.card import bin_edges, reach_histogram
from benchmark.builtin.checkpoint import WEIGHTS
from benchmark.builtin.data import TextLoss, Texts, encode, text_loss
from benchmark.builtin.ngram import trigram_loss
from benchmark.corpus import Contexts
from benchmark.corpus.overlap import COPY_TOKENS, copied_record, seen_windows
from benchmark.evidence import DEAD_FRACTION, dead_neurons, profile_layers, relative_reach
from benchmark.subject import Subject
from benchmark.subject.native import plain_native

PART = 10


def measure(
    folder: Path,
    subject: Subject,
    texts: Texts,
    explain: Contexts,
    held_out_copied: float | None = None,
) -> dict[str, Any]:
    """Measure losses, living neurons and sizes; return them as JSON-able values.

    Args:
        folder: where the subject was loaded from; its name is the subject's.
        subject: a subject of the built-in kind.
        texts: the documents that it was trained on, and those held out.
        explain: the contexts that decide which neurons are alive.
        held_out_copied: share of the 32-token windows of the held-out text that occur in the text
            of the training; None: not measured.
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
        "subject": folder.resolve().name.replace("_", "-"),
        "texts": {
            "fingerprint": texts.fingerprint,
            "held_out_documents": len(texts.held_out),
            "held_out_tokens": loss.n_tokens,
            "held_out_bytes": loss.n_bytes,
            "held_out_copied": held_out_copied,
        },
        "held_out": loss.numbers(),
        # For a test that measures a part again, which is quick.
        "held_out_part": {"every": PART, **held_out_loss(subject, texts, PART).numbers()},
        "trigram": counted.numbers(),
        "neurons": {
            "per_layer": subject.n_units(0),
            **living_neurons(subject, explain),
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
    """Return the subject's loss on the held-out documents, or on every second, third, ... one."""
    chosen = texts.held_out[::every]
    n_bytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in chosen)
    return text_loss(
        plain_native(subject.model),
        _ids(subject, chosen),
        n_bytes,
        n_ctx=subject.n_ctx,
        bos=subject.bos,
    )


def copied_from(held_out: Contexts, training: Sequence[Contexts]) -> dict[str, int | float | None]:
    """Return how much of the held-out text also stands in any of the splits of the training.

    Returns:
        As `benchmark.corpus.overlap.copied_share`.
    """
    found = [seen_windows(held_out, split, COPY_TOKENS) for split in training]
    complete = found[0][0]
    seen = torch.stack([seen for _, seen in found]).any(0)
    return copied_record(int(complete.sum()), int(seen.sum()))


def living_neurons(subject: Subject, explain: Contexts) -> dict[str, Any]:
    """Return the dead neurons and the histogram of the reach of each layer on these contexts.

    Returns:
        `dead` and `never_above_zero`, which are among them, for each layer; `dead_fraction`, the
        threshold; `reach_edges` and for each layer `reach_counts`.
    """
    layers = range(subject.n_layers)
    profiles = profile_layers(subject, explain, layers, 1, description="neurons that live")
    norms = {layer: subject.output_norms(layer) for layer in layers}
    return {
        "dead": [int(dead_neurons(profiles[layer], norms[layer]).sum()) for layer in layers],
        "never_above_zero": [int((profiles[at].max_activation <= 0).sum()) for at in layers],
        "dead_fraction": DEAD_FRACTION,
        "reach_edges": bin_edges(),
        "reach_counts": [
            reach_histogram(relative_reach(profiles[layer], norms[layer])) for layer in layers
        ],
    }


def _ids(subject: Subject, texts: Sequence[str]) -> list[Int[np.ndarray, " tokens"]]:
    return encode(subject.tokenizer.backend_tokenizer, texts)
