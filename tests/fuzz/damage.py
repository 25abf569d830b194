"""Ways to damage the files of a run, drawn by a seed: what the fuzz test feeds to the verbs."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

RECORD, SCORES, EXPLANATIONS = "run.json", "scores.parquet", "explanations.jsonl"
# Texts that act on a terminal, on OmegaConf, on a path, on a spreadsheet or on nothing.
TEXTS = (
    "",
    "\x1b]0;title\x07\x1b[31mred",
    "\x9b31m\x85 next",
    "\u202eright to left\u2066",
    "two\nlines\r\n",
    "[bold]rich[/bold] :smile:",
    "${oc.env:HOME}",
    "../../../etc",
    "=1+1",
    "x" * 20_000,
    "<script>alert(1)</script>",
)
# JSON as it is written, because Python would not write all of it.
ODD = (
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "-1e999",
    "NaN",
    "9" * 5000,
    "1" + "0" * 30,
    "9223372036854775808",
    "0.5",
    '"\\ud800"',
    '"a\\u0000b"',
    "[]",
    "{}",
    "[null]",
    '{"_target_": "payload.Payload"}',
    "[" * 50_000 + "]" * 50_000,
    '{"a":' * 500 + "1" + "}" * 500,
    *map(json.dumps, TEXTS),
)
PAYLOAD = """\
import os
open(os.environ["FUZZ_FLAG"], "w").write("imported")
class Payload:
    evidence = "exemplars"
    def __init__(self, *a, **k): pass
    def explain(self, *a, **k): return []
"""

Damage = Callable[[Path, random.Random], bool]
"""Damage a run's folder; True where no verb that reads the file may succeed."""


def place(folder: Path, record: Any) -> None:
    """Write `run.json` with the digests of the files beside it, as a forger would."""
    for name in (SCORES, EXPLANATIONS):
        path = folder / name
        if path.is_file() and isinstance(record.get("files"), dict):
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            record["files"][name] = {"bytes": len(data), "sha256": digest}
    (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")


def record_of(folder: Path) -> Any:
    return json.loads((folder / RECORD).read_text(encoding="utf-8"))


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in a JSON value."""
    if above:
        yield above
    if not isinstance(value, dict | list):
        return
    for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
        yield from places(entry, (*above, key))


def with_odd_value(text: str, generator: random.Random) -> str:
    """JSON in which one value, drawn at random, is an odd one, or is not there."""
    value = json.loads(text)
    # First a depth and then a place: what is at the top matters more than one of a thousand tokens.
    by_depth: dict[int, list[tuple[Any, ...]]] = {}
    for way in places(value):
        by_depth.setdefault(len(way), []).append(way)
    way = generator.choice(by_depth[generator.choice(sorted(by_depth))])
    holder = value
    for key in way[:-1]:
        holder = holder[key]
    if generator.random() < 0.2:
        del holder[way[-1]]
        return json.dumps(value)
    holder[way[-1]] = "@odd@"
    return json.dumps(value).replace('"@odd@"', generator.choice(ODD))


def odd_record(folder: Path, generator: random.Random) -> bool:
    path = folder / RECORD
    path.write_text(with_odd_value(path.read_text(encoding="utf-8"), generator), encoding="utf-8")
    return False


def odd_class(folder: Path, generator: random.Random) -> bool:
    """The class of the explainer is a module beside run.json, or a function of a library."""
    record = record_of(folder)
    target = generator.choice(
        ["payload.Payload", f"{folder.name}.payload.Payload", "benchmark.files.atomic.write_text"]
    )
    record["explainer"]["options"] = {"_target_": target, "path": str(folder / "x"), "text": "x"}
    record["explainer"]["target"] = target
    record["config"]["explainer"] = {"name": "n2g", "_target_": target}
    place(folder, record)
    return False


def acting_names(folder: Path, generator: random.Random) -> bool:
    """Names, command and error that act on a terminal."""
    record = record_of(folder)
    for section in ("subject", "corpus", "explainer"):
        record[section]["name"] = generator.choice(TEXTS[1:8])
    record["command"] = ["python", generator.choice(TEXTS[1:5])]
    record["run_id"] = generator.choice(TEXTS[1:5])
    place(folder, record)
    return False


def odd_explanation(folder: Path, generator: random.Random) -> bool:
    path = folder / EXPLANATIONS
    lines = path.read_text(encoding="utf-8").splitlines()
    row = generator.randrange(len(lines))
    lines[row] = with_odd_value(lines[row], generator)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if generator.random() < 0.8:
        place(folder, record_of(folder))
    return False


def repeated_explanation(folder: Path, generator: random.Random) -> bool:
    path = folder / EXPLANATIONS
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([*lines, generator.choice(lines)]), encoding="utf-8")
    place(folder, record_of(folder))
    return False


def odd_scores(folder: Path, generator: random.Random) -> bool:
    """A sealed table whose columns are missing, of another type, infinite, twice or empty."""
    table = pq.read_table(folder / SCORES)
    column = generator.choice(["layer", "neuron", "status", *table.column_names])
    at = table.column_names.index(column)
    n = len(table)
    values: dict[str, Callable[[], pa.Table]] = {
        "words": lambda: table.set_column(at, column, pa.array(["high"] * n)),
        "infinite": lambda: table.set_column(at, column, pa.array([float("inf")] * n)),
        "not numbers": lambda: table.set_column(at, column, pa.array([float("nan")] * n)),
        "lists": lambda: table.set_column(at, column, pa.array([[1.0]] * n)),
        "negative": lambda: table.set_column(at, column, pa.array([-1] * n)),
        "nulls": lambda: table.set_column(at, column, pa.nulls(n)),
        "missing": lambda: table.remove_column(at),
        "twice": lambda: table.append_column(column, table.column(column)),
        "no rows": lambda: table.slice(0, 0),
        "rows twice": lambda: pa.concat_tables([table, table]),
    }
    kind = generator.choice(sorted(values))
    buffer = io.BytesIO()
    pq.write_table(values[kind](), buffer)
    (folder / SCORES).write_bytes(buffer.getvalue())
    place(folder, record_of(folder))
    fatal = {"twice", "no rows", "rows twice", "lists"}
    return kind in fatal or (kind == "missing" and column in ("layer", "neuron", "status"))


def odd_resamples(folder: Path, generator: random.Random) -> bool:
    """Scores on resampled documents, or what the table says of them, that are none."""
    table = pq.read_table(folder / SCORES)
    n, numbers = table.num_rows, pa.list_(pa.float32())
    columns = [name for name in table.column_names if name.startswith("resampled/")]
    column = generator.choice(columns)
    values = {
        "other lengths": pa.array([[0.5] * (row + 1) for row in range(n)], type=numbers),
        "no lists": pa.array([None] * n, type=numbers),
        "infinite": pa.array([[float("inf")] * 20] * n, type=numbers),
        "another number": pa.array([[0.5] * 7] * n, type=numbers),
    }
    kind = generator.choice([*values, "about"])
    if kind == "about":
        odd = generator.choice(ODD).encode("utf-8", "surrogatepass")
        about = generator.choice(
            [odd, b'{"draw": "a", "documents": -1}', b'{"draw": %s, "documents": %s}' % (odd, odd)]
        )
        table = table.replace_schema_metadata({"resampled": about})
    else:
        table = table.set_column(table.column_names.index(column), column, values[kind])
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    (folder / SCORES).write_bytes(buffer.getvalue())
    place(folder, record_of(folder))
    # Of a single column there is no other to differ from.
    return kind != "another number" or len(columns) > 1


def bytes_of(name: str) -> Damage:
    """Another content of a file: cut, empty, of another encoding, random."""

    def damage(folder: Path, generator: random.Random) -> bool:
        path = folder / name
        data = path.read_bytes()
        path.write_bytes(
            generator.choice(
                [
                    b"",
                    data[: generator.randrange(1, len(data))],
                    "\ufeff".encode() + b"\xff" + data,
                    data.decode("latin-1").encode("utf-16"),
                    generator.randbytes(100),
                    b"\0" * 100,
                    b"[" * 100_000,
                ]
            )
        )
        return True

    return damage


def kind_of(name: str) -> Damage:
    """Something else than a file in its place: a pipe, a folder, a device, a link to nowhere."""

    def damage(folder: Path, generator: random.Random) -> bool:
        path = folder / name
        path.unlink()
        kind = generator.randrange(4)
        if kind == 0:
            os.mkfifo(path)
        elif kind == 1:
            path.mkdir()
        elif kind == 2:
            path.symlink_to("/dev/zero")
        else:
            path.symlink_to(folder / "nowhere")
        return True

    return damage


DAMAGES: dict[str, Damage] = {
    "odd record": odd_record,
    "odd class": odd_class,
    "acting names": acting_names,
    "odd explanation": odd_explanation,
    "repeated explanation": repeated_explanation,
    "odd scores": odd_scores,
    "odd resamples": odd_resamples,
    **{f"bytes of {name}": bytes_of(name) for name in (RECORD, SCORES, EXPLANATIONS)},
    **{f"kind of {name}": kind_of(name) for name in (RECORD, SCORES, EXPLANATIONS)},
}


def damaged(run: Path, folder: Path, name: str, generator: random.Random) -> bool:
    """A damaged copy of a run with a module beside it that tells when it is imported."""
    shutil.copytree(run, folder)
    (folder / "payload.py").write_text(PAYLOAD, encoding="utf-8")
    return DAMAGES[name](folder, generator)


def state(folder: Path) -> dict[str, str]:
    """Every file below a folder, as something that changes if it does; nothing waits for a pipe."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            found[str(path)] = f"{path.lstat().st_mode}"
        else:
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
