"""Evaluation of trained weights, and their model card.

Prints the held-out loss of the model and of a trigram model with the same tokenizer, the dead
neurons of each layer and the sizes, and writes README.md, evaluation.json and the histogram of the
criterion of life into the folder.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from benchmark.builtin.recipe import ARCHITECTURES, folder_name
from benchmark.errors import BenchmarkError

# Threads that wait sleep instead of spinning; read once, when torch loads its OpenMP library.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# By the subject's name, the folder of the weights that are shipped.
SHIPPED = {name: Path(__file__).with_name(folder_name(name)) for name in ARCHITECTURES}
EVALUATION = "evaluation.json"
CARD = "README.md"
# Of a run, by default.
CONTEXT_LENGTH = 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    folder = options.folder or SHIPPED[options.subject]
    try:
        evaluation = evaluate(folder, contexts=options.contexts, device=options.device)
        print(json.dumps(evaluation, indent=2))
        if not options.print_only:
            write_card(folder, evaluation)
            print(f"written into {folder}")
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; nothing was written.", file=sys.stderr)
        return 130
    return 0


def evaluate(
    folder: Path, *, contexts: int | None = None, device: str | None = None
) -> dict[str, Any]:
    """Measure the weights in a folder on the corpus `stdlib`.

    Args:
        folder: written by the training, or in the same layout.
        contexts: look for living neurons in this many contexts of the `explain` split, those that a
            run draws; None: in all.
        device: where to compute; None: CUDA where there is one.

    Raises:
        BenchmarkError: the folder or the text cannot be used.
    """
    from benchmark.builtin.data import load_texts
    from benchmark.builtin.measure import copied_from, measure
    from benchmark.corpus import load_corpus
    from benchmark.evidence.settings import draw_rows
    from benchmark.subject import load_subject

    subject = load_subject({"kind": "builtin", "source": str(folder)}, device=device)
    corpus = load_corpus(
        {"name": "stdlib", "kind": "stdlib"},
        subject.tokenizer,
        bos=subject.bos,
        context_length=min(CONTEXT_LENGTH, subject.n_ctx),
    )
    splits = corpus.splits
    copied = copied_from(splits["held_out"], [splits["explain"], splits["calibrate"]])
    explain = splits["explain"]
    explain = explain.select(draw_rows(len(explain), contexts, 0, "explain"))
    measured = measure(folder, subject, load_texts(), explain, copied["share"])
    return {"date": date.today().isoformat(), **measured}


def write_card(folder: Path, evaluation: Mapping[str, Any]) -> None:
    """Write `evaluation.json` and the model card into a folder.

    Raises:
        BenchmarkError: its `config.json` or `training.json` cannot be used, or it is read-only.
    """
    from benchmark.builtin.card import PICTURE, reach_picture, render_card
    from benchmark.builtin.checkpoint import CONFIG, TRAINING
    from benchmark.files.atomic import storage_errors, write_text
    from benchmark.files.checkpoint import read_json

    architecture, training = (read_json(folder / name, str(folder)) for name in (CONFIG, TRAINING))
    trained_on = training.get("texts", {}).get("fingerprint")
    if trained_on != evaluation["texts"]["fingerprint"]:
        print(
            "warning: the corpus 'stdlib' is not the text of the training; "
            "a document that is held out now may have been trained on.",
            file=sys.stderr,
        )
    try:
        card = render_card(architecture, training, evaluation)
    except KeyError as error:
        raise BenchmarkError(f"{TRAINING} of '{folder}' does not say {error}.") from error
    with storage_errors(folder):
        write_text(folder / EVALUATION, json.dumps(dict(evaluation), indent=2) + "\n")
        write_text(folder / PICTURE, reach_picture(evaluation["neurons"]))
        write_text(folder / CARD, card)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.builtin.evaluate", description=__doc__
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--subject",
        choices=list(SHIPPED),
        default="solu-tiny",
        help="measure the weights of this subject that are shipped (default: %(default)s)",
    )
    which.add_argument(
        "--folder", type=Path, help="measure what a training wrote into this folder instead"
    )
    parser.add_argument(
        "--contexts",
        type=int,
        metavar="N",
        help="look for living neurons in N contexts only (default: the whole explain split)",
    )
    parser.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    parser.add_argument("--print-only", action="store_true", help="write nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
