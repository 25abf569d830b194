"""Features of contexts: patterns of every shape that a rule may have, and where each ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from explainers.rules.matching import AGAIN, SOMEWHERE, STEPS, Shape, stands_earlier

GAPS = (2, 3)
BEFORE = ((1,), (2,), (2, 1))
WINDOW = 8


@dataclass(frozen=True)
class Family:
    """All patterns of one shape in some contexts, and where they end.

    Attributes:
        shape: the shape.
        tokens: the tokens of each pattern in reading order, `[features, literals]`.
        places: flat positions at which patterns end, `[i]`.
        features: the pattern that ends at each of them, `[i]`.
        parents: of n-grams, the n-gram without its earliest token, `[features]`; of other
            patterns with a current token, that token's pattern among those of one token; None
            where there is neither.
    """

    shape: Shape
    tokens: Int[Tensor, "features literals"]
    places: Int[Tensor, " i"]
    features: Int[Tensor, " i"]
    parents: Int[Tensor, " features"] | None = None

    @property
    def size(self) -> int:
        """Return the number of patterns."""
        return len(self.tokens)

    @property
    def is_ngram(self) -> bool:
        """Return whether the patterns are n-grams: successive tokens up to the current one."""
        kind, distances = self.shape
        return kind == STEPS and distances == tuple(range(len(distances) - 1, -1, -1))

    def select(self, features: Int[Tensor, " kept"]) -> Family:
        """Return the family with some of its patterns, given ascending, numbered from 0 again."""
        number = torch.full((self.size,), -1)
        number[features] = torch.arange(len(features))
        renumbered = number[self.features]
        kept = renumbered >= 0
        return Family(
            self.shape,
            self.tokens[features],
            self.places[kept],
            renumbered[kept],
            None if self.parents is None else self.parents[features],
        )


def find_families(
    tokens: Int[Tensor, "batch pos"], text: Bool[Tensor, "batch pos"], depth: int
) -> list[Family]:
    """Find the patterns that end at the text's tokens, the n-grams first, shorter ones before.

    Patterns are n-grams of up to `depth` tokens; two tokens with one or two between; one or two
    tokens before any token; a token within 8 before another; and tokens that stand earlier in the
    context, too. None reaches beyond the start of its context.
    """
    flat = tokens.reshape(-1)
    width = int(flat.max()) + 1 if len(flat) else 1
    places = text.reshape(-1).nonzero()[:, 0]
    finder = _Finder(flat, places, places % max(1, tokens.shape[1]), width)
    families = list(finder.ngrams(depth))
    if not families:
        return []
    singles = families[0]
    families += [finder.pairs((STEPS, (gap, 0)), [gap], singles) for gap in GAPS]
    families += [finder.before(distances) for distances in BEFORE]
    families.append(finder.pairs((SOMEWHERE, (WINDOW, 0)), range(1, WINDOW + 1), singles))
    earlier = torch.from_numpy(stands_earlier(tokens.numpy())).reshape(-1)
    families.append(finder.again(earlier, singles))
    return [family for family in families if family.size]


@dataclass(frozen=True)
class _Finder:
    flat: Int[Tensor, " positions"]
    places: Int[Tensor, " p"]
    columns: Int[Tensor, " p"]
    width: int

    def ngrams(self, depth: int) -> Iterator[Family]:
        """Yield n-grams by length; one that ends at one position only is not followed back."""
        places, columns = self.places, self.columns
        nodes = torch.zeros_like(places)
        tokens = torch.zeros(1, 0, dtype=torch.long)
        for distance in range(depth):
            inside = columns >= distance
            places, nodes, columns = places[inside], nodes[inside], columns[inside]
            if not len(places):
                return
            pairs, nodes = torch.unique(
                nodes * self.width + self.flat[places - distance], return_inverse=True
            )
            parents = torch.div(pairs, self.width, rounding_mode="floor")
            tokens = torch.cat([(pairs % self.width)[:, None], tokens[parents]], 1)
            shape = STEPS, tuple(range(distance, -1, -1))
            yield Family(shape, tokens, places, nodes, parents if distance else None)
            several = torch.bincount(nodes, minlength=len(pairs))[nodes] > 1
            places, nodes, columns = places[several], nodes[several], columns[several]

    def pairs(self, shape: Shape, distances: range | list[int], singles: Family) -> Family:
        """Return pairs of a token at one of the distances and the current token."""
        places, before = self._before(distances)
        keys, features = torch.unique(before * self.width + self.flat[places], return_inverse=True)
        # What is there once says nothing of other text.
        several = torch.bincount(features, minlength=len(keys)) > 1
        number = torch.cumsum(several, 0) - 1
        kept = several[features]
        keys = keys[several]
        tokens = torch.stack([keys // self.width, keys % self.width], 1)
        parents = torch.searchsorted(singles.tokens[:, 0].contiguous(), tokens[:, 1].contiguous())
        return Family(shape, tokens, places[kept], number[features[kept]], parents)

    def before(self, distances: tuple[int, ...]) -> Family:
        """Return tokens at some distances before any current token."""
        inside = self.columns >= distances[0]
        places = self.places[inside]
        keys = torch.zeros_like(places)
        for distance in distances:
            keys = keys * self.width + self.flat[places - distance]
        keys, features = torch.unique(keys, return_inverse=True)
        several = torch.bincount(features, minlength=len(keys)) > 1
        number, kept = torch.cumsum(several, 0) - 1, several[features]
        keys = keys[several]
        digits = []
        for _ in distances:
            digits.append(keys % self.width)
            keys = keys // self.width
        tokens = torch.stack(digits[::-1], 1)
        return Family((STEPS, distances), tokens, places[kept], number[features[kept]])

    def again(self, earlier: Bool[Tensor, " positions"], singles: Family) -> Family:
        """Return tokens that stand earlier in their context, too."""
        places = self.places[earlier[self.places]]
        tokens, features = torch.unique(self.flat[places], return_inverse=True)
        parents = torch.searchsorted(singles.tokens[:, 0].contiguous(), tokens)
        return Family((AGAIN, (0,)), tokens[:, None], places, features, parents)

    def _before(self, distances: range | list[int]) -> tuple[Int[Tensor, " i"], Int[Tensor, " i"]]:
        """Return pairs of a position and a token at one of the distances before it, each once."""
        pairs = torch.cat(
            [
                places * self.width + self.flat[places - distance]
                for distance in distances
                for places in [self.places[self.columns >= distance]]
            ]
        )
        if len(distances) > 1:
            pairs = torch.unique(pairs)
        return torch.div(pairs, self.width, rounding_mode="floor"), pairs % self.width
