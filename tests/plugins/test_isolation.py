"""An explainer's code ends no program, and leaves as it was what others share."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

from benchmark.errors import BenchmarkError, is_of_surroundings, named
from benchmark.plugins.isolation import EndsProgramError, SharedStateError, contained, isolated
from benchmark.plugins.shared_state import SharedState
from tests.command import child_environment


def raised_from(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class TestSurroundings:
    @pytest.mark.parametrize(
        "error",
        [
            BenchmarkError("a wrong option"),
            ConnectionError("the hub"),
            TimeoutError(),
            FileNotFoundError(2, "gone"),
            ModuleNotFoundError("spacy"),
            MemoryError(),
            torch.OutOfMemoryError("CUDA out of memory"),
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            raised_from(RuntimeError("the model cannot be loaded"), ConnectionError("refused")),
            type("ConnectError", (type("HTTPError", (Exception,), {"__module__": "httpx"}),), {})(),
        ],
    )
    def test_no_neuron_is_at_fault_for_them(self, error: Exception) -> None:
        assert is_of_surroundings(error)

    @pytest.mark.parametrize(
        "error",
        [
            ValueError("neuron 3"),
            KeyError("x"),
            RuntimeError("shape mismatch"),
            raised_from(ValueError("a"), KeyError("b")),
            EndsProgramError("SystemExit"),
        ],
    )
    def test_all_else_may_be_a_neuron(self, error: Exception) -> None:
        assert not is_of_surroundings(error)

    def test_a_ring_of_causes_ends(self) -> None:
        first, second = ValueError("a"), KeyError("b")
        raised_from(first, second)
        raised_from(second, first)
        assert not is_of_surroundings(first)

    def test_every_error_has_a_name_that_can_be_saved(self) -> None:
        assert named(Unspeakable()) == "Unspeakable: its message cannot be read"
        assert named(ValueError()) == "ValueError"
        assert named(ValueError("two\n lines")) == "ValueError: two lines"
        named(ValueError("half a letter \ud800")).encode("utf-8")
        assert len(named(ValueError("x" * 10**6))) < 3000


class TestContained:
    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (SystemExit(0), "SystemExit: 0 "),
            (KeyboardInterrupt(), "KeyboardInterrupt "),
            (GeneratorExit(), "GeneratorExit "),
        ],
    )
    def test_what_ends_a_program_becomes_an_error(self, error: BaseException, text: str) -> None:
        expected = pytest.raises(EndsProgramError, match="would have ended the program")
        with expected as caught, contained(), contained():
            raise error
        assert str(caught.value).startswith(text)

    def test_other_errors_stay_what_they_are(self) -> None:
        with pytest.raises(StopIteration), contained():
            raise StopIteration

    def test_the_users_own_interruption_passes(self) -> None:
        with pytest.raises(KeyboardInterrupt), contained(), contained():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    @pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
    def test_where_ctrl_c_raises_nothing_nobody_pressed_it(self, handler: signal.Handlers) -> None:
        """As in a program that a shell began in the background."""
        before = signal.signal(signal.SIGINT, handler)
        try:
            with pytest.raises(EndsProgramError, match="KeyboardInterrupt"), contained():
                raise KeyboardInterrupt
            assert signal.getsignal(signal.SIGINT) is handler
        finally:
            signal.signal(signal.SIGINT, before)


def close_stdout() -> None:
    sys.stdout.close()


def set_hook() -> None:
    register_module_forward_hook(lambda module, given, found: found)


CHANGES: dict[str, Callable[[], object]] = {
    "torch's default dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch's default device": lambda: torch.set_default_device("meta"),
    "torch's recording of gradients": lambda: torch.set_grad_enabled(not torch.is_grad_enabled()),
    "torch's float32 precision": lambda: torch.set_float32_matmul_precision("medium"),
    "torch's deterministic algorithms": lambda: torch.use_deterministic_algorithms(True),
    "torch's hooks of all modules": set_hook,
    "the current folder": lambda: os.chdir("/"),
    "the handler of SIGTERM": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "the handler of SIGINT": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    "standard output": close_stdout,
}


class TestShared:
    @pytest.mark.parametrize("what", list(CHANGES))
    def test_a_change_is_put_back_and_named(
        self, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        expected = pytest.raises(SharedStateError)
        with expected as caught, isolated("mine.Method", "while it explains"):
            CHANGES[what]()
        assert f"'mine.Method' changes {what} while it explains" in str(caught.value)
        self.check_as_before(tmp_path)

    def test_it_is_put_back_also_where_the_code_raises(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "stdout", io.StringIO())

        def change_everything() -> None:
            for change in CHANGES.values():
                change()
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError), isolated("mine.Method", "while it explains"):
            change_everything()
        self.check_as_before(tmp_path)

    def check_as_before(self, folder: Path) -> None:
        from torch.nn.modules.module import _global_forward_hooks

        assert torch.get_default_dtype() == torch.float32
        assert torch.get_default_device() == torch.device("cpu")
        assert torch.is_grad_enabled()
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.are_deterministic_algorithms_enabled()
        assert not _global_forward_hooks
        assert Path.cwd() == folder
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        sys.stdout.write("can be written")

    def test_a_library_that_changes_something_while_it_is_imported_is_warned_of(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with isolated("mine.Method", "while it is imported", warn=True):
            torch.set_default_dtype(torch.float64)
        assert torch.get_default_dtype() == torch.float32
        assert "'mine.Method' changes torch's default dtype while it is imported" in caplog.text

    def test_random_numbers_go_on_as_if_nothing_had_been_drawn(self) -> None:
        def draw() -> list[float]:
            return [random.random(), float(np.random.rand()), float(torch.rand(1))]

        state = SharedState()
        expected = draw()
        assert state.restore() == []
        with isolated("mine.Method", "while it explains"):
            draw()
            torch.manual_seed(7)
            random.seed(7)
            np.random.seed(7)
        assert draw() == expected

    @pytest.mark.skipif(os.name != "posix", reason="needs POSIX descriptors")
    def test_standard_output_is_open_again(self) -> None:
        """In a process of its own, which has a standard output of its own to lose."""
        script = """
import os, sys
from benchmark.plugins.isolation import SharedStateError, isolated
from benchmark.terminal.streams import lasting_output
ends = [lambda: sys.stdout.close(), lambda: os.close(1), lambda: os.dup2(2, 1)]
with lasting_output():
    for end in ends:
        try:
            with isolated("mine", "now"):
                end()
        except SharedStateError as error:
            print(error)
"""
        result = subprocess.run(
            [sys.executable, "-c", script],
            env=child_environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        lines = result.stdout.splitlines()
        assert len(lines) == 3
        assert all("'mine' changes standard output now" in line for line in lines)
