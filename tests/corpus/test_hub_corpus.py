"""Hub datasets through the real client libraries, served by the stand-in for the hub."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.config.catalogue import find
from tests.hub import Hub

pytestmark = pytest.mark.slow

# Loads each configuration in turn, with bytes as tokens, and prints what came of it as JSON.
LOAD = """
import json, sys
from benchmark.config.catalogue import find
from benchmark.corpus import load_corpus
from benchmark.errors import BenchmarkError

class Bytes:
    def __call__(self, texts, **options):
        return {"input_ids": [[1 + byte for byte in text.encode()] for text in texts]}

outcomes = []
for config in json.loads(sys.argv[1]):
    try:
        corpus = load_corpus(config, Bytes(), bos=0, context_length=8)
    except BenchmarkError as error:
        outcomes.append({"error": str(error)})
        continue
    text = [
        bytes(token - 1 for token in contexts.tokens.flatten().tolist() if token).decode()
        for contexts in corpus.splits.values()
    ]
    outcomes.append(
        {
            "source": corpus.source,
            "fingerprint": corpus.fingerprint,
            "documents": sum(corpus.counts[split]["documents"] for split in corpus.splits),
            "text": "".join(text),
        }
    )
print(json.dumps(outcomes))
"""


def outcomes(hub: Hub, *given: dict[str, Any], **env: str) -> list[dict[str, Any]]:
    result = hub.python(LOAD, json.dumps([{"kind": "hub", **config} for config in given]), env=env)
    assert result.returncode == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout.splitlines()[-1])
    return found


def rows(word: str) -> list[str]:
    return [f"{word} document number {number}." for number in range(60)]


def parquet(**columns: list[Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def jsonl(column: str, texts: list[str]) -> str:
    return "".join(json.dumps({"id": n, column: text}) + "\n" for n, text in enumerate(texts))


def shipped(name: str) -> Any:
    return dict(find("dataset", name).config)


CARD = """---
configs:
- config_name: first
  data_files: first.jsonl
- config_name: second
  data_files: second.jsonl
---
"""


def test_the_shipped_datasets_and_any_other_then_without_a_network(hub: Hub) -> None:
    layout = "data/train-00000-of-00001-b1cf4df7c5c7d2b5.parquet"
    c4 = hub.add_dataset(
        "NeelNanda/c4-code-20k", {"README.md": "# C4", layout: parquet(text=rows("web"))}
    )
    pile = hub.add_dataset(
        "NeelNanda/pile-10k", {layout: parquet(text=rows("pile"), meta=["{}"] * 60)}
    )
    lines = hub.add_dataset(
        "some/lines",
        {
            "train.jsonl": jsonl("content", rows("line")),
            "test.jsonl": jsonl("content", rows("test")),
        },
    )
    several = hub.add_dataset(
        "some/several",
        {
            "README.md": CARD,
            "first.jsonl": jsonl("code", rows("first")),
            "second.jsonl": jsonl("code", rows("second")),
        },
    )
    old = hub.add_dataset("some/versions", {"a.jsonl": jsonl("text", rows("old"))}, names=["v1"])
    new = hub.add_dataset("some/versions", {"a.jsonl": jsonl("text", rows("new"))})
    given = [
        shipped("c4-code"),
        shipped("pile"),
        {"repo": "some/lines", "hub_split": "test", "max_documents": 50},
        {"repo": "some/several", "config": "second"},
        {"repo": "some/versions"},
        {"repo": "some/versions", "revision": "v1"},
        {"repo": "some/versions", "revision": old},
        {"repo": "some/lines", "hub_split": "train[:45]"},
    ]
    online = outcomes(hub, *given)
    assert [found.get("error") for found in online] == [None] * len(given)
    assert [found["source"]["commit"] for found in online] == [
        c4,
        pile,
        lines,
        several,
        new,
        old,
        old,
        lines,
    ]
    expected = ["web", "pile", "test", "second", "new", "old", "old", "line"]
    for found, word in zip(online, expected, strict=True):
        assert f"{word} document number" in found["text"]
    assert [found["documents"] for found in online] == [60, 60, 50, 60, 60, 60, 60, 45]
    assert online[3]["source"] == {
        "kind": "hub",
        "repo": "some/several",
        "commit": several,
        "config": "second",
        "hub_split": "train",
        "column": "code",
    }

    # Without a network the same configurations give the same corpora. (`datasets` alone gives the
    # version cached last, here `old`, for every revision.)
    hub.stop()
    never = {"repo": "no/such"}
    unknown_revision = {"repo": "some/versions", "revision": "v2"}
    other_config = {"repo": "some/several", "config": "first"}
    bad_split = {"repo": "some/lines", "hub_split": "dev"}
    offline = outcomes(hub, *given, never, unknown_revision, other_config, bad_split)
    assert offline[: len(given)] == online
    for refused, repo in zip(
        offline[len(given) :], ["no/such", "some/versions", "some/several"], strict=False
    ):
        assert f"dataset '{repo}'" in refused["error"]
        assert "is not in the local cache" in refused["error"]
        assert f"{hub.url} cannot be reached" in refused["error"]
        assert "dataset=stdlib works offline (with model=solu-tiny)" in refused["error"]
    assert "at revision 'v2'" in offline[len(given) + 1]["error"]
    assert "dataset.hub_split" in offline[-1]["error"]
    assert "train" in offline[-1]["error"]

    switched_off = outcomes(hub, given[0], never, HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    assert switched_off[0] == online[0]
    assert "offline mode is on" in switched_off[1]["error"]


def test_a_cache_that_another_program_warmed(hub: Hub) -> None:
    hub.add_dataset("some/lines", {"train.jsonl": jsonl("text", rows("line"))})
    code = "import datasets; datasets.load_dataset('some/lines', split='train')"
    assert hub.python(code).returncode == 0
    hub.stop()
    (found,) = outcomes(hub, {"repo": "some/lines"})
    assert found["documents"] == 60


def test_what_the_hub_refuses_is_said_in_one_line(hub: Hub, tmp_path: Path) -> None:
    hub.add_dataset("some/lines", {"train.jsonl": jsonl("story", rows("line"))})
    hub.add_dataset("some/several", {"README.md": CARD, "first.jsonl": "{}", "second.jsonl": "{}"})
    hub.add_dataset("some/gated", {"train.jsonl": jsonl("text", rows("secret"))}, gated=True)
    hub.add_dataset("some/empty", {"README.md": "# Nothing"})
    hub.add_dataset("some/script", {"script.py": "raise SystemExit"})
    hub.add_dataset("some/broken", {"train.jsonl": '{"text": "x"}\n{"text":'})
    hub.add_dataset("some/numbers", {"train.jsonl": '{"text": 1}\n{"text": 2}\n'})
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"repo": "no/such"}, ["'no/such' is not on the hub", "dataset.repo", "private"]),
        ({"repo": "some/lines", "revision": "v9"}, ["no revision 'v9'", "dataset.revision"]),
        (
            {"repo": "some/lines", "hub_split": "tset"},
            ["some/lines", "tset", "train", "dataset.hub_split"],
        ),
        ({"repo": "some/lines"}, ["none of the columns", "columns: id, story", "dataset.column="]),
        (
            {"repo": "some/lines", "column": "stroy"},
            ["'stroy'", "did you mean dataset.column=story"],
        ),
        ({"repo": "some/several"}, ["some/several", "first", "second", "dataset.config"]),
        ({"repo": "some/several", "config": "third"}, ["third", "first", "dataset.config"]),
        ({"repo": "some/gated"}, ["'some/gated' is gated", "log in", "hf auth login"]),
        ({"repo": "some/empty"}, ["'some/empty' cannot be loaded", "data files"]),
        ({"repo": "some/script"}, ["'some/script' cannot be loaded", "scripts are no longer"]),
        ({"repo": "some/broken"}, ["'some/broken' cannot be loaded", "JSON"]),
        ({"repo": "some/numbers"}, ["row 1: column 'text' holds a int, not text"]),
        ({"repo": "not a repo!"}, ["'not a repo!' is not the id of a hub dataset"]),
        ({"repo": "tests/corpus"}, ["'tests/corpus' is also a folder here", "dataset=text"]),
    ]
    found = outcomes(hub, *(config for config, _ in cases))
    for (config, parts), outcome in zip(cases, found, strict=True):
        for part in parts:
            assert part in outcome["error"], config
        assert "\n" not in outcome["error"], config


@pytest.mark.parametrize("status", [500, 503])
def test_a_hub_in_trouble_is_a_hub_out_of_reach(hub: Hub, status: int) -> None:
    hub.add_dataset("some/lines", {"train.jsonl": jsonl("text", rows("line"))})
    (online,) = outcomes(hub, {"repo": "some/lines"})
    hub.trouble = status
    (cached, missing) = outcomes(hub, {"repo": "some/lines"}, {"repo": "no/such"})
    assert cached == online
    assert "is not in the local cache" in missing["error"]
    assert str(status) in missing["error"]


def test_an_older_cached_version_is_not_passed_off_as_the_newest(hub: Hub) -> None:
    old = hub.add_dataset("some/lines", {"train.jsonl": jsonl("text", rows("line"))})
    assert outcomes(hub, {"repo": "some/lines"})[0]["source"]["commit"] == old
    new = hub.add_dataset("some/lines", {"README.md": "# All files are gone"})
    newest, pinned = outcomes(hub, {"repo": "some/lines"}, {"repo": "some/lines", "revision": old})
    assert f"cannot be loaded at commit {new}" in newest["error"]
    assert f"dataset.revision={old}" in newest["error"]
    assert pinned["source"]["commit"] == old


@pytest.mark.parametrize(
    "answer",
    [
        json.JSONDecodeError("Expecting value", "<html>", 0),
        KeyError("sha"),
        SimpleNamespace(sha=None),
        SimpleNamespace(sha="<html>"),
    ],
)
def test_a_page_to_log_in_to_the_network_is_a_hub_out_of_reach(
    monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    """What a captive portal answers in place of the hub is no JSON, or not the hub's."""
    import datasets
    import huggingface_hub

    from benchmark.corpus.hub import UnreachableError, commit_on_hub

    def dataset_info(*_arguments: Any, **_options: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    monkeypatch.setattr(huggingface_hub.HfApi, "hf_hub_download", lambda *_a, **_o: "")
    with pytest.raises(UnreachableError, match="does not answer as the hub does"):
        commit_on_hub("some/lines", None)
