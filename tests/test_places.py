"""Captures at URLs: what lies there is read as what lies here, and what cannot be reached is one line."""

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import msgspec
import pytest
from conftest import ROOT, qqlab

from qqlab import spec as specs
from qqlab.capture import Stream, dataset, load, open_capture, read_frame
from qqlab.capture.manifest import NAME
from qqlab.capture.places import Url, place
from qqlab.capture.reading import Part
from qqlab.capture.source import lines_of
from qqlab.cli.export import export
from qqlab.errors import InputError, UsageError

SPEC = specs.builtin()
DEMO = ROOT / "captures/demo.jsonl"


@pytest.mark.parametrize(
    ("text", "shown", "name", "beside"),
    [
        ("s3://bucket/a/b.jsonl", "s3://bucket/a/b.jsonl", "b.jsonl", "s3://bucket/a/x"),
        ("memory:///d", "memory://d", "d", "memory://x"),
        ("http://127.0.0.1:80/d", "http://127.0.0.1:80/d", "d", "http://127.0.0.1:80/x"),
        ("simplecache::s3://b/d", "simplecache::s3://b/d", "d", "simplecache::s3://b/x"),
        ("file:///tmp/d", "/tmp/d", "d", "/tmp/x"),
        ("a/b", "a/b", "b", "a/x"),
        ("-", "-", "-", "x"),
    ],
)
def test_a_url_is_a_path(text: str, shown: str, name: str, beside: str) -> None:
    found = place(text)
    assert (str(found), found.name, str(found.with_name("x"))) == (shown, name, beside)
    assert isinstance(found, Url) == ("://" in text and not text.startswith("file"))
    assert str(place(found)) == shown


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def test_a_dataset_may_be_written_to_a_url_and_read_there(memory: Any) -> None:
    dataset.write("memory://bucket/d", open_capture(DEMO), SPEC)
    assert load("memory://bucket/d").exchanges == load(DEMO).exchanges
    assert load("memory://bucket/d").path == "memory://bucket/d"
    assert read_frame("memory://bucket/d").equals(read_frame(DEMO))
    with pytest.raises(InputError, match=r"memory://bucket/d: exists already \(choose"):
        dataset.write("memory://bucket/d", open_capture(DEMO), SPEC)
    other = ROOT / "captures/lines.jsonl"
    with pytest.raises(InputError, match="the line is damaged"):
        dataset.write(
            "memory://bucket/d", Stream(Part(lines_of(other.read_bytes() + b"{}\n", "x"), "x")), SPEC, force=True
        )
    assert load("memory://bucket/d").exchanges == load(DEMO).exchanges
    dataset.write("memory://bucket/d", open_capture(other), SPEC, force=True)
    assert load("memory://bucket/d").exchanges == load(other).exchanges
    assert len(memory.find("/bucket")) == 2


def test_half_a_dataset_at_a_url_is_none_and_may_be_replaced(memory: Any) -> None:
    dataset.write("memory://d", open_capture(DEMO), SPEC)
    memory.rm_file(f"/d/{NAME}")
    with pytest.raises(InputError, match=f"memory://d: is no whole dataset: it has no {NAME}"):
        load("memory://d")
    dataset.write("memory://d", open_capture(DEMO), SPEC, force=True)
    assert len(load("memory://d").exchanges) == len(load(DEMO).exchanges)
    memory.pipe_file("/d/thesis.txt", b"kept")
    with pytest.raises(InputError, match=r"stays as it is: thesis.txt in it is of no dataset"):
        dataset.write("memory://d", open_capture(DEMO), SPEC, force=True)
    assert memory.cat_file("/d/thesis.txt") == b"kept"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A folder, and the URL under which it is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", tmp_path
        server.shutdown()
        thread.join()


def test_commands_read_captures_and_datasets_over_http(served: tuple[str, Path]) -> None:
    url, folder = served
    shutil.copy(DEMO, folder / "demo.jsonl")
    dataset.write(folder / "d", open_capture(DEMO), SPEC)
    compared = qqlab("diff", f"{url}/demo.jsonl", f"{url}/d", "--json")
    assert (compared.returncode, compared.stderr) == (0, "")
    assert f"{url}/d" in compared.stdout
    listed = qqlab("show", f"{url}/d")
    assert listed.stdout.startswith(f"{url}/d: 36 exchanges")
    gone = qqlab("show", f"{url}/gone.jsonl")
    assert (gone.returncode, gone.stderr) == (3, f"qqlab: {url}/gone.jsonl: No such file or directory\n")


def test_a_recording_in_segments_is_read_over_http(served: tuple[str, Path]) -> None:
    url, folder = served
    first, *lines = DEMO.read_bytes().splitlines(keepends=True)
    for number, name, part in ((1, "r.0001.jsonl", lines[:10]), (2, "r.jsonl", lines[10:])):
        head = msgspec.json.decode(first) | {"recording": "r", "segment": number, "before": 10 * (number - 1)}
        (folder / name).write_bytes(msgspec.json.encode(head) + b"\n" + b"".join(part))
    whole = qqlab("show", f"{url}/r.jsonl", "--json")
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout == qqlab("show", folder / "r.jsonl", "--json").stdout


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("gs://bucket/x.jsonl", "gs://bucket/x.jsonl: there is no driver for such URLs (Please install gcsfs to"),
        ("nowhere://x.jsonl", "nowhere://x.jsonl: cannot be reached: Protocol not known: nowhere"),
        ("http://127.0.0.1:1/d", "http://127.0.0.1:1/d: cannot be reached: Cannot connect to host 127.0.0.1:1 "),
    ],
)
def test_what_cannot_be_reached_is_one_line(url: str, said: str) -> None:
    result = qqlab("show", url)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (3, "", 1)
    assert result.stderr.startswith(f"qqlab: {said}"), result.stderr


def test_only_datasets_are_written_to_urls_and_none_over_itself(tmp_path: Path, memory: Any) -> None:
    where = place("memory://d")
    dataset.write(where, open_capture(DEMO), SPEC)
    with pytest.raises(UsageError, match="is the capture that is exported"):
        export(where, "parquet", where, force=True)
    result = qqlab("export", DEMO, "--format", "jsonl", "-o", "memory://x.jsonl", cwd=tmp_path)
    assert result.stderr.startswith("qqlab: memory://x.jsonl: is a URL, where datasets alone are written (")
    assert (result.returncode, [*tmp_path.iterdir()]) == (2, [])
