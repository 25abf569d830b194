"""Parts of a run that explainers receive: a subject to query, and a storage for each explainer."""

from __future__ import annotations

import copy
import re
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from benchmark.errors import BenchmarkError
from benchmark.interface import SharedPrefixes, Storage, SubjectModel

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from benchmark.subject import Subject

# Kinds of the cache that runs measure: what they hold is nobody's to write but the benchmark's.
MEASURED = ("calibration", "clusters", "copied", "evidence", "profile", "tokens", "truth")

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
    def name(self) -> str:
        """Return the subject's name."""
        return _subjects[self].name

    @property
    def n_layers(self) -> int:
        """Return the number of layers."""
        return _subjects[self].n_layers

    @property
    def n_ctx(self) -> int:
        """Return the number of positions."""
        return _subjects[self].n_ctx

    @property
    def d_vocab(self) -> int:
        """Return the number of token ids."""
        return _subjects[self].d_vocab

    @property
    def bos(self) -> int:
        """Return the token id that starts every context."""
        return _subjects[self].bos

    @property
    def tokenizer(self) -> Any:
        """Return a copy of the subject's tokenizer."""
        if self not in _tokenizers:
            _tokenizers[self] = copy.deepcopy(_subjects[self].tokenizer)
        return _tokenizers[self]

    @property
    def device(self) -> torch.device:
        """Return where the subject runs."""
        return _subjects[self].device

    @property
    def has_unembedding(self) -> bool:
        """Return whether `likely_next` can answer."""
        return _subjects[self].has_unembedding

    @property
    def tokens_run(self) -> int:
        """Return how many tokens were run so far."""
        return _subjects[self].tokens_run

    def n_units(self, layer: int) -> int:
        """Return how many units a layer has; see `SubjectModel.n_units`."""
        return _subjects[self].n_units(layer)

    def activations(
        self, tokens: Tensor, layer: int, neurons: Tensor | Sequence[int] | None = None
    ) -> Tensor:
        """Return true activations, `[batch, pos, n]`; see `SubjectModel.activations`."""
        return _subjects[self].activations(tokens, layer, neurons)

    def last_activations(
        self,
        tokens: Tensor,
        layer: int,
        rows: Tensor,
        neurons: Tensor,
        prefixes: SharedPrefixes | None = None,
    ) -> Tensor:
        """Return activations at last positions, `[pairs]`; see `SubjectModel.last_activations`."""
        return _subjects[self].last_activations(tokens, layer, rows, neurons, prefixes)

    def likely_next(self, tokens: Tensor, k: int) -> Tensor:
        """Return the likeliest tokens, `[batch, pos, k]`; see `SubjectModel.likely_next`."""
        return _subjects[self].likely_next(tokens, k)

    def __deepcopy__(self, memory: Any) -> HandedSubject:
        return self

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"the subject that explainers are given has no '{name}': it is shared, and only "
            "asked; use activations(tokens, layer, neurons), whose tokens are counted"
        )


def handed(subject: SubjectModel) -> SubjectModel:
    """Return the subject as explainers are given it; one that is no loaded model stays as it is."""
    from benchmark.subject import Subject

    if isinstance(subject, Subject):
        return HandedSubject(subject)
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
