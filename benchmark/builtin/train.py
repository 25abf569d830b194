"""Train a built-in subject.

The same command continues a training that was stopped, and ends with the same weights; --steps may
be changed as long as the learning rate has not begun to fall. The folder it writes is loaded by
`model=local model.source=<folder>`.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.builtin.recipe import ARCHITECTURES, Recipe, add_recipe, flag, recipe_of
from benchmark.errors import BenchmarkError
from benchmark.terminal.progress import progress

if TYPE_CHECKING:
    from benchmark.builtin.data import TextLoss
    from benchmark.corpus.documents import Document

# Threads that wait sleep instead of spinning; read once, when torch loads its OpenMP library.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

SHOW_EVERY = 20
EVALUATE_EVERY = 300
CHECKPOINT_EVERY = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        for name in ("evaluate_every", "checkpoint_every"):
            if getattr(options, name) < 1:
                raise BenchmarkError(f"{flag(name)} {getattr(options, name)}: give 1 or more.")
        return train(
            recipe_of(options.subject, vars(options)),
            options.out or Path("training") / options.subject,
            architecture=ARCHITECTURES[options.subject],
            device=options.device,
            evaluate_every=options.evaluate_every,
            checkpoint_every=options.checkpoint_every,
        )
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; the same command continues.", file=sys.stderr)
        return 130


def train(
    recipe: Recipe,
    folder: Path,
    *,
    architecture: Mapping[str, Any],
    device: str | None = None,
    documents: Iterable[Document] | None = None,
    evaluate_every: int = EVALUATE_EVERY,
    checkpoint_every: int = CHECKPOINT_EVERY,
) -> int:
    """Train, or go on from the last checkpoint in the folder; return the exit status.

    It is 0 at the end, and 128 + the signal's number if a signal stopped it, in which case the
    same call continues at the next step.

    Args:
        recipe: the numbers that decide the weights.
        folder: for the tokenizer, checkpoints and weights.
        architecture: what `config.json` is to say.
        device: cpu or cuda; None: CUDA where there is one.
        documents: the text, training and held out; None: the standard library's.
        evaluate_every: steps between two held-out losses.
        checkpoint_every: steps between two checkpoints.

    Raises:
        BenchmarkError: for whatever the user can fix.
    """
    import torch

    from benchmark.builtin.checkpoint import (
        TOKENIZER,
        half_precision,
        load_checkpoint,
        save_checkpoint,
        write_subject,
    )
    from benchmark.builtin.data import (
        bos_id,
        encode,
        load_texts,
        saved_tokenizer,
        text_loss,
        training_batches,
    )
    from benchmark.builtin.ngram import trigram_loss
    from benchmark.builtin.trainer import StopRequest, Trainer
    from benchmark.files.atomic import remove_temporary_files, storage_errors
    from benchmark.subject.device import resolve_device

    device = str(resolve_device(device))
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        remove_temporary_files(folder)
    texts = load_texts(documents)
    tokenizer = saved_tokenizer(folder / TOKENIZER, texts.training, architecture["d_vocab"])
    bos, n_ctx = bos_id(tokenizer), architecture["n_ctx"]
    training, held_out = encode(tokenizer, texts.training), encode(tokenizer, texts.held_out)
    counts = {
        "training_documents": len(training),
        "training_tokens": sum(map(len, training)),
        "held_out_documents": len(held_out),
        "held_out_tokens": sum(map(len, held_out)),
        "held_out_bytes": texts.held_out_bytes,
    }
    print(", ".join(f"{name.replace('_', ' ')}: {count:,}" for name, count in counts.items()))

    trainer = Trainer(architecture, recipe, device)
    saved = load_checkpoint(folder, architecture, recipe, texts.fingerprint, device)
    if saved is not None:
        trainer.load_state(saved)
        print(f"continuing after step {trainer.step}")
    trigram = trigram_loss(
        training, held_out, texts.held_out_bytes, bos=bos, d_vocab=architecture["d_vocab"]
    )
    print(f"trigram model with the same tokenizer: {_measured(trigram)}")

    def evaluate() -> TextLoss:
        return text_loss(trainer.model, held_out, texts.held_out_bytes, n_ctx=n_ctx, bos=bos)

    def save() -> None:
        save_checkpoint(folder, trainer.state(), architecture, recipe, texts.fingerprint)

    batches = training_batches(training, n_ctx, recipe.batch, bos, recipe.seed, trainer.step)
    tokens = recipe.batch * n_ctx
    left = recipe.steps - trainer.step
    with StopRequest() as stop, progress(left * tokens, "training", "tokens") as bar:
        while trainer.step < recipe.steps and not stop.signal:
            loss = trainer.take_step(next(batches))
            if trainer.step % SHOW_EVERY == 0:
                bar.set_postfix_str(f"step {trainer.step}, loss {float(loss):.3f}", refresh=False)
            bar.update(tokens)
            if trainer.step % checkpoint_every == 0:
                save()
            if trainer.step % evaluate_every == 0:
                bar.write(f"step {trainer.step}: {_compared(evaluate(), trigram)}")
        save()
    if stop.signal:
        print(f"stopped after step {trainer.step}; the same command continues there.")
        return 128 + stop.signal

    weights = half_precision(trainer.model)
    trainer.model.load_state_dict({name: value.float() for name, value in weights.items()})
    final = evaluate()
    record = {
        "recipe": asdict(recipe),
        "tokens_seen": recipe.steps * tokens,
        "texts": {**counts, "fingerprint": texts.fingerprint},
        "held_out": final.numbers(),
        "trigram": trigram.numbers(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    write_subject(folder, architecture, weights, record)
    print(f"{_compared(final, trigram)}\nwritten to {folder}")
    return 0


def _compared(loss: TextLoss, trigram: TextLoss) -> str:
    below = 100 * (1 - loss.bits_per_byte / trigram.bits_per_byte)
    side = "below" if below >= 0 else "above"
    return f"{_measured(loss)}, {abs(below):.1f} % {side} the trigram model's"


def _measured(loss: TextLoss) -> str:
    return (
        f"held-out loss {loss.nats_per_token:.4f} nats per token, "
        f"{loss.bits_per_byte:.4f} bits per byte"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmark.builtin.train", description=__doc__)
    parser.add_argument(
        "--subject",
        choices=list(ARCHITECTURES),
        default="solu-tiny",
        help="which one to train (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="for checkpoints and weights (default: training/<subject>)",
    )
    parser.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    parser.add_argument(
        "--evaluate-every",
        type=int,
        default=EVALUATE_EVERY,
        metavar="STEPS",
        help="print the held-out loss every N steps (default: %(default)s)",
    )
    parser.add_argument(
        "--checkpoint-every",
        type=int,
        default=CHECKPOINT_EVERY,
        metavar="STEPS",
        help="save where the training stands every N steps (default: %(default)s)",
    )
    add_recipe(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
