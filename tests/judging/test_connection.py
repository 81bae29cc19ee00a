"""How servers are reached: as the OpenAI SDK does it, by proxies and with certificates, too."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from prefdata.errors import JudgeError, UsageError
from prefdata.judging.client.endpoint import ApiKey, Endpoint
from tests.judging.judged import endpoint, rows, run
from tests.judging.server import Server

NOWHERE = "http://127.0.0.1:9/v1"


@pytest.mark.parametrize("azure", ["", "2024-10-21"])
def test_a_call_is_the_call_that_the_sdk_would_make(
    monkeypatch: pytest.MonkeyPatch, azure: str
) -> None:
    """The same path and headers, whatever the environment adds to them."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Team: four")
    body = {"model": "a judge", "messages": [{"role": "user", "content": "Grüße"}]}

    async def both(url: str) -> None:
        from prefdata.judging.client.client import Client

        judge = Endpoint("a judge", url, ApiKey("sk-1"), azure)
        async with Client(judge, timeout=5.0, connections=1) as client:
            await client.ask(body, {})
            await client.sdk.post("/chat/completions", body=body, cast_to=object)

    with Server(keep=True) as server:
        asyncio.run(both(server.url.removesuffix("/v1") if azure else server.url))
    ours, theirs = server.heads
    own = {"content-length", "accept-encoding", "connection"}
    assert ours[0] == theirs[0]
    assert {k: v for k, v in ours[1].items() if k not in own} == {
        k: v for k, v in theirs[1].items() if k not in own
    }
    assert ours[1]["x-team"] == "four"
    assert server.bodies == [body, body]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
def test_the_proxy_of_the_environment_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It reaches a server that we cannot reach; one that NO_PROXY names is asked directly."""
    with Server(keep=True) as proxy:
        monkeypatch.setenv(name.lower(), proxy.url.removesuffix("/v1"))
        report, _ = run(tmp_path, rows(2), [endpoint(NOWHERE)])
        assert report.complete
        assert {path for path, _ in proxy.heads} == {f"{NOWHERE}/chat/completions"}
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with pytest.raises(JudgeError, match=f"no connection to {NOWHERE}"):
            run(tmp_path, rows(3), [endpoint(NOWHERE)], force=True)


def test_a_proxy_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the password that may stand in its URL."""
    monkeypatch.setenv("http_proxy", "me:secret@127.0.0.1:9")
    with pytest.raises(JudgeError, match=r"/v1 by the proxy 127.0.0.1") as error:
        run(tmp_path, rows(2), [endpoint("http://127.0.0.1:10/v1")])
    assert "secret" not in str(error.value)


def test_a_proxy_of_another_kind_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than going round it."""
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    with pytest.raises(UsageError, match=f"names a socks5 proxy for {NOWHERE}"):
        run(tmp_path, rows(2), [endpoint(NOWHERE)])


def certified(folder: Path) -> ssl.SSLContext:
    """A certificate for loopback that nobody has signed, in the file ``own.pem``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "judge")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = (
        made.not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(here, critical=False)
    )
    signed = made.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    kind, open_ = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, kind, open_))
    (folder / "own.pem").write_bytes(signed.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem", folder / "key.pem")
    return context


def test_a_server_is_trusted_by_its_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE names those of servers of one's own; any other is refused at once."""
    with Server(tls=certified(tmp_path)) as server:
        with pytest.raises(JudgeError, match="cannot be trusted") as error:
            run(tmp_path, rows(2), [endpoint(server.url)])
        assert "SSL_CERT_FILE" in error.value.hint
        assert server.number == 0
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.pem"))
        report, _ = run(tmp_path, rows(2), [endpoint(server.url)])
    assert report.complete


def test_a_key_does_not_follow_a_server_that_has_moved(tmp_path: Path) -> None:
    """Where it is now is told, and nobody there is shown a key."""

    class Moved(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(307)
            self.send_header("location", f"{there.url}/chat/completions")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with Server(keep=True) as there, HTTPServer(("127.0.0.1", 0), Moved) as gone:
        threading.Thread(target=gone.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{gone.server_port}/v1"
        with pytest.raises(JudgeError, match="answered 307") as error:
            run(tmp_path, rows(1), [endpoint(url)])
        gone.shutdown()
        assert f"moved to {there.url}/chat/completions" in (error.value.hint or "")
        assert not there.heads
