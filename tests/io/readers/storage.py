"""A server on loopback that speaks as much of Google's storage as reading files takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

API = "/storage/v1/b/"
WHEN = "2026-01-01T00:00:00.000Z"


class Storage(BaseHTTPRequestHandler):
    """Answers for one bucket; `storage` fills in which."""

    protocol_version = "HTTP/1.1"
    bucket = ""
    files: ClassVar[Mapping[str, bytes]] = {}

    def do_GET(self) -> None:
        """Facts, lists and files."""
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        below = url.path.removeprefix(f"{API}{self.bucket}")
        name = unquote(below.removeprefix("/o/"))
        if not below:
            self._send({"kind": "storage#bucket", "name": self.bucket, "timeCreated": WHEN})
        elif below == "/o":
            self._send_list(asked.get("prefix", ""), asked.get("delimiter", ""))
        elif name not in self.files:
            self._refuse()
        elif asked.get("alt") == "media":
            self._send_file(self.files[name])
        else:
            self._send(self._facts(name))

    def _facts(self, name: str) -> dict[str, object]:
        return {
            "kind": "storage#object",
            "bucket": self.bucket,
            "name": name,
            "generation": "1",
            "size": str(len(self.files[name])),
            "timeCreated": WHEN,
            "updated": WHEN,
        }

    def _send_list(self, prefix: str, delimiter: str) -> None:
        under = [name for name in sorted(self.files) if name.startswith(prefix)]
        folders = {
            prefix + name.removeprefix(prefix).partition(delimiter)[0] + delimiter
            for name in under
            if delimiter and delimiter in name.removeprefix(prefix)
        }
        items = [name for name in under if not any(name.startswith(each) for each in folders)]
        listed = [self._facts(name) for name in items]
        self._send({"kind": "storage#objects", "items": listed, "prefixes": sorted(folders)})

    def _send_file(self, data: bytes) -> None:
        first, _, last = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        begin, end = int(first or 0), int(last) + 1 if last else len(data)
        self._answer(data[begin:end], 206 if first else 200, begin, len(data))

    def _refuse(self) -> None:
        error = {"error": {"code": 404, "message": "Not Found", "errors": []}}
        self._answer(json.dumps(error).encode(), 404)

    def _send(self, body: Mapping[str, object]) -> None:
        self._answer(json.dumps(body).encode())

    def _answer(self, data: bytes, status: int = 200, begin: int = 0, whole: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{begin + len(data) - 1}/{whole}")
        self.send_header("x-goog-generation", "1")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def storage(bucket: str, files: Mapping[str, bytes]) -> ThreadingHTTPServer:
    """A server with one bucket.

    Args:
        bucket: its name.
        files: path in the bucket to content.
    """
    handler = type("OneBucket", (Storage,), {"bucket": bucket, "files": files})
    return ThreadingHTTPServer(("127.0.0.1", 0), handler)
