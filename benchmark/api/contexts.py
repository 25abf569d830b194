"""An explanation in a notebook: its text, and contexts with truth and prediction as shades."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from benchmark.api.tables import text
from benchmark.errors import BenchmarkError
from benchmark.evaluation.text_lines import HEADINGS, JudgedText, legend_of, line_cells
from benchmark.token_text import printable, visible_within

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

    from benchmark.interface import Evidence

N_CONTEXTS = 3
BEFORE, AFTER = 24, 8
# Readable on a light and on a dark page: shades are laid over whatever is behind them.
TRUTH, PREDICTION = "230,120,20", "40,120,220"
LINE = "text-align:left;font-family:monospace;white-space:pre-wrap;word-break:break-word"
STYLE = "font-family:monospace;white-space:pre-wrap;word-break:break-word;line-height:1.7"


def explanation_html(
    run: Any,
    name: str,
    shown: str,
    simulate: Callable[[Int[Tensor, "batch pos"]], Float[Tensor, "batch pos"]] | None,
) -> str:
    """Return an explanation as HTML: its text, and its top activating examples in two shades.

    Contexts are shown where the run's subject can be loaded and its activations are in the cache;
    a line says why they are missing elsewhere. Text of others is never markup.

    Args:
        run: a `benchmark.Run`.
        name: the neuron's name, such as `3.400`.
        shown: the explanation for a person as HTML.
        simulate: predicts the neuron's activations; None for contexts without a prediction.
    """
    record = run.record
    title = f"neuron {name} of {record.subject.name}, {record.explainer.name}"
    parts = [f"<b>{text(title)}</b>", shown]
    try:
        experiment = run.experiment
        evidence = experiment.evidence_in_cache(name)
        if evidence is None:
            place = f'run.experiment.evidence("{name}")'
            why = f"they are not in the cache; {text(place)} measures them."
            parts.append(f"<p>No contexts: {why}</p>")
        else:
            tokens = evidence.exemplars.tokens[0][:N_CONTEXTS]
            predicted = None if simulate is None else simulate(tokens)
            parts += _contexts(evidence, predicted, experiment.subject.tokenizer)
    except BenchmarkError as error:
        parts.append(f"<p>No contexts: {text(error)}</p>")
    return f"<div>{''.join(parts)}</div>"


def text_html(description: str, judged: JudgedText) -> str:
    """Return the text of an explanation as HTML; beside its lines what each does, where known."""
    legend = f"<p>{text(legend_of(description, judged))}</p>"
    if not judged.lines:
        return f"{plain_html(description)}{legend}"
    rows = [
        f'<tr><td style="{LINE}">{text(line.text)}</td>'
        + "".join(f"<td>{text(cell)}</td>" for cell in line_cells(line))
        + "</tr>"
        for line in judged.lines
    ]
    head = "".join(f"<th>{text(heading)}</th>" for heading in ("line", *HEADINGS))
    body = "".join(rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{legend}"


def plain_html(description: str) -> str:
    """Return lines of text, such as why there is no explanation, as HTML."""
    return f'<pre style="white-space:pre-wrap">{escape(printable(description))}</pre>'


def _contexts(
    evidence: Evidence, predicted: Float[Tensor, "batch pos"] | None, tokenizer: Any
) -> list[str]:
    """Return the strongest contexts of the `explain` split, with truth and prediction."""
    tokens = evidence.exemplars.tokens[0][:N_CONTEXTS]
    truth = evidence.exemplars.activations[0][:N_CONTEXTS]
    largest = float(evidence.max_activation[0])
    shown = [
        f"<p>Top activating examples: {_shaded('true activation', 0.6, TRUTH)} "
        + ("" if predicted is None else f"and {_shaded('prediction', 0.6, PREDICTION)}")
        + "; the strongest shade is the neuron's maximum.</p>"
    ]
    for row, anchor in enumerate(evidence.exemplars.anchors[0][:N_CONTEXTS].tolist()):
        window = slice(max(1, anchor - BEFORE), anchor + AFTER + 1)
        shown.append(_line(tokenizer, tokens[row][window], truth[row][window], largest, TRUTH))
        if predicted is not None:
            values = predicted[row][window]
            shown.append(_line(tokenizer, tokens[row][window], values, largest, PREDICTION))
    return shown


def _line(
    tokenizer: Any,
    tokens: Int[Tensor, " pos"],
    values: Float[Tensor, " pos"],
    largest: float,
    colour: str,
) -> str:
    shaded = (
        _shaded(visible_within(tokenizer, token), value / largest if largest > 0 else 0, colour)
        for token, value in zip(tokens.tolist(), values.tolist(), strict=True)
    )
    return f'<div style="{STYLE}">{"".join(shaded)}</div>'


def _shaded(token: str, strength: float, colour: str) -> str:
    alpha = min(max(strength, 0.0), 1.0)
    return f'<span style="background:rgba({colour},{alpha:.2f})">{text(token)}</span>'
