"""Search for neurons by what their graphs hold, with typed terms as tokens are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from benchmark.errors import BenchmarkError, unknown
from benchmark.graphs.collect import SavedGraph
from benchmark.graphs.graph import ACTIVATING, NeuronGraph, Pattern
from benchmark.graphs.writing import write_pattern
from benchmark.token_text import WIDTH, shortened

SPACE = "·"
_TYPED = str.maketrans({" ": SPACE, "\n": "↵", "\t": "→", "\r": "␍"})
_ESCAPES = (("\\n", "↵"), ("\\t", "→"), ("\\r", "␍"))


@dataclass(frozen=True)
class Matching:
    """How strict the comparison is.

    Attributes:
        exact: a token without a space before it is not the same as one with.
        ignore_case: capitals are the same as small letters.
        contains: a part of a token is enough.
    """

    exact: bool = False
    ignore_case: bool = False
    contains: bool = False

    def test(self, typed: str) -> Callable[[str], bool]:
        r"""Return a test for the texts of tokens.

        Args:
            typed: the text with spaces and line ends as they are, as they are shown (`·`, `↵`),
                or escaped (`\n`). Unless `exact`, a text without a space before it also stands
                for the token with one.

        Raises:
            BenchmarkError: the text is empty.
        """
        if not typed:
            raise BenchmarkError("a token to search for cannot be empty; a space is ' ' or '·'.")
        shown = typed.translate(_TYPED)
        wanted = {shown}
        unescaped = shown
        for escape, letter in _ESCAPES:
            unescaped = unescaped.replace(escape, letter)
        wanted.add(unescaped)
        if not self.exact:
            wanted |= {SPACE + text for text in wanted if not text.startswith(SPACE)}
        wanted |= {shortened(text, WIDTH) for text in wanted}
        if self.ignore_case:
            wanted = {text.casefold() for text in wanted}

        def matches(text: str) -> bool:
            text = text.casefold() if self.ignore_case else text
            if self.contains:
                return any(each in text for each in wanted)
            return text in wanted

        return matches


ANY = "any"
SEARCH_ROLES = (ACTIVATING, "context", ANY)
AND, OR, PATTERN = "and", "or", "pattern"
COMBINE = (AND, OR, PATTERN)
ALTERNATIVES = 4

_Test = tuple[Callable[[str], bool], str]


@dataclass(frozen=True)
class Term:
    """A token that is looked for, and where it stands.

    Attributes:
        text: the token as typed.
        role: `activating`, `context` (the start of a context counts as one) or `any`.
    """

    text: str
    role: str = ANY


@dataclass(frozen=True)
class Query:
    """What is looked for; a graph must meet all of it.

    Attributes:
        terms: tokens.
        combine: `and`: the graph holds every term; `pattern`: one of its patterns does; `or`: it
            holds one of them.
        matching: how tokens are compared.
        repeats: only graphs where a token activates and stands in its own context.
        parts: only graphs that consist of at least this many unconnected parts.
        above: only patterns of at least this activation count, as a part of the largest.

    Raises:
        BenchmarkError: a role or way of combining is not known, or nothing is looked for.
    """

    terms: Sequence[Term] = ()
    combine: str = AND
    matching: Matching = field(default_factory=Matching)
    repeats: bool = False
    parts: int = 1
    above: float = 0.0

    def __post_init__(self) -> None:
        for term in self.terms:
            if term.role not in SEARCH_ROLES:
                raise unknown("role", term.role, SEARCH_ROLES)
        if self.combine not in COMBINE:
            raise unknown("way to combine", self.combine, COMBINE)
        if not self.terms and not self.repeats and self.parts < 2:
            raise BenchmarkError("nothing to search for: name a token, --repeats or --parts.")


@dataclass(frozen=True)
class Hit:
    """A neuron that meets a query.

    Attributes:
        saved: the neuron and its graph.
        pattern: the strongest of the patterns that meet the most of the query.
        text: this pattern, with the tokens looked for first among alternatives.
        activation: of this pattern, as a part of the neuron's largest, 0 to 1.
        repeated: the tokens that activate and stand in their own context, if they were asked for.
        parts: the strongest pattern of each unconnected part, if they were asked for.
    """

    saved: SavedGraph
    pattern: Pattern
    text: str
    activation: float
    repeated: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


@dataclass
class Found:
    """What a search ends with: hits, strongest first, and how many neurons it went through.

    Attributes:
        missing: the terms that no graph holds where they are looked for.
    """

    hits: list[Hit]
    n_neurons: int = 0
    n_failed: int = 0
    n_empty: int = 0
    missing: tuple[Term, ...] = ()


def search(graphs: Iterable[SavedGraph], query: Query) -> Found:
    """Return the neurons whose graphs meet a query, by falling activation, layer and neuron."""
    tests = [(query.matching.test(term.text), term.role) for term in query.terms]
    found, held = Found([]), [False] * len(tests)
    for saved in graphs:
        found.n_neurons += 1
        if saved.graph is None:
            found.n_failed += 1
            continue
        graph = saved.graph.above(query.above)
        if not graph.patterns:
            found.n_empty += 1
            continue
        meant = _meant(graph, tests)
        held = [known or any(map(any, nodes)) for known, nodes in zip(held, meant, strict=True)]
        hit = _hit(saved, graph, query, meant)
        if hit is not None:
            found.hits.append(hit)
    found.hits.sort(key=lambda hit: (-hit.activation, hit.saved.layer, hit.saved.neuron))
    found.missing = tuple(term for term, known in zip(query.terms, held, strict=True) if not known)
    return found


# For each term, of each node the tokens that it means.
_Meant = list[list[list[str]]]


def _meant(graph: NeuronGraph, tests: Sequence[_Test]) -> _Meant:
    used = {node for pattern in graph.patterns for node in pattern.nodes}
    return [
        [
            [text for text in node.texts if test(text)]
            if number in used and (role == ANY or (role == ACTIVATING) == (node.role == ACTIVATING))
            else []
            for number, node in enumerate(graph.nodes)
        ]
        for test, role in tests
    ]


def _hit(saved: SavedGraph, graph: NeuronGraph, query: Query, meant: _Meant) -> Hit | None:
    held = {
        pattern: sum(any(term[node] for node in pattern.nodes) for term in meant)
        for pattern in graph.patterns
    }
    if query.terms:
        in_one = max(held.values(), default=0)
        anywhere = sum(any(term[n] for p in graph.patterns for n in p.nodes) for term in meant)
        needed = 1 if query.combine == OR else len(query.terms)
        if (in_one if query.combine == PATTERN else anywhere) < needed:
            return None
    repeats = graph.repeats() if query.repeats else ()
    parts = graph.parts() if query.parts > 1 else ()
    if (query.repeats and not repeats) or len(parts) < query.parts * (query.parts > 1):
        return None
    among = {pattern for _, pattern in repeats} or set(graph.patterns)
    best = max(among, key=lambda p: (held[p], p.activation, -graph.patterns.index(p)))
    shown = {text for term in meant for node in term for text in node}
    return Hit(
        saved,
        best,
        _text(graph, best, shown),
        best.activation,
        tuple(graph.text_of(token) for token, _ in repeats),
        tuple(_text(graph, part[0], shown) for part in parts),
    )


def _text(graph: NeuronGraph, pattern: Pattern, wanted: set[str]) -> str:
    """Return a pattern with the wanted ones first among its alternatives, and of many only some."""
    places = []
    for node in pattern.nodes:
        texts = sorted(graph.nodes[node].texts, key=lambda text: text not in wanted)
        more = len(texts) - ALTERNATIVES
        places.append([*texts[:ALTERNATIVES], f"{more} more"] if more > 0 else texts)
    return write_pattern(places)
