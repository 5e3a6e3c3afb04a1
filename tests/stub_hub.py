"""A hub on the loopback that speaks what huggingface_hub asks of the real one: what a repository
holds, and its files with their ETags. It counts what it was asked, and can break off."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlparse

# The only token that lets anybody into what is gated.
TOKEN = "hf_" + "A1b2C3d4" * 4
# One of somebody who has not asked for access.
STRANGER = "hf_" + "Z9y8X7w6" * 4
_HOST = "127.0.0.1"


class StubHub:
    """Repositories by id, each with its commits in order: files by path. `gated` ones ask for a
    token; of `broken` paths half is sent, and then nothing."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, dict[str, bytes]]] = {}
        self.gated: set[str] = set()
        self.broken: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.tokens: set[str | None] = set()
        self.endpoint = ""

    def commit(self, repo: str, files: dict[str, bytes]) -> str:
        """Add a commit on top; its hash."""
        told = f"{repo} {len(self.repos.get(repo, {}))} {sorted(files)}"
        sha = hashlib.sha1(told.encode()).hexdigest()
        self.repos.setdefault(repo, {})[sha] = files
        return sha

    def fetched(self) -> list[str]:
        """Files whose bytes were asked for."""
        return [
            path.rsplit("/", 1)[-1]
            for verb, path in self.asked
            if verb == "GET" and "/resolve/" in path
        ]


def _etag(blob: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: StubHub

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: tests read what was asked."""

    def do_HEAD(self) -> None:
        self._answer(False)

    def do_GET(self) -> None:
        self._answer(True)

    def _answer(self, body: bool) -> None:
        path = unquote(urlparse(self.path).path)
        hub = self.hub
        hub.asked.append((self.command, path))
        given = self.headers.get("Authorization")
        hub.tokens.add(given)
        if given not in (None, f"Bearer {TOKEN}", f"Bearer {STRANGER}"):
            self._refuse(401, None, "Invalid credentials in Authorization header")
            return
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "datasets"] and len(parts) >= 4:
            self._told("/".join(parts[2:4]), parts[4:])
        elif parts[0] == "datasets" and len(parts) > 5 and parts[3] == "resolve":
            repo, revision, name = "/".join(parts[1:3]), parts[4], "/".join(parts[5:])
            self._file(repo, revision, name, body)
        else:
            self._refuse(404, "EntryNotFound")

    def _commit(self, repo: str, revision: str) -> str | None:
        commits = self.hub.repos.get(repo, {})
        return (
            list(commits)[-1] if revision == "main" else revision if revision in commits else None
        )

    def _told(self, repo: str, rest: list[str]) -> None:
        if repo not in self.hub.repos:
            self._refuse(401, "RepoNotFound", "Invalid username or password.")
            return
        revision = rest[1] if len(rest) > 1 else "main"
        sha = self._commit(repo, revision)
        if sha is None:
            self._refuse(404, "RevisionNotFound")
            return
        files = self.hub.repos[repo][sha]
        if rest[:1] == ["tree"]:
            self._json(
                [
                    {"type": "file", "path": name, "size": len(blob), "oid": _etag(blob)}
                    for name, blob in files.items()
                ]
            )
            return
        self._json(
            {
                "id": repo,
                "sha": sha,
                "private": False,
                "gated": "auto" if repo in self.hub.gated else False,
                "tags": [],
                "downloads": 0,
                "likes": 0,
                "siblings": [{"rfilename": name} for name in files],
            }
        )

    def _file(self, repo: str, revision: str, name: str, body: bool) -> None:
        sha = self._commit(repo, revision)
        if sha is None or name not in self.hub.repos[repo][sha]:
            self._refuse(404, "EntryNotFound")
            return
        if repo in self.hub.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._refuse(403 if self.headers.get("Authorization") else 401, "GatedRepo")
            return
        blob = self.hub.repos[repo][sha][name]
        start = 0
        asked = self.headers.get("Range")
        if body and asked:
            start = int(asked.removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", sha)
        self.send_header("ETag", f'"{_etag(blob)}"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(blob) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(blob) - 1}/{len(blob)}")
        self.end_headers()
        if not body:
            return
        if name in self.hub.broken:
            self.wfile.write(blob[start : start + (len(blob) - start) // 2])
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(blob[start:])

    def _json(self, value: Any) -> None:
        text = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(text)

    def _refuse(self, code: int, error: str | None, said: str = "no") -> None:
        self.send_response(code)
        if error is not None:
            self.send_header("X-Error-Code", error)
        self.send_header("X-Error-Message", said)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def stub_hub() -> Iterator[StubHub]:
    """A hub that answers until the block ends."""
    hub = StubHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer((_HOST, 0), handler)
    server.daemon_threads = True
    hub.endpoint = f"http://{_HOST}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
