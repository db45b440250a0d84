"""A model hub on this machine: the API that its library calls, over one folder per repository.

POST /api/repos/create                       a repository
POST /api/models/R/preupload/main            every file is to come with the commit
POST /api/models/R/commit/main               lines of JSON, files in base64
GET  /api/models/R/revision/main, tree       which commit, which files
GET, HEAD /R/resolve/COMMIT/FILE             a file
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

COMMIT = "c" * 40


class Hub(BaseHTTPRequestHandler):
    """Answers for the server's folder; a repository is a folder OWNER/NAME in it."""

    server: HubServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one segment

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self._answer(401, {"error": "Invalid username or password."})
        path = urlsplit(self.path).path
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or self.server.owner}/{asked['name']}"
            (self.server.folder / name).mkdir(parents=True, exist_ok=True)
            self.server.private.setdefault(name, asked.get("visibility") == "private")
            return self._answer(200, {"url": f"{self.server.url}/{name}", "name": name})
        if path == "/api/validate-yaml":
            return self._answer(200, {"errors": [], "warnings": []})
        if match := re.fullmatch(r"/api/models/(.+)/preupload/main", path):
            files = json.loads(body)["files"]
            modes = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files
            ]
            return self._answer(200, {"files": modes})
        if match := re.fullmatch(r"/api/models/(.+)/commit/main", path):
            self._commit(match[1], body)
            url = f"{self.server.url}/{match[1]}/commit/{COMMIT}"
            return self._answer(200, {"success": True, "commitOid": COMMIT, "commitUrl": url})
        return self._answer(404, {"error": f"no {path}"})

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if match := re.fullmatch(r"/api/models/(.+?)(/revision/.+)?", path):
            repo = self.server.folder / match[1]
            if match[1].count("/") == 1 and repo.is_dir():
                files = [{"rfilename": name} for name in _files(repo)]
                facts = {
                    "id": match[1],
                    "sha": COMMIT,
                    "siblings": files,
                    "private": self.server.private.get(match[1], False),
                }
                return self._answer(200, facts)
            if tree := re.fullmatch(r"(.+)/tree/[^/]+", match[1]):
                return self._answer(200, self._tree(self.server.folder / tree[1]))
        if (file := self._resolved(path)) is not None:
            return self._send(200, file.read_bytes(), self._of(file))
        return self._answer(404, {"error": "Repository not found"}, "RepoNotFound")

    def do_HEAD(self) -> None:
        file = self._resolved(unquote(urlsplit(self.path).path))
        if file is None:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound", "Content-Length": "0"})
        return self._send(200, b"", {**self._of(file), "Content-Length": str(file.stat().st_size)})

    def _commit(self, repo: str, body: bytes) -> None:
        for line in body.decode().splitlines():
            operation = json.loads(line)
            if operation["key"] == "file":
                value = operation["value"]
                path = self.server.folder / repo / value["path"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(base64.b64decode(value["content"]))

    def _tree(self, repo: Path) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": name, "size": file.stat().st_size, "oid": _digest(file)}
            for name, file in _files(repo).items()
        ]

    def _resolved(self, path: str) -> Path | None:
        match = re.fullmatch(r"/(.+)/resolve/[^/]+/(.+)", path)
        file = self.server.folder / match[1] / match[2] if match else None
        return file if file is not None and file.is_file() else None

    def _of(self, file: Path) -> dict[str, str]:
        return {"ETag": f'"{_digest(file)}"', "X-Repo-Commit": COMMIT}

    def _answer(self, status: int, value: Any, code: str = "") -> None:
        headers = {"Content-Type": "application/json"} | ({"X-Error-Code": code} if code else {})
        self._send(status, json.dumps(value).encode(), headers)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        self.server.asked.append(format % args)


class HubServer(ThreadingHTTPServer):
    """The hub; `folder` holds its repositories."""

    owner, token = "me", "hf_local"

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Hub)
        self.folder = folder
        self.private: dict[str, bool] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


def _files(repo: Path) -> dict[str, Path]:
    return {str(f.relative_to(repo)): f for f in sorted(repo.rglob("*")) if f.is_file()}


def _digest(file: Path) -> str:
    return hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()


@contextmanager
def hub_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The library's client, pointed at a server of this machine."""
    folder.mkdir()
    with HubServer(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", server.token)
        yield server
        server.shutdown()
