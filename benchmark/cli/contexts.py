"""Contexts of a neuron for a person: true and predicted activations beside each other."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.errors import BenchmarkError
from benchmark.terminal.table import say, terminal_width
from benchmark.terminal.visible_output import write_styled
from benchmark.token_text import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor

    from benchmark.evaluation.experiment import Experiment
    from benchmark.results import Run, SavedExplanation
    from benchmark.subject import Subject

# Tokens before and after the strongest one that a line shows at most.
BEFORE, AFTER = 24, 6
# Shares of the largest activation from which on a number is printed or a token shaded.
SHOWN = 0.05
LINE = 100
TRUTH, PREDICTED = (38, 132, 64), (54, 100, 200)
LEGEND = """\
The number before a context is the largest one in it. All are parts of the neuron's largest
activation on the explain split.
"""
RECORDED_LEGEND = LEGEND.replace("activation on the explain split", "recorded activation")
PLAIN = "word[0.98|0.71]: the neuron's activation is 0.98 on this token, the prediction 0.71.\n"
SHADED = "true: shaded by the neuron's activation; predicted: by what the explanation predicts.\n"


@dataclass(frozen=True)
class Context:
    """A part of a context around the neuron's strongest token.

    Attributes:
        texts: the tokens as a person sees them.
        truth: true activations, parts of the neuron's largest.
        predicted: predicted activations, on the same scale.
        cut: whether tokens before, and after, are left out.
    """

    texts: list[str]
    truth: list[float]
    predicted: list[float]
    cut: tuple[bool, bool]


def print_contexts(
    run: Run, saved: SavedExplanation, n: int, changes: Sequence[str], trust: Sequence[str]
) -> Subject | None:
    """Print a neuron's top activating examples and strongest held-out contexts, or why not.

    What the subject does is read from the cache, or measured where it is not there. Nothing is
    downloaded.

    Args:
        run: the run.
        saved: the neuron's explanation or failure.
        n: how many contexts of each kind.
        changes: such as `device=cpu`.
        trust: classes that may be imported besides those that are accepted.

    Returns:
        The subject; None where contexts cannot be shown.
    """
    from unittest.mock import patch

    from benchmark.cli.imports import import_whole

    if run.record.imported is not None:
        _print_recorded(run, saved, n)
        return None
    import_whole("benchmark.subject.build", "benchmark.evaluation.rescore")
    try:
        with patch("huggingface_hub.constants.HF_HUB_OFFLINE", True):
            experiment = _opened(run, changes, trust)
            groups = _contexts(experiment, run, saved, n, trust)
    except (BenchmarkError, OSError) as error:
        sys.stdout.write(f"\ncontexts: not known here: {one_line(error)}\n")
        return None
    _print_groups(groups, LEGEND)
    return experiment.subject


def _print_recorded(run: Run, saved: SavedExplanation, n: int) -> None:
    """Print the strongest sequences of an imported explanation, with what was predicted there."""
    import math

    from benchmark.importing.sequences import recorded_sequences
    from benchmark.token_text import visible

    try:
        sequences = recorded_sequences(saved)
    except ValueError as error:
        raise BenchmarkError(f"'{run.folder}' is damaged: {error}.") from error
    whole = [value for one in sequences for value in one.truth if math.isfinite(value)]
    largest = max(whole, default=0.0)
    if not largest > 0:
        sys.stdout.write("\ncontexts: none are recorded on which the neuron is active\n")
        return

    def parts(values: Sequence[float]) -> list[float]:
        return [value / largest if math.isfinite(value) else 0.0 for value in values]

    contexts = []
    for one in sequences:
        truth, predicted = parts(one.truth), parts(one.predicted)
        anchor = max(range(len(truth)), key=truth.__getitem__, default=0)
        first, last = max(0, anchor - BEFORE), min(len(truth), anchor + AFTER + 1)
        shown = [visible(token, LINE) for token in one.tokens[first:last]]
        cut = (first > 0, last < len(truth))
        contexts.append(Context(shown, truth[first:last], predicted[first:last], cut))
    contexts.sort(key=lambda context: -max(context.truth, default=0.0))
    _print_groups({"strongest recorded sequences": contexts[:n]}, RECORDED_LEGEND)


def _print_groups(groups: Mapping[str, Sequence[Context]], legend: str) -> None:
    shades = _shading_console()
    for title, contexts in groups.items():
        sys.stdout.write(f"\n{title}\n")
        for context in contexts:
            if shades is None:
                _print_plain(context)
            else:
                _print_shaded(context, shades)
    say((PLAIN if shades is None else SHADED) + legend)


def _opened(run: Run, changes: Sequence[str], trust: Sequence[str]) -> Experiment:
    """Return the run's subject and corpus, where its own cache is gone with the user's cache."""
    from pathlib import Path

    from benchmark.cli.score import config_of
    from benchmark.evaluation.reopen import ReopenedRun

    config = config_of(run, changes)
    if config.cache_dir is not None and not any(one.startswith("cache_dir=") for one in changes):
        kept = Path(config.cache_dir).expanduser().is_dir()
        config = config if kept else dataclasses.replace(config, cache_dir=None)
    return ReopenedRun(run, trust).open(config)


def _contexts(
    experiment: Experiment, run: Run, saved: SavedExplanation, n: int, trust: Sequence[str]
) -> dict[str, list[Context]]:
    """Return contexts by what they are."""
    import torch

    from benchmark.evaluation.reopen import ReopenedRun
    from benchmark.evaluation.simulate import simulate
    from benchmark.evidence import Block

    layer, neuron = saved.layer, saved.neuron
    store, subject = experiment.store, experiment.subject
    one = Block(0, layer, torch.tensor([neuron]))
    store.prepare_truth([one])
    truth = store.truth(one)
    largest = float(store.profiles([layer])[layer].max_activation[neuron]) or 1.0
    examples = store.explain.tokens[store.exemplar_rows(one)[0, :n]]
    found = {
        "top activating examples of the explain split": (
            examples,
            subject.activations(examples, layer, one.neurons)[:, :, 0].cpu(),
        ),
        "strongest held-out contexts": (
            truth.tokens[truth.top[0, :n]],
            truth.top_activations[0, :n],
        ),
    }
    reopened = ReopenedRun(run, trust)
    explanation = reopened.restored(saved, subject)
    groups = {}
    for title, (tokens, activations) in found.items():
        predicted = simulate(reopened.explainer, [explanation], tokens).predictions[0]
        groups[title] = [
            _context(experiment, row, true / largest, prediction / largest)
            for row, true, prediction in zip(tokens, activations, predicted, strict=True)
        ]
    return groups


def _context(experiment: Experiment, tokens: Tensor, truth: Tensor, predicted: Tensor) -> Context:
    """Return the part of one context around its strongest token; the BOS is never shown."""
    from benchmark.token_text import visible_within

    text = tokens != experiment.subject.bos
    anchor = int(truth.masked_fill(~text, -float("inf")).argmax())
    first, last = max(0, anchor - BEFORE), min(len(tokens), anchor + AFTER + 1)
    shown = [at for at in range(first, last) if bool(text[at])]
    before, after = bool(text[:first].any()), bool(text[last:].any())
    return Context(
        [visible_within(experiment.subject.tokenizer, int(tokens[at])) for at in shown],
        [float(truth[at]) for at in shown],
        [float(predicted[at]) for at in shown],
        (before, after),
    )


def _shading_console() -> Console | None:
    """Return a console for shaded text; None where stdout cannot show it, or is not to."""
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    able = console.is_terminal and not console.is_dumb_terminal and not console.no_color
    return console if able and console.color_system is not None else None


def _print_plain(context: Context) -> None:
    """Print one context with numbers behind the tokens on which something fires."""
    words = [
        f"{text}[{_number(true)}|{_number(predicted)}]" if max(true, predicted) >= SHOWN else text
        for text, true, predicted in zip(
            context.texts, context.truth, context.predicted, strict=True
        )
    ]
    peak = max(range(len(context.truth)), key=context.truth.__getitem__, default=None)
    head = "" if peak is None else f"  {_number(context.truth[peak])}  "
    for number, line in enumerate(_lines(_framed(words, context.cut), _line_width() - 8)):
        sys.stdout.write(f"{(head if number == 0 else ''):8}{''.join(line)}\n")


def _print_shaded(context: Context, console: Console) -> None:
    """Print one context as pairs of lines: shaded by the truth, and by the prediction."""
    from rich.text import Text

    words = _framed(context.texts, context.cut)
    offset = int(context.cut[0])
    at = 0
    for line in _lines(words, _line_width() - 18):
        for name, values, colour in (
            ("true", context.truth, TRUTH),
            ("predicted", context.predicted, PREDICTED),
        ):
            peak = _number(max(values, default=0.0)) if at == 0 else ""
            drawn = Text(f"  {peak:>5} {name:9} ")
            for place, word in enumerate(line, start=at):
                here = place - offset
                value = values[here] if 0 <= here < len(values) else 0.0
                drawn.append(one_line(word), _style(value, colour))
            with console.capture() as captured:
                console.print(drawn, soft_wrap=True)
            write_styled(captured.get())
        at += len(line)
    sys.stdout.write("\n")


def _framed(words: Sequence[str], cut: tuple[bool, bool]) -> list[str]:
    """Return words with a mark where the context goes on."""
    return ["…"] * cut[0] + list(words) + ["…"] * cut[1]


def _lines(words: Sequence[str], width: int) -> list[list[str]]:
    """Return words in lines of at most a width; a single longer word has a line of its own."""
    from rich.cells import cell_len

    lines: list[list[str]] = [[]]
    used = 0
    for word in words:
        size = cell_len(word)
        if lines[-1] and used + size > width:
            lines.append([])
            used = 0
        lines[-1].append(word)
        used += size
    return lines


def _line_width() -> int:
    return min(terminal_width() or LINE, LINE)


def _style(value: float, colour: tuple[int, int, int]) -> str:
    """Return a background between none and the colour, with letters that can be read on it."""
    if value < SHOWN:
        return ""
    share = 0.25 + 0.75 * min(value, 1.0)
    red, green, blue = (round(255 - (255 - part) * share) for part in colour)
    return f"{'white' if share > 0.6 else 'black'} on rgb({red},{green},{blue})"


def _number(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"
