"""`search`: neurons by the tokens of their graphs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark.cli.trusting import take_trust
from benchmark.errors import BenchmarkError, unknown

if TYPE_CHECKING:
    from benchmark.graphs.search import Found, Query

HELP = """\
usage: python -m benchmark search <run> "token" [--as activating|context|any] ["token" ...]

Searches the graphs of all neurons of a run for tokens, and lists the neurons, strongest
activation first. <run> is a folder under results/; its explainer must draw graphs (n2g does).

  "token" --as activating   the neuron fires on this token
  "token" --as context      the token stands before the one that the neuron fires on
  "token" --as any          either; so does a token without --as

Each is one token: for two in a row name both. Several are combined, each with its own --as:
  --combine and       the neuron's graph holds all of them (default)
  --combine pattern   one and the same pattern of the graph does
  --combine or        the graph holds at least one

How tokens are compared: "List" is found with and without a space before it, " List" or "·List"
only with. Line ends and tabs may be typed as \\n and \\t, or as they are shown: ↵ and →. The start
of a context is "[start]". A token that begins with -- is typed as --token=--.
  --exact             "List" is not " List"
  --ignore-case       "List" is also "list"
  --contains          a part of a token is enough

Lists, alone or together with tokens:
  --repeats           neurons with a pattern in which the token they fire on stands before as well
                      (in-context behaviour)
  --parts[=2]         neurons whose graph falls apart into at least so many unconnected parts
                      (candidates for several meanings)

  --above 0           count only patterns of at least this activation (1: the neuron's largest)
  --top 50            how many neurons to list; 0 for all
  --trust CLASS       read explanations of this class, package.module.Class, although it is neither
                      built in nor an installed plug-in: its code is imported and run

examples:
  python -m benchmark search results/<run> "import" --as activating
  python -m benchmark search results/<run> "(" --as activating "re" --as context --combine pattern
  python -m benchmark search results/<run> --parts --above 0.5
"""

WIDTH = 72
PARTS = 3
FLAGS = ("--exact", "--ignore-case", "--contains", "--repeats")
VALUED = ("--as", "--combine", "--above", "--top", "--token")
OPTIONS = (*VALUED, "--parts", *FLAGS, "--trust")


def command(words: Sequence[str]) -> int:
    """Search a run and print the neurons found."""
    if not words or any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0 if words else 1
    words, trust = take_trust(words)
    folder, query, top = parse(words)
    from benchmark.cli.graphing import opened_with_graphs, run_in
    from benchmark.graphs.collect import run_graphs
    from benchmark.graphs.search import search

    run = run_in(folder)
    print_found(search(run_graphs(opened_with_graphs(run, trust)), query), query, top)
    return 0


def parse(words: Sequence[str]) -> tuple[str, Query, int]:
    """The run, what is looked for, and how many neurons to list.

    Raises:
        BenchmarkError: an option is not known or lacks its value, or nothing is looked for.
    """
    from benchmark.cli.graphing import share, taken, whole_number
    from benchmark.graphs.matching import Matching
    from benchmark.graphs.search import Query, Term

    places: list[str] = []
    terms: list[Term] = []
    settings: dict[str, Any] = {}
    flags: set[str] = set()
    top = 50
    at = 0
    while at < len(words):
        name, equals, value = words[at].partition("=")
        if name in VALUED and not equals:
            value = taken(words, at, name)
            at += 1
        at += 1
        if name == "--as":
            if not terms:
                raise BenchmarkError('--as follows a token: search <run> "token" --as context.')
            terms[-1] = Term(terms[-1].text, value)
        elif name == "--combine":
            settings["combine"] = value
        elif name == "--above":
            settings["above"] = share(name, value)
        elif name == "--top":
            top = whole_number(name, value, 0)
        elif name == "--parts":
            settings["parts"] = whole_number(name, value, 2) if equals else 2
        elif name == "--token":
            terms.append(Term(value))
        elif name in FLAGS and not equals:
            flags.add(name)
        elif name.startswith("--") and len(name) > 2 and name[2].isalpha():
            hint = f"A token that begins so is typed as --token={words[at - 1]}"
            raise unknown("option of search", name, OPTIONS, hint)
        elif not places:
            places.append(words[at - 1])
        else:
            terms.append(Term(words[at - 1]))
    if not places:
        raise BenchmarkError("search takes the folder of a run first; see search --help.")
    matching = Matching("--exact" in flags, "--ignore-case" in flags, "--contains" in flags)
    query = Query(tuple(terms), matching=matching, repeats="--repeats" in flags, **settings)
    for term in terms:
        matching.test(term.text)
    return places[0], query, top


def print_found(found: Found, query: Query, top: int) -> None:
    """A row for each neuron, and how many there are."""
    from benchmark.cli.graphing import counts_of
    from benchmark.cli.table import print_rows

    hits = found.hits[:top] if top else found.hits
    if hits:
        columns = ["neuron", "activation"]
        columns += ["repeated"] * query.repeats + ["parts"] * (query.parts > 1)
        columns.append("strongest pattern of each part" if query.parts > 1 else "pattern")
        rows = []
        for hit in hits:
            row = [hit.saved.name, f"{hit.activation:.2f}"]
            row += [" ".join(hit.repeated)] * query.repeats
            if query.parts > 1:
                shown = [fitted(text) for text in hit.parts[:PARTS]]
                more = len(hit.parts) - PARTS
                last = [f"and {more} more"] if more > 0 else []
                row += [str(len(hit.parts)), "   ".join([*shown, *last])]
            else:
                row.append(fitted(hit.text))
            rows.append(row)
        print_rows(columns, rows, text_columns=len(columns))
    for term in found.missing:
        role = "" if term.role == "any" else f" as {term.role}"
        sys.stdout.write(f"no graph holds {term.text!r}{role}\n")
    if found.missing and not query.matching.contains:
        sys.stdout.write("a term is one whole token; --contains finds parts of tokens\n")
    of = counts_of(found.n_neurons, found.n_failed, found.n_empty, query.above)
    sys.stdout.write(f"{len(found.hits):,} {of}\n")
    if len(hits) < len(found.hits):
        sys.stdout.write(f"the {len(hits)} strongest are listed; --top 0 lists all\n")


def fitted(text: str) -> str:
    """A pattern of bounded width: what is furthest from the activating token is left out."""
    return text if len(text) <= WIDTH else f"…{text[1 - WIDTH :]}"
