"""`submit --hub` against the stand-in of the hub, by the real client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.results import Run
from tests.command import call
from tests.hub import Hub
from tests.hub_uploads import TOKEN

# Pushes as each line of JSON on its command line says, and prints what comes of it.
PUSH = """
import json, sys
from benchmark.errors import BenchmarkError
from leaderboards.hub import push
for word in sys.argv[1:]:
    asked = json.loads(word)
    files = {name: text.encode() for name, text in asked.pop("files").items()}
    try:
        print(json.dumps({"url": push(files=files, **asked)}))
    except BenchmarkError as error:
        print(json.dumps({"error": str(error)}))
"""
FILES = {"run.json": "{}", "scores.parquet": "PAR1 one", "explanations.jsonl": "{}\n"}
ASKED: dict[str, Any] = {"repository": "team/board", "folder": "s/c/e/1", "files": FILES}


def pushed(hub: Hub, *asked: dict[str, Any], token: str = TOKEN) -> list[dict[str, str]]:
    words = [json.dumps(one) for one in asked]
    done = hub.python(PUSH, *words, env={"HF_TOKEN": token})
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def files_in(hub: Hub, name: str = "main") -> dict[str, str]:
    repository = hub.repository("datasets", "team/board")
    tree = repository.commits[repository.names[name]]
    return {path: file.content.decode() for path, file in tree.items() if path != ".gitattributes"}


def test_a_submission_becomes_one_commit(hub: Hub) -> None:
    other = {**ASKED, "folder": "s/c/e/2", "pull_request": True}
    changed = {**ASKED, "files": {**FILES, "scores.parquet": "PAR1 two"}}
    first, again, refused, request = pushed(hub, ASKED, ASKED, changed, other)
    assert files_in(hub) == {f"s/c/e/1/{name}": text for name, text in FILES.items()}
    assert hub.messages[0] == "Submit s/c/e/1"
    assert first["url"].startswith(f"{hub.url}/datasets/team/board/commit/")
    # The same again makes no commit, another run in its place is refused.
    assert again["url"] == f"{hub.url}/datasets/team/board/tree/main/s/c/e/1"
    assert "holds another submission in s/c/e/1" in refused["error"]
    # A pull request leaves the main branch as it is.
    assert request["url"] == f"{hub.url}/datasets/team/board/discussions/1"
    assert len(files_in(hub, "refs/pr/1")) == 2 * len(files_in(hub))
    assert len(hub.messages) == 2


def test_who_may_not_write_is_told_so(hub: Hub) -> None:
    hub.add_dataset("team/board", {"README.md": "taken"})
    (refused,) = pushed(hub, ASKED, token="hf_reader")
    assert refused["error"].startswith("the hub refuses to write to 'team/board' (403)")
    assert files_in(hub) == {"README.md": "taken"}
    (unknown, misspelt) = pushed(hub, ASKED, {**ASKED, "repository": "board"}, token="")
    assert "log in with `hf auth login`" in unknown["error"]
    assert "--hub board is no repository" in misspelt["error"]


def test_a_hub_that_does_not_answer_is_one_message(hub: Hub) -> None:
    hub.stop()
    (refused,) = pushed(hub, ASKED)
    assert "the hub could not be reached" in refused["error"]


def test_the_command_pushes_the_explanations_too(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(
        "leaderboards.hub.push", lambda *words, **more: seen.append((words, more)) or "there"
    )
    monkeypatch.setattr(
        "leaderboards.resimulation.not_at_hand", lambda config: "not here in this test"
    )
    answer = call("submit", str(finished.folder), "--hub", "team/board", "--pull-request")
    assert answer.status == 0, answer.err
    assert answer.out.endswith("pushed: there\n")
    ((repository, folder, files), more) = seen[0]
    assert (repository, more) == ("team/board", {"pull_request": True})
    assert folder.endswith(f"/token_lookup/{finished.record.run_id}")
    assert set(files) == {"run.json", "scores.parquet", "submission.json", "explanations.jsonl"}
    assert list(tmp_path.iterdir()) == []
