"""Errors: the one that a user's mistake ends in, and which others no neuron is at fault for."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

# The longest message of somebody else's error that is passed on.
LONGEST_MESSAGE = 2000


class BenchmarkError(Exception):
    """Something the user can fix. The message names the thing, the value and the way out.

    The command line prints it as it is, without a stack trace, and exits with status 1.

    Example:
        >>> import benchmark
        >>> try:
        ...     benchmark.run("n2h")
        ... except benchmark.BenchmarkError as error:
        ...     print(str(error).partition(" known:")[0])
        explainer 'n2h' is not known; did you mean 'n2g'?
    """


# What the surroundings of a run cause: a wrong option, a disk, a network, a missing package. It
# ends the run, which the same command tries again; no neuron is at fault.
SURROUNDINGS = (BenchmarkError, OSError, ImportError, MemoryError)
# Libraries whose errors of the network are no OSError, by the class that all of them derive from.
NETWORK_ERRORS = {
    ("aiohttp", "ClientError"),
    ("anthropic", "APIConnectionError"),
    ("anthropic", "InternalServerError"),
    ("anthropic", "RateLimitError"),
    ("asyncio", "TimeoutError"),
    ("concurrent", "TimeoutError"),
    ("httpx", "HTTPError"),
    ("httpcore", "NetworkError"),
    ("httpcore", "TimeoutException"),
    ("openai", "APIConnectionError"),
    ("openai", "InternalServerError"),
    ("openai", "RateLimitError"),
    ("urllib3", "HTTPError"),
}
# On the CPU a failed allocation of torch's is an ordinary RuntimeError, recognised by its text.
CPU_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "bad alloc", "bad_alloc")


def is_of_surroundings(error: BaseException) -> bool:
    """Return whether an error comes from the surroundings of a run and not from what it worked on.

    An error that was raised `from` one of the surroundings is one too.
    """
    seen: BaseException | None = error
    for _ in range(100):  # a chain may be closed to a ring
        if seen is None:
            return False
        if isinstance(seen, SURROUNDINGS) or is_out_of_memory(seen):
            return True
        if _has_ancestor(seen, NETWORK_ERRORS):
            return True
        seen = seen.__cause__
    return False


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, on whichever device; loads no torch."""
    if isinstance(error, MemoryError) or _has_ancestor(error, {("torch", "OutOfMemoryError")}):
        return True
    if not isinstance(error, RuntimeError):
        return False
    text = described(error).lower()
    return any(part in text for part in CPU_OUT_OF_MEMORY)


def _has_ancestor(error: BaseException, kinds: Collection[tuple[str, str]]) -> bool:
    """Return whether an error is of a class with this package and name; the package is not
    imported.
    """
    return any(
        (kind.__module__.partition(".")[0], kind.__name__) in kinds for kind in type(error).__mro__
    )


def described(error: BaseException) -> str:
    """Return what an error says, on one line that can be saved, whatever its class does."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # an exception of somebody's own may be unable to say anything
        text = "its message cannot be read"
    return text.encode("utf-8", "backslashreplace").decode()[:LONGEST_MESSAGE]


def named(error: BaseException) -> str:
    """Return an error's class and what it says, on one line."""
    return f"{type(error).__name__}: {described(error)}".removesuffix(": ")


def message_of(error: BaseException) -> str | None:
    """Return one line for a person; None for an error that is a fault of this program."""
    if isinstance(error, BenchmarkError):
        return str(error)
    if is_out_of_memory(error):
        return (
            "out of memory; use fewer neurons at once (neurons.block_size=...), fewer contexts, "
            "or a smaller model."
        )
    if isinstance(error, OSError):
        what = error.strerror or " ".join(str(error).split()) or type(error).__name__
        where = f": '{error.filename}'" if error.filename is not None else ""
        return f"{what[:1].lower()}{what[1:]}{where}"
    return None


def unknown(kind: str, value: str, known: Iterable[str], hint: str = "") -> BenchmarkError:
    """Return the error for a name that is not in a list, with the nearest one that is."""
    names = sorted(known)
    longer = [name for name in names if len(value) > 2 and name.startswith(value)]
    near = difflib.get_close_matches(value, names, n=1) or longer
    guess = f"; did you mean '{near[0]}'?" if near else "."
    known_text = f" known: {', '.join(names)}." if names else ""
    return BenchmarkError(f"{kind} '{value}' is not known{guess}{known_text}{hint and ' ' + hint}")
