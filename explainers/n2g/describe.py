"""Description of a trie that need not be complete, and remarks about how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.graphs.merge import ALIKE
from benchmark.graphs.writing import GAP, START_TEXT, write_pattern
from benchmark.token_text import counted
from explainers.n2g.counts import DROPPED, Counts
from explainers.n2g.substitutes import Substitute
from explainers.n2g.trie import ANY, Path

LINES = 15
WIDTH = 96
SUBSTITUTES = 6


@dataclass(frozen=True)
class Line:
    """Patterns written as one: the tokens that can stand at each place, empty where any can."""

    places: tuple[tuple[int, ...], ...]
    activation: float
    count: int


def describe(
    paths: Sequence[Path],
    counts: Counts,
    substitutes: Sequence[Substitute],
    texts: Mapping[int, str],
    *,
    maximum: float,
    bos: int,
) -> str:
    """Describe the strongest patterns, what became of the exemplars, and what substitutes did."""
    first = f"{_learnt_from(paths, counts)}; largest activation {maximum:.4g}"
    lines = [first, *_left_out(counts)]
    written = _written(paths, texts, bos)
    lines += [_end(f"{text}  {_number(value)}") for text, value in written[:LINES]]
    if len(written) > LINES:
        lines.append(f"and {counted(len(written) - LINES, 'weaker one')}")
    return "\n".join([*lines, *_substitutes(substitutes, texts)])


def remarks(
    paths: Sequence[Path],
    counts: Counts,
    substitutes: Sequence[Substitute],
    texts: Mapping[int, str],
) -> str:
    """Say what became of the exemplars, and what substitutes did."""
    lines = [_learnt_from(paths, counts), *_left_out(counts), *_substitutes(substitutes, texts)]
    return "\n".join(lines)


def _learnt_from(paths: Sequence[Path], counts: Counts) -> str:
    used = f"{counts.used} firing" if counts.reached is None else str(counts.reached)
    exemplars = counted(counts.exemplars, "exemplar")
    return f"{counted(len(paths), 'pattern')} from {used} of {exemplars}"


def _left_out(counts: Counts) -> list[str]:
    lines = []
    if counts.dropped:
        reasons = [f"{number} {DROPPED.get(name, name)}" for name, number in counts.dropped.items()]
        lines.append(f"left out: {', '.join(reasons)}")
    if counts.whole:
        lines.append(
            f"{counts.whole} kept the whole context: no shorter one that was tried kept the "
            "activation"
        )
    return lines


def merged(paths: Sequence[Path]) -> list[Line]:
    """Merge paths that differ in one token into lines with alternatives, strongest first.

    Places are tried from the one furthest from the activating token on. The activation of a line
    is the mean of its paths, weighted by count.
    """
    lines = [
        Line(
            tuple(() if token == ANY else (token,) for token in path.tokens),
            path.activation,
            path.count,
        )
        for path in paths
    ]
    longest = max((len(line.places) for line in lines), default=0)
    for place in range(longest - 1, -1, -1):
        groups: dict[tuple[tuple[int, ...] | None, ...], list[Line]] = {}
        rest = []
        for line in lines:
            if place >= len(line.places) or not line.places[place]:
                rest.append(line)
                continue
            key = (*line.places[:place], None, *line.places[place + 1 :])
            groups.setdefault(key, []).append(line)
        lines = rest + [line for members in groups.values() for line in _joined(members, place)]
    return sorted(lines, key=lambda line: (-line.activation, len(line.places), line.places))


def _joined(lines: list[Line], place: int) -> list[Line]:
    """Join lines that differ at one place and have like activations."""
    lines = sorted(lines, key=lambda line: (-line.activation, line.places))
    joined: list[Line] = []
    while lines:
        alike = [line for line in lines if lines[0].activation - line.activation <= ALIKE]
        lines = lines[len(alike) :]
        options = tuple(dict.fromkeys(token for line in alike for token in line.places[place]))
        places = alike[0].places
        count = sum(line.count for line in alike)
        mean = sum(line.activation * line.count for line in alike) / max(1, count)
        joined.append(Line((*places[:place], options, *places[place + 1 :]), mean, count))
    return joined


def _written(paths: Sequence[Path], texts: Mapping[int, str], bos: int) -> list[tuple[str, float]]:
    """Return each distinct text of a pattern with the strongest activation that it has."""
    strongest: dict[str, float] = {}
    for line in merged(paths):
        text = write(line.places, texts, bos)
        strongest[text] = max(strongest.get(text, line.activation), line.activation)
    return sorted(strongest.items(), key=lambda entry: -entry[1])


def write(places: Sequence[Sequence[int]], texts: Mapping[int, str], bos: int) -> str:
    """Return a pattern in reading order: `[was | were] … on the ‹List›`."""
    return write_pattern(
        [
            [START_TEXT if token == bos else texts.get(token, f"#{token}") for token in options]
            for options in reversed(places)
        ]
    )


def _substitutes(substitutes: Sequence[Substitute], texts: Mapping[int, str]) -> list[str]:
    def words(kept: bool) -> str:
        chosen = [one for one in substitutes if one.kept == kept]
        chosen.sort(key=lambda one: (-one.activation if kept else one.activation, one.replacement))
        shown: dict[str, float] = {}
        for one in chosen:
            pair = " → ".join(
                "".join(texts.get(token, f"#{token}") for token in ids)
                for ids in (one.original, one.replacement)
            )
            shown.setdefault(pair, one.activation)
        return ", ".join(
            f"{pair} {_number(activation)}"
            for pair, activation in list(shown.items())[:SUBSTITUTES]
        )

    named = (("still fires", True), ("no longer fires", False))
    found = [(name, words(kept)) for name, kept in named]
    return [_beginning(f"{name}: {text}") for name, text in found if text]


def _number(value: float) -> str:
    """Write two digits, and no minus before what they round to zero."""
    return f"{round(value, 2) + 0.0:.2f}"


def _beginning(line: str) -> str:
    """Return a line of bounded width that loses its end."""
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}{GAP}"


def _end(line: str) -> str:
    """Return a line of bounded width, cut at the end far from its activating token."""
    return line if len(line) <= WIDTH else f"{GAP}{line[1 - WIDTH :]}"
