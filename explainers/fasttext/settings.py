"""Options of the FastText explainer and their ranges."""

from __future__ import annotations

from dataclasses import dataclass, fields

from benchmark.errors import BenchmarkError, unknown

KEEP = ("rises", "holds")


@dataclass(frozen=True)
class Settings:
    """How activating words are found, replaced and generalised.

    Attributes:
        activation_threshold: part of the neuron's maximum from which on a word is activating.
        words: activating words of a neuron at most, the strongest.
        neighbours: nearest words that are tried instead of each.
        neighbour_min_count: only words that occur so often in the `explain` split are tried; it
            does not apply to pretrained vectors.
        keep: a neighbour is kept if the activation `rises`, as in the report, or already if it
            `holds`.
        hold: part of the activation that counts as held, for `holds`.
        context: tokens before the word that are kept when a neighbour is tried; None keeps all.
        coherence_threshold: coherence from which on the neuron counts as semantic.
        max_words: words that an explanation lists with their activation.
        max_subwords: pieces of words that it lists for words it has never seen.
    """

    activation_threshold: float = 0.5
    words: int = 20
    neighbours: int = 5
    neighbour_min_count: int = 5
    keep: str = "rises"
    hold: float = 0.8
    context: int | None = None
    coherence_threshold: float = 0.5
    max_words: int = 500
    max_subwords: int = 200

    def __post_init__(self) -> None:
        if self.keep not in KEEP:
            raise unknown("keep of fasttext", str(self.keep), KEEP)
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in ("activation_threshold", "hold"):
                check_number(each.name, value, 0, 1)
            elif each.name == "coherence_threshold":
                check_number(each.name, value, -1, 1)
            elif each.name != "keep" and not (each.name == "context" and value is None):
                check_count(each.name, value, 1 if each.name == "words" else 0)


def check_count(name: str, value: object, lowest: int) -> None:
    """Raise BenchmarkError unless it is a whole number of at least `lowest`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise _wrong(name, f"a whole number of at least {lowest}", value)


def check_number(name: str, value: object, low: float, high: float) -> None:
    """Raise BenchmarkError unless it is a number between the two."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(name, "a number", value)
    if not low <= value <= high:
        raise _wrong(name, f"between {low:g} and {high:g}", value)


def _wrong(name: str, due: str, value: object) -> BenchmarkError:
    return BenchmarkError(f"{name} of fasttext must be {due}, not {value!r}.")
