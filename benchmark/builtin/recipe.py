"""Recipes and shapes of the built-in subjects: every number that decides their weights."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.subject.tokenizer import BUILTIN_BOS

BOS_TOKEN = BUILTIN_BOS

_SHARED: dict[str, Any] = {
    "architecture": "TransformerLensNative",
    "normalization_type": "LN",
    "positional_embedding_type": "rotary",
    "n_ctx": 256,
    "d_vocab": 4096,
}

# By the subject's name, the `config.json` of a folder in the built-in layout: what
# TransformerLens's `boot_native` needs to build the model. `solu_ln` is SoLU followed by the
# LayerNorm inside the MLP, as in Anthropic's and Nanda's SoLU models; `gelu` is the exact GELU,
# without a norm in the MLP.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "solu-tiny": {
        **_SHARED,
        "act_fn": "solu_ln",
        "n_layers": 4,
        "d_model": 256,
        "d_mlp": 1024,
        "n_heads": 4,
        "d_head": 64,
    },
    "gelu-tiny": {
        **_SHARED,
        "act_fn": "gelu",
        "n_layers": 3,
        "d_model": 192,
        "d_mlp": 768,
        "n_heads": 4,
        "d_head": 48,
    },
}


def folder_name(subject: str) -> str:
    """Return the name of a built-in subject's folder in `benchmark/builtin`."""
    return subject.replace("-", "_")


def _option(default: float, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Recipe:
    """Numbers of one training; see `RECIPES` for those of the weights that are shipped.

    Raises:
        BenchmarkError: a number that cannot be.
    """

    steps: int = _option(1800, "steps of the optimisers")
    batch: int = _option(32, "windows a step")
    muon_lr: float = _option(0.02, "learning rate of Muon, for the matrices inside the blocks")
    adam_lr: float = _option(0.003, "learning rate of AdamW, for everything else")
    weight_decay: float = _option(0.1, "of the matrices inside the blocks")
    dropout: float = _option(0.1, "of what each sublayer adds to the residual stream")
    warmup: int = _option(100, "steps of linear rise of the learning rates")
    decay: float = _option(0.25, "part of the steps, the last, of linear fall to zero")
    seed: int = _option(0, "of the first weights, the order of the text and dropout")

    def __post_init__(self) -> None:
        lowest = {"steps": 1, "batch": 1, "warmup": 1, "seed": 0}
        for each in fields(self):
            value = getattr(self, each.name)
            if value < lowest.get(each.name, 0):
                raise BenchmarkError(
                    f"{flag(each.name)} {value} is too small; "
                    f"the smallest is {lowest.get(each.name, 0)}."
                )
        for name in ("dropout", "decay"):
            if getattr(self, name) >= 1:
                raise BenchmarkError(
                    f"{flag(name)} {getattr(self, name)} is a part of the whole; "
                    "give a number below 1."
                )


# Of the weights that are shipped, by the subject's name.
RECIPES: dict[str, Recipe] = {
    "solu-tiny": Recipe(steps=1500),
    "gelu-tiny": Recipe(steps=1300),
}


def flag(name: str) -> str:
    """Return the option of the command line for a number of the recipe."""
    return "--" + name.replace("_", "-")


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Give a parser one option for every number of the recipe; one not given is None."""
    group = parser.add_argument_group("recipe", "the defaults are those of the shipped weights")
    for each in fields(Recipe):
        values = {name: getattr(recipe, each.name) for name, recipe in RECIPES.items()}
        shown = ", ".join(f"{name} {value}" for name, value in values.items())
        if len(set(values.values())) == 1:
            shown = str(next(iter(values.values())))
        group.add_argument(
            flag(each.name),
            type=type(each.default),
            metavar="N",
            help=f"{each.metadata['help']} (default: {shown})",
        )


def recipe_of(subject: str, options: Mapping[str, Any]) -> Recipe:
    """Return a subject's recipe with the numbers that `options` gives.

    Raises:
        BenchmarkError: a number that cannot be.
    """
    given = {
        each.name: options[each.name]
        for each in fields(Recipe)
        if options.get(each.name) is not None
    }
    return replace(RECIPES[subject], **given)
