"""Shapes of language models: how many parameters run, whether or not the model can be loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError, unknown
from benchmark.files.reading import read_json

if TYPE_CHECKING:
    from benchmark.subject import Subject

# How config.json files call the numbers: TransformerLens, Hugging Face, GPT-2.
KEYS = {
    "layers": ("n_layers", "num_hidden_layers", "n_layer"),
    "width": ("d_model", "hidden_size", "n_embd"),
    "neurons": ("d_mlp", "intermediate_size", "n_inner", "ffn_dim"),
    "vocabulary": ("d_vocab", "vocab_size"),
    "heads": ("n_heads", "num_attention_heads", "n_head"),
    "key_heads": ("n_key_value_heads", "num_key_value_heads"),
    "head_width": ("d_head", "head_dim"),
}
NEEDED = ("layers", "width", "neurons", "vocabulary")
GATED = ("gemma", "gemma2", "gemma3_text", "llama", "mistral", "phi3", "qwen2", "qwen3", "olmo2")


@dataclass(frozen=True)
class Shape:
    """Numbers that decide what a model costs; norms, biases and positions are left out.

    Attributes:
        name: of the model.
        layers: how many.
        width: of the residual stream.
        neurons: of the MLP of a layer.
        vocabulary: number of token ids.
        key_width: all key heads of a layer together, and all value heads: `heads * head_width`.
        query_width: all query heads of a layer together.
        gated: whether an MLP has two matrices into it, as Llama's.
        tied: whether embedding and unembedding are one matrix.
    """

    name: str
    layers: int
    width: int
    neurons: int
    vocabulary: int
    key_width: int
    query_width: int
    gated: bool = False
    tied: bool = False

    @property
    def attention_parameters(self) -> int:
        """Return those of one layer's attention."""
        return 2 * self.width * (self.query_width + self.key_width)

    @property
    def parameters(self) -> int:
        """Return all, embedding and unembedding included."""
        mlp = (2 + self.gated) * self.width * self.neurons
        embeddings = (2 - self.tied) * self.vocabulary * self.width
        return self.layers * (self.attention_parameters + mlp) + embeddings

    def parameters_to(self, layer: int) -> int:
        """Return those that multiply a token until the neurons of a layer are known."""
        into = (1 + self.gated) * self.width * self.neurons
        below = layer * (self.attention_parameters + into + self.width * self.neurons)
        return below + self.attention_parameters + into

    def flop(self, layer: int) -> int:
        """Return the operations of a token up to a layer's neurons: two for each parameter."""
        return 2 * self.parameters_to(layer)

    def mean_flop(self, layers: Sequence[int]) -> float:
        """Return the mean of `flop` over layers: of a query about any of their neurons."""
        return sum(map(self.flop, layers)) / len(layers)


def _known(
    name: str, layers: int, width: int, neurons: int, vocabulary: int, **others: Any
) -> Shape:
    key_width = others.pop("key_width", width)
    return Shape(name, layers, width, neurons, vocabulary, key_width, width, **others)


KNOWN = {
    shape.name: shape
    for shape in (
        _known("solu-8l", 8, 1024, 4096, 48262),
        _known("gpt2-small", 12, 768, 3072, 50257, tied=True),
        _known("pythia-6.9b", 32, 4096, 16384, 50432),
        _known("llama-3.1-8b", 32, 4096, 14336, 128256, key_width=1024, gated=True),
    )
}
"""Models by the numbers in their own config.json, so that nobody needs to have them."""


def shape_named(text: str) -> Shape:
    """Return a shape: one that is known by name, of a config.json, or of numbers.

    Args:
        text: `gpt2-small`; a path; or `layers=32,width=4096,neurons=14336,vocabulary=128256` with
            `heads=`, `key_heads=`, `head_width=`, `gated=true` and `tied=true` where they apply.

    Raises:
        BenchmarkError: it is none of these, or a number is missing or no whole number from 1 on.
    """
    if text in KNOWN:
        return KNOWN[text]
    path = Path(text).expanduser()
    if path.is_dir():
        path = path / "config.json"
    if path.exists():
        config = read_json(path)
        if not isinstance(config, dict):
            raise BenchmarkError(f"'{path}' is no configuration of a model: it is no object.")
        return shape_of_config(config, path.parent.name or str(path))
    if "=" in text:
        return _of_numbers(text)
    raise unknown(
        "shape", text, KNOWN, "or a config.json, or layers=...,width=...,neurons=...,vocabulary=..."
    )


def shape_of_config(config: Mapping[str, Any], name: str) -> Shape:
    """Return the shape that a config.json describes.

    Raises:
        BenchmarkError: it does not say how many layers, or how wide they are.
    """
    inner = config.get("text_config")
    if isinstance(inner, dict):
        config = {**config, **inner}
    numbers = {
        ours: next((config[key] for key in keys if config.get(key) is not None), None)
        for ours, keys in KEYS.items()
    }
    if numbers["neurons"] is None and isinstance(numbers["width"], int):
        numbers["neurons"] = 4 * numbers["width"]  # as GPT-2 leaves it out
    kind = str(config.get("model_type"))
    gated = bool(config.get("gated_mlp", kind in GATED))
    tied = bool(config.get("tie_word_embeddings", kind == "gpt2"))
    return _checked(name, numbers, gated, tied)


def shape_of(subject: Subject) -> Shape | None:
    """Return the shape of a loaded subject; None of one that is no transformer."""
    if not hasattr(subject.model, "cfg"):
        return None
    names = {key for keys in KEYS.values() for key in keys} | {"gated_mlp"}
    found = {name: getattr(subject.model.cfg, name, None) for name in names}
    return shape_of_config(found, subject.name)


def _of_numbers(text: str) -> Shape:
    numbers: dict[str, Any] = {}
    for word in text.split(","):
        key, _, value = word.partition("=")
        if key not in (*KEYS, "gated", "tied", "name"):
            raise unknown("number of a shape", key, [*KEYS, "gated", "tied", "name"])
        numbers[key] = int(value) if value.isdecimal() else value
    name = str(numbers.pop("name", "by numbers"))
    gated, tied = (str(numbers.pop(key, "false")).lower() == "true" for key in ("gated", "tied"))
    return _checked(name, {key: numbers.get(key) for key in KEYS}, gated, tied)


def _checked(name: str, numbers: Mapping[str, Any], gated: bool, tied: bool) -> Shape:
    for key, value in numbers.items():
        if value is None and key not in NEEDED:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            shown = "missing" if value is None else repr(value)
            raise BenchmarkError(
                f"the shape of '{name}' needs {key}, a whole number from 1 on; it is {shown}."
            )
    width, heads = numbers["width"], numbers["heads"] or 1
    head_width = numbers["head_width"] or width // heads
    key_width = (numbers["key_heads"] or heads) * head_width
    return Shape(
        name,
        numbers["layers"],
        width,
        numbers["neurons"],
        numbers["vocabulary"],
        key_width,
        heads * head_width,
        gated,
        tied,
    )
