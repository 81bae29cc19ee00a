"""Where a judge is asked: a model, the URL of its server, and the key that belongs to that URL.

A key comes from the environment or from a file, never from the command line. It is held in one
object that does not show it, and is taken out of every text that comes back from a server.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from prefdata.errors import UsageError

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_KEY, AZURE_KEY = "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"
AZURE_URL = "AZURE_OPENAI_ENDPOINT"
LOCAL_PREFIX = "hf:"
REDACTED = "[key]"


class ApiKey:
    """A secret that does not show itself.

    Example:
        >>> key = ApiKey("sk-123")
        >>> print(key, key.redact("wrong key sk-123"))
        [key] wrong key [key]
    """

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return REDACTED

    def __bool__(self) -> bool:
        return bool(self._value)

    def reveal(self) -> str:
        """The key itself, for the client that sends it."""
        return self._value

    def redact(self, text: str) -> str:
        """A text with the key taken out."""
        return text.replace(self._value, REDACTED) if self._value else text

    def redact_bytes(self, data: bytes) -> bytes:
        """As `redact`, for the bytes of a reply."""
        return data.replace(self._value.encode(), REDACTED.encode()) if self._value else data


@dataclass(frozen=True)
class Endpoint:
    """A judge.

    Attributes:
        model: its name at the server, or the folder of a local model.
        url: the server's base URL; ``hf:`` and a fingerprint for a local model.
        key: what the server knows us by.
        azure_version: the API version of an Azure resource, ``""`` elsewhere.
    """

    model: str
    url: str
    key: ApiKey
    azure_version: str = ""

    @property
    def address(self) -> str:
        """Endpoint and model in one line; names the judge in the journal."""
        return f"{LOCAL_PREFIX}{self.model}" if self.is_local else f"{self.model} @ {self.url}"

    @property
    def is_local(self) -> bool:
        """Whether the model runs in this process."""
        return self.url.startswith(LOCAL_PREFIX)


def judge_endpoints(
    models: Sequence[str],
    *,
    base_url: str = "",
    azure_version: str = "",
    key_env: Sequence[str] = (),
    key_file: Path | None = None,
    needed: bool = True,
    environment: Mapping[str, str] = os.environ,
) -> tuple[list[Endpoint], list[str]]:
    """Say where each judge is asked, and with which key.

    Args:
        models: names; ``NAME@URL`` for a server of its own, ``hf:PATH`` for a local model.
        base_url: the server of names without one.
        azure_version: the API version, where the server is an Azure resource.
        key_env: environment variables that hold keys: ``NAME`` for ``base_url``, or ``URL=NAME``.
        key_file: a file with lines ``URL KEY``, or one line with the key for ``base_url``.
        needed: whether a server that is known to ask for a key must have one.
        environment: where variables are looked up.

    Returns:
        The judges, and what should be said about keys that were left alone.

    Raises:
        UsageError: a URL, a variable or the file cannot be used, or a judge is named twice.
    """
    default_url = _default_url(base_url, azure_version, environment)
    keys = {
        **_from_file(key_file, default_url),
        **_from_environment(key_env, default_url, environment),
    }
    notes: list[str] = []
    judges = []
    for name in models:
        if name.startswith(LOCAL_PREFIX):
            judges.append(Endpoint(name.removeprefix(LOCAL_PREFIX), LOCAL_PREFIX, ApiKey("")))
            continue
        model, at, url = name.rpartition("@")
        names_url = at and url.startswith(("http://", "https://"))
        model, url = (model, _url(url)) if names_url else (name, default_url)
        api_version = azure_version if url == default_url else ""
        key = keys.get(url) or _default_key(url, api_version, environment, notes, needed=needed)
        judges.append(Endpoint(model, url, key, api_version))
    _refuse_twice([each.address for each in judges])
    return judges, list(dict.fromkeys(notes))


def _default_url(base_url: str, azure_version: str, environment: Mapping[str, str]) -> str:
    """The server of models that name none."""
    if base_url or not azure_version:
        return _url(base_url) if base_url else OPENAI_URL
    if not environment.get(AZURE_URL):
        raise UsageError(
            "--azure-version needs the address of the resource",
            hint=f"Name it with --base-url https://NAME.openai.azure.com, or set {AZURE_URL}.",
        )
    return _url(environment[AZURE_URL])


def _refuse_twice(addresses: Sequence[str]) -> None:
    duplicate = next((address for address in addresses if addresses.count(address) > 1), None)
    if duplicate:
        raise UsageError(f"the judge {duplicate} is named twice", hint="Name each judge once.")


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"{parts.scheme or 'the base URL'} is not a URL that can be asked",
            hint="Write it as in --base-url http://localhost:8000/v1.",
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"the URL of {parts.hostname} holds more than an address",
            hint="A key belongs into the environment: name the variable with --key-env.",
        )
    return text.rstrip("/")


def _from_environment(
    names: Sequence[str], default_url: str, environment: Mapping[str, str]
) -> dict[str, ApiKey]:
    keys = {}
    for each in names:
        url, equals, name = each.rpartition("=")
        if not environment.get(name):
            variable = (
                name if name.replace("_", "").isalnum() and name.isupper() else "that is named"
            )
            raise UsageError(
                f"--key-env: the environment variable {variable} is not set",
                hint="Give the name of a variable that holds the key, not the key itself.",
            )
        keys[_url(url) if equals else default_url] = ApiKey(environment[name].strip())
    return keys


def _from_file(path: Path | None, default_url: str) -> dict[str, ApiKey]:
    if path is None:
        return {}
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the key file {path} cannot be read", hint="Check --key-file and its permissions."
        ) from error
    keys = {}
    for number, parts in enumerate(lines, 1):
        if not parts or parts[0].startswith("#"):
            continue
        if len(parts) > 2:
            raise UsageError(
                f"{path}, line {number}: expected a URL and a key, or a key alone",
                hint="Write one server a line: https://api.openai.com/v1 KEY.",
            )
        keys[_url(parts[0]) if len(parts) == 2 else default_url] = ApiKey(parts[-1])
    return keys


def _default_key(
    url: str, version: str, environment: Mapping[str, str], notes: list[str], *, needed: bool
) -> ApiKey:
    """The key that is meant for a URL without being named; none for servers we do not know."""
    name = AZURE_KEY if version else OPENAI_KEY if url == OPENAI_URL else ""
    if not name:
        if environment.get(OPENAI_KEY):
            notes.append(
                f"{OPENAI_KEY} is not sent to {url}; "
                f"if it is meant for it, say --key-env {OPENAI_KEY}"
            )
        return ApiKey("")
    if needed and not environment.get(name):
        raise UsageError(
            f"no key for {url}: the environment variable {name} is not set",
            hint=f"Set {name}, or name another variable with --key-env, or a --key-file.",
        )
    return ApiKey(environment.get(name, "").strip())
