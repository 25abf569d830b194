"""The part of the hub's stand-in that is written to: new repositories, large files, commits.

The protocol is that of `huggingface_hub` without Xet: a file's fate is asked for (`preupload`),
large ones are put by Git LFS's batch API, and one request of JSON lines makes the commit.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.hub import Hub

TOKEN = "hf_writer"

Answer = tuple[int, Any]


def answer(
    hub: Hub, method: str, path: str, query: dict[str, str], body: bytes, token: str | None
) -> Answer | None:
    """Status and JSON of a request that writes, None for one that does not."""
    if method == "PUT" and (match := re.fullmatch(r"uploads/([0-9a-f]{64})", path)):
        if hashlib.sha256(body).hexdigest() != match[1]:
            return 400, {"error": "another file was announced"}
        hub.uploaded[match[1]] = body
        return 200, {}
    if method != "POST":
        return None
    if path == "api/repos/create":
        return _allowed(token) or _create(hub, json.loads(body))
    if match := re.fullmatch(r"datasets/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
        return _allowed(token) or _batch(hub, json.loads(body))
    if match := re.fullmatch(r"api/datasets/([^/]+/[^/]+)/preupload/main", path):
        return _allowed(token) or (200, {"files": [_fate(f) for f in json.loads(body)["files"]]})
    if match := re.fullmatch(r"api/datasets/([^/]+/[^/]+)/commit/main", path):
        return _allowed(token) or _commit(hub, match[1], body, "create_pr" in query)
    return None


def _allowed(token: str | None) -> Answer | None:
    return None if token == TOKEN else (403, {"error": "this token may not write"})


def _create(hub: Hub, asked: dict[str, Any]) -> Answer:
    repo_id = "/".join(filter(None, [asked.get("organization"), asked["name"]]))
    url = {"url": f"{hub.url}/datasets/{repo_id}"}
    if hub.repository("datasets", repo_id) is not None:
        return 409, {"error": "You already created this dataset repo", **url}
    hub.add_dataset(repo_id, {".gitattributes": "*.parquet filter=lfs\n"})
    return 200, url


def _fate(file: dict[str, Any]) -> dict[str, Any]:
    from tests.hub import LARGE_FILE_SUFFIXES

    mode = "lfs" if file["path"].endswith(LARGE_FILE_SUFFIXES) else "regular"
    return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}


def _batch(hub: Hub, asked: dict[str, Any]) -> Answer:
    objects = []
    for one in asked["objects"]:
        found: dict[str, Any] = {"oid": one["oid"], "size": one["size"]}
        if one["oid"] not in hub.uploaded:
            found["actions"] = {"upload": {"href": f"{hub.url}/uploads/{one['oid']}"}}
        objects.append(found)
    return 200, {"transfer": "basic", "objects": objects}


def _commit(hub: Hub, repo_id: str, body: bytes, pull_request: bool) -> Answer:
    repository = hub.repository("datasets", repo_id)
    if repository is None:
        return 401, {"error": "Repository not found"}
    tree = {
        name: file.content for name, file in repository.commits[repository.names["main"]].items()
    }
    message = ""
    for line in body.decode().splitlines():
        entry = json.loads(line)
        value = entry["value"]
        if entry["key"] == "header":
            message = value["summary"]
        elif entry["key"] == "file":
            tree[value["path"]] = base64.b64decode(value["content"])
        elif entry["key"] == "lfsFile":
            if value["oid"] not in hub.uploaded:
                return 400, {"error": f"{value['path']} was not uploaded"}
            tree[value["path"]] = hub.uploaded[value["oid"]]
    name = "refs/pr/1" if pull_request else "main"
    commit = hub.add_dataset(repo_id, tree, names=(name,))
    hub.messages.append(message)
    url = f"{hub.url}/datasets/{repo_id}"
    found = {"success": True, "commitOid": commit, "commitUrl": f"{url}/commit/{commit}"}
    if pull_request:
        found["pullRequestUrl"] = f"{url}/discussions/1"
    return 200, found
