"""Prompt styles: how evidence becomes a conversation, as data."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from benchmark.errors import BenchmarkError, unknown
from benchmark.files.reading import read_yaml
from explainers.llm.records import Record

FOLDER = Path(__file__).parent / "styles"
Form = Literal["pairs", "marked", "tokens", "snippets"]
RECORDS, NUMBER = "{records}", "{number}"


@dataclass(frozen=True)
class ExampleNeuron:
    """A neuron that was made up, with the sentence that would be right."""

    records: tuple[Record, ...]
    answer: str
    near_misses: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Style:
    """How a language model is asked what a neuron does.

    A style is a YAML file with these keys; `explainers/llm/styles` has the built-in ones. Its
    content is a part of a run's identity.

    Attributes:
        name: of the style.
        version: of the style, raised with every change of its prompts.
        system: what the model is told first.
        question: about one neuron; `{records}` stands for its records, `{number}` counts neurons.
        form: how records are written: `pairs` (a token and its level on each line), `marked` (text
            with marks around what fires), `tokens` (a list of the strongest tokens), or `snippets`
            (the strongest token of each text, then the texts).
        neurons: example neurons with their answers.
        examples: records shown of a neuron, unless the explainer's option says otherwise.
        record_tokens: tokens of each record, likewise.
        max_tokens: of an answer, likewise.
        after: text of an answer that the sentence stands behind; None for all of it.
        stop: texts at which an answer ends.
        repeat_below: if fewer of the levels than this part are above zero, the lines that are
            stand once more, behind `repeat_heading` (for `pairs`).
        repeat_heading: what stands before them.
        marks: what stands before and behind tokens that fire (for `marked`).
        threshold: from which part of a record's largest activation on a token is marked, and
            listed by `values`.
        values: whether each marked text is followed by its marked tokens with their levels.
        near_misses: how many texts are shown that hold a token the neuron fires on, and yet it is
            silent; needs the sample.
        near_miss_heading: what stands before them.
        description: one line about it.
        source: where it comes from.
    """

    name: str
    version: int
    system: str
    question: str
    form: Form
    neurons: tuple[ExampleNeuron, ...] = ()
    examples: int = 10
    record_tokens: int = 64
    max_tokens: int = 60
    after: str | None = None
    stop: tuple[str, ...] = ()
    repeat_below: float = 0.0
    repeat_heading: str = ""
    marks: tuple[str, str] = ("<<", ">>")
    threshold: float = 0.3
    values: bool = False
    near_misses: int = 0
    near_miss_heading: str = ""
    description: str = field(default="", compare=False)
    source: str = field(default="", compare=False)


def style_names() -> list[str]:
    """Return the names of the built-in styles."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def style_path(style: str) -> Path:
    """Return the file of a style, given by name or by the path of a YAML file.

    Raises:
        BenchmarkError: there is none.
    """
    if style in style_names():
        return FOLDER / f"{style}.yaml"
    path = Path(style).expanduser()
    if path.suffix not in (".yaml", ".yml"):
        hint = "Your own: explainer.style=<path of a YAML file>."
        raise unknown("style", style[:60], style_names(), hint)
    if not path.is_file():
        raise BenchmarkError(f"explainer.style={style}: there is no such file.")
    return path


def load_style(style: str) -> Style:
    """Return a style by its name or the path of its file.

    Raises:
        BenchmarkError: there is none, or it lacks a key, has an unknown one or one of a wrong type.
    """
    path = style_path(style)
    data = read_yaml(path)
    where = f"style '{path}'"
    if not isinstance(data, Mapping):
        raise BenchmarkError(f"{where} holds no keys; explainers/llm/styles shows how they look.")
    known = {one.name: one for one in fields(Style)}
    for key in data:
        if key not in known:
            raise unknown(f"key of {where}", str(key)[:60], sorted(known))
    for name, one in known.items():
        if name not in data and one.default is MISSING:
            raise BenchmarkError(f"{where} has no key '{name}'.")
    values = {key: _checked(where, key, value) for key, value in data.items()}
    if RECORDS not in values["question"]:
        raise BenchmarkError(f"{where}: 'question' has no {RECORDS}, where evidence is put.")
    return Style(**values)


def _checked(where: str, key: str, value: Any) -> Any:
    """Return the value of a key as `Style` holds it."""
    wrong = BenchmarkError(f"{where}: '{key}' has a value that it cannot have: {value!r:.60}.")
    hint = typing.get_type_hints(Style)[key]
    if key == "neurons":
        if not isinstance(value, list):
            raise wrong
        return tuple(_neuron(where, one) for one in value)
    if key == "form":
        if value not in typing.get_args(Form):
            raise unknown(f"form of {where}", str(value)[:60], typing.get_args(Form))
        return value
    if typing.get_origin(hint) is tuple:
        fits = isinstance(value, list) and all(isinstance(one, str) and one for one in value)
        if not fits or (key == "marks" and len(value) != 2):
            raise wrong
        return tuple(value)
    kinds = {int: (int,), float: (int, float), bool: (bool,), str: (str,)}
    kind = kinds.get(hint, (str, type(None)))
    if not isinstance(value, kind) or (isinstance(value, bool) and hint is not bool):
        raise wrong
    if isinstance(value, (int, float)) and not 0 <= value < 10**6:
        raise wrong
    return value


def _neuron(where: str, data: Any) -> ExampleNeuron:
    try:
        answer, records = data["answer"], data["records"]
        misses = data.get("near_misses", [])
        if not isinstance(answer, str) or set(data) - {"answer", "records", "near_misses"}:
            raise TypeError("keys")
        return ExampleNeuron(_records(records), answer, _records(misses))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise BenchmarkError(
            f"{where}: each of 'neurons' has an 'answer' and 'records', texts whose tokens are "
            "parted by | and whose levels above 0 stand behind ^, as in 'the| rain^9| fell'."
        ) from error


def _records(texts: Sequence[str]) -> tuple[Record, ...]:
    return tuple(_example_record(text) for text in texts)


def _example_record(text: str) -> Record:
    pairs = [part.partition("^") for part in text.split("|")]
    return Record(
        tuple(token for token, _, _ in pairs),
        tuple(float(level or 0) for _, _, level in pairs),
    )
