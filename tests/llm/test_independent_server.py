"""The server of `transformers`, which others wrote, with a tiny checkpoint behind it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.errors import BenchmarkError
from benchmark.interface import LabelRequest, LanguageModel, Message, Request
from benchmark.llm.making import language_model
from tests.llm.tiny import TEMPLATE, tiny_checkpoint

PATIENCE = 90.0  # seconds until it has started
NEEDED = ("fastapi", "uvicorn")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("served") / "tiny", template=TEMPLATE)


@pytest.fixture(scope="module")
def url(checkpoint: Path) -> Iterator[str]:
    command = shutil.which("transformers")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if command is None or missing:
        pytest.skip(f"the server of transformers needs {' and '.join(missing) or 'its command'}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [command, "serve", "--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(
        [*words, str(checkpoint)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            yield _started(server, f"http://127.0.0.1:{port}")
        finally:
            server.terminate()
            server.wait(30)


def _started(server: subprocess.Popen[bytes], url: str) -> str:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if server.poll() is not None:
            pytest.skip(f"the server of transformers ended with status {server.returncode}")
        try:
            urllib.request.urlopen(f"{url}/health", timeout=1).close()
        except OSError:
            time.sleep(0.3)
        else:
            return f"{url}/v1"
    raise AssertionError(f"the server has not started within {PATIENCE:g} seconds")


@pytest.fixture
def served(url: str, checkpoint: Path, tmp_path: Path) -> LanguageModel:
    config = {"name": "openai", "model": str(checkpoint), "base_url": url, "retries": 0}
    return language_model(config, tmp_path)


def test_it_answers_as_the_model_in_this_process(
    served: LanguageModel, checkpoint: Path, tmp_path: Path
) -> None:
    requests = [
        Request((Message("system", "Say it."), Message("user", text)), 8) for text in ("a", "rain")
    ]
    here = language_model({"name": "local", "source": str(checkpoint), "device": "cpu"}, tmp_path)
    expected, replies = here.ask(requests), served.ask(requests)
    assert [reply.text for reply in replies] == [reply.text for reply in expected]
    for reply, other in zip(replies, expected, strict=True):
        assert reply.usage.prompt_tokens == other.usage.prompt_tokens
        assert reply.usage.completion_tokens == other.usage.completion_tokens


def test_what_it_does_not_know_ends_nothing(served: LanguageModel) -> None:
    schema = {"type": "object"}
    asked = Request((Message("user", "x"),), 4, 0.7, 1, ("\n",), top_logprobs=5, schema=schema)
    (reply,) = served.ask([asked])
    assert reply.usage.prompt_tokens > 0


def test_it_gives_no_log_probabilities_of_a_prompt(served: LanguageModel) -> None:
    request = LabelRequest("levels\n", ("a\t",), "unknown", ("0", "1"))
    with pytest.raises(BenchmarkError, match="gives no log-probabilities of a prompt"):
        served.read_labels([request])
