"""Conversations of a prompt style: records as text, and the sentence of an answer."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from benchmark.interface import Message, Reply
from explainers.llm.records import Record, levels_of
from explainers.llm.style import NUMBER, RECORDS, Style

MOST_TOKENS_LISTED = 50
MOST_VALUES_LISTED = 11
REFUSAL = re.compile(
    r"(i'm sorry|i am sorry|sorry,|i cannot|i can't|i can’t|i’m sorry|i'm unable|i am unable|"
    r"as an ai\b|i'm not able|i am not able)",
    re.IGNORECASE,
)


class UnusableAnswerError(ValueError):
    """An answer that is no sentence about a neuron; it says why."""


def conversation(
    style: Style, records: Sequence[Record], misses: Sequence[Record] = ()
) -> tuple[Message, ...]:
    """Return what a language model is told and asked about one neuron.

    Args:
        style: the prompt style.
        records: what the neuron does.
        misses: texts on which it is silent.
    """
    messages = [Message("system", style.system.strip())]
    for number, neuron in enumerate(style.neurons, start=1):
        shown = written(style, neuron.records, neuron.near_misses)
        messages.append(Message("user", _question(style, shown, number)))
        messages.append(Message("assistant", " ".join(filter(None, (style.after, neuron.answer)))))
    shown = written(style, records, misses)
    messages.append(Message("user", _question(style, shown, len(style.neurons) + 1)))
    return tuple(messages)


def _question(style: Style, shown: str, number: int) -> str:
    # Records last, since their text may hold what stands for something here.
    text = style.question.strip().replace(NUMBER, str(number))
    return text.replace(RECORDS, shown)


def prompt_hash(messages: Sequence[Message]) -> str:
    """Return the first 12 digits of the SHA-256 of a conversation."""
    text = json.dumps([[one.role, one.content] for one in messages], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def written(style: Style, records: Sequence[Record], misses: Sequence[Record] = ()) -> str:
    """Return records in the form of a style."""
    forms = {"pairs": _pairs, "marked": _marked, "tokens": _tokens, "snippets": _snippets}
    text = forms[style.form](style, records)
    if misses:
        listed = "\n".join("".join(one.tokens) for one in misses)
        text = f"{text}\n\n{style.near_miss_heading.strip()}\n{listed}"
    return text


def _pairs(style: Style, records: Sequence[Record]) -> str:
    """Return a line for each token with its level, and the lines above zero once more if few."""
    levels = levels_of(records)
    lines = [
        [f"{token}\t{level}" for token, level in zip(one.tokens, own, strict=True)]
        for one, own in zip(records, levels, strict=True)
    ]
    text = _wrapped(lines)
    count = sum(map(len, levels))
    above = sum(level > 0 for own in levels for level in own)
    if count and above / count < style.repeat_below:
        fired = [
            [line for line, level in zip(some, own, strict=True) if level > 0]
            for some, own in zip(lines, levels, strict=True)
        ]
        text = f"{text}\n\n{style.repeat_heading.strip()}\n{_wrapped(fired)}"
    return text


def _wrapped(records: Sequence[Sequence[str]]) -> str:
    return "\n".join("\n".join(("<start>", *lines, "<end>")) for lines in records)


def _marked(style: Style, records: Sequence[Record]) -> str:
    """Return a line for each text with marks around what fires, where asked with the levels."""
    lines = []
    for one, levels in zip(records, levels_of(records), strict=True):
        fires = marked_tokens(style, one)
        parts = []
        for at, token in enumerate(one.tokens):
            opens = fires[at] and not (at and fires[at - 1])
            closes = fires[at] and not (at + 1 < len(fires) and fires[at + 1])
            word = token.lstrip(" ")  # the space before a word stays before the mark
            space = token[: len(token) - len(word)]
            parts.append(f"{space}{style.marks[0] * opens}{word}{style.marks[1] * closes}")
        lines.append("".join(parts))
        if style.values:
            pairs = [
                f'"{token}" {level}'
                for token, level, fire in zip(one.tokens, levels, fires, strict=True)
                if fire
            ]
            lines.append(f"levels: {', '.join(pairs[:MOST_VALUES_LISTED])}")
    return "\n".join(lines)


def marked_tokens(style: Style, record: Record) -> list[bool]:
    """Return which tokens of a record are marked: those above zero and near its largest one."""
    limit = style.threshold * max(record.activations, default=0.0)
    return [value > 0 and value >= limit for value in record.activations]


def _tokens(style: Style, records: Sequence[Record]) -> str:
    """Return the tokens with the largest mean activation in the records, each on a line."""
    seen: dict[str, list[float]] = {}
    for one in records:
        for token, value in zip(one.tokens, one.activations, strict=True):
            seen.setdefault(token, []).append(max(0.0, value))
    means = {token: sum(values) / len(values) for token, values in seen.items()}
    order = sorted((token for token, mean in means.items() if mean > 0), key=lambda t: -means[t])
    limit = style.threshold * (means[order[0]] if order else 0.0)
    strong = [token for token in order if means[token] >= limit]
    return "\n".join(strong[:MOST_TOKENS_LISTED])


def _snippets(_: Style, records: Sequence[Record]) -> str:
    """Return the strongest token of each text, and below them the texts."""
    strongest = [one.tokens[one.anchor] for one in records if one.tokens]
    texts = ["".join(one.tokens) for one in records]
    return "\n".join(["Tokens:", *strongest, "", "Texts:", *texts])


def sentence_of(style: Style, reply: Reply) -> str:
    """Return the sentence of an answer.

    Raises:
        UnusableAnswerError: the answer was cut, is empty, refuses, or lacks what the style asks
            for.
    """
    if not reply.finished:
        raise UnusableAnswerError(
            "the answer was cut before it ended; give explainer.max_tokens a larger number"
        )
    text = reply.text
    if style.after is not None:
        _, found, text = text.rpartition(style.after)
        if not found:
            raise UnusableAnswerError(
                f"the answer does not say '{style.after}', behind which the sentence should stand"
            )
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    sentence = lines[0].strip(" *\"'“”`") if lines else ""
    if not sentence:
        raise UnusableAnswerError("the answer is empty")
    if REFUSAL.match(sentence):
        raise UnusableAnswerError(f"the model refused: {sentence[:80]}")
    return sentence
