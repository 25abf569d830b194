"""Description of a context tree: the contexts that explain most of the variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ANY = -1
GAP = "_"
WIDTH = 66


@dataclass(frozen=True)
class Shown:
    """Contexts for a person.

    Attributes:
        texts: the text of every token that is shown.
        contexts: each with its tokens as places in `texts`, the current one first, `ANY` where any
            token can stand; the prediction there in steps above the root's value; the part of the
            activation's variance that it explains, in thousandths; and how often it was seen.
    """

    texts: tuple[str, ...] = ()
    contexts: tuple[tuple[tuple[int, ...], int, int, int], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the texts and the contexts as lists."""
        contexts = [[list(places), *numbers] for places, *numbers in self.contexts]
        return {"texts": list(self.texts), "contexts": contexts}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Shown:
        """Return what `to_dict` saved; nothing is shown where nothing was saved."""
        contexts = tuple(
            (tuple(int(place) for place in places), int(value), int(share), int(seen))
            for places, value, share, seen in data.get("contexts", ())
        )
        return cls(tuple(str(text) for text in data.get("texts", ())), contexts)


def describe(shown: Shown, n_nodes: int, root: float, step: float) -> str:
    """Write a table of contexts with their part of the variance, prediction and count.

    The current token stands in ‹›, `_` where any token can stand.
    """
    lines = [
        f"{n_nodes:,} contexts, the longest one that ends at a token decides; elsewhere {root:.4g}"
    ]
    if shown.contexts:
        lines.append(f"{'variance':>8} {'predicted':>10} {'seen':>7}  on ‹token› after")
    for places, value, share, seen in shown.contexts:
        text = written([shown.texts[place] if place != ANY else GAP for place in places])
        lines.append(f"{share / 10:>7.1f}% {root + step * value:>10.4g} {seen:>7}  {text}")
    if shown.contexts and any(ANY in places for places, *_ in shown.contexts):
        lines.append(f"{GAP}: any token")
    return "\n".join(lines)


def written(texts: Sequence[str]) -> str:
    """Write a context, given from the current token back, in reading order."""
    line = " ".join([*reversed(texts[1:]), f"‹{texts[0]}›"])
    return line if len(line) <= WIDTH else f"…{line[1 - WIDTH :]}"
