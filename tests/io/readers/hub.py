"""A server on loopback that speaks as much of the Hugging Face hub as reading a data set takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

COMMIT = "0" * 40


class Hub(BaseHTTPRequestHandler):
    """Answers for one data set; `hub` fills in which."""

    protocol_version = "HTTP/1.1"
    repo = ""
    files: ClassVar[Mapping[str, bytes]] = {}

    def do_HEAD(self) -> None:
        """Facts, lists and files."""
        self._answer()

    def do_GET(self) -> None:
        """Facts, lists and files."""
        self._answer()

    def do_POST(self) -> None:
        """Facts of the paths that are named."""
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._send(json.dumps([each for each in self._listed() if str(each["path"]) in asked]))

    def _listed(self) -> list[dict[str, object]]:
        return [
            {
                "type": "file",
                "path": path,
                "size": len(data),
                "oid": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
            }
            for path, data in self.files.items()
        ]

    def _answer(self) -> None:
        path, api = urlsplit(self.path).path, f"/api/datasets/{self.repo}"
        file = path.rpartition(f"/datasets/{self.repo}/resolve/")[2].partition("/")[2]
        if path.startswith(f"{api}/tree/"):
            self._send(json.dumps(self._listed()))
        elif path in (api, f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
            known = {"_id": "1", "id": self.repo, "sha": COMMIT, "siblings": [], "tags": []}
            self._send(json.dumps(known))
        elif file in self.files:
            self._send_file(self.files[file])
        else:
            self._send('{"error": "not found"}', 404)

    def _send_file(self, data: bytes) -> None:
        first, _, last = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        if first:
            data = data[int(first) : int(last or len(data) - 1) + 1]
        self._send(data, 206 if first else 200)

    def _send(self, body: bytes | str, status: int = 200) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", '"1"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def hub(repo: str, files: Mapping[str, bytes]) -> ThreadingHTTPServer:
    """A server with one data set.

    Args:
        repo: its name, such as ``org/name``.
        files: path to content.
    """
    handler = type("OneDataSet", (Hub,), {"repo": repo, "files": files})
    return ThreadingHTTPServer(("127.0.0.1", 0), handler)
