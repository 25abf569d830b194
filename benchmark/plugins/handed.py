"""Parts of a run that explainers receive: a subject to query, and a storage for each explainer."""

from __future__ import annotations

import copy
import functools
import re
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn, cast

from benchmark.errors import BenchmarkError
from benchmark.interface import Storage, SubjectModel

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.subject import Subject

# Kinds of the cache that runs measure: what they hold is nobody's to write but the benchmark's.
MEASURED = (
    "calibration",
    "clusters",
    "copied",
    "exemplars",
    "part",
    "profile",
    "sample",
    "tokens",
    "top",
    "top_activations",
    "uniform",
)

# Not an attribute of the object, so that no attribute of it leads to the weights.
_subjects: weakref.WeakKeyDictionary[HandedSubject, Subject] = weakref.WeakKeyDictionary()
_tokenizers: weakref.WeakKeyDictionary[HandedSubject, Any] = weakref.WeakKeyDictionary()


class HandedSubject:
    """A subject that can be queried and not be changed: no weights, and a tokenizer of its own.

    It has exactly the attributes and methods of `SubjectModel`.
    """

    __slots__ = ("__weakref__",)

    def __init__(self, subject: Subject) -> None:
        _subjects[self] = subject

    @property
    def tokenizer(self) -> Any:
        """Return a copy of the subject's tokenizer."""
        if self not in _tokenizers:
            _tokenizers[self] = copy.deepcopy(_subjects[self].tokenizer)
        return _tokenizers[self]

    def __deepcopy__(self, memory: Any) -> HandedSubject:
        return self

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"the subject that explainers are given has no '{name}': it is shared, and only "
            "asked; use activations(tokens, layer, neurons), whose tokens are counted"
        )


def _query(name: str, declared: Any) -> Any:
    """Return an attribute of `HandedSubject` that answers as the subject does."""
    if isinstance(declared, property):
        return property(lambda handed: getattr(_subjects[handed], name), doc=declared.__doc__)

    @functools.wraps(declared)
    def query(handed: HandedSubject, *arguments: Any, **named: Any) -> Any:
        return getattr(_subjects[handed], name)(*arguments, **named)

    return query


for _name, _declared in vars(SubjectModel).items():
    if not _name.startswith("_") and _name not in vars(HandedSubject):
        setattr(HandedSubject, _name, _query(_name, _declared))


def handed(subject: SubjectModel) -> SubjectModel:
    """Return the subject as explainers are given it; one that is no loaded model stays as it is."""
    from benchmark.subject import Subject

    if isinstance(subject, Subject):
        return cast(SubjectModel, HandedSubject(subject))
    return subject


class HandedStorage:
    """A storage for what explainers learn, separate from what runs measure."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def read(self, kind: str, determinants: Mapping[str, Any]) -> dict[str, Tensor] | None:
        """Return the tensors, or None if there are none.

        Raises:
            BenchmarkError: the kind is none that an explainer may use.
        """
        return self._storage.read(_checked(kind), determinants)

    def write(
        self, kind: str, determinants: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> None:
        """Keep tensors for later runs. Raises as `read`."""
        self._storage.write(_checked(kind), determinants, tensors)


def _checked(kind: str) -> str:
    if not isinstance(kind, str) or not re.fullmatch(r"\w[\w.-]*", kind) or kind in MEASURED:
        raise BenchmarkError(
            f"an explainer cannot keep tensors as {kind!r}: take a name of letters, digits, _ and "
            f"- that is none of {', '.join(MEASURED)}."
        )
    return kind
