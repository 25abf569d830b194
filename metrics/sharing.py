"""Shared work: what several metrics of the same neurons have in common is computed once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from torch import Tensor

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# Results by function and arguments, with the arguments: while they are held, no other tensor can
# have their identity.
_Kept = dict[tuple[Any, ...], tuple[tuple[Any, ...], Any]]
_kept: ContextVar[_Kept | None] = ContextVar("kept", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Let `shared` functions return what they returned before for the same tensors.

    The tensors must not be changed in place meanwhile; what is kept goes when it ends.
    """
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def shared(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a pure function of tensors be computed once per `sharing`; outside it changes nothing."""

    @functools.wraps(function)
    def once(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        kept = _kept.get()
        if kept is None:
            return function(*args, **kwargs)
        named = tuple(sorted(kwargs.items()))
        key = (function, *map(_identity, args), *((name, _identity(v)) for name, v in named))
        if key not in kept:
            kept[key] = ((args, named), function(*args, **kwargs))
        result: Result = kept[key][1]
        return result

    return once


def _identity(value: object) -> object:
    return ("tensor", id(value)) if isinstance(value, Tensor) else value
