"""True activations of chosen neurons at chosen contexts, in one pass for all layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.terminal.progress import progress

if TYPE_CHECKING:
    from benchmark.subject import Subject


@dataclass(frozen=True)
class Request:
    """What is wanted of one block of neurons.

    Attributes:
        layer: the layer of the neurons.
        neurons: their indices, `[n]`.
        shared: rows of contexts wanted for all the neurons, `[m]`.
        own: rows of contexts wanted for each neuron, `[n, k]`; -1 asks for nothing (zeros).
    """

    layer: int
    neurons: Int[Tensor, " n"]
    shared: Int[Tensor, " m"]
    own: Int[Tensor, "n k"]


@dataclass(frozen=True)
class Gathered:
    """Activations in raw units: `shared` is `[m, ctx, n]`, `own` is `[n, k, ctx]`."""

    shared: Float[Tensor, "m ctx n"]
    own: Float[Tensor, "n k ctx"]


class _Filler:
    """Fills one request batch by batch; both lists are walked in the order of the rows."""

    def __init__(self, request: Request, length: int, device: torch.device) -> None:
        n, k = request.own.shape
        m = len(request.shared)
        self._neurons = request.neurons.to(device)
        self._shared_order = np.argsort(request.shared.numpy(), kind="stable")
        self._shared_rows = request.shared.numpy()[self._shared_order]
        own = request.own.reshape(-1).numpy()
        self._own_order = np.argsort(own, kind="stable")
        self._own_rows = own[self._own_order]
        self._k = k
        self.shared = torch.zeros(m, length, n)
        self.own = torch.zeros(n * k, length)

    def take(self, rows: np.ndarray, activations: Float[Tensor, "b ctx n_units"]) -> None:
        """Take what is wanted of contexts `rows [b]`, which ascend."""
        device = activations.device
        low, high = np.searchsorted(self._shared_rows, (rows[0], rows[-1] + 1))
        if high > low:
            at = torch.from_numpy(np.searchsorted(rows, self._shared_rows[low:high])).to(device)
            where = torch.from_numpy(self._shared_order[low:high])
            self.shared[where] = activations[at][:, :, self._neurons].float().cpu()
        low, high = np.searchsorted(self._own_rows, (rows[0], rows[-1] + 1))
        if high > low:
            at = torch.from_numpy(np.searchsorted(rows, self._own_rows[low:high])).to(device)
            where = torch.from_numpy(self._own_order[low:high])
            neuron = self._neurons[(where // self._k).to(device)]
            self.own[where] = activations[at, :, neuron].float().cpu()


def gather(
    subject: Subject,
    tokens: Int[Tensor, "n ctx"],
    requests: Mapping[int, Request],
    *,
    description: str = "gathering",
) -> dict[int, Gathered]:
    """Answer several requests, each under its own key, with one forward pass over their contexts.

    Every context that somebody wants is run once, up to the highest layer wanted.
    """
    length = tokens.shape[1]
    wanted = [request.shared for request in requests.values()]
    wanted += [request.own.reshape(-1) for request in requests.values()]
    rows = torch.cat(wanted).unique(sorted=True)
    rows = rows[rows >= 0]
    fillers = {
        key: _Filler(request, length, torch.device(subject.device))
        for key, request in requests.items()
    }
    if len(rows):
        chosen = rows.numpy()
        layers = sorted({request.layer for request in requests.values()})
        with progress(len(rows) * length, description, "tokens") as bar:
            for part, activations in subject.stream(tokens[rows], layers):
                for key, request in requests.items():
                    fillers[key].take(chosen[part], activations[request.layer])
                bar.update((part.stop - part.start) * length)
    return {
        key: Gathered(fillers[key].shared, fillers[key].own.reshape(*request.own.shape, length))
        for key, request in requests.items()
    }
