"""Notation of patterns: the tokens that can stand at successive places, as text and back."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmark.graphs.writing import GAP
from benchmark.vocabulary import START, Vocabulary

Place = tuple[int, ...]
"""The token ids that can stand at a place, each once; none where any token can."""

# What tokens are spelt with: everything but unescaped marks; the start of a context is a token.
_SPELT = rf"(?:\\.|{re.escape(START)}|[^\\‹›\[\]|…~↺])+"
_OPTIONS = rf"{_SPELT}(?:\|{_SPELT})*"
_PART = re.compile(rf"(?P<run>{_SPELT})|\[(?P<options>{_OPTIONS})\]|{GAP}")
_CURRENT = re.compile(rf"‹({_OPTIONS}|{GAP})›\Z")


def write_places(places: Sequence[Sequence[int]], vocabulary: Vocabulary) -> str:
    """Return a pattern as text: `import·[os|sys]…‹path›`.

    Args:
        places: in reading order, each a `Place`; the last is that of the current token.
        vocabulary: spells the tokens.

    Example:
        >>> import benchmark
        >>> vocabulary = benchmark.Vocabulary.of(benchmark.load_subject("solu-tiny"))
        >>> ids = [vocabulary.read(text)[0] for text in ("for", "·i", "·j", "·in")]
        >>> write_places([ids[:1], ids[1:3], (), ids[3:]], vocabulary)
        'for[·i|·j]…‹·in›'
    """
    current = _options(places[-1], vocabulary) if places[-1] else GAP
    return f"{write_context(places[:-1], vocabulary)}‹{current}›"


def write_context(places: Sequence[Sequence[int]], vocabulary: Vocabulary) -> str:
    """Return the same of places without the current one; no places are no text."""
    text = ""
    run: list[int] = []
    for place in places:
        if len(place) == 1:
            run += place
            continue
        text += vocabulary.write(run) + (f"[{_options(place, vocabulary)}]" if place else GAP)
        run = []
    return text + vocabulary.write(run)


def read_places(text: str, vocabulary: Vocabulary) -> tuple[Place, ...]:
    """Return the places of a pattern that `write_places` wrote.

    Raises:
        ValueError: the text is no pattern of tokens of the vocabulary.
    """
    current = _CURRENT.search(text)
    if current is None:
        raise ValueError(f"'{text}' is no pattern that ends with the current token in ‹ ›")
    options = current[1]
    last = () if options == GAP else _place(options, vocabulary)
    return (*read_context(text[: current.start()], vocabulary), last)


def read_context(text: str, vocabulary: Vocabulary) -> tuple[Place, ...]:
    """Return the places that `write_context` wrote.

    Raises:
        ValueError: as `read_places`.
    """
    (context, *others) = read_contexts(text, vocabulary)
    if others:
        raise ValueError(f"'{text}' is no pattern: '|' cannot stand there")
    return context


def read_contexts(text: str, vocabulary: Vocabulary) -> list[tuple[Place, ...]]:
    """Return several contexts of `write_context` between which `|` stands.

    Raises:
        ValueError: as `read_places`.
    """
    contexts: list[tuple[Place, ...]] = []
    places: list[Place] = []
    end = 0
    while end < len(text):
        part = _PART.match(text, end)
        if part is not None:
            if part["run"] is not None:
                places += [(token,) for token in vocabulary.read(part["run"])]
            else:
                places.append(_place(part["options"], vocabulary) if part["options"] else ())
            end = part.end()
        elif text[end] == "|":
            contexts.append(tuple(places))
            places = []
            end += 1
        else:
            raise ValueError(f"'{text}' is no pattern: '{text[end]}' cannot stand there")
    return [*contexts, tuple(places)]


def _options(place: Sequence[int], vocabulary: Vocabulary) -> str:
    return "|".join(map(vocabulary.spell, place))


def _place(options: str, vocabulary: Vocabulary) -> Place:
    found = [vocabulary.read(option) for option in re.findall(rf"(?:{_SPELT})", options)]
    place = tuple(token for tokens in found for token in tokens)
    if len(place) != len(found) or len(set(place)) != len(place):
        raise ValueError(f"'{options}' is no list of distinct tokens")
    return place
