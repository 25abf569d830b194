"""A stand-in for the Hugging Face hub on loopback, for the real client libraries to talk to.

It serves folders as model and dataset repositories under any id, with the headers, redirects and
error codes that `huggingface_hub`, `transformers` and `datasets` act on. The libraries read
`HF_ENDPOINT` when they are imported, so a test runs them in a fresh process (`Hub.python`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests import hub_uploads

LARGE_FILE_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt", ".parquet")
PROJECT = Path(__file__).parent.parent


@dataclass(frozen=True)
class File:
    """One file of a repository; a large one is served through a redirect, as the hub does."""

    content: bytes
    large: bool

    @property
    def blob_id(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.blob_id


@dataclass
class Repository:
    """All commits of one repository; a branch or a tag names one of them."""

    kind: str
    repo_id: str
    gated: bool = False
    commits: dict[str, dict[str, File]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def commit_of(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.names.get(revision)


@dataclass(frozen=True)
class Request:
    """One request that the hub answered."""

    method: str
    path: str
    status: int


class Hub:
    """The server, its repositories, and a log of what was asked of it.

    Attributes:
        url: what `HF_ENDPOINT` is set to.
        env: the environment variables that lead the client libraries here and to an empty cache.
        requests: everything asked so far, in order.
        trouble: a status such as 503 that every request is answered with, or None.
        uploaded: large files that were put here, by SHA-256, whether or not a commit has them.
        messages: first lines of the commits that clients made.
    """

    def __init__(self, home: Path) -> None:
        self._repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[Request] = []
        self.trouble: int | None = None
        self.uploaded: dict[str, bytes] = {}
        self.messages: list[str] = []
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.daemon = True
        self._thread.start()
        self._running = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.home = home
        self.env = {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_DATASETS_CACHE": str(home / "datasets"),
            "HF_TOKEN": "",
            "HF_HUB_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def add_model(
        self, repo_id: str, files: Mapping[str, bytes | str] | Path, **options: Any
    ) -> str:
        """Add a commit to a model repository and return its hash. Options: see `add`."""
        return self.add("models", repo_id, files, **options)

    def add_dataset(
        self, repo_id: str, files: Mapping[str, bytes | str] | Path, **options: Any
    ) -> str:
        """Add a commit to a dataset repository and return its hash. Options: see `add`."""
        return self.add("datasets", repo_id, files, **options)

    def add(
        self,
        kind: str,
        repo_id: str,
        files: Mapping[str, bytes | str] | Path,
        *,
        names: Iterable[str] = ("main",),
        gated: bool = False,
    ) -> str:
        """Add a commit holding exactly `files` (or the files of a folder); `names` then mean it."""
        if isinstance(files, Path):
            folder = files
            files = {
                path.relative_to(folder).as_posix(): path.read_bytes()
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            }
        tree = {}
        for name, content in sorted(files.items()):
            data = content.encode() if isinstance(content, str) else content
            tree[name] = File(data, name.endswith(LARGE_FILE_SUFFIXES))
        listing = json.dumps([[name, file.sha256] for name, file in tree.items()])
        commit = hashlib.sha1(f"{kind}/{repo_id}{listing}".encode()).hexdigest()
        repository = self._repositories.setdefault((kind, repo_id), Repository(kind, repo_id))
        repository.gated = gated
        repository.commits[commit] = tree
        repository.names.update(dict.fromkeys(names, commit))
        return commit

    def repository(self, kind: str, repo_id: str) -> Repository | None:
        return self._repositories.get((kind, repo_id))

    def large_file(self, sha256: str) -> File | None:
        for repository in self._repositories.values():
            for tree in repository.commits.values():
                for file in tree.values():
                    if file.large and file.sha256 == sha256:
                        return file
        return None

    def asked(self, part: str) -> list[Request]:
        """The requests whose path contains `part`."""
        return [request for request in self.requests if part in request.path]

    def python(
        self, code: str, *arguments: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run code in a fresh interpreter whose libraries take this server for the hub."""
        return self.command(sys.executable, "-c", code, *arguments, env=env)

    def command(
        self, *command: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program, in the project's folder, whose libraries take this server for the hub."""
        return subprocess.run(
            command,
            cwd=PROJECT,
            env={**os.environ, **self.env, **(env or {})},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def stop(self) -> None:
        """Go off the network: from now on every connection is refused."""
        if self._running:
            self._running = False
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Answers one request; connections are not kept, so that a stopped hub is silent at once."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_message(self, *arguments: Any) -> None:
        """Say nothing: the requests are in `Hub.requests`."""

    def _answer(self) -> None:
        body = self._body()
        if self.hub.trouble is not None:
            return self._error(self.hub.trouble, None, "Try again later")
        parts = urlsplit(self.path)
        path = unquote(parts.path).strip("/")
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        written = hub_uploads.answer(self.hub, self.command, path, query, body, token)
        if written is not None:
            return self._json(written[1], written[0])
        if match := re.fullmatch(r"large/([0-9a-f]{64})", path):
            file = self.hub.large_file(match[1])
            return self._error(404, "EntryNotFound") if file is None else self._content(file)
        if match := re.fullmatch(r"api/(models|datasets)/([^/]+/[^/]+)(?:/(.+))?", path):
            # A revision is quoted as one part of the path, and may itself contain a slash.
            raw = parts.path.strip("/").split("/")[4:]
            verb, *rest = [unquote(part) for part in raw] or [""]
            return self._api(match[1], match[2], verb, rest, query, parse_qs(body.decode()))
        if match := re.fullmatch(r"(datasets/)?([^/]+/[^/]+)/resolve/[^/]+/.+", path):
            raw = parts.path.strip("/").split("/resolve/", 1)[1].split("/", 1)
            kind = "datasets" if match[1] else "models"
            return self._resolve(kind, match[2], unquote(raw[0]), unquote(raw[1]))
        return self._error(404, None)

    def _body(self) -> bytes:
        """What the request carries, in one piece or in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _api(
        self,
        kind: str,
        repo_id: str,
        verb: str,
        rest: list[str],
        query: Mapping[str, str],
        form: Mapping[str, list[str]],
    ) -> None:
        repository = self.hub.repository(kind, repo_id)
        if repository is None:
            return self._error(401, "RepoNotFound", "Repository not found")
        if verb not in ("", "revision", "tree", "paths-info"):
            return self._error(404, None)
        revision = rest[0] if rest else "main"
        commit = repository.commit_of(revision)
        if commit is None:
            return self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        tree = repository.commits[commit]
        if verb == "tree":
            folder = "/".join(rest[1:])
            entries = _entries(tree, folder, query.get("recursive", "").lower() == "true")
            if not entries and folder:
                return self._error(404, "EntryNotFound", f"{folder} does not exist")
            return self._json(entries)
        if verb == "paths-info":
            everything = {entry["path"]: entry for entry in _entries(tree, "", True)}
            wanted = [path.strip("/") for path in form.get("paths", [])]
            return self._json([everything[path] for path in wanted if path in everything])
        return self._json(
            {
                "_id": hashlib.sha1(repo_id.encode()).hexdigest()[:24],
                "id": repo_id,
                "sha": commit,
                "private": False,
                "gated": "auto" if repository.gated else False,
                "disabled": False,
                "tags": [],
                "downloads": 0,
                "likes": 0,
                "lastModified": "2024-01-01T00:00:00.000Z",
                "createdAt": "2024-01-01T00:00:00.000Z",
                "siblings": [{"rfilename": name} for name in tree],
            }
        )

    def _resolve(self, kind: str, repo_id: str, revision: str, name: str) -> None:
        repository = self.hub.repository(kind, repo_id)
        if repository is None:
            return self._error(401, "RepoNotFound", "Repository not found")
        commit = repository.commit_of(revision)
        if commit is None:
            return self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        headers = {"X-Repo-Commit": commit}
        if repository.gated:
            message = f"Access to {kind[:-1]} {repo_id} is restricted."
            return self._error(401, "GatedRepo", message, headers)
        file = repository.commits[commit].get(name)
        if file is None:
            return self._error(404, "EntryNotFound", "Entry not found", headers)
        if not file.large:
            return self._content(file, headers)
        # The real hub sends large files from another host: the client must not follow the
        # redirect before it has read these headers.
        headers["Location"] = f"http://localhost:{self.hub.port}/large/{file.sha256}"
        headers["X-Linked-Etag"] = f'"{file.etag}"'
        headers["X-Linked-Size"] = str(len(file.content))
        return self._send(302, b"", headers)

    def _content(self, file: File, headers: Mapping[str, str] | None = None) -> None:
        headers = {**(headers or {}), "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        size = len(file.content)
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if match is None:
            return self._send(200, file.content, headers)
        first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
        if first > last:
            return self._send(416, b"", {**headers, "Content-Range": f"bytes */{size}"})
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        return self._send(206, file.content[first : last + 1], headers)

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _error(
        self,
        status: int,
        code: str | None,
        message: str = "Not found",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        headers = {**(headers or {}), "X-Error-Message": message}
        if code:
            headers["X-Error-Code"] = code
        self._send(status, json.dumps({"error": message}).encode(), headers)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.hub.requests.append(Request(self.command, self.path, status))
        self.close_connection = True
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _entries(tree: Mapping[str, File], folder: str, recursive: bool) -> list[dict[str, Any]]:
    """A folder's entries as the hub lists them."""
    prefix = f"{folder}/" if folder else ""
    entries: dict[str, dict[str, Any]] = {}
    for name, file in tree.items():
        if not name.startswith(prefix):
            continue
        *folders, _leaf = name[len(prefix) :].split("/")
        for depth in range(1, len(folders) + 1):
            path = prefix + "/".join(folders[:depth])
            if recursive or depth == 1:
                oid = hashlib.sha1(path.encode()).hexdigest()
                entries[path] = {"type": "directory", "oid": oid, "size": 0, "path": path}
        if folders and not recursive:
            continue
        entry: dict[str, Any] = {
            "type": "file",
            "oid": file.blob_id,
            "size": len(file.content),
            "path": name,
        }
        if file.large:
            size = len(file.content)
            entry["lfs"] = {"oid": file.sha256, "size": size, "pointerSize": 134}
        entries[name] = entry
    return list(entries.values())
