"""Sources that lie elsewhere, read from real servers on loopback."""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow.fs
import pytest

from prefdata.conversion.convert import convert
from prefdata.conversion.inspect import inspect
from prefdata.errors import InputError, UsageError
from tests.io.readers.hub import hub
from tests.io.readers.storage import storage
from tests.roundtrip import converted, jsonl, read

pytest.importorskip("fsspec", reason="the extra 'remote' is not installed")

ROOT = Path(__file__).parents[3]
ROWS = [
    {"prompt": f"{n} + {n}?", "chosen": str(2 * n), "rejected": str(2 * n + 1)} for n in range(1, 6)
]


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server and the folder that it shows."""
    folder = tmp_path / "shown"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as address:
        yield address, folder


class serving:  # noqa: N801 - reads as a verb
    """Run a server while the block runs; gives its address."""

    def __init__(self, server: http.server.ThreadingHTTPServer) -> None:
        self.server = server

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 service with an empty bucket: its name."""
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a-key-for-tests")
    service = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    service.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{service.get_host_and_port()[1]}")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    _storage().create_dir("votes")
    yield "votes"
    service.stop()


def _storage() -> pyarrow.fs.S3FileSystem:
    return pyarrow.fs.S3FileSystem(
        endpoint_override=os.environ["AWS_ENDPOINT_URL"].removeprefix("http://"),
        scheme="http",
        allow_bucket_creation=True,
    )


def _upload(path: str, data: bytes) -> None:
    with _storage().open_output_stream(path) as stream:
        stream.write(data)


def test_a_file_on_the_web_gives_the_same_pairs(web: tuple[str, Path], tmp_path: Path) -> None:
    """By its address; the address is the name of the source."""
    address, folder = web
    local = converted(jsonl(folder / "pairs.jsonl", ROWS))
    report = convert([f"{address}/pairs.jsonl"], tmp_path / "out")
    assert read(tmp_path / "out").ids == local.ids
    assert report.sources[0].name == f"{address}/pairs.jsonl"
    assert report.sources[0].size == (folder / "pairs.jsonl").stat().st_size


def test_a_folder_and_a_glob_on_s3_give_the_same_pairs(bucket: str, tmp_path: Path) -> None:
    """Only what looks like data is read in a folder."""
    local = converted(jsonl(tmp_path / "pairs.jsonl", ROWS))
    for index, row in enumerate(ROWS):
        _upload(f"{bucket}/week/{index}.jsonl", json.dumps(row).encode() + b"\n")
    _upload(f"{bucket}/week/notes.md", b"# Notes")
    for request in (f"s3://{bucket}/week", f"s3://{bucket}/week/*.jsonl"):
        convert([request], tmp_path / "out", force=True)
        assert read(tmp_path / "out").ids == local.ids


def test_parquet_on_s3_is_inspected_without_a_copy(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its footer and first rows are enough."""
    pl.DataFrame(ROWS).write_parquet(tmp_path / "pairs.parquet")
    _upload(f"{bucket}/pairs.parquet", (tmp_path / "pairs.parquet").read_bytes())
    monkeypatch.setattr("prefdata.io.readers.sources._keep_in_file", None)
    found = inspect([f"s3://{bucket}/pairs.parquet"])[0]
    assert (found.format, found.rows) == ("pairs", len(ROWS))


def test_a_data_set_on_the_hub_is_read(tmp_path: Path) -> None:
    """A real client against a server of ours; its settings are read once in a process."""
    local = converted(jsonl(tmp_path / "pairs.jsonl", ROWS))
    files = {
        "README.md": b"# A data set",
        "data/train.jsonl": (tmp_path / "pairs.jsonl").read_bytes(),
    }
    with serving(hub("org/name", files)) as address:
        run = subprocess.run(
            [sys.executable, "-m", "prefdata", "convert", "hf://datasets/org/name", "-o", "hub"],
            cwd=tmp_path,
            env={**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 0, run.stderr
    assert read(tmp_path / "hub").ids == local.ids


BY_ADDRESS = """
import sys
from prefdata.conversion.convert import convert
for number, request in enumerate(sys.argv[1:]):
    convert([request], f"out-{number}")
"""
"""Google's client holds Python up while it reads, so that no server of the same process answers."""


def on_google(folder: Path, files: dict[str, bytes], *requests: str) -> str:
    """Convert addresses on Google's storage, to out-0, out-1, …: what was said of an error."""
    with serving(storage("votes", files)) as address:
        run = subprocess.run(
            [sys.executable, "-c", BY_ADDRESS, *requests],
            cwd=folder,
            env={**os.environ, "STORAGE_EMULATOR_HOST": address, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    return run.stderr


def test_folders_and_globs_on_google_storage_give_all_that_lies_below(tmp_path: Path) -> None:
    """Folders of folders too, which that storage does not list as such."""
    local = converted(jsonl(tmp_path / "pairs.jsonl", ROWS))
    below = ["0.jsonl", "1.jsonl", "a/2.jsonl", "a/b/3.jsonl", "c/4.jsonl"]
    files = {
        f"week/{name}": json.dumps(row).encode() + b"\n"
        for name, row in zip(below, ROWS, strict=True)
    }
    files |= {"week/notes.md": b"# Notes", "weekend.jsonl": b"[]", "week/a/": b""}
    wanted = {
        "gs://votes/week": ROWS,
        "gs://votes/week/": ROWS,
        "gs://votes/week/**/*.jsonl": ROWS,
        "gs://votes/week/*.jsonl": ROWS[:2],
        "gs://votes/week/*/*.jsonl": [ROWS[2], ROWS[4]],
        "gs://votes/week/a/b/3.jsonl": ROWS[3:4],
    }
    assert on_google(tmp_path, files, *wanted) == ""
    every = {row["prompt"]: row["id"] for row in local.rows}
    for number, rows in enumerate(wanted.values()):
        found = {row["prompt"]: row["id"] for row in read(tmp_path / f"out-{number}").rows}
        assert found == {row["prompt"]: every[row["prompt"]] for row in rows}


def test_parquet_on_google_storage_is_read_from_its_end(tmp_path: Path) -> None:
    """Its footer stands last."""
    local = converted(jsonl(tmp_path / "pairs.jsonl", ROWS))
    pl.DataFrame(ROWS).write_parquet(tmp_path / "pairs.parquet")
    files = {"pairs.parquet": (tmp_path / "pairs.parquet").read_bytes()}
    assert on_google(tmp_path, files, "gs://votes/pairs.parquet") == ""
    assert read(tmp_path / "out-0").ids == local.ids


@pytest.mark.parametrize("request_", ["votes/gone.jsonl", "votes/*.csv", "votes/gone/", "other/a"])
def test_an_address_on_google_storage_with_nothing_behind_it_says_so(
    request_: str, tmp_path: Path
) -> None:
    """A file, a glob, a folder and a bucket."""
    said = on_google(tmp_path, {"pairs.jsonl": b"{}"}, f"gs://{request_}").splitlines()[-1]
    assert said.endswith(f"UsageError: nothing lies at gs://{request_}")


def test_an_address_with_nothing_behind_it_says_so(
    web: tuple[str, Path], bucket: str, tmp_path: Path
) -> None:
    """Before anything is written."""
    for request in (f"{web[0]}/gone.jsonl", f"s3://{bucket}/gone.jsonl", f"s3://{bucket}/*.csv"):
        with pytest.raises(UsageError, match="nothing lies at"):
            convert([request], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_server_that_cannot_be_reached_is_an_error_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One message that names the address, and no traceback."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    for request in (
        *("http://127.0.0.1:9/pairs.jsonl", "s3://votes/pairs.jsonl"),
        *("gs://votes/pairs.jsonl", "gs://votes/*.jsonl"),
    ):
        with pytest.raises(InputError, match=re.escape(request)) as error:
            convert([request], tmp_path / "out")
        assert "network" in error.value.hint


def test_what_is_secret_in_an_address_is_neither_said_nor_kept(
    web: tuple[str, Path], tmp_path: Path
) -> None:
    """A password or a signature opens the file, and stands in no message and no output."""
    address, folder = web
    jsonl(folder / "pairs.jsonl", ROWS)
    signed = f"{address}/pairs.jsonl?X-Amz-Signature=s3cret".replace("://", "://me:s3cret@")
    report = convert([signed], tmp_path / "out")
    assert report.sources[0].name == f"{address}/pairs.jsonl"
    assert b"s3cret" not in b"".join(
        file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()
    )
    for gone in (signed.replace("pairs", "gone"), "http://me:s3cret@127.0.0.1:9/a?sig=s3cret"):
        with pytest.raises(InputError) as error:
            convert([gone], tmp_path / "none")
        assert "s3cret" not in f"{error.value} {error.value.hint}"


@pytest.mark.parametrize("address", ["hf://", "hf://datasets", "gs://", "gs://*"])
def test_half_an_address_is_wrong_usage(address: str, tmp_path: Path) -> None:
    """It says how an address is written."""
    with pytest.raises(UsageError, match=re.escape(f"{address} is no address on ")) as error:
        convert([address], tmp_path / "out")
    assert error.value.hint.startswith("Write it as in hf://datasets/org/name")
