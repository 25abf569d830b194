"""All neurons of random weights in the shape of `solu-8l`, from a stand-in for the hub.

python -m tests.perf.real_shape                    # prints seconds, memory and disk
python -m tests.perf.real_shape engine=processes   # with further keys of `run`
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.hub import Hub
from tests.subject import checkpoints
from tests.subject.checkpoints import DIGITS_TOKENIZER

# Layers, width, neurons, heads and their width, positions; few token ids, to be small.
LAYERS = 8
SHAPE = {"D_MODEL": 1024, "D_MLP": 4096, "N_HEADS": 16, "D_HEAD": 64, "N_CTX": 1024}
VOCABULARY = 5000
COMMAND = ("run", "explainer=n2g", "model=solu-8l", "neurons.per_layer=null")
FEW = (
    "context_length=4",
    "contexts.explain=512",
    "contexts.exemplars=1",
    "contexts.held_out=256",
    "contexts.uniform=128",
    "contexts.top=2",
    "bootstrap.resamples=200",
    "bootstrap.document_resamples=0",
)
DOCUMENTS = 3000


@contextmanager
def shaped() -> Iterator[None]:
    """Let checkpoints be written in the real shape."""
    names = {**SHAPE, "D_VOCAB": VOCABULARY}
    before = {name: getattr(checkpoints, name) for name in names}
    try:
        for name, value in names.items():
            setattr(checkpoints, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(checkpoints, name, value)


def serve(hub: Hub) -> None:
    """Put the model, its tokenizer and its corpus on the hub."""
    with shaped():
        weights = checkpoints.legacy_weights(LAYERS)
        # As a model that begins to be trained, or every activation would be enormous.
        small = {name: w * 0.04 if ".W_" in name else w for name, w in weights.items()}
        config = checkpoints.legacy_config(LAYERS, "solu_ln")
        files = checkpoints.legacy_files(small, config, "model")
        tokenizer = dict(checkpoints.tokenizer_files())
    hub.add_model("NeelNanda/SoLU_8L1024W_C4_Code", files)
    hub.add_model(DIGITS_TOKENIZER, tokenizer)
    rng = random.Random(0)
    texts = [
        " ".join(f"word{int(rng.paretovariate(0.6)) % (VOCABULARY - 2) + 2}" for _ in range(40))
        for _ in range(DOCUMENTS)
    ]
    table = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": texts}), table)
    hub.add_dataset(
        "NeelNanda/c4-code-20k",
        {"README.md": "# C4", "data/train-00000-of-00001.parquet": table.getvalue().to_pybytes()},
    )


def main() -> int:
    """Run the command in a process of its own, and print what it took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hub = Hub(folder / "hub")
        serve(hub)
        places = (f"results_dir={folder / 'results'}", f"cache_dir={folder / 'cache'}")
        words = [*COMMAND, *FEW, *sys.argv[1:]]
        note = folder / "peak.txt"
        print("python -m benchmark", *words, flush=True)
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "tests.perf.peak", str(note), *words, *places],
            env={**os.environ, **hub.env},
            check=False,
        )
        seconds = time.perf_counter() - began
        if done.returncode or not note.exists():
            return 1
        disk = sum(path.stat().st_size for path in (folder / "cache").rglob("*") if path.is_file())
        (record,) = (folder / "results").rglob("run.json")
        run = json.loads(record.read_text())
        print(
            f"{run['neurons']['asked']:,} neurons, {run['neurons']['explained']:,} explained: "
            f"{seconds:.0f} s, of which {run['timings']['measure_seconds']:.0f} s measured, peak "
            f"{float(note.read_text()):.2f} GB, cache {disk / 1e9:.2f} GB"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
