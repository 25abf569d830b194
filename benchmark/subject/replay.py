"""Replay: a forward pass continued from a site, without repeating what lies before it.

The model's own code is run a second time. Whatever had been computed inside its blocks when the
site was reached (the blocks below, and in the site's own block its attention, norms and the way
into the MLP) is not computed again: each such module returns what it returned the first time. So
nothing has to be known about how an architecture puts its parts together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmark.errors import BenchmarkError
from benchmark.subject.units import HookPoint


class _SiteReachedError(Exception):
    """Ends a forward pass at the site."""


class Replay:
    """Contexts run up to the site of a layer once, to be continued as often as is needed.

    Args:
        model: the plain PyTorch module; it is called with token ids.
        blocks: its blocks, first to last.
        site: the tensor that is replaced, in block `layer` or between it and the next one.
        layer: the site's layer.
        tokens: token ids, `[batch, pos]`, on the model's device.
        call: further keyword arguments of every call of `model`.

    Attributes:
        hidden: the site's tensor in the model's precision, `[batch, pos, d_site]`.

    Raises:
        BenchmarkError: the model does not reach the site, or not in that shape.
    """

    def __init__(
        self,
        model: nn.Module,
        blocks: Sequence[nn.Module],
        site: HookPoint,
        layer: int,
        tokens: Int[Tensor, "batch pos"],
        call: Mapping[str, Any],
    ) -> None:
        self._model, self._site, self._call = model, site, call
        self._tokens = tokens
        self._below = list(blocks[:layer])
        self._kept: dict[nn.Module, list[Any]] = {}
        self.hidden: Float[Tensor, "batch pos d_site"]
        self._record(blocks[layer])

    def continued(
        self, rows: Int[Tensor, " r"], hidden: Float[Tensor, "r pos d_site"]
    ) -> Float[Tensor, "r pos d_vocab"]:
        """Return the model's logits with another tensor at the site.

        Args:
            rows: which contexts; one may be named many times.
            hidden: the tensor, for each of `rows`.
        """
        whole = len(rows) == len(self._tokens) and bool((rows.diff() == 1).all())
        pick = (lambda value: value) if whole else (lambda value: self._pick(value, rows))
        with self._finished_modules(pick), torch.no_grad():
            handle = self._site.replace(lambda old: hidden.reshape(-1, *old.shape[1:]))
            try:
                output = self._model(self._tokens[rows], **self._call)
            finally:
                handle.remove()
        logits: Tensor = output if isinstance(output, Tensor) else output.logits
        return logits

    def _record(self, block: nn.Module) -> None:
        """Run up to the site; keep the outputs of the modules that are finished by then."""
        around = {module for module in block.modules() if self._site.module in module.modules()}
        outputs: dict[nn.Module, list[Any]] = {}
        handles = []

        def keep(module: nn.Module, _: Any, output: Any) -> None:
            outputs.setdefault(module, []).append(output)

        def reached(hidden: Tensor) -> None:
            self.hidden = hidden.detach()
            raise _SiteReachedError

        try:
            for module in block.modules():
                if module not in around:
                    handles.append(module.register_forward_hook(keep))
            if self._below:
                handles.append(self._below[-1].register_forward_hook(keep))
            handles.append(self._site.read(reached))
            with torch.no_grad():
                self._model(self._tokens, **self._call)
        except _SiteReachedError:
            pass
        finally:
            for handle in handles:
                handle.remove()
        shape = self._tokens.shape
        hidden = getattr(self, "hidden", None)
        if hidden is not None and hidden.ndim == 2:  # some flatten batch and position
            hidden = hidden.unflatten(0, tuple(shape))
        if hidden is None or hidden.ndim != 3 or hidden.shape[:2] != shape:
            raise BenchmarkError(
                "the model does not reach its units from its blocks one after another: outputs "
                "of this architecture cannot be computed from replaced activations."
            )
        self.hidden = hidden
        for module in outputs:
            inside = set(module.modules()) - {module}
            outputs = {other: kept for other, kept in outputs.items() if other not in inside}
        self._kept = outputs
        for lower in self._below[:-1]:  # only what leaves the last of them is used
            self._kept[lower] = self._kept[self._below[-1]]

    def _pick(self, value: Any, rows: Tensor) -> Any:
        """Return a module's output for some contexts, however it is packed."""
        if isinstance(value, Tensor):
            n_contexts, n_positions = self._tokens.shape
            if value.ndim and value.shape[0] == n_contexts:
                return value.index_select(0, rows)
            if value.ndim and value.shape[0] == n_contexts * n_positions:
                contexts = value.unflatten(0, (n_contexts, n_positions))
                return contexts.index_select(0, rows).flatten(0, 1)
            return value
        if isinstance(value, tuple | list):
            return type(value)(self._pick(part, rows) for part in value)
        return value

    @contextmanager
    def _finished_modules(self, pick: Callable[[Any], Any]) -> Iterator[None]:
        """Let each finished module return its earlier outputs, once per earlier call."""
        given: dict[int, Any] = {}
        before = {module: module.__dict__.get("forward") for module in self._kept}

        def again(outputs: Sequence[Any], own: Callable[..., Any]) -> Callable[..., Any]:
            left = iter(outputs)

            def forward(*arguments: Any, **options: Any) -> Any:
                for output in left:
                    if id(output) not in given:
                        given[id(output)] = pick(output)
                    return given[id(output)]
                return own(*arguments, **options)

            return forward

        try:
            for module, outputs in self._kept.items():
                module.forward = again(outputs, module.forward)
            yield
        finally:
            for module, own in before.items():
                if own is None:
                    module.__dict__.pop("forward", None)
                else:
                    module.forward = own
