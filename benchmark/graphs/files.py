"""Files of a graph: which, where, and whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.files.atomic import storage_errors, write_bytes
from benchmark.graphs.graph import NeuronGraph
from benchmark.graphs.png import to_png
from benchmark.graphs.svg import to_dot, to_svg

SVG, PNG, DOT = ".svg", ".png", ".dot"
FORMATS = (SVG, PNG, DOT)
# Endings that somebody types who means a picture and no folder.
OTHER_PICTURES = (".pdf", ".jpg", ".jpeg", ".gif", ".webp", ".eps", ".ps", ".html", ".gv", ".bmp")


def files_for(target: Path, name: str, *, dot: bool = False) -> list[Path]:
    """Return the files that a graph is written to.

    Args:
        target: a file ending in `.svg`, `.png` or `.dot`, or a folder, which need not exist.
        name: how files in the folder are called.
        dot: write DOT as well.

    Raises:
        BenchmarkError: the target looks like a file of another kind.
    """
    ending = target.suffix.lower()
    if target.is_dir() or ending not in (*FORMATS, *OTHER_PICTURES):
        endings = FORMATS if dot else (SVG, PNG)
        return [target / f"{name}{each}" for each in endings]
    if ending not in FORMATS:
        raise BenchmarkError(
            f"a graph is written as {', '.join(FORMATS)}, not as {ending}: '{target}'."
        )
    beside = [target.with_suffix(DOT)] if dot and ending != DOT else []
    return [target, *beside]


def write_graph(graph: NeuronGraph, files: Sequence[Path], title: str) -> Iterator[Path]:
    """Write one file after another; a format that fails keeps none of the others from being there.

    Yields:
        Each file once it is written.

    Raises:
        BenchmarkError: at the end, if a file could not be drawn or written.
    """
    failed = []
    for path in files:
        try:
            data = _drawn(graph, path.suffix.lower(), title)
            with storage_errors(path.parent):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(path, data)
        except BenchmarkError as error:
            failed.append(str(error))
            continue
        except Exception as error:
            failed.append(f"'{path}' could not be drawn: {type(error).__name__}: {error}")
            continue
        yield path
    if failed:
        raise BenchmarkError(" ".join(dict.fromkeys(failed)))


def _drawn(graph: NeuronGraph, ending: str, title: str) -> bytes:
    if ending == PNG:
        return to_png(graph, title)
    text = to_dot(graph, title) if ending == DOT else to_svg(graph, title)
    return text.encode("utf-8", "backslashreplace")
