"""Remote sources: ``hf://``, ``s3://``, ``gs://`` and ``https://``.

`fsspec` gives them one interface. Underneath, S3 and Google Cloud Storage are pyarrow's own
clients, the Hugging Face hub is ``huggingface_hub``, and the web is ``fsspec``'s reader over
aiohttp. Keys come from where these look for them: the usual variables, files and logins.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast
from urllib.parse import urlsplit, urlunsplit

from prefdata.errors import InputError, MissingExtraError, PrefdataError, UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

SCHEMES = {
    "hf": "the Hugging Face hub",
    "s3": "S3",
    "gs": "Google Cloud Storage",
    "http": "the web",
    "https": "the web",
}
KEYS = {
    "hf": "Log in with 'hf auth login' or set HF_TOKEN, if the data set is private or gated.",
    "s3": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for a public bucket "
    "AWS_SKIP_SIGNATURE=true; for another service AWS_ENDPOINT_URL.",
    "gs": "Log in with 'gcloud auth application-default login', or set "
    "GOOGLE_APPLICATION_CREDENTIALS; for a public bucket GS_SKIP_SIGNATURE=true; for another "
    "service STORAGE_EMULATOR_HOST.",
    "http": "Check the address.",
    "https": "Check the address, and whether it asks for a login.",
}
CLIENTS = ("aiohttp", "fsspec", "google", "httpx", "huggingface_hub", "pyarrow")
"""Libraries whose exceptions come from the network or the server; others are defects of ours."""

TIMEOUT = 20.0
"""Seconds to wait for a server to answer."""

PATIENCE = 3.0
"""Seconds for which a listing on Google's storage is tried again."""

GLOB = re.compile(r"[*?\[]")
GOOGLE_MESSAGE = re.compile(
    r"with a last message of (?:PerformWork\(\) - )?(.+?)(?:\. | error_info=|$)"
)
"""The part of a message of Google's client that says what is wrong."""


class Stat(NamedTuple):
    """Size in bytes, and time of change in nanoseconds: 0, as servers seldom have it."""

    st_size: int
    st_mtime_ns: int = 0


@dataclass(frozen=True)
class RemoteFile:
    """One remote file, which is opened like a `pathlib.Path`.

    Attributes:
        url: its address, without secrets.
        path: its path in its file system.
    """

    url: str
    path: str

    @contextmanager
    def open(self, _mode: str = "rb") -> Iterator[BinaryIO]:
        """Open it; only what is read is fetched.

        Raises:
            InputError: it cannot be reached or read.
        """
        with (
            _client_errors(self.url, self.path),
            _filesystem(self.url).open(self.path, "rb") as file,
        ):
            yield cast("BinaryIO", file)

    def stat(self) -> Stat:
        """Its size.

        Raises:
            InputError: it cannot be reached.
        """
        with _client_errors(self.url, self.path):
            return Stat(int(_filesystem(self.url).size(self.path) or 0))


def is_remote(request: str) -> bool:
    """Whether a source is an address.

    Example:
        >>> is_remote("hf://datasets/org/name"), is_remote("ratings.csv")
        (True, False)
    """
    return request.partition("://")[0].lower() in SCHEMES and "://" in request


def printable_address(address: str) -> str:
    """An address without the signatures and passwords in it, to be printed and stored.

    Example:
        >>> printable_address("https://me:password@host/a.csv?X-Amz-Signature=0f")
        'https://host/a.csv'
        >>> printable_address("s3://bucket/week?.csv")
        's3://bucket/week?.csv'
    """
    scheme, _, rest = address.partition("://")
    if scheme.lower() in ("http", "https"):
        rest = re.split("[?#]", rest, maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def remote_files(request: str) -> list[RemoteFile]:
    """The files at an address: one file, those that a glob matches, or all in a folder.

    Raises:
        UsageError: there is none.
        InputError: the server cannot be reached, or does not let us in.
        MissingExtraError: a library is missing.
    """
    scheme = request.partition("://")[0].lower()
    if scheme in ("http", "https"):
        return [RemoteFile(printable_address(request), request)]
    with _client_errors(request):
        paths = _list_paths(_filesystem(request, PATIENCE), request)
    if not paths:
        raise UsageError(
            f"nothing lies at {printable_address(request)}", hint="Check the address; quote a glob."
        )
    return [RemoteFile(f"{scheme}://{path}", path) for path in map(str, paths)]


def _list_paths(fs: AbstractFileSystem, request: str) -> list[str]:
    """The paths at an address."""
    scheme, _, inner = request.partition("://")
    try:
        if scheme.lower() == "gs":
            return _list_google(fs, inner)
        if GLOB.search(inner):
            return sorted(fs.glob(inner))
        if fs.isdir(inner):
            return sorted(fs.find(inner))
        return [inner] if fs.exists(inner) else []
    except (ValueError, NotImplementedError) as error:
        if _of_a_client(error):
            raise
        raise UsageError(
            f"{printable_address(request)} is no address on {SCHEMES[scheme.lower()]}: {error}",
            hint="Write it as in hf://datasets/org/name, s3://bucket/folder or gs://bucket/folder.",
        ) from error


def _list_google(fs: AbstractFileSystem, inner: str) -> list[str]:
    """The paths at an address on Google's storage.

    It has no folders: listed one by one, as elsewhere, those inside others would be missed.
    """
    from fsspec.utils import glob_translate
    from pyarrow.fs import FileSelector

    google, start = fs.fs, GLOB.split(inner, maxsplit=1)[0]
    if not start.strip("/"):
        raise ValueError("it names no bucket")
    pattern = glob_translate(inner) if start != inner else ""
    if not pattern and "/" in inner and google.get_file_info(inner).is_file:
        return [inner]
    folder = start.rpartition("/")[0] if pattern else inner.rstrip("/")
    infos = google.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
    paths = sorted(each.path for each in infos if each.is_file)
    return [path for path in paths if not pattern or re.fullmatch(pattern, path)]


def _filesystem(url: str, patience: float = TIMEOUT) -> AbstractFileSystem:
    """The file system of an address; ``patience`` is the seconds for which it tries again."""
    scheme = url.partition("://")[0].lower()
    try:
        import fsspec
        from fsspec.implementations.arrow import ArrowFSWrapper
    except ImportError as error:
        raise MissingExtraError("remote", needed_for=f"{scheme}://") from error
    try:
        if scheme == "s3":
            return ArrowFSWrapper(_s3())
        if scheme == "gs":
            return ArrowFSWrapper(_gs(patience))
        if scheme == "hf":
            from huggingface_hub import HfFileSystem

            return HfFileSystem()
        return fsspec.filesystem(scheme, client_kwargs={"timeout": _web_timeout()})
    except ImportError as error:
        raise MissingExtraError("remote", needed_for=f"{scheme}://") from error


def _web_timeout() -> object:
    from aiohttp import ClientTimeout

    return ClientTimeout(connect=TIMEOUT, sock_read=3 * TIMEOUT)


def _s3() -> object:
    from pyarrow.fs import S3FileSystem

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    parts = urlsplit(endpoint)
    return S3FileSystem(
        anonymous=_is_set("AWS_SKIP_SIGNATURE"),
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        scheme=parts.scheme or "https",
        endpoint_override=urlunsplit(("", parts.netloc, parts.path, "", ""))[2:] or None,
        connect_timeout=TIMEOUT,
        request_timeout=3 * TIMEOUT,
    )


def _gs(patience: float) -> object:
    from pyarrow.fs import GcsFileSystem

    other = os.environ.get("STORAGE_EMULATOR_HOST", "")
    parts = urlsplit(other if "://" in other else f"http://{other}")
    return GcsFileSystem(
        anonymous=_is_set("GS_SKIP_SIGNATURE") or bool(other),
        scheme=parts.scheme if other else "https",
        endpoint_override=parts.netloc or None,
        retry_time_limit=timedelta(seconds=patience),
    )


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in ("1", "true", "yes")


@contextmanager
def _client_errors(url: str, path: str = "") -> Iterator[None]:
    """Turn what any of the clients raises into one message without secrets."""
    scheme, address = url.partition("://")[0].lower(), printable_address(url)
    try:
        yield
    except PrefdataError:
        raise
    except Exception as error:
        unanswered = _of_a_client(error.__cause__) and not hasattr(error.__cause__, "status")
        if isinstance(error, FileNotFoundError) and not unanswered:
            raise UsageError(f"nothing lies at {address}", hint=KEYS[scheme]) from error
        if not isinstance(error, OSError) and not _of_a_client(error):
            raise
        message = str(error.__cause__ if unanswered else error).strip()
        problem = message.splitlines()[0] if message else type(error).__name__
        problem = match[1] if (match := GOOGLE_MESSAGE.search(problem)) else problem
        for secret in filter(None, (path, url, path.partition("?")[2])):
            public = printable_address(secret) if "://" in secret else "…"
            problem = problem.replace(secret, public)
        raise InputError(
            f"{address} cannot be read from {SCHEMES[scheme]}: {problem[:300]}",
            hint=f"Check the network. {KEYS[scheme]}",
        ) from error


def _of_a_client(error: BaseException | None) -> bool:
    """Whether an exception comes from a client: the server was not reached, or refused us."""
    return type(error).__module__.split(".")[0] in CLIENTS
