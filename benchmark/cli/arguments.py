"""Command lines of the verbs: one parser class, its messages, and the options that verbs share."""

from __future__ import annotations

import argparse
import math
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from benchmark.config.catalogue import DOTTED
from benchmark.errors import BenchmarkError, unknown
from benchmark.terminal.table import show_whole

HELP = ("-h", "--help")
# What a word must look like to be taken for an option that the verb does not have.
_OPTION = re.compile(r"--[A-Za-z][\w-]*|-[A-Za-z]")
_WIDTH = 100

Type = Callable[[str], Any]

LANGUAGE_MODEL = r"https?://\S+|[\w-][\w.-]*/[\w.-]+"  # an address, or a repository id


class HelpShown(SystemExit):
    """The help of a verb was printed, and nothing else is to be done."""


class Parser(argparse.ArgumentParser):
    """The parser of one verb; a mistake is a `BenchmarkError` of one sentence, never a usage dump.

    Args:
        verb: such as `show`.
        description: what the verb does, the text above the options of its help.
        takes: what must be named, for the message where it is missing: `the folder of a run`.
        examples: command lines at the end of the help.
        old: words that earlier versions took, each with what is written now.
        overrides: whether words such as `device=cpu` mean something.
    """

    def __init__(
        self,
        verb: str,
        description: str,
        *,
        takes: str = "",
        examples: str = "",
        old: dict[str, str] | None = None,
        overrides: bool = False,
    ) -> None:
        super().__init__(
            prog=f"python -m benchmark {verb}",
            description=description,
            epilog=f"examples:\n{textwrap.indent(examples.strip(), '  ')}" if examples else None,
            formatter_class=_Formatter,
            allow_abbrev=False,
        )
        self.verb = verb
        self._takes = takes
        self._old = old or {}
        self._overrides = overrides

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse the words after the verb.

        Raises:
            HelpShown: help was asked for, and printed.
            BenchmarkError: a word is not known, or a value is missing or impossible.
        """
        end = list(words).index("--") if "--" in words else len(words)
        if any(word in HELP for word in words[:end]):
            sys.stdout.write(self.format_help())
            raise HelpShown
        for word in words[:end]:
            key = word.partition("=")[0]
            if key in self._old and not Path(word).exists():
                raise BenchmarkError(f"'{word}' is written {self._old[key]}; see {self._help()}.")
        given, rest = self.parse_known_intermixed_args(list(words))
        if rest:
            raise self._unexpected(rest[0])
        for action in self._get_positional_actions():
            named = getattr(given, action.dest, None) or []
            _, odd = split_overrides([named] if isinstance(named, str) else named)
            if odd and not self._overrides:
                raise BenchmarkError(
                    f"{self.verb} takes no '{odd[0]:.60}', its options are written --key value; "
                    f"see {self._help()}."
                )
        show_whole(getattr(given, "wide", False))
        return given

    def error(self, message: str) -> NoReturn:
        """Say in a sentence of ours what argparse found.

        Raises:
            BenchmarkError: always.
        """
        if message.startswith("the following arguments are required"):
            raise BenchmarkError(f"{self.verb} takes {self._takes}; see {self._help()}.")
        name, _, problem = message.removeprefix("argument ").partition(": ")
        name = name.rpartition("/")[2]
        if problem.startswith("expected"):
            raise BenchmarkError(f"{name} needs a value; see {self._help()}.")
        if problem.startswith("ignored explicit argument"):
            raise BenchmarkError(f"{name} takes no value; see {self._help()}.")
        raise BenchmarkError(f"{self.verb}: {message}; see {self._help()}.")

    def _help(self) -> str:
        return f"{self.verb} --help"

    def _unexpected(self, word: str) -> BenchmarkError:
        name = word.partition("=")[0]
        if _OPTION.fullmatch(name):
            known = [option for option in self._option_string_actions if option.startswith("--")]
            return unknown(f"option of {self.verb}", name, known)
        return BenchmarkError(f"{self.verb} takes no '{word:.60}'; see {self._help()}.")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help with the defaults of options that have one, and the description's own line breaks."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=_WIDTH)

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help or ""
        shown = action.default not in (None, False, [], argparse.SUPPRESS)
        if action.option_strings and shown and "%(default)" not in text:
            default = action.default
            listed = ",".join(map(str, default)) if isinstance(default, list | tuple) else default
            text += f" (default: {listed})".replace("%", "%%")
        return text


def add_run(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add the positional argument `run`, which `benchmark.cli.find` resolves."""
    parser.add_argument(
        "run",
        nargs="+" if several else None,
        metavar="run",
        help=(
            "a folder under results/, the id of a run or its first digits, or a folder above "
            + ("several runs" if several else "one run")
        ),
    )


def add_changes(parser: argparse.ArgumentParser, text: str) -> None:
    """Add the positional argument `change`: overrides of a configuration."""
    parser.add_argument("change", nargs="*", metavar="key=value", help=text)


def add_seed(parser: argparse.ArgumentParser, text: str, default: int | None = 0) -> None:
    """Add `--seed`."""
    kind = whole("--seed", 0, digits=18)
    parser.add_argument("--seed", metavar="N", type=kind, default=default, help=text)


def add_top(parser: argparse.ArgumentParser, default: int, text: str) -> None:
    """Add `--top`: how many of something to list."""
    parser.add_argument("--top", metavar="N", type=whole("--top", 0), default=default, help=text)


def add_above(parser: argparse.ArgumentParser) -> None:
    """Add `--above`, for graphs without their weak patterns."""
    parser.add_argument(
        "--above",
        metavar="SHARE",
        type=share("--above"),
        default=0.0,
        help="count only patterns of at least this activation; 1 is the neuron's largest",
    )


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add the positional argument `results`: folders above runs."""
    parser.add_argument(
        "results",
        nargs="*",
        default=["results"],
        help="folders of runs, or ids of runs below results/ (default: results)",
    )


def add_rank_by(parser: argparse.ArgumentParser) -> None:
    """Add `--rank-by`."""
    parser.add_argument(
        "--rank-by",
        metavar="NAME",
        help="the metric on uniform text that ranks (default: pearson)",
    )


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Add `--trust CLASS`, which may be repeated."""
    parser.add_argument(
        "--trust",
        metavar="CLASS",
        action="append",
        default=[],
        type=class_name,
        help=(
            "read explanations of this class, package.module.Class, although it is neither built "
            "in nor an installed plug-in: its code is imported and run; or ask the language model "
            "at this address, or of this repository, again, which a run names; repeatable"
        ),
    )


def add_output(parser: argparse.ArgumentParser, default: str | None, text: str) -> None:
    """Add `-o`, `--output` with a path."""
    parser.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        type=path_of("--output"),
        default=None if default is None else Path(default),
        help=text,
    )


def add_format(parser: argparse.ArgumentParser, formats: Sequence[str]) -> None:
    """Add `--format`; the first of the formats is the default."""
    parser.add_argument(
        "--format",
        metavar="NAME",
        type=choice("format", formats),
        default=formats[0],
        help=f"{', '.join(formats[:-1])} or {formats[-1]}",
    )


def add_wide(parser: argparse.ArgumentParser) -> None:
    """Add `--wide`, for tables with all their columns."""
    parser.add_argument(
        "--wide", action="store_true", help="print every column, however wide the table becomes"
    )


def add_subject(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a run's subject is run where activations are not cached."""
    parser.add_argument("--cache-dir", metavar="FOLDER", help="where activations are kept")
    parser.add_argument("--device", metavar="NAME", help="cpu or cuda")
    parser.add_argument(
        "--batch-tokens", metavar="N", type=whole("--batch-tokens", 1), help="tokens in one pass"
    )


def subject_changes(given: argparse.Namespace) -> list[str]:
    """Return the options of `add_subject` as changes of a run's configuration."""
    names = ("cache_dir", "device", "batch_tokens")
    values = [(name, getattr(given, name)) for name in names]
    return [f"{name}={value}" for name, value in values if value is not None]


def split_overrides(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the words that are no overrides, and those that are: `key=value` that is no file."""
    places: list[str] = []
    changes: list[str] = []
    for word in words:
        (changes if "=" in word and not Path(word).exists() else places).append(word)
    return places, changes


def take_metrics(
    given: argparse.Namespace, words: Iterable[str], known: Sequence[str] = ("metrics",)
) -> list[str]:
    """Return the words but for `metrics=[pearson,f1]`, which becomes the option `--metrics`.

    Raises:
        BenchmarkError: another key is given a value; the message lists `known`.
    """
    places, changes = split_overrides(words)
    for change in changes:
        key, _, value = change.partition("=")
        if key != "metrics":
            raise unknown("key", key, known)
        given.metrics = metric_list(value)
    return places


def metric_list(value: str, key: str = "metrics") -> list[str]:
    """Return the names in `pearson,f1` or `[pearson,f1]`.

    Raises:
        BenchmarkError: there is none.
    """
    names = [name.strip(" '\"") for name in value.strip().strip("[]").split(",")]
    names = [name for name in names if name]
    if not names:
        raise BenchmarkError(f"{key} is empty; name at least one: {key}=[pearson].")
    return names


def class_name(word: str) -> str:
    """Check that a word names a class, or a language model by its address or repository.

    Raises:
        BenchmarkError: it does not.
    """
    if re.fullmatch(LANGUAGE_MODEL, word):
        return word.rstrip("/")
    if not re.fullmatch(DOTTED, word):
        raise BenchmarkError(f"--trust {word:.60} names no class; write package.module.Class.")
    return word


def choice(what: str, known: Sequence[str]) -> Type:
    """Return a type that takes one of some names."""

    def check(word: str) -> str:
        if word not in known:
            raise unknown(what, word, known)
        return word

    return check


def path_of(option: str) -> Type:
    """Return a type that takes a path, which cannot be empty."""

    def check(word: str) -> Path:
        if not word:
            raise BenchmarkError(f"{option}= names no file or folder.")
        return Path(word)

    return check


def whole(option: str, least: int, most: int | None = None, *, digits: int = 9) -> Type:
    """Return a type that takes a whole number."""

    def check(word: str) -> int:
        if not re.fullmatch(f"[0-9]{{1,{digits}}}", word) or int(word) < least:
            raise BenchmarkError(f"{option} {word:.60} must be a whole number, at least {least:,}.")
        if most is not None and int(word) > most:
            raise BenchmarkError(f"{option} {word} is too large; the largest is {most}.")
        return int(word)

    return check


def share(option: str, *, zero: bool = True, one: bool = True) -> Type:
    """Return a type that takes a number from 0 to 1; the ends only where that is said."""

    def check(word: str) -> float:
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        if not 0 <= number <= 1 or (number == 0 and not zero) or (number == 1 and not one):
            least, most = "0" if zero else "above 0", "1" if one else "below 1"
            raise BenchmarkError(f"{option} {word:.60} must be a number from {least} to {most}.")
        return number

    return check
