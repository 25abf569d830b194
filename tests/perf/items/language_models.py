"""Language models: how well side by side requests are, what one costs, and what prefixes save."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path

import torch

from benchmark.interface import LabelRequest, Message, Request, Usage
from benchmark.llm.kept_model import KeptModel
from benchmark.llm.local_client import LocalClient
from benchmark.llm.local_model import load_model
from benchmark.llm.making import language_model
from benchmark.llm.options import LocalOptions
from benchmark.llm.reply_store import ReplyStore
from benchmark.llm.spending import Spending
from tests.language_models import ScriptedModel
from tests.llm.tiny import tiny_checkpoint
from tests.perf.comparison import Comparison, Meter
from tests.perf.workload import TinyWorkload, Workload

LATENCY, CONCURRENCY = 0.05, 16
NEURONS, CONTEXTS = 256, 64
PREFIX, TEXT = 836, 255  # tokens of a prompt of Bills et al.: constant, and of one text
MILLISECONDS = Meter("ms", lambda call: 1000 * float(call()))
POSITIONS = Meter("positions", lambda call: float(call()))
SERVER = f"""
import sys, time
from tests.loopback_server import Answer, LoopbackServer, chat
server = LoopbackServer(lambda asked: Answer(chat("words"), delay={LATENCY}))
print(server.url, flush=True)
sys.stdin.read()
"""
_numbers = itertools.count()


def _requests(n: int) -> list[Request]:
    """Requests of the length of a simulation's, none of which was asked before."""
    text = "token\t5\n" * 200
    return [Request((Message("user", f"{next(_numbers)} {text}"),), 64) for _ in range(n)]


def _neurons(workload: Workload) -> int:
    return 2 if isinstance(workload, TinyWorkload) else NEURONS


def concurrency(workload: Workload) -> Comparison:
    """Requests to a server in another process, against as many that all begin at once."""
    n = _neurons(workload) * CONTEXTS

    def measured() -> float:
        with subprocess.Popen(
            [sys.executable, "-c", SERVER],
            cwd=Path(__file__).parents[3],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as server:
            assert server.stdout is not None
            config = {
                "name": "openai",
                "model": "m",
                "base_url": server.stdout.readline().strip(),
                "concurrency": CONCURRENCY,
            }
            model = language_model(config, workload.folder / "replies")
            model.ask(_requests(CONCURRENCY))  # connections are made
            requests = _requests(n)
            began = time.perf_counter()
            model.ask(requests)
            took = time.perf_counter() - began
            server.communicate()
        return took

    return Comparison(measured, lambda: LATENCY * n / CONCURRENCY, Meter("s", lambda call: call()))


def overhead(workload: Workload) -> Comparison:
    """Milliseconds of a request besides server and client: its key, and keeping the answer."""
    n = _neurons(workload) * CONTEXTS
    reply = ScriptedModel(lambda _: "words")

    def measured() -> float:
        store = ReplyStore(workload.folder / f"overhead-{next(_numbers)}.sqlite")
        model = KeptModel("m", lambda: {"model": "m"}, store, lambda: reply, reads_labels=False)
        requests = _requests(n)
        began = time.perf_counter()
        model.ask(requests)
        return (time.perf_counter() - began) / n

    def baseline() -> float:
        requests = _requests(n)
        began = time.perf_counter()
        reply.ask(requests)
        return (time.perf_counter() - began) / n

    return Comparison(measured, baseline, MILLISECONDS)


def prefix(workload: Workload) -> Comparison:
    """Token positions that labels in the contexts of a neuron take, against each text alone."""
    folder = tiny_checkpoint(workload.folder / "language-model", n_ctx=2048)
    options = LocalOptions(str(folder), device="cpu")
    generator = torch.Generator().manual_seed(0)
    letters = torch.randint(97, 122, (CONTEXTS, TEXT), generator=generator).tolist()
    requests = [
        LabelRequest("p" * PREFIX, (bytes(row[:-1]).decode(),), "?", ("0", "1")) for row in letters
    ]

    def client() -> LocalClient:
        store = ReplyStore(workload.folder / "prefix.sqlite")
        return LocalClient(lambda: load_model(options), Spending(store, "m"))

    def measured() -> int:
        one = client()
        list(one.label_answers(requests))
        return one.positions

    def baseline() -> int:
        total = Usage()
        for request in requests:
            one = client()
            for _, reply in one.label_answers([request]):
                total = total + reply.usage
        return total.prompt_tokens

    return Comparison(measured, baseline, POSITIONS)
