"""A subject that notes everything it is asked, and every way around its counter."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from jaxtyping import Int
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from benchmark.subject import Subject
from benchmark.subject.batching import BatchSize
from benchmark.subject.prefix_cache import Stems
from benchmark.subject.site import Sites

Found = TypeVar("Found")


@dataclass
class Seen:
    """What a subject was asked during a while.

    Attributes:
        contexts: the token ids of every counted forward pass, `[batch, pos]` each.
        counted: by how much the subject's own counter went up.
        around: names of parts of the subject that ran outside of a counted call.
    """

    contexts: list[Int[Tensor, "batch pos"]] = field(default_factory=list)
    counted: int = 0
    around: list[str] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """How many tokens the counted calls were truly about."""
        return sum(context.numel() for context in self.contexts)


class WatchedSubject(Subject):
    """The same model; contexts run one by one, so that no answer depends on its company."""

    def __init__(self, subject: Subject) -> None:
        self.__dict__.update(vars(subject))
        self.tokens_run = self.calls_run = 0
        self.limit_batch(1)
        roots = (subject.model, subject._sites.model)
        self._parts = {
            id(part) for root in roots if isinstance(root, nn.Module) for part in root.modules()
        }
        self._seen: Seen | None = None
        self._asked = False
        self._sites = _WatchedSites(subject._sites, self)

    @contextlib.contextmanager
    def watching(self) -> Iterator[Seen]:
        """Note what happens meanwhile."""
        seen, before = Seen(), self.tokens_run
        outer, self._seen = self._seen, seen
        hook = register_module_forward_pre_hook(self._module_runs)
        try:
            yield seen
        finally:
            hook.remove()
            self._seen = outer
            seen.counted = self.tokens_run - before

    def ran_around(self, part: str) -> None:
        """Note that a part of the subject ran, unless it was asked through a counted call."""
        if self._seen is not None and not self._asked:
            self._seen.around.append(part)

    def _module_runs(self, module: nn.Module, _inputs: Any) -> None:
        if id(module) in self._parts:
            self.ran_around(type(module).__name__)

    def _last_positions(self, tokens: Tensor, layer: int, _stems: Stems | None) -> Any:
        return super()._last_positions(tokens, layer, None)

    def _batches(
        self, tokens: Tensor, batch: BatchSize, read: Callable[[Tensor], Found]
    ) -> Iterator[tuple[slice, Found]]:
        def noted(part: Tensor) -> Found:
            self._asked = True
            try:
                found = read(part)
            finally:
                self._asked = False
            if self._seen is not None:
                self._seen.contexts.append(part.cpu())
            return found

        return super()._batches(tokens, batch, noted)


class _WatchedSites(Sites):
    """The sites of a watched subject; reading them outside of a counted call is noted."""

    def __init__(self, sites: Sites, subject: WatchedSubject) -> None:
        self.__dict__.update(vars(sites))
        self._inner = sites
        self._subject = subject

    def read(self, *arguments: Any, **options: Any) -> Any:
        self._subject.ran_around("sites")
        return self._inner.read(*arguments, **options)


def windows(tokens: Int[Tensor, "batch pos"], width: int) -> set[bytes]:
    """Every run of `width` tokens in some contexts, each once."""
    if tokens.shape[1] < width:
        return set()
    runs = tokens.long().unfold(1, width, 1).reshape(-1, width).numpy()
    return {run.tobytes() for run in runs}
