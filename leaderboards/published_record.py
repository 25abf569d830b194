"""A run's record as it is published: without the folders of the machine that it was made on."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.results import RunRecord

# Words of the command that say where its files were, which is nobody's business.
_FOLDERS = ("results_dir=", "cache_dir=", "tracking.")
_NEUTRAL = {
    "results_dir": "results",
    "cache_dir": None,
    "tracking": {"name": "none", "kind": "none"},
}


def published_record(record: RunRecord) -> RunRecord:
    """Return the record without the submitter's folders; a path is replaced by its last part.

    The fingerprints of subject and corpus cover their content, so they are the same for whoever
    has the same files in another place.
    """
    config = {**record.config}
    config |= {key: value for key, value in _NEUTRAL.items() if key in config}
    model = config.get("model")
    built_in = isinstance(model, dict) and model.get("kind") == "builtin"
    config = {
        key: value if key == "model" and built_in else _everywhere(value, base_name)
        for key, value in config.items()
    }
    dataset = config.get("dataset")
    if isinstance(dataset, dict) and dataset.get("kind") == "text":
        config["dataset"] = {**dataset, "path": _last_part(str(dataset.get("path")))}
    explainer, subject, corpus = record.explainer, record.subject, record.corpus
    source = subject.source if built_in else base_name(subject.source)
    return dataclasses.replace(
        record,
        config=config,
        command=[
            _word(word) for word in record.command if not word.lstrip("+").startswith(_FOLDERS)
        ],
        explainer=dataclasses.replace(explainer, options=_everywhere(explainer.options, base_name)),
        subject=dataclasses.replace(subject, source=source),
        corpus=dataclasses.replace(corpus, counts=_everywhere(corpus.counts, base_name)),
    )


def base_name(text: str) -> str:
    """Return the last part of a path of this or another machine; other texts are left alone."""
    return _last_part(text) if _is_local(text) else text


def without_folders(text: str) -> str:
    """Return a sentence in which every absolute path is replaced by its last part."""
    return re.sub(
        r"(?<![\w.:/\\])(?:[A-Za-z]:|~)?[/\\][^\s'\",;:()]*", lambda m: _last_part(m[0]), text
    )


def _is_local(text: str) -> bool:
    """Return whether a text is a path: absolute, of the home folder, relative upwards, or one
    that is.
    """
    if re.match(r"[/~\\]|\.{1,2}[/\\]|[A-Za-z]:[/\\]|file:", text):
        return True
    parts = re.split(r"[/\\]", text)
    if len(parts) < 2 or "\0" in text or len(text) > 4096:
        return False
    try:
        return ".." in parts or Path(text).exists()
    except OSError:
        return False


def _last_part(text: str) -> str:
    parts = [part for part in re.split(r"[/\\]", text) if part not in ("", ".", "..", "~")]
    return parts[-1] if parts else "_"


def _word(word: str) -> str:
    """Return a word of the command; of `key=value` only the value can be a path."""
    key, equals, value = word.partition("=")
    if not equals:
        return base_name(word)
    if key.lstrip("+") == "dataset.path":
        return f"{key}={_last_part(value)}"
    return f"{key}={base_name(value)}"


def _everywhere(value: Any, change: Callable[[str], str]) -> Any:
    """Return the data with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _everywhere(entry, change) for key, entry in value.items()}
    if isinstance(value, list):
        return [_everywhere(entry, change) for entry in value]
    return value
