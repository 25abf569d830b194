"""The table of prompts: minimal activating examples, positive and negative substitutes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from explainers.local_search.examples import Example, Slot, Trial
from explainers.local_search.pattern import share_elsewhere
from explainers.shown_texts import TextOf

ROWS = 18
WIDTH = 98
GAP = "…"
START = "[start]"
# Substitutes of each kind that are shown of an example where there are few examples, and of many.
SHOWN, FEW_EXAMPLES = 2, 4
_NUMBERS = len("positive  activation  ")


def describe(
    examples: Sequence[Example],
    text_of: TextOf,
    *,
    n_exemplars: int,
    maximum: float,
    resting: float,
    bos: int,
) -> str:
    """Describe a neuron on at most a screen: the table of prompts, and how it simulates."""
    slots = [slot for one in examples for slot in one.slots]
    kept = sum(trial.positive for slot in slots for trial in slot.trials)
    broke = sum(len(slot.trials) for slot in slots) - kept
    lines = [
        f"{len(examples)} minimal activating example{'s' * (len(examples) != 1)} (MAE) of "
        f"{n_exemplars} exemplars; largest activation {maximum:.4g}",
        f"{kept} positive and {broke} negative substitutes, "
        f"{sum(slot.unused for slot in slots)} between them; "
        f"{resting:.4g} where nothing matches",
        "‹token› activates; ~words~ may vary: most substitutes of each kept the activation; "
        "[substitute]",
        *_fallback(examples),
    ]
    rows: list[str] = []
    shown = 0
    for one in examples:
        own = _rows(one, SHOWN if len(examples) <= FEW_EXAMPLES else 1, bos, text_of)
        if len(rows) + len(own) > ROWS and rows:
            break
        rows += own
        shown += 1
    if rows:
        lines += [f"{'':8}  activation  prompt", *rows]
    if shown < len(examples):
        lines.append(f"and {len(examples) - shown} weaker examples")
    return "\n".join(lines)


def _fallback(examples: Sequence[Example]) -> list[str]:
    """Say how what was never tried is predicted."""
    if not any(slot.trials for one in examples for slot in one.slots):
        return ["no substitute decided anything, so a match needs every word as it is"] * bool(
            examples
        )
    return [
        "a word never tried keeps the share of positives tried in its place; where none was tried, "
        f"{share_elsewhere(examples):.2f}"
    ]


def _rows(example: Example, wanted: int, bos: int, text_of: TextOf) -> list[str]:
    """Write an example and its most telling substitutes, those in different places first."""
    again = f" ×{example.count}" if example.count > 1 else ""
    rows = [_row("MAE", example.activation, _prompt(example, None, bos, text_of), again)]
    for kind, positive in (("positive", True), ("negative", False)):
        found = [
            (rank, trial.activation * (-1 if positive else 1), -slot.start, slot, trial)
            for slot in example.slots
            for rank, trial in enumerate(_ordered(slot, positive))
        ]
        found.sort(key=lambda entry: entry[:3])
        rows += [
            _row(kind, trial.activation, _prompt(example, (slot, trial), bos, text_of))
            for *_, slot, trial in found[:wanted]
        ]
    return rows


def _ordered(slot: Slot, positive: bool) -> list[Trial]:
    trials = [trial for trial in slot.trials if trial.positive == positive]
    return trials if positive else trials[::-1]


def _row(kind: str, activation: float, prompt: str, after: str = "") -> str:
    return f"{kind:8}  {activation:>10.4g}  {prompt}{after}"


def _prompt(
    example: Example, substituted: tuple[Slot, Trial] | None, bos: int, text_of: TextOf
) -> str:
    """Write an example in reading order, perhaps with a substitute, as much as fits."""
    slot, trial = substituted or (None, None)
    pieces: list[str] = []
    focus = 0
    first = example.slots[0].start if example.slots else len(example.tokens)
    pieces += [_text([token], bos, text_of) for token in example.tokens[:first]]
    for one in example.slots:
        tokens = example.tokens[one.start : one.stop]
        last = one.stop == len(example.tokens)
        if slot is one and trial is not None:
            focus = len(pieces)
            text = _text(trial.replacement, bos, text_of)
            pieces.append(_wrapped(text, "‹[", "]›") if last else _wrapped(text, "[", "]"))
            continue
        text = _text(tokens, bos, text_of)
        varies = substituted is None and one.share is not None and one.share > 0.5
        if varies:
            text = _wrapped(text, "~", "~")
        pieces.append(_wrapped(text, "‹", "›") if last else text)
    if not example.slots:
        pieces[-1] = _wrapped(pieces[-1], "‹", "›")
    anchor = len(pieces) - 1
    pieces += [_text([token], bos, text_of) for token in example.tail]
    room = WIDTH - _NUMBERS - len(" ×99")
    return _fitted(pieces, anchor, focus if substituted else anchor, room)


def _fitted(pieces: Sequence[str], anchor: int, focus: int, room: int) -> str:
    """Return the pieces on both sides of the activating and the substituted one that fit."""
    chosen = {anchor, focus}
    order = [anchor + step for step in range(1, len(pieces) - anchor)][:3]
    for step in range(1, len(pieces)):
        order += [focus - step, anchor - step, focus + step]
    for at in order:
        if 0 <= at < len(pieces) and at not in chosen:
            if len(_joined(pieces, chosen | {at})) > room:
                break
            chosen.add(at)
    text = _joined(pieces, chosen)
    return text if len(text) <= room else f"{GAP}{text[1 - room :]}"


def _joined(pieces: Sequence[str], chosen: set[int]) -> str:
    text = ""
    before = -1
    for at in sorted(chosen):
        text += (GAP if at != before + 1 else "") + pieces[at]
        before = at
    return _readable(text + (GAP if before != len(pieces) - 1 else ""))


def _text(tokens: Sequence[int], bos: int, text_of: TextOf) -> str:
    return "".join(START if token == bos else text_of(token) for token in tokens)


def _wrapped(text: str, left: str, right: str) -> str:
    """Write marks around a word, the space before it left outside."""
    word = text.lstrip("·")
    if not word:
        return f"{left}{text}{right}"
    return f"{text[: len(text) - len(word)]}{left}{word}{right}"


def _readable(text: str) -> str:
    """Write running text: spaces as spaces, no more than two where there were many, few marks."""
    text = re.sub("~(·?)~", r"\1", text).removeprefix("·")
    return re.sub("·+", lambda found: " " if len(found.group()) == 1 else "··", text)
