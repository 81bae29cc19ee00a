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

OPENAI = "https://api.openai.com/v1"
OPENAI_KEY, AZURE_KEY = "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"
AZURE_URL = "AZURE_OPENAI_ENDPOINT"
LOCAL = "hf:"
HIDDEN = "[key]"


class Key:
    """A secret that does not show itself.

    Example:
        >>> key = Key("sk-123")
        >>> print(key, key.hide("wrong key sk-123"))
        [key] wrong key [key]
    """

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return HIDDEN

    def __bool__(self) -> bool:
        return bool(self._value)

    def reveal(self) -> str:
        """The key itself, for the client that sends it."""
        return self._value

    def hide(self, text: str) -> str:
        """A text with the key taken out."""
        return text.replace(self._value, HIDDEN) if self._value else text

    def hide_bytes(self, data: bytes) -> bytes:
        """As `hide`, for the bytes of a reply."""
        return data.replace(self._value.encode(), HIDDEN.encode()) if self._value else data


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
    key: Key
    azure_version: str = ""

    @property
    def lane(self) -> str:
        """Endpoint and model in one line; names the judge in the journal."""
        return f"{LOCAL}{self.model}" if self.is_local else f"{self.model} @ {self.url}"

    @property
    def is_local(self) -> bool:
        """Whether the model runs in this process."""
        return self.url.startswith(LOCAL)


def endpoints(
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
    own = _own(base_url, azure_version, environment)
    keys = {**_from_file(key_file, own), **_from_environment(key_env, own, environment)}
    notes: list[str] = []
    found = []
    for name in models:
        if name.startswith(LOCAL):
            found.append(Endpoint(name.removeprefix(LOCAL), LOCAL, Key("")))
            continue
        model, at, url = name.rpartition("@")
        is_url = at and url.startswith(("http://", "https://"))
        model, url = (model, _url(url)) if is_url else (name, own)
        version = azure_version if url == own else ""
        key = keys.get(url) or _usual(url, version, environment, notes, needed=needed)
        found.append(Endpoint(model, url, key, version))
    _refuse_twice([each.lane for each in found])
    return found, list(dict.fromkeys(notes))


def _own(base_url: str, azure_version: str, environment: Mapping[str, str]) -> str:
    """The server of models that name none."""
    if base_url or not azure_version:
        return _url(base_url) if base_url else OPENAI
    if not environment.get(AZURE_URL):
        raise UsageError(
            "--azure-version needs the address of the resource",
            hint=f"Name it with --base-url https://NAME.openai.azure.com, or set {AZURE_URL}.",
        )
    return _url(environment[AZURE_URL])


def _refuse_twice(lanes: Sequence[str]) -> None:
    twice = next((lane for lane in lanes if lanes.count(lane) > 1), None)
    if twice:
        raise UsageError(f"the judge {twice} is named twice", hint="Name each judge once.")


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
    names: Sequence[str], own: str, environment: Mapping[str, str]
) -> dict[str, Key]:
    found = {}
    for each in names:
        url, equals, name = each.rpartition("=")
        if not environment.get(name):
            shown = name if name.replace("_", "").isalnum() and name.isupper() else "that is named"
            raise UsageError(
                f"--key-env: the environment variable {shown} is not set",
                hint="Give the name of a variable that holds the key, not the key itself.",
            )
        found[_url(url) if equals else own] = Key(environment[name].strip())
    return found


def _from_file(path: Path | None, own: str) -> dict[str, Key]:
    if path is None:
        return {}
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the key file {path} cannot be read", hint="Check --key-file and its permissions."
        ) from error
    found = {}
    for number, parts in enumerate(lines, 1):
        if not parts or parts[0].startswith("#"):
            continue
        if len(parts) > 2:
            raise UsageError(
                f"{path}, line {number}: expected a URL and a key, or a key alone",
                hint="Write one server a line: https://api.openai.com/v1 KEY.",
            )
        found[_url(parts[0]) if len(parts) == 2 else own] = Key(parts[-1])
    return found


def _usual(
    url: str, version: str, environment: Mapping[str, str], notes: list[str], *, needed: bool
) -> Key:
    """The key that is meant for a URL without being named; none for servers we do not know."""
    name = AZURE_KEY if version else OPENAI_KEY if url == OPENAI else ""
    if not name:
        if environment.get(OPENAI_KEY):
            notes.append(
                f"{OPENAI_KEY} is not sent to {url}; "
                f"if it is meant for it, say --key-env {OPENAI_KEY}"
            )
        return Key("")
    if needed and not environment.get(name):
        raise UsageError(
            f"no key for {url}: the environment variable {name} is not set",
            hint=f"Set {name}, or name another variable with --key-env, or a --key-file.",
        )
    return Key(environment.get(name, "").strip())
