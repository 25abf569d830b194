"""`search`: neurons by the tokens of their graphs."""

from __future__ import annotations

import functools
import re
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.cli.arguments import (
    HELP,
    Parser,
    add_above,
    add_run,
    add_top,
    add_trust,
    add_wide,
    whole,
)
from benchmark.errors import BenchmarkError, unknown

if TYPE_CHECKING:
    from benchmark.graphs.search import Found, Query

ABOUT = """\
Searches the graphs of all neurons of a run for tokens, and lists the neurons, strongest
activation first. The run's explainer must draw graphs (n2g does).

  "token" --as activating   the neuron fires on this token
  "token" --as context      the token stands before the one that the neuron fires on
  "token" --as any          either; so does a token without --as

Each is one token: for two in a row name both. How tokens are compared: "List" is found with and
without a space before it, " List" or "·List" only with. Line ends and tabs may be typed as \\n and
\\t, or as they are shown: ↵ and →. The start of a context is "[start]". A token that begins with --
is typed as --token=--.
"""
EXAMPLES = """\
python -m benchmark search results/<run> "import" --as activating
python -m benchmark search results/<run> "(" --as activating "re" --as context --combine pattern
python -m benchmark search results/<run> --parts --above 0.5
"""
ROLES = ("activating", "context", "any")
# Before the token `--`, which argparse would take away.
KEPT = "\0"
WIDTH = 72
PARTS = 3


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser(
        "search", ABOUT, takes="the folder of a run first", examples=EXAMPLES, overrides=True
    )
    add_run(made)
    made.add_argument("token", nargs="*", help="tokens to look for, each with its own --as")
    for role in ROLES:
        made.add_argument(
            "--token" if role == "any" else f"--{role}",
            metavar="TOKEN",
            dest="terms",
            action="append",
            type=functools.partial(_term, role),
            default=[],
            help=f'the same as "TOKEN" --as {role}',
        )
    made.add_argument(
        "--combine",
        metavar="HOW",
        default="and",
        help="and: the neuron's graph holds all tokens; pattern: one pattern of it does; "
        "or: it holds at least one",
    )
    made.add_argument("--exact", action="store_true", help='"List" is not " List"')
    made.add_argument("--ignore-case", action="store_true", help='"List" is also "list"')
    made.add_argument("--contains", action="store_true", help="a part of a token is enough")
    made.add_argument(
        "--repeats",
        action="store_true",
        help="neurons with a pattern in which the token they fire on also stands before it "
        "(in-context behaviour)",
    )
    made.add_argument(
        "--parts",
        metavar="N",
        type=whole("--parts", 2),
        help="neurons whose graph falls into at least N unconnected parts, 2 if no number is given "
        "(candidates for several meanings)",
    )
    add_above(made)
    add_top(made, 50, "how many neurons to list; 0 lists all")
    add_wide(made)
    add_trust(made)
    return made


def _term(role: str, text: str) -> tuple[str, str]:
    return text.removeprefix(KEPT), role


def command(words: Sequence[str]) -> int:
    """Search a run and print the neurons found."""
    given = parser().read(with_roles(words))
    query = query_of(given)
    from benchmark.cli.find import find_run
    from benchmark.cli.graphing import opened_with_graphs
    from benchmark.graphs.collect import run_graphs
    from benchmark.graphs.search import search

    run = find_run(given.run)
    found = search(run_graphs(opened_with_graphs(run, given.trust)), query)
    print_found(found, query, given.top)
    return 0


def with_roles(words: Sequence[str]) -> list[str]:
    """Return the words with each `"token" --as role` as the option of that role.

    Raises:
        BenchmarkError: `--as` follows no token, has no role, or one that there is not.
    """
    written: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, role = word.partition("=")
        if word in ("--token", *(f"--{one}" for one in ROLES)) and left:
            written.append(f"{word}={left.pop(0)}")
        elif word == "--parts" and not (left and left[0].isdigit()):
            written.append("--parts=2")
        elif name != "--as":
            # A token such as -> or -- is no option.
            odd = re.fullmatch(r"--?|-[^-].*|--[^A-Za-z].*", word, re.DOTALL)
            plain = odd is None or word in HELP or _is_number(word)
            written.append(word if plain else f"--token={word}")
        elif not equals and not left:
            raise BenchmarkError("--as needs a value: activating, context or any.")
        else:
            written[-1:] = [_with_role(written, role if equals else left.pop(0))]
    return [re.sub("=--$", f"={KEPT}--", word) for word in written]


def _with_role(written: Sequence[str], role: str) -> str:
    """Return the last of the words before `--as` as the option of a role."""
    if len(written) < 2 or re.match(r"--(?!token=)", written[-1]):
        raise BenchmarkError('--as follows a token: search <run> "token" --as context.')
    if role not in ROLES:
        raise unknown("role", role, ROLES)
    text = written[-1].removeprefix("--token=")
    return f"--{'token' if role == 'any' else role}={text}"


def query_of(given: Namespace) -> Query:
    """Return what is looked for.

    Raises:
        BenchmarkError: nothing is, or a value is impossible.
    """
    from benchmark.graphs.search import Matching, Query, Term

    terms = [Term(text) for text in given.token] + [Term(text, role) for text, role in given.terms]
    matching = Matching(given.exact, given.ignore_case, given.contains)
    query = Query(
        tuple(terms),
        matching=matching,
        combine=given.combine,
        repeats=given.repeats,
        parts=given.parts or 1,
        above=given.above,
    )
    for term in terms:
        matching.test(term.text)
    return query


def _is_number(word: str) -> bool:
    """Return whether a word is a negative number, which is the value of an option."""
    return re.fullmatch(r"-\d+|-\d*\.\d+", word) is not None


def print_found(found: Found, query: Query, top: int) -> None:
    """Print a row for each neuron, and how many there are."""
    from benchmark.cli.graphing import counts_of
    from benchmark.terminal.table import print_rows

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


def fitted(text: str, width: int = WIDTH) -> str:
    """Return a pattern of bounded width: what is furthest from the activating token is left out."""
    return text if len(text) <= width else f"…{text[1 - width :]}"
