"""A forward pass continued from the neurons of a layer, without repeating what lies before them.

The model's own code is run a second time. Whatever had been computed inside its blocks when the
neurons were reached (the blocks below, and in the neurons' own block its attention, norms and the
way into the MLP) is not computed again: each such module returns what it returned the first time.
So nothing has to be known about how an architecture puts its parts together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmark.errors import BenchmarkError


class _NeuronsReachedError(Exception):
    """Ends a forward pass at the neurons."""


class Replay:
    """Contexts run up to the neurons of a layer once, to be continued as often as is needed.

    Args:
        model: the plain PyTorch module; it is called with token ids.
        blocks: its blocks, first to last.
        site: the module of block `layer` whose first input is the neurons.
        layer: the neurons' layer.
        tokens: token ids, `[batch, pos]`, on the model's device.
        call: further keyword arguments of every call of `model`.

    Attributes:
        activations: the neurons in raw units and the model's precision, `[batch, pos, d_mlp]`.

    Raises:
        BenchmarkError: the model does not reach the neurons, or not in that shape.
    """

    def __init__(
        self,
        model: nn.Module,
        blocks: Sequence[nn.Module],
        site: nn.Module,
        layer: int,
        tokens: Int[Tensor, "batch pos"],
        call: dict[str, Any],
    ) -> None:
        self._model, self._site, self._call = model, site, call
        self._tokens = tokens
        self._below = list(blocks[:layer])
        self._kept: dict[nn.Module, list[Any]] = {}
        self.activations: Float[Tensor, "batch pos d_mlp"]
        self._record(blocks[layer])

    def continued(
        self, rows: Int[Tensor, " r"], activations: Float[Tensor, "r pos d_mlp"]
    ) -> Float[Tensor, "r pos d_vocab"]:
        """The model's logits when the neurons of the layer have other activations.

        Args:
            rows: which contexts; one may be named many times.
            activations: of all neurons of the layer, for each of `rows`.
        """

        def replace(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            return (activations.reshape(-1, *inputs[0].shape[1:]), *inputs[1:])

        whole = len(rows) == len(self._tokens) and bool((rows.diff() == 1).all())
        pick = (lambda value: value) if whole else (lambda value: self._pick(value, rows))
        with self._finished_modules(pick), torch.no_grad():
            handle = self._site.register_forward_pre_hook(replace)
            try:
                output = self._model(self._tokens[rows], **self._call)
            finally:
                handle.remove()
        logits: Tensor = output if isinstance(output, Tensor) else output.logits
        return logits

    def _record(self, block: nn.Module) -> None:
        """Run up to the neurons; keep what the modules that are finished by then gave."""
        around = {module for module in block.modules() if self._site in module.modules()}
        outputs: dict[nn.Module, list[Any]] = {}
        handles = []

        def keep(module: nn.Module, _: Any, output: Any) -> None:
            outputs.setdefault(module, []).append(output)

        def reached(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            self.activations = inputs[0].detach()
            raise _NeuronsReachedError

        try:
            for module in block.modules():
                if module not in around:
                    handles.append(module.register_forward_hook(keep))
            if self._below:
                handles.append(self._below[-1].register_forward_hook(keep))
            handles.append(self._site.register_forward_pre_hook(reached))
            with torch.no_grad():
                self._model(self._tokens, **self._call)
        except _NeuronsReachedError:
            pass
        finally:
            for handle in handles:
                handle.remove()
        shape = self._tokens.shape
        found = getattr(self, "activations", None)
        if found is not None and found.ndim == 2:  # some architectures flatten batch and position
            found = found.unflatten(0, tuple(shape))
        if found is None or found.ndim != 3 or found.shape[:2] != shape:
            raise BenchmarkError(
                "the model does not reach its neurons from its blocks one after another: outputs "
                "of this architecture cannot be computed from replaced activations."
            )
        self.activations = found
        for module in outputs:
            inside = set(module.modules()) - {module}
            outputs = {other: kept for other, kept in outputs.items() if other not in inside}
        self._kept = outputs
        for lower in self._below[:-1]:  # only what leaves the last of them is used
            self._kept[lower] = self._kept[self._below[-1]]

    def _pick(self, value: Any, rows: Tensor) -> Any:
        """What a module gave for some contexts, however its output is packed."""
        if isinstance(value, Tensor):
            n_contexts, n_positions = self._tokens.shape
            if value.ndim and value.shape[0] == n_contexts:
                return value.index_select(0, rows)
            if value.ndim and value.shape[0] == n_contexts * n_positions:
                apart = value.unflatten(0, (n_contexts, n_positions))
                return apart.index_select(0, rows).flatten(0, 1)
            return value
        if isinstance(value, tuple | list):
            return type(value)(self._pick(part, rows) for part in value)
        return value

    @contextmanager
    def _finished_modules(self, pick: Callable[[Any], Any]) -> Iterator[None]:
        """Within it, each finished module gives what it gave before, once for every call then."""
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
