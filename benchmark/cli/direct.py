"""Direct effect of a neuron on the logits, for a person; one line where that is not known."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError
from benchmark.terminal.table import print_rows, say
from benchmark.token_text import one_line

if TYPE_CHECKING:
    from benchmark.results import Run, RunRecord
    from benchmark.subject import Subject

LEGEND = """\
w_out · W_U, norms folded: how much a unit of activation raises or lowers each next token, past the
layers above and up to the scale of the norms.
"""


def print_direct(run: Run, layer: int, neuron: int, subject: Subject | None = None) -> None:
    """Print top and bottom tokens, congruence, and whether it is mutual; or why they are not known.

    Args:
        run: the run.
        layer: of the neuron.
        neuron: its number.
        subject: the run's subject; None loads what is on this machine, and downloads nothing.
    """
    from benchmark.cli.imports import import_whole

    import_whole("benchmark.subject.build")
    from benchmark.subject.direct_effects import direct_effects
    from benchmark.token_text import visible_token

    try:
        if subject is None:
            subject = _subject_of(run.record)
        found = direct_effects(subject, layer, [neuron])
    except BenchmarkError as error:
        sys.stdout.write(f"\ndirect effect on the output: not known here: {one_line(error)}\n")
        return

    def shown(tokens: Any, values: Any) -> list[list[str]]:
        return [
            [visible_token(subject.tokenizer, token), f"{value:+.3f}"]
            for token, value in zip(tokens[0].tolist(), values[0].tolist(), strict=True)
        ]

    top = shown(found.top_tokens, found.top_values)
    bottom = shown(found.bottom_tokens, found.bottom_values)
    rows = [[up[0], up[1], down[0], down[1]] for up, down in zip(top, bottom, strict=True)]
    sys.stdout.write("\n")
    print_rows(
        ["makes likelier", "by", "less likely", "by"], rows, title="direct effect on the output"
    )
    partner = f"{int(found.partner_layers[0])}.{int(found.partner_neurons[0])}"
    whose = (
        "this one, so the two are mutual"
        if bool(found.mutual[0])
        else f"{partner}, so the two are not mutual"
    )
    say(
        f"{LEGEND}most congruent token: {top[0][0]} ({top[0][1]}, cosine {found.cosine[0]:+.3f}); "
        f"of all layers' neurons the most\ncongruent with that token is {whose}\n"
    )


def _subject_of(record: RunRecord) -> Subject:
    """Return the subject of a run, loaded without the network.

    Raises:
        BenchmarkError: it is not on this machine, or is no longer the same.
    """
    from unittest.mock import patch

    from benchmark.subject import load_subject

    model = record.config.get("model")
    if not isinstance(model, dict):
        raise BenchmarkError("run.json does not say how to load the subject.")
    with patch("huggingface_hub.constants.HF_HUB_OFFLINE", True):
        subject = load_subject(model, device="cpu", unit=record.config.get("unit"))
    if record.subject.dtype == "float32" and subject.fingerprint != record.subject.fingerprint:
        raise BenchmarkError(
            f"subject '{subject.name}' is no longer the one of the run: its fingerprint is now "
            f"{subject.fingerprint[:12]}, in the run {record.subject.fingerprint[:12]}."
        )
    return subject
