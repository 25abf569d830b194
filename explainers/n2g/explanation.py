"""N2G explanation: the patterns of tokens that a neuron fires on, and how strongly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.files.explanation_size import SHOWN
from benchmark.graphs import NeuronGraph
from benchmark.token_text import visible_token
from benchmark.vocabulary import Vocabulary
from explainers.n2g.counts import Counts
from explainers.n2g.describe import describe, remarks
from explainers.n2g.graph import graph_of
from explainers.n2g.settings import LONGEST, MATCH
from explainers.n2g.simulate import simulate_tries
from explainers.n2g.substitutes import Substitute
from explainers.n2g.text import four_digits, read_text, two_digits, write_text
from explainers.n2g.trie import ANY, Path, strongest_first


@dataclass(frozen=True)
class N2GExplanation:
    """A neuron as a trie.

    Attributes:
        max_activation: the neuron's largest activation, raw units.
        paths: what the trie holds, strongest first.
        default: prediction where no path matches, as a part of the largest activation.
        counts: what became of the exemplars.
        substitutes: tokens that replaced others, and what the neuron then did.
        bos: the id that a path ends with where it needs the start of a context.
        texts: tokens as a person can read them.
        match: which of several matching paths decides, as in the settings.
        text: the complete text; None where the numbers have more digits than a text shows, as
            those of earlier versions.
    """

    max_activation: float
    paths: tuple[Path, ...]
    default: float = 0.0
    counts: Counts = field(default_factory=Counts)
    substitutes: tuple[Substitute, ...] = ()
    bos: int = 0
    texts: Mapping[int, str] = field(default_factory=dict)
    match: str = LONGEST
    text: str | None = None

    @property
    def text_is_complete(self) -> bool:
        """Return whether `describe` says all that simulates."""
        return self.text is not None

    def as_shown(self, vocabulary: Vocabulary) -> N2GExplanation:
        """Return the explanation with a complete text and with the numbers that this shows."""
        maximum, default = four_digits(self.max_activation), two_digits(self.default)
        paths = strongest_first(
            [replace(path, activation=two_digits(path.activation)) for path in self.paths]
        )
        text = write_text(maximum, default, self.match, paths, vocabulary)
        return replace(self, max_activation=maximum, default=default, paths=paths, text=text)

    @classmethod
    def from_text(cls, text: str, vocabulary: Vocabulary) -> N2GExplanation:
        """Return the explanation that a complete text describes.

        Raises:
            ValueError: a line cannot be read, or a path is there twice.
        """
        maximum, default, match, read = read_text(text, vocabulary)
        paths = strongest_first(read)
        _check(paths, [maximum, default])
        tokens = {token for path in paths for token in path.tokens} - {ANY, vocabulary.bos}
        texts = {token: visible_token(vocabulary.tokenizer, token) for token in sorted(tokens)}
        return cls(maximum, paths, default, bos=vocabulary.bos, texts=texts, match=match, text=text)

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Walk back from every token, `[batch, pos]`, raw units, on the tokens' device."""
        found = simulate_tries(
            [self.paths],
            [self.max_activation],
            [self.default],
            tokens.cpu().numpy(),
            [self.match],
        )
        return torch.from_numpy(found[0]).to(tokens.device)

    def describe(self) -> str:
        """Write all patterns, strongest first; without a complete text, the strongest ones."""
        if self.text is not None:
            return self.text
        return describe(
            self.paths,
            self.counts,
            self.substitutes,
            self.texts,
            maximum=self.max_activation,
            bos=self.bos,
        )

    def remarks(self) -> str:
        """Say what became of the exemplars and what substitutes did; no part of the text."""
        if self.text is None or self.counts == Counts():
            return ""
        return remarks(self.paths, self.counts, self.substitutes, self.texts)

    def graph(self) -> NeuronGraph:
        """Return the paths as a neuron graph, which can be drawn and searched."""
        return graph_of(self.paths, self.texts, self.bos)

    def to_dict(self) -> dict[str, Any]:
        """Return what the paths match and predict, and under `shown` all that is known besides."""
        return {
            "max_activation": self.max_activation,
            "default": self.default,
            "match": self.match,
            "paths": [[list(path.tokens), path.activation] for path in self.paths],
            SHOWN: {
                "bos": self.bos,
                "counts": self.counts.to_dict(),
                "paths": [[list(path.importances), path.count] for path in self.paths],
                "substitutes": [
                    [
                        one.distance,
                        list(one.original),
                        list(one.replacement),
                        one.activation,
                        one.kept,
                    ]
                    for one in self.substitutes
                ],
                "text": self.text,
                "texts": {str(token): text for token, text in self.texts.items()},
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> N2GExplanation:
        """Return the explanation that `to_dict` or an earlier version saved.

        Raises:
            ValueError: a path is empty, begins or ends with a wildcard, or is there twice, a
                number is not finite, or the rule by which paths match is not known.
        """
        shown = data.get(SHOWN, data)
        paths = _paths(data["paths"], data.get(SHOWN, {}).get("paths"))
        maximum, default = float(data["max_activation"]), float(data["default"])
        _check(paths, [maximum, default])
        match = str(data.get("match", LONGEST))  # older runs had one rule
        if match not in MATCH:
            raise ValueError(f"paths cannot match by the rule '{match}'")
        return cls(
            maximum,
            paths,
            default,
            Counts.from_dict(shown["counts"]) if "counts" in shown else Counts(),
            tuple(
                Substitute(
                    int(distance),
                    tuple(original),
                    tuple(replacement),
                    float(activation),
                    bool(kept),
                )
                for distance, original, replacement, activation, kept in shown.get(
                    "substitutes", ()
                )
            ),
            int(shown.get("bos", 0)),
            {int(token): str(text) for token, text in shown.get("texts", {}).items()},
            match,
            None if shown.get("text") is None else str(shown["text"]),
        )


def _paths(
    saved: Sequence[Sequence[Any]], shown: Sequence[Sequence[Any]] | None
) -> tuple[Path, ...]:
    """Return the paths, also of an earlier version, which saved all of a path together."""
    if saved and len(saved[0]) == 4:
        shown = [[importances, count] for _, importances, _, count in saved]
        saved = [[tokens, activation] for tokens, _, activation, _ in saved]
    if shown is None:
        shown = [[[0.0] * len(tokens), 1] for tokens, _ in saved]
    return tuple(
        Path(tuple(tokens), tuple(importances), float(activation), int(count))
        for (tokens, activation), (importances, count) in zip(saved, shown, strict=True)
    )


def _check(paths: tuple[Path, ...], numbers: list[float]) -> None:
    for path in paths:
        if not path.tokens or path.tokens[0] == ANY or path.tokens[-1] == ANY:
            raise ValueError(f"a path cannot be {list(path.tokens)}")
        if min(path.tokens) < ANY or len(path.importances) != len(path.tokens):
            raise ValueError(f"a path of {list(path.tokens)} is damaged")
    if len({path.tokens for path in paths}) < len(paths):
        raise ValueError("a path is there twice")
    if not all(map(math.isfinite, numbers + [path.activation for path in paths])):
        raise ValueError("a number is not finite")
