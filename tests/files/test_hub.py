"""The stand-in for the hub serves the real client libraries."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from tests.hub import Hub


def tokenizer_files() -> dict[str, bytes | str]:
    tokenizer = Tokenizer(models.WordLevel({"<bos>": 0, "hello": 1, "world": 2}, unk_token="<bos>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<bos>"}
    return {
        "tokenizer.json": tokenizer.to_str(),
        "tokenizer_config.json": json.dumps(config),
        "config.json": json.dumps({"model_type": "gpt2"}),
        "deep/er/note.txt": "a note",
        "model.safetensors": bytes(range(256)) * 40,
    }


def parquet(texts: list[str]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": texts}), buffer)
    return buffer.getvalue()


CLIENTS = """
import json, sys
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from transformers import AutoTokenizer
import datasets
out = {}
out["weights"] = len(open(hf_hub_download("some/model", "model.safetensors"), "rb").read())
out["note"] = open(hf_hub_download("some/model", "deep/er/note.txt")).read()
if "offline" not in sys.argv:
    out["files"] = sorted(HfApi().list_repo_files("some/model"))
    out["commit"] = HfApi().model_info("some/model").sha
out["snapshot"] = snapshot_download("some/model")
out["ids"] = AutoTokenizer.from_pretrained("some/model")("hello world")["input_ids"]
out["rows"] = datasets.load_dataset("some/texts", split="train")["text"][:]
print(json.dumps(out))
"""


@pytest.mark.slow
def test_the_real_clients_read_it_and_then_their_cache_alone(hub: Hub) -> None:
    commit = hub.add_model("some/model", tokenizer_files())
    hub.add_dataset("some/texts", {"data/train-00000-of-00001.parquet": parquet(["one", "two"])})

    first = hub.python(CLIENTS)
    assert first.returncode == 0, first.stderr
    found = json.loads(first.stdout)
    assert found["weights"] == 256 * 40
    assert found["note"] == "a note"
    assert found["files"] == sorted(tokenizer_files())
    assert found["commit"] == commit
    assert Path(found["snapshot"]).name == commit
    assert found["ids"] == [1, 2]
    assert found["rows"] == ["one", "two"]
    assert hub.asked("/datasets/some/texts/resolve/")
    assert {request.status for request in hub.asked("model.safetensors")} == {302}

    hub.stop()
    n_requests = len(hub.requests)
    again = hub.python(CLIENTS, "offline")
    assert again.returncode == 0, again.stderr
    cached = json.loads(again.stdout)
    assert cached == {key: found[key] for key in cached}
    assert len(hub.requests) == n_requests


ERRORS = """
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
def outcome(call):
    try:
        return call()
    except Exception as error:
        return type(error).__name__
print(outcome(lambda: hf_hub_download("no/such", "a.txt")))
print(outcome(lambda: HfApi().model_info("no/such")))
print(outcome(lambda: hf_hub_download("some/model", "no.txt")))
print(outcome(lambda: hf_hub_download("some/model", "note.txt", revision="v9")))
print(outcome(lambda: hf_hub_download("shut/model", "note.txt")))
print(outcome(lambda: open(hf_hub_download("some/model", "note.txt", revision="v/1")).read()))
print(outcome(lambda: open(hf_hub_download("some/model", "note.txt")).read()))
print(outcome(lambda: HfApi().list_repo_files("some/model", revision="v/1")))
"""


@pytest.mark.slow
def test_the_real_clients_recognise_its_errors_and_revisions(hub: Hub) -> None:
    hub.add_model("some/model", {"note.txt": "old"}, names=["v/1"])
    hub.add_model("some/model", {"note.txt": "new"})
    hub.add_model("shut/model", {"note.txt": "secret"}, gated=True)
    result = hub.python(ERRORS)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "RepositoryNotFoundError",
        "RepositoryNotFoundError",
        "RemoteEntryNotFoundError",
        "RevisionNotFoundError",
        "GatedRepoError",
        "old",
        "new",
        "['note.txt']",
    ]


@pytest.mark.parametrize(("header", "expected"), [("bytes=2-4", b"cde"), ("bytes=20-", b"uvwxyz")])
def test_a_part_of_a_file(hub: Hub, header: str, expected: bytes) -> None:
    import httpx

    hub.add_model("some/model", {"letters.txt": "abcdefghijklmnopqrstuvwxyz"})
    url = f"{hub.url}/some/model/resolve/main/letters.txt"
    response = httpx.get(url, headers={"Range": header}, trust_env=False)
    assert response.status_code == 206
    assert response.content == expected


def test_a_folder_is_served_as_a_repository(hub: Hub, tmp_path: Path) -> None:
    import httpx

    (tmp_path / "repository" / "inner").mkdir(parents=True)
    (tmp_path / "repository" / "inner" / "a.txt").write_text("here")
    hub.add_dataset("some/folder", tmp_path / "repository")
    url = f"{hub.url}/datasets/some/folder/resolve/main/inner/a.txt"
    assert httpx.get(url, trust_env=False).text == "here"
