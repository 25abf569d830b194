"""State that all code of a process shares: before an explainer runs, and what it changed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from benchmark.terminal.streams import Stream

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE", "SIGALRM", "SIGCHLD")


class _Part:
    """One thing that is shared: its name for a message, its value, and how to set it again."""

    def __init__(self, name: str, read: Callable[[], Any], write: Callable[[Any], Any]) -> None:
        self.name, self.read, self.write = name, read, write
        self.value = read()

    def restore(self) -> bool:
        """Set it again if it is another; whether it was."""
        now = self.read()
        if now is self.value or now == self.value:
            return False
        self.write(self.value)
        return True


class SharedState:
    """What is shared as it is when this is made.

    Random numbers, threads and the handling of warnings of numbers are put back without a word;
    whatever else is changed is told.
    """

    def __init__(self) -> None:
        self._parts = _of_python()
        self._streams = [Stream("stdout", 1), Stream("stderr", 2)]
        self._torch_was_loaded = "torch" in sys.modules
        if self._torch_was_loaded:
            self._parts += _of_torch()
        self._random = _random_states()

    def restore(self) -> list[str]:
        """Put back everything that was changed; the names of what is told about."""
        changed = [stream.title for stream in self._streams if stream.restore()]
        parts = list(self._parts)
        if not self._torch_was_loaded and "torch" in sys.modules:
            parts += _torch_as_loaded()
        changed += [part.name for part in parts if part.restore()]
        for write, value in self._random:
            write(value)
        return changed


def _of_python() -> list[_Part]:
    parts = [_Part("the current folder", _current_folder, _enter)]
    if threading.current_thread() is threading.main_thread():
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None:
                parts.append(_of_signal(name, number))
    return parts


def _of_signal(name: str, number: int) -> _Part:
    def write(handler: Any) -> None:
        if handler is not None:  # one that was not set from Python cannot be set from it
            signal.signal(number, handler)

    return _Part(f"the handler of {name}", lambda: signal.getsignal(number), write)


def _current_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


def _enter(folder: str | None) -> None:
    if folder is not None:
        with contextlib.suppress(OSError):
            os.chdir(folder)


def _of_torch() -> list[_Part]:
    import torch
    from torch.nn.modules import module

    parts = [
        _Part("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
        _Part("torch's default device", _default_device, _set_default_device),
        _Part("torch's recording of gradients", torch.is_grad_enabled, torch.set_grad_enabled),
        _Part("torch's float32 precision", _float32_precision, _set_float32_precision),
        _Part(
            "torch's deterministic algorithms",
            torch.are_deterministic_algorithms_enabled,
            torch.use_deterministic_algorithms,
        ),
    ]
    for kind in ("forward", "forward_pre", "backward", "backward_pre"):
        hooks = getattr(module, f"_global_{kind}_hooks", None)
        if hooks is not None:
            parts.append(_of_hooks(hooks))
    return parts


def _torch_as_loaded() -> list[_Part]:
    """Return the parts of a torch that was loaded meanwhile, with the values it is loaded with."""
    import torch

    loaded = {
        "torch's default dtype": torch.float32,
        "torch's default device": torch.device("cpu"),
        "torch's recording of gradients": True,
    }
    parts = [part for part in _of_torch() if part.name in loaded]
    for part in parts:
        part.value = loaded[part.name]
    return parts


def _of_hooks(hooks: Any) -> _Part:
    def write(before: list[Any]) -> None:
        hooks.clear()
        hooks.update(before)

    return _Part("torch's hooks of all modules", lambda: list(hooks.items()), write)


def _default_device() -> Any:
    import torch

    return torch.get_default_device()


def _set_default_device(device: Any) -> None:
    import torch

    # None takes torch's own way out of the default device again, without a mode that costs time.
    torch.set_default_device(None if device == torch.device("cpu") else device)


def _float32_precision() -> str | None:
    import torch

    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # two ways of setting it were mixed
        return None


def _set_float32_precision(precision: str | None) -> None:
    import torch

    if precision is not None:
        torch.set_float32_matmul_precision(precision)


def _random_states() -> list[tuple[Callable[[Any], Any], Any]]:
    """Return what is put back without a word: random numbers, threads, numpy's error state."""
    states: list[tuple[Callable[[Any], Any], Any]] = [(random.setstate, random.getstate())]
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        states += [
            (numpy.random.set_state, numpy.random.get_state()),
            (lambda value: numpy.seterr(**value), numpy.geterr()),
        ]
    if torch is not None:
        states += [
            (torch.set_rng_state, torch.get_rng_state()),
            (torch.set_num_threads, torch.get_num_threads()),
        ]
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            states.append((torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    return states
