"""Subject: the language model whose neurons, or other units, are explained.

`load_subject` loads one from its config; a `Subject` answers what its neurons do on given tokens.
Importing this package loads neither torch nor transformers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark.subject.loading import KINDS, load_subject

if TYPE_CHECKING:
    from benchmark.subject.subject import Subject

__all__ = ["KINDS", "Subject", "load_subject"]


def __getattr__(name: str) -> Any:
    if name == "Subject":
        from benchmark.subject.subject import Subject

        return Subject
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
