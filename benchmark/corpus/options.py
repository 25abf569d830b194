"""The dataset part of a run's configuration, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from benchmark.corpus.documents import DEFAULT_FRACTIONS, NEAR_DUPLICATES, SPLITS
from benchmark.errors import BenchmarkError, unknown

KINDS = ("stdlib", "python", "text", "hub")
NEEDS: Mapping[str, tuple[str, str]] = {
    "text": ("path", "dataset.path=<file or folder>"),
    "hub": ("repo", "dataset.repo=<owner>/<name>"),
}
ENCODING_ERRORS = ("strict", "replace")
MISSING = "???"


@dataclass(frozen=True)
class DatasetOptions:
    """What a `configs/dataset/*.yaml` may say; each file explains its own options.

    `max_document_characters` has no default of its own here: `from_config` gives `text` 20,000.
    """

    name: str
    kind: str
    description: str = ""
    path: str | None = None
    repo: str | None = None
    config: str | None = None
    hub_split: str = "train"
    revision: str | None = None
    column: str | None = None
    encoding_errors: str = "strict"
    max_documents: int | None = None
    max_document_characters: int | None = None
    fractions: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_FRACTIONS))
    split_seed: int = 0
    near_duplicates: float | None = NEAR_DUPLICATES

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> DatasetOptions:
        """Read a mapping, plain or of OmegaConf; raise `BenchmarkError` for whatever is wrong."""
        given = {str(key): value for key, value in _plain(config).items()}
        known = [each.name for each in fields(cls)]
        for key in given:
            if key not in known:
                raise unknown("dataset option", key, known)
        kind = given.get("kind")
        if kind not in KINDS:
            raise unknown("dataset.kind", str(kind), KINDS)
        given.setdefault("name", kind)
        if kind == "text":
            given.setdefault("max_document_characters", 20_000)
        if kind in NEEDS:
            key, example = NEEDS[kind]
            if given.get(key) in (None, "", MISSING):
                raise BenchmarkError(f"dataset '{given['name']}' needs {example}")
        options = cls(
            **{
                key: value
                for key, value in given.items()
                if value is not None or key == "near_duplicates"
            }
        )
        for key in ("name", "path", "repo", "config", "hub_split", "revision", "column"):
            value = getattr(options, key)
            # YAML reads an unquoted revision such as 1234567 as a number.
            if isinstance(value, int) and not isinstance(value, bool):
                object.__setattr__(options, key, str(value))
            elif value is not None and not isinstance(value, str):
                raise BenchmarkError(f"dataset.{key} must be a string, not {value!r}")
        if options.encoding_errors not in ENCODING_ERRORS:
            raise unknown("dataset.encoding_errors", str(options.encoding_errors), ENCODING_ERRORS)
        for key in ("max_documents", "max_document_characters"):
            _check_count(key, getattr(options, key))
        if isinstance(options.split_seed, bool) or not isinstance(options.split_seed, int):
            raise BenchmarkError(f"dataset.split_seed must be a number, not {options.split_seed!r}")
        _check_share(options.near_duplicates)
        object.__setattr__(options, "fractions", _checked_fractions(options.fractions))
        return options


def _plain(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the mapping without OmegaConf's types; a value still missing stays `???`."""
    from omegaconf import DictConfig, OmegaConf

    if isinstance(config, DictConfig):
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
        assert isinstance(plain, dict)
        return {str(key): value for key, value in plain.items()}
    return config


def _check_count(key: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BenchmarkError(f"dataset.{key} must be a positive number or null, not {value!r}")


def _check_share(value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise BenchmarkError(
            "dataset.near_duplicates must be a share above 0 and at most 1, or null to split "
            f"near-duplicates like other documents, not {value!r}"
        )


def _checked_fractions(given: Any) -> dict[str, float]:
    """Return the share of each split; `calibrate` may be empty, the two others may not."""
    if not isinstance(given, Mapping):
        raise BenchmarkError(f"dataset.fractions must name {', '.join(SPLITS)}, not {given!r}")
    for split in given:
        if split not in SPLITS:
            raise unknown("dataset.fractions", str(split), SPLITS)
    fractions = {}
    for split in SPLITS:
        share = given.get(split)
        if isinstance(share, bool) or not isinstance(share, (int, float)):
            raise BenchmarkError(f"dataset.fractions.{split} must be a number, not {share!r}")
        if not 0 <= share <= 1 or (share == 0 and split != "calibrate"):
            allowed = "at least 0" if split == "calibrate" else "more than 0"
            raise BenchmarkError(
                f"dataset.fractions.{split} is {share:g}; it must be {allowed} and at most 1"
            )
        fractions[split] = float(share)
    total = sum(fractions.values())
    if not math.isclose(total, 1.0, abs_tol=1e-6):
        shown = ", ".join(f"{split} {share:g}" for split, share in fractions.items())
        raise BenchmarkError(f"dataset.fractions must sum to 1, not {total:g}: {shown}")
    return fractions
