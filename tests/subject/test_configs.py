"""The configs of known subjects say what TransformerLens knows about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformer_lens.supported_models import MODEL_ALIASES, get_official_model_name

from benchmark.config.catalogue import entries
from benchmark.subject import KINDS

FOLDER = Path(__file__).parents[2] / "configs" / "model"
CONFIGS: dict[str, dict[str, Any]] = {entry.name: dict(entry.config) for entry in entries("model")}
FIELDS = {"name", "kind", "source", "revision", "dataset", "description"}


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_is_complete(name: str) -> None:
    config = CONFIGS[name]
    assert set(config) == FIELDS
    assert config["name"] == name
    assert config["kind"] in KINDS
    assert config["dataset"] in {"stdlib", "c4-code", "pile"}
    assert config["description"]
    assert (FOLDER / f"{name}.yaml").read_text().startswith("# ")


@pytest.mark.parametrize(
    "name", [name for name, config in CONFIGS.items() if config["kind"] == "tl_legacy"]
)
def test_every_alias_means_the_repository_of_transformer_lens(name: str) -> None:
    config = CONFIGS[name]
    assert get_official_model_name(name) == config["source"]
    # Trained on the Pile or on C4 and code: other text, another tokenizer, another corpus.
    old = config["source"].endswith("_old")
    assert config["dataset"] == ("pile" if old else "c4-code")


def test_no_solu_or_gelu_model_is_left_out() -> None:
    wanted = {
        source
        for source in MODEL_ALIASES
        if source.startswith(("NeelNanda/SoLU", "NeelNanda/GELU")) and "Finetune" not in source
    }
    assert {c["source"] for c in CONFIGS.values() if c["kind"] == "tl_legacy"} == wanted


def test_both_aliases_of_an_old_model_share_its_repository() -> None:
    for name in CONFIGS:
        if name.endswith("-old"):
            assert CONFIGS[name]["source"] == CONFIGS[name.replace("-old", "-pile")]["source"]
    assert CONFIGS["solu-8l"]["source"] != CONFIGS["solu-8l-old"]["source"]


def test_the_other_subjects() -> None:
    others = {name: c["kind"] for name, c in CONFIGS.items() if c["kind"] != "tl_legacy"}
    assert others == {
        "gpt2-small": "transformers",
        "pythia-70m": "transformers",
        "solu-tiny": "builtin",
        "gelu-tiny": "builtin",
        "local": "local",
        "planted": "planted",
    }
