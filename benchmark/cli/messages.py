"""Messages of errors that the user can fix."""

from __future__ import annotations

from benchmark.errors import BenchmarkError, is_out_of_memory


def message_of(error: BaseException) -> str | None:
    """One line for a person; None for an error that is a fault of this program."""
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
