"""A server of our own that speaks the protocol over real HTTP, and fails in every way when told to.

It answers chat completions, models, files and batches. What it says is decided by a `Brain`, a
function of the request; how it fails, by `Faults`. It counts what it was asked.

    python -m tests.judging.server 8765 --latency 0.05
"""

from __future__ import annotations

import argparse
import asyncio
import email.utils
import hashlib
import json
import random
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from types import TracebackType
from typing import Any, NamedTuple, Self

Body = Mapping[str, Any]

FENCED = re.compile(
    r"<<(\w+) (request|answer 1|answer 2|reference[^>]*)>>\n(.*?)\n<<\1 end>>", re.DOTALL
)


class Seen(NamedTuple):
    """What a judge was shown, as a judge would see it."""

    fence: str
    prompt: str
    first: str
    second: str


def seen(body: Body) -> Seen:
    """Find the prompt and both answers in a request."""
    text = "\n".join(message["content"] for message in body["messages"])
    parts = {what: inside for _, what, inside in FENCED.findall(text)}
    fence = next((code for code, _, _ in FENCED.findall(text)), "")
    return Seen(fence, *(parts.get(name, "") for name in ("request", "answer 1", "answer 2")))


@dataclass
class Said:
    """What the brain says to a request.

    Attributes:
        text: the content.
        finish: why it ended.
        refusal: the refusal, if it is one.
        tokens: of the completion; counted where it is None.
        first: the probability of "1", where log-probabilities are asked for.
    """

    text: str
    finish: str = "stop"
    refusal: str | None = None
    tokens: int | None = None
    first: float | None = None


Brain = Callable[[Body], Said]


def name_of(body: Body) -> str:
    """Names a request by all that it holds."""
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()


def verdict(body: Body, winner: str, scores: tuple[int, int] = (0, 0)) -> str:
    """Say a winner ("1", "2" or "tie") in the way that the request asks for."""
    text = body["messages"][-1]["content"]
    kind = body.get("response_format", {}).get("type")
    if kind or "Reply with one JSON object" in text:
        high, low = scores if any(scores) else (8, 4)
        one, two = (high, low) if winner == "1" else (low, high) if winner == "2" else (6, 6)
        names = re.findall(
            r"^- (\w+):", "\n".join(m["content"] for m in body["messages"]), re.MULTILINE
        )
        reasoning = {"reasoning": "compared"} if "First compare" in text else {}
        return json.dumps(
            {**reasoning, "scores": {n: {"1": one, "2": two} for n in names}, "winner": winner}
        )
    return f"Some thoughts.\nVerdict {seen(body).fence}: {winner}"


def by_hash(body: Body) -> Said:
    """Prefer the answer with the smaller hash: the same whatever the order, of use for storms."""
    shown = seen(body)
    one, two = (hashlib.sha256(text.encode()).digest() for text in (shown.first, shown.second))
    return Said(verdict(body, "1" if one < two else "2"))


SAME: dict[str, str] = {}


def same(body: Body) -> Said:
    """Say the same to every request, without looking at it more than once."""
    if not SAME:
        SAME["text"] = verdict(body, "1")
    return Said(SAME["text"], tokens=60)


FAULTS: dict[str, tuple[int, dict[str, str]]] = {
    "429": (429, {"retry-after-ms": "30"}),
    "429-seconds": (429, {"retry-after": "0.2"}),
    "429-date": (429, {"retry-after": "DATE"}),
    "429-long": (429, {"retry-after": "600"}),
    "429-bare": (429, {}),
    "500": (500, {}),
    "502": (502, {}),
    "503": (503, {}),
    "504": (504, {}),
    "529": (529, {}),
    "400": (400, {}),
    "401": (401, {}),
    "403": (403, {}),
    "404": (404, {}),
}
"""Statuses that a fault stands for; the other faults are ``reset``, ``timeout``, ``html`` and the
bad replies of `GARBAGE`."""

GARBAGE: dict[str, Said] = {
    "empty": Said(""),
    "length": Said('{"scores": {"helpf', finish="length"),
    "refused": Said("", refusal="I cannot help with that."),
    "filtered": Said("", finish="content_filter"),
    "wrong-shape": Said('{"better": "1"}'),
    "not-json": Said("I like the first one."),
    "off-menu": Said('{"scores": {}, "winner": "3"}'),
    "both": Said('{"winner": "1", "winner": "2"}'),
}


@dataclass
class Limit:
    """So much in a minute, refilled evenly, as providers have it.

    Attributes:
        per_minute: how much.
        burst: how much may be taken at once; all of it by default.
    """

    per_minute: float
    burst: float = 0.0

    def __post_init__(self) -> None:
        self.burst = self.burst or self.per_minute
        self.left, self.at = self.burst, time.monotonic()

    def take(self, amount: float) -> float:
        """Take an amount; gives 0, or the seconds until it would be there."""
        now = time.monotonic()
        self.left = min(self.burst, self.left + (now - self.at) * self.per_minute / 60)
        self.at = now
        if amount > self.left:
            return (amount - self.left) * 60 / self.per_minute
        self.left -= amount
        return 0.0


Faults = Callable[[int, Body], str | None]
"""Says, of the number of a request and its body, how it is to fail, if it is."""


def no_faults(_number: int, _body: Body) -> None:
    """Nothing fails."""


def storm(seed: int, shares: Mapping[str, float]) -> Faults:
    """Faults by chance, each kind with its share of the requests."""
    chance = random.Random(seed)  # noqa: S311 - it must repeat

    def fault(_number: int, _body: Body) -> str | None:
        at = chance.random()
        for name, share in shares.items():
            at -= share
            if at < 0:
                return name
        return None

    return fault


@dataclass
class Server:
    """The server; use it in a ``with`` block, where it has a ``url``.

    Attributes:
        brain: what it says.
        faults: how it fails.
        latency: seconds that a reply takes.
        unknown: what it does not know: ``json_schema``, ``json_object``, ``temperature``,
            ``max_completion_tokens``, ``logprobs``; such a request is answered with 400.
        ignores: what it silently ignores, of the same names.
        key: the key that it asks for, or ``""``.
        headers: what it sends along with each success.
        models: the models that it has; ``None`` for any.
        answered: body to how often it was answered with success, by the hash of the body.
        statuses: how often it answered with what.
        faulted: how often it failed on purpose, by the fault.
        bodies: the bodies that it was asked, if ``keep``.
        heads: the paths and the headers that it was asked with, if ``keep``.
        keep: whether to keep them.
        tls: its certificate, if it is to be asked by HTTPS.
        cached: the share of each prompt that it says it had at hand.
        reasoning: tokens of hidden reasoning in each reply.
        limits: ``requests`` and ``tokens`` to how many it takes; what is more is answered with 429.
        told: whether it says in its headers what is left of them.
    """

    brain: Brain = by_hash
    faults: Faults = no_faults
    latency: float = 0.0
    unknown: frozenset[str] = frozenset()
    ignores: frozenset[str] = frozenset()
    key: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    models: frozenset[str] | None = None
    keep: bool = False
    tls: ssl.SSLContext | None = None
    port: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    faulted: Counter[str] = field(default_factory=Counter)
    bodies: list[Body] = field(default_factory=list)
    heads: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    batch_end: Callable[[str, list[Body]], Mapping[str, Any]] | None = None
    cached: float = 0.0
    reasoning: int = 0
    limits: Mapping[str, Limit] = field(default_factory=dict)
    told: bool = True
    number: int = 0
    most_at_once: int = 0
    at_once: int = 0

    def __enter__(self) -> Self:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.ready = threading.Event()
        self.thread.start()
        self.ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/v1"

    def results(
        self, name: str, good: list[Body], bad: list[Body], status: str = "completed"
    ) -> dict[str, Any]:
        """Write a batch's result files: replies to the good requests, errors for the bad ones."""
        ends: dict[str, Any] = {"status": status}
        if good:
            lines = [self._line(each) for each in good]
            self.files[f"{name}-out"] = "\n".join(json.dumps(line) for line in lines).encode()
            ends["output_file_id"] = f"{name}-out"
        if bad:
            failed = {"status_code": 500, "body": error("it broke")}
            lines = [{"custom_id": e["custom_id"], "response": failed, "error": None} for e in bad]
            self.files[f"{name}-err"] = "\n".join(json.dumps(line) for line in lines).encode()
            ends["error_file_id"] = f"{name}-err"
        return ends

    def _line(self, each: Body) -> Body:
        self.answered[each["custom_id"]] += 1
        said = completion(each["body"], self.brain(each["body"]), self)
        response = {"status_code": 200, "request_id": "r", "body": said}
        return {"custom_id": each["custom_id"], "response": response, "error": None}

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        start = self.loop.create_server(
            lambda: Connection(self), "127.0.0.1", self.port, backlog=1024, ssl=self.tls
        )
        listening = self.loop.run_until_complete(start)
        self.port = listening.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()
        listening.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0.01))
        self.loop.close()


class Connection(asyncio.Protocol):
    """One connection: reads requests, one after the other, and answers them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.data = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what replies are written to."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is there as a whole."""
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head, *lines = self.data[:end].decode().split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines)
            }
            length = int(headers.get("content-length", 0))
            if len(self.data) < end + 4 + length:
                return
            body, self.data = self.data[end + 4 : end + 4 + length], self.data[end + 4 + length :]
            method, path, _ = head.split(" ")
            if self.server.keep:
                self.server.heads.append((path, headers))
            self._answer(method, path.split("?")[0], headers, body)

    def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        server = self.server
        authorization = headers.get("authorization", headers.get("api-key", ""))
        server.authorizations.add(authorization)
        if server.key and server.key not in authorization:
            self.send(401, error(f"Incorrect API key provided: {authorization}", "invalid_api_key"))
        elif path.endswith("/chat/completions"):
            self._complete(json.loads(body))
        elif path.endswith("/models"):
            models = sorted(server.models or {"judge"})
            self.send(
                200, {"object": "list", "data": [{"id": m, "object": "model"} for m in models]}
            )
        elif "/files" in path:
            self._file(method, path, headers, body)
        elif "/batches" in path:
            self._batch(method, path, body)
        else:
            self.send(404, error(f"no such path: {path}"))

    def _complete(self, body: Body) -> None:
        server = self.server
        server.number += 1
        if server.keep:
            server.bodies.append(body)
        if wait := self._limited(body):
            headers = {"retry-after-ms": str(round(1000 * wait))} if server.told else {}
            self.send(429, error("Rate limit reached", "rate_limit_exceeded"), headers)
            return
        fault = server.faults(server.number, body)
        server.faulted[fault or "fine"] += 1
        if fault == "timeout":
            return
        if fault == "reset":
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
            self.transport.write(b'content-length: 500\r\n\r\n{"id": "x", "choi')
            self.server.loop.call_later(0.005, self.transport.abort)
            return
        server.at_once += 1
        server.most_at_once = max(server.most_at_once, server.at_once)
        if server.latency:
            server.loop.call_later(server.latency, self._finish, body, fault)
        else:
            self._finish(body, fault)

    def _finish(self, body: Body, fault: str | None) -> None:
        server = self.server
        server.at_once -= 1
        if fault == "html":
            self.send(200, b"<html><body>Welcome to the proxy</body></html>", kind="text/html")
        elif fault in FAULTS:
            status, headers = FAULTS[fault]
            if headers.get("retry-after") == "DATE":
                date = email.utils.formatdate(time.time() + 1, usegmt=True)
                headers = {"retry-after": date}
            self.send(status, error(f"fault {fault}"), headers)
        elif refused := self._refused(body):
            self.send(*refused)
        else:
            said = GARBAGE[fault] if fault else server.brain(body)
            if self.transport.is_closing():
                server.statuses["gone"] += 1
                return
            if not fault:
                server.answered[name_of(body)] += 1
            self.send(200, completion(body, said, server), {**server.headers, **self._left()})

    def _limited(self, body: Body) -> float:
        """The seconds until a request is within the limits; 0 where it is."""
        if not self.server.limits:
            return 0.0
        amounts = {"requests": 1.0, "tokens": float(tokens_of(body))}
        limits = self.server.limits.items()
        return max((limit.take(amounts[what]) for what, limit in limits), default=0.0)

    def _left(self) -> dict[str, str]:
        """What headers say of the limits."""
        found = {}
        for what, limit in self.server.limits.items() if self.server.told else ():
            found[f"x-ratelimit-limit-{what}"] = str(round(limit.per_minute))
            found[f"x-ratelimit-remaining-{what}"] = str(int(limit.left))
        return found

    def _refused(self, body: Body) -> tuple[int, object] | None:
        server = self.server
        if server.models is not None and body["model"] not in server.models:
            return 404, error(f"The model `{body['model']}` does not exist", "model_not_found")
        asked = body.get("response_format", {}).get("type", "")
        for name in (asked, *body):
            if name in server.unknown:
                where = "response_format" if name == asked else name
                return 400, error(f"Unsupported parameter: '{where}' ({name})")
        return None

    def _file(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        files = self.server.files
        if method == "POST":
            head = f"content-type: {headers['content-type']}\r\n\r\n".encode()
            message = BytesParser().parsebytes(head + body)
            parts = [part for part in message.walk() if not part.is_multipart()]
            file = next(p for p in parts if 'name="file"' in str(p["content-disposition"]))
            content = file.get_payload(decode=True)
            assert isinstance(content, bytes)
            name = f"file-{len(files)}"
            files[name] = content
            self.send(200, _file_object(name, len(files[name])))
        elif path.endswith("/content"):
            self.send(200, files[path.split("/")[-2]], kind="application/octet-stream")
        elif method == "DELETE":
            name = path.rsplit("/", maxsplit=1)[-1]
            files.pop(name, None)
            self.send(200, {"id": name, "object": "file", "deleted": True})
        else:
            name = path.rsplit("/", maxsplit=1)[-1]
            self.send(200, _file_object(name, len(files[name])))

    def _batch(self, method: str, path: str, body: bytes) -> None:
        server = self.server
        if method == "POST" and path.endswith("/batches"):
            asked = json.loads(body)
            name = f"batch_{len(server.batches)}"
            batch = {
                "id": name,
                "object": "batch",
                "endpoint": asked["endpoint"],
                "input_file_id": asked["input_file_id"],
                "completion_window": asked["completion_window"],
                "status": "in_progress",
                "created_at": 1,
                "metadata": asked.get("metadata"),
            }
            server.batches[name] = batch
            self.send(200, batch)
        elif method == "GET" and path.endswith("/batches"):
            self.send(
                200, {"object": "list", "data": list(server.batches.values()), "has_more": False}
            )
        else:
            name = path.split("/batches/")[1].split("/", maxsplit=1)[0]
            batch = server.batches.get(name, {})
            if not batch:
                self.send(404, error(f"no batch {name}"))
                return
            if batch["status"] == "in_progress":
                batch |= self._worked(name, batch)
            self.send(200, batch)

    def _worked(self, name: str, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """What becomes of a batch: all answered, or what `batch_end` says."""
        server = self.server
        lines = server.files[batch["input_file_id"]].decode().splitlines()
        asked = [json.loads(line) for line in lines]
        if server.batch_end:
            return server.batch_end(name, asked)
        return server.results(name, asked, [])

    def send(
        self,
        status: int,
        body: object,
        headers: Mapping[str, str] | None = None,
        kind: str = "application/json",
    ) -> None:
        """Write a response."""
        self.server.statuses[str(status)] += 1
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)


def _file_object(name: str, size: int) -> Body:
    return {
        "id": name,
        "object": "file",
        "bytes": size,
        "created_at": 1,
        "filename": "requests.jsonl",
        "purpose": "batch",
        "status": "processed",
    }


def error(message: str, code: str = "fault") -> Body:
    """An error as servers write it."""
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


WORD = re.compile(r"[A-Za-z]+|\d{1,3}|[^\sA-Za-z\d]|\n+")


def count(text: str) -> int:
    """The tokens of a text, in a way of the server's own: words, of which long ones are several."""
    return sum(1 + (len(word) - 1) // 7 for word in WORD.findall(text))


def tokens_of(body: Body) -> int:
    """The tokens of a prompt."""
    return sum(count(message["content"]) + 4 for message in body["messages"])


def completion(body: Body, said: Said, server: Server) -> Body:
    """A chat completion as servers write it."""
    prompt = tokens_of(body)
    used = count(said.text) if said.tokens is None else said.tokens
    used += server.reasoning
    logprobs = None
    if body.get("logprobs") and said.first is not None and "logprobs" not in server.ignores:
        logprobs = {"content": _tokens(said)}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": f"{body['model']}-2024-01-01",
        "system_fingerprint": "fp_1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": said.text, "refusal": said.refusal},
                "finish_reason": said.finish,
                "logprobs": logprobs,
            }
        ],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": used,
            "total_tokens": prompt + used,
            "prompt_tokens_details": {"cached_tokens": round(prompt * server.cached)},
            "completion_tokens_details": {"reasoning_tokens": server.reasoning},
        },
    }


def _tokens(said: Said) -> list[Body]:
    import math

    assert said.first is not None
    top = [
        {"token": "1", "logprob": math.log(said.first), "bytes": None},
        {"token": "2", "logprob": math.log(1 - said.first), "bytes": None},
        {"token": "x", "logprob": -9999.0, "bytes": None},
    ]
    winner = "1" if said.first > 0.5 else "2"
    chosen = {"token": winner, "logprob": 0.0, "bytes": None, "top_logprobs": top}
    other = {"token": "{", "logprob": 0.0, "bytes": None, "top_logprobs": []}
    return [other, chosen, other]


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--same", action="store_true", help="say the same to all, quickly")
    given = parser.parse_args()
    brain = same if given.same else by_hash
    with Server(brain=brain, port=given.port, latency=given.latency) as server:
        print(server.url, flush=True)  # noqa: T201 - who starts it waits for this line
        server.thread.join()


if __name__ == "__main__":
    main()
