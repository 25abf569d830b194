"""FastText explanation: a neuron's words, how alike they are, and a table of predictions."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.files.explanation_size import SHOWN
from explainers.fasttext.describe import Neighbour, Word, describe, is_semantic
from explainers.fasttext.joints import Joints, old_text
from explainers.fasttext.pieces import TOKENS_OF_A_PIECE
from explainers.fasttext.table import Table, simulate_tables
from explainers.fasttext.words import NOTHING, Keys, keys_of, number_rows, tokens_of_key


@dataclass(frozen=True, eq=False)
class FastTextExplanation:
    """A neuron as words.

    It is complete in itself: what is predicted of every word is written down in token ids, so it
    simulates the same wherever it is loaded, without the vectors that it was made with.

    Attributes:
        words: the activating words, strongest first.
        neighbours: what was tried in their place.
        coherence: mean cosine similarity of the words' vectors; None for a single word.
        threshold: coherence from which on the neuron counts as semantic.
        floor: similarity from which on a word is predicted to be like a kept one.
        vectors: where the vectors came from, and the start of their fingerprint.
        table: what is predicted.
        joints: which tokens join into words.
    """

    text_is_complete: ClassVar[bool] = False

    words: tuple[Word, ...]
    neighbours: tuple[Neighbour, ...]
    coherence: float | None
    threshold: float
    floor: float
    vectors: str
    table: Table
    joints: Joints

    @property
    def semantic(self) -> bool | None:
        """Return whether the words are alike enough; None where there are no two to compare."""
        return is_semantic(self.coherence, self.threshold)

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Look up the word of every token, `[batch, pos]`, raw units, on the tokens' device."""
        return simulate_together([self], tokens)[..., 0]

    def describe(self) -> str:
        """Show words with the tokens around them, coherence, and what was tried."""
        return describe(
            self.words,
            self.neighbours,
            coherence=self.coherence,
            threshold=self.threshold,
            floor=self.floor,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the table and how tokens join into words, and under `shown` the words."""
        table = self.table
        return {
            "max_activation": table.maximum,
            "rest": table.rest,
            "profile": list(table.profile),
            "table": _entries(table.words, table.values),
            "pieces": _entries(table.pieces, table.piece_values),
            "joints": self.joints.to_text(),
            SHOWN: {
                "coherence": self.coherence,
                "semantic": self.semantic,
                "coherence_threshold": self.threshold,
                "floor": self.floor,
                "vectors": self.vectors,
                "words": [
                    [w.name, w.activation, w.value, w.count, w.before, w.inside, w.after]
                    for w in self.words
                ],
                "neighbours": [
                    [one.original, one.name, one.activation, one.kept] for one in self.neighbours
                ],
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FastTextExplanation:
        """Return the explanation that `to_dict` or an earlier version saved.

        Raises:
            ValueError: a table is damaged, or a number is not finite.
        """
        words, values = _read_entries(data["table"])
        pieces, piece_values = _read_entries(data["pieces"])
        if pieces.shape[1] > TOKENS_OF_A_PIECE:
            raise ValueError(f"a piece of more than {TOKENS_OF_A_PIECE} tokens")
        first, inner, last = map(int, data["profile"])
        shown = data.get(SHOWN, data)
        maximum, coherence = float(data["max_activation"]), shown.get("coherence")
        floor = float(shown.get("floor", 1))
        threshold = float(shown.get("coherence_threshold", 0))
        if not all(map(math.isfinite, (maximum, coherence or 0, floor, threshold))):
            raise ValueError("a number is not finite")
        joints = data["joints"]
        if not isinstance(joints, str):  # as earlier versions saved them
            joints = old_text(int(joints["ids"]), str(joints["bits"]))
        return cls(
            tuple(
                Word(str(name), float(top), float(value), int(count), *map(str, window))
                for name, top, value, count, *window in shown.get("words", ())
            ),
            tuple(
                Neighbour(str(original), str(name), float(activation), bool(kept))
                for original, name, activation, kept in shown.get("neighbours", ())
            ),
            None if coherence is None else float(coherence),
            threshold,
            floor,
            str(shown.get("vectors", "")),
            Table(
                words,
                values,
                pieces,
                piece_values,
                int(data["rest"]),
                (first, inner, last),
                maximum,
            ),
            _joints(joints),
        )


def simulate_together(
    explanations: Sequence[FastTextExplanation], tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch pos n"]:
    """Simulate many at once; exactly what each gives alone."""
    ids = tokens.cpu().numpy()
    result = np.zeros((*ids.shape, len(explanations)), dtype=np.float32)
    groups: dict[int, list[int]] = {}
    for row, one in enumerate(explanations):
        groups.setdefault(id(one.joints), []).append(row)
    for rows in groups.values():
        tables = [explanations[row].table for row in rows]
        found = simulate_tables(tables, explanations[rows[0]].joints, ids)
        if len(groups) == 1:
            result = found
        else:
            result[..., rows] = found
    return torch.from_numpy(result).to(tokens.device)


@functools.lru_cache(maxsize=8)
def _joints(text: str) -> Joints:
    """Read joints once for all explanations of a subject, which then simulate together."""
    return Joints.from_text(text)


def _entries(keys: Keys, values: Int[np.ndarray, " w"]) -> list[list[int]]:
    """Return a value and the token ids that it belongs to, as one list each."""
    return [[value, *tokens_of_key(key)] for key, value in zip(keys, values.tolist(), strict=True)]


def _read_entries(
    entries: Sequence[Sequence[int]],
) -> tuple[Keys, Int[np.ndarray, " w"]]:
    if any(len(entry) < 2 or min(entry[1:]) <= NOTHING for entry in entries):
        raise ValueError("an entry has no token ids")
    keys = keys_of([entry[1:] for entry in entries])
    if len(number_rows(keys)[1]) < len(keys):
        raise ValueError("a word is there twice")
    return keys, np.array([entry[0] for entry in entries], dtype=np.int64)
