"""Recordings in segments: every exchange readable exactly once, whenever the recorder ends and however it does."""

import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from conftest import ROOT, qqlab

from qqlab import spec as specs
from qqlab.capture import Storage, Writer, header, load, open_capture, save
from qqlab.capture.compression import Compression
from qqlab.capture.segments import number_in, present, segment_path
from qqlab.errors import InputError
from qqlab.exchange import Exchange, RawMessage

SPEC = specs.builtin()
HEAD = header(SPEC, redacted="secrets", note="n")
SMALL = Storage(append=True, rotate_bytes=2000)


def exchange(number: int) -> Exchange:
    return Exchange(id=str(number), session="s", request=RawMessage(body=b"CMD=Logout&VER=1.1&UIN=1&SEQ=%d" % number))


def written(path: Path, count: int, storage: Storage = SMALL) -> list[str]:
    with Writer(path, HEAD, SPEC, storage) as writer:
        for _ in range(count):
            writer.append(exchange(writer.count + 1))
        return writer.notices


def ids(path: Path) -> list[int]:
    capture = load(path)
    assert capture.torn is None
    return [int(found.id) for found in capture.exchanges]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_recording_by_size(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    assert written(path, 8) == []
    assert names(tmp_path) == ["mine.0001.jsonl.zst", "mine.0002.jsonl.zst", "mine.jsonl"]
    assert ids(path) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert ids(tmp_path / "mine.0002.jsonl.zst") == [4, 5, 6]
    heads = [open_capture(tmp_path / name).header for name in names(tmp_path)]
    assert [(head.segment, head.before) for head in heads] == [(1, 0), (2, 3), (3, 6)]
    assert len({head.recording for head in heads}) == 1
    assert {head.note for head in heads} == {"n"}
    assert load(path).segments == (1, 2, 3)
    assert load(path).name == "mine"
    assert load(tmp_path / "mine.0002.jsonl.zst").name == "mine.0002"
    written(path, 3)
    assert ids(path) == [*range(1, 12)]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_recording_may_be_called_like_one_of_its_segments(tmp_path: Path) -> None:
    path = tmp_path / "2005.0003.jsonl"
    written(path, 8)
    assert load(path).header.segment == 3
    assert ids(path) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_recording_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    path = tmp_path / "mine"
    with Writer(path, HEAD, SPEC, Storage(rotate_seconds=10)) as writer:
        for step in (20, 1, 9, 9.5, 0.5):  # an empty segment is none: the first exchange is never too late
            now += step
            writer.append(exchange(writer.count + 1))
    assert names(tmp_path) == ["mine", "mine.0001.zst", "mine.0002.zst"]
    assert [ids(tmp_path / name) for name in names(tmp_path)[1:]] == [[1, 2], [3, 4]]
    assert ids(path) == [1, 2, 3, 4, 5]


def test_segments_are_compressed_while_others_are_written(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    with Writer(path, HEAD, SPEC, SMALL) as writer:
        for number in range(1, 31):
            writer.append(exchange(number))
            assert ids(path) == [*range(1, number + 1)]
        waiting = [name for name in names(tmp_path) if name.endswith(".jsonl") and name != "mine.jsonl"]
        assert len(waiting) <= 1
    packed = (tmp_path / "mine.0001.jsonl.zst").read_bytes()
    assert zstandard.decompress(packed, max_output_size=10_000).count(b"\n") == 4


def test_what_cannot_be_compressed_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Compression, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Compression, "_write", full)
    path = tmp_path / "mine.jsonl"
    notices = written(path, 5)
    assert notices == [f"{tmp_path}/mine.0001.jsonl: stays uncompressed: No space left on device"]
    assert names(tmp_path) == ["mine.0001.jsonl", "mine.jsonl"]
    assert ids(path) == [1, 2, 3, 4, 5]


def test_a_missing_segment_is_said(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    written(path, 8)
    (tmp_path / "mine.0001.jsonl.zst").unlink()
    capture = load(path)
    assert capture.torn == f"{path}: segment 1 of this recording does not stand beside it"
    assert [found.id for found in capture.exchanges] == ["4", "5", "6", "7", "8"]
    result = qqlab("show", path)
    assert (result.returncode, result.stderr) == (0, f"qqlab: {capture.torn}\n")


def test_a_header_may_claim_any_number_of_segments(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    written(path, 4)
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"segment":2', b'"segment":1000000000000'))
    assert load(path).torn == f"{path}: segment 2 to 999999999999 of this recording does not stand beside it"
    for claim in (b'"segment":0', b'"segment":-7', b'"segment":1' + b"0" * 40, b'"segment":2,"before":-1'):
        path.write_bytes(data.replace(b'"segment":2,"before":3', claim))
        with pytest.raises(InputError, match=r"mine\.jsonl:1: the header is damaged"):
            load(path)


def test_where_the_last_segment_is_missing_the_others_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    written(path, 4)
    path.unlink()
    with pytest.raises(InputError) as caught:
        load(path)
    assert caught.value.hint == "name its segments: mine.0001.jsonl.zst and so on"


def test_segments_of_another_recording_are_neither_read_nor_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    strange = tmp_path / "mine.0001.jsonl"
    save(strange, HEAD, [exchange(99)], SPEC)
    with pytest.raises(InputError, match=r"mine\.0001\.jsonl: is no segment of this recording, and in its way"):
        written(path, 1)
    assert names(tmp_path) == ["mine.0001.jsonl"]
    written(path, 1, Storage())
    assert ids(path) == [1]
    with pytest.raises(InputError, match="in its way"):
        written(path, 1)
    assert ids(path) == [1]
    assert ids(strange) == [99]


def test_force_replaces_a_recording_with_all_its_segments(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    written(path, 8)
    written(path, 1, Storage(force=True, rotate_bytes=2000))
    assert names(tmp_path) == ["mine.jsonl"]
    assert ids(path) == [1]


def test_the_lock_goes_with_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    with Writer(path, HEAD, SPEC, SMALL) as writer:
        for number in range(1, 10):
            writer.append(exchange(number))
            with pytest.raises(InputError, match="another recorder is writing it"):
                Writer(path, HEAD, SPEC, SMALL)


CRASHING = '''
"""One child for each call that changes a file; it ends, as if killed, in place of that call."""
import os, sys
from pathlib import Path
sys.path.insert(0, "tests")
from test_rotation import HEAD, SMALL, SPEC, Writer, exchange

def crash(directory, at):
    calls = 0
    def wrap(name):
        real = getattr(os, name)
        def call(*arguments, **more):
            nonlocal calls
            calls += 1
            if calls == at:
                if name == "write":
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os._exit(9)
            return real(*arguments, **more)
        setattr(os, name, call)
        return real
    write = [wrap(name) for name in ("link", "replace", "unlink", "fsync", "write")][-1]
    told = os.open(directory / "told", os.O_WRONLY | os.O_CREAT)
    with Writer(directory / "mine.jsonl", HEAD, SPEC, SMALL) as writer:
        for number in range(1, 8):
            writer.append(exchange(number))
            write(told, b"x")
    os._exit(0)

at = 0
ended = 9
while ended == 9:
    at += 1
    directory = Path(sys.argv[1]) / str(at)
    directory.mkdir()
    child = os.fork()
    if child == 0:
        try:
            crash(directory, at)
        finally:
            os._exit(1)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(ended)
'''


def test_a_recorder_killed_at_any_moment_leaves_every_exchange_once(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", CRASHING, tmp_path], check=True, cwd=ROOT, timeout=60)
    directories = sorted(tmp_path.iterdir(), key=lambda path: int(path.name))
    assert len(directories) > 20
    for directory in directories:
        path = directory / "mine.jsonl"
        told = (directory / "told").stat().st_size
        found = [int(exchange.id) for exchange in load(path).exchanges] if told or path.exists() else []
        assert found in ([*range(1, told + 1)], [*range(1, told + 2)]), directory
        written(path, 4)
        assert ids(path) == [*range(1, len(found) + 5)], directory
        left = [name for name in names(directory) if not name.startswith((".qqlab-", "told", "mine.jsonl"))]
        assert all(name.endswith(".zst") for name in left), (directory, left)


def test_the_memory_of_a_recorder_does_not_grow(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    peaks = []
    with Writer(path, HEAD, SPEC, Storage(rotate_bytes=200_000)) as writer:
        for exchanges in (500, 1500, 4000):
            tracemalloc.start()
            for _ in range(exchanges):
                writer.append(exchange(writer.count + 1))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert len(present(path)) > 10
    assert peaks[2] < peaks[1] + 50_000


def test_names_of_segments(tmp_path: Path) -> None:
    for live, plain in (("a.jsonl", "a.0012.jsonl"), ("a", "a.0012"), ("a.b.c", "a.b.0012.c")):
        assert segment_path(Path(live), 12) == Path(plain)
        assert number_in(Path(plain)) == number_in(Path(plain + ".zst")) == 12
        assert number_in(Path(live)) is None
    for number in (2, 10_000, 1):
        (tmp_path / segment_path(Path("a.jsonl"), number)).touch()
    for other in ("a.jsonl", "b.0001.jsonl", "a.1.jsonl", "a.0001.jsonl.part", "aa.0001.jsonl"):
        (tmp_path / other).touch()
    assert [path.name for path in present(tmp_path / "a.jsonl")] == [
        "a.0001.jsonl",
        "a.0002.jsonl",
        "a.10000.jsonl",
    ]
    assert present(tmp_path / "nowhere" / "a.jsonl") == []
