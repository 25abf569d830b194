"""Watched subject: notes every query, and every way around its counter."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from jaxtyping import Int
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from benchmark.subject import Subject
from benchmark.subject.batching import ForwardPasses

Kept = TypeVar("Kept")


@dataclass
class Seen:
    """The queries of a subject during a while.

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
        """Return how many tokens the counted calls truly ran."""
        return sum(context.numel() for context in self.contexts)


class WatchedSubject(Subject):
    """The same model; contexts run one by one, so that no answer depends on the other contexts."""

    def __init__(self, subject: Subject) -> None:
        parts = {part.name: getattr(subject, part.name) for part in dataclasses.fields(Subject)}
        self._watch = _WatchedPasses(subject)
        super().__init__(**{**parts, "passes": self._watch})

    @contextlib.contextmanager
    def watching(self) -> Iterator[Seen]:
        """Note what happens meanwhile."""
        seen, before, watch = Seen(), self.tokens_run, self._watch
        outer, watch.seen = watch.seen, seen
        hook = register_module_forward_pre_hook(watch.module_runs)
        try:
            yield seen
        finally:
            hook.remove()
            watch.seen = outer
            seen.counted = self.tokens_run - before


class _WatchedPasses(ForwardPasses):
    """Passes of one context each that note the contexts, and the modules that run outside them."""

    shares_prefixes = False

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.device, 1)
        roots = (subject.model, subject.reader.model)
        self._parts = {
            id(part) for root in roots if isinstance(root, nn.Module) for part in root.modules()
        }
        self._running = False
        self.seen: Seen | None = None

    def over(self, tokens: Tensor, run: Callable[[Tensor], Kept]) -> Iterator[tuple[slice, Kept]]:
        def noted(part: Tensor) -> Kept:
            self._running = True
            try:
                kept = run(part)
            finally:
                self._running = False
            if self.seen is not None:
                self.seen.contexts.append(part.cpu())
            return kept

        return super().over(tokens, noted)

    def module_runs(self, module: nn.Module, _inputs: Any) -> None:
        """Note a part of the subject that runs, unless a counted pass runs it."""
        if self.seen is not None and not self._running and id(module) in self._parts:
            self.seen.around.append(type(module).__name__)


def windows(tokens: Int[Tensor, "batch pos"], width: int) -> set[bytes]:
    """Return every n-gram of `width` tokens in some contexts, each once."""
    if tokens.shape[1] < width:
        return set()
    runs = tokens.long().unfold(1, width, 1).reshape(-1, width).numpy()
    return {run.tobytes() for run in runs}
