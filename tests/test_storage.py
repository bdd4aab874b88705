"""How a recording is kept: one recorder, nothing overwritten, nothing joined, and what was promised of the disk."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from conftest import ROOT

from qqlab import spec as specs
from qqlab.capture import Storage, Writer, check, encode_line, header, load, open_capture, save, source
from qqlab.capture.reading import parse
from qqlab.capture.writing import cut, fitted_line
from qqlab.codec import decode
from qqlab.errors import InputError
from qqlab.exchange import Cut, Exchange, RawMessage

SPEC = specs.builtin()
HEAD = header(SPEC, redacted="secrets")
APPEND = Storage(append=True)


def exchange(number: int, body: bytes = b"CMD=List&UIN=1") -> Exchange:
    return Exchange(
        id=str(number), session="s", request=RawMessage(head=b"POST / HTTP/1.1\r\n\r\n", body=body), pairing="order"
    )


def written(path: Path, *numbers: int, storage: Storage = APPEND) -> Writer:
    with Writer(path, HEAD, SPEC, storage) as writer:
        for number in numbers:
            writer.append(exchange(number))
    return writer


def ids(path: Path) -> list[str]:
    return [found.id for found in load(path).exchanges]


def test_a_second_recorder_is_refused_whatever_it_may(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with Writer(path, HEAD, SPEC) as writer:
        for storage in (APPEND, Storage(force=True)):
            with pytest.raises(InputError, match=r"a\.jsonl: another recorder is writing it \("):
                Writer(path, HEAD, SPEC, storage)
        writer.append(exchange(1))
    written(path, 2)
    assert ids(path) == ["1", "2"]


def test_the_lock_ends_with_the_process_that_held_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    child = subprocess.Popen(
        [sys.executable, "-c", WRITING, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "1\n"
        with pytest.raises(InputError, match="another recorder"):
            Writer(path, HEAD, SPEC, APPEND)
        child.send_signal(signal.SIGKILL)
    written(path, 2)
    assert ids(path) == ["1", "2"]


WRITING = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from test_storage import HEAD, SPEC, Writer, exchange
writer = Writer(Path(sys.argv[1]), HEAD, SPEC)
writer.append(exchange(1))
print(writer.count, flush=True)
sys.stdin.read()
"""


def test_what_exists_is_refused_gone_on_with_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    assert written(path, 1, 2).count == 2
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"exists already \(choose another name, or --append to it, or --force"):
        Writer(path, HEAD, SPEC)
    assert path.read_bytes() == before
    with Writer(path, HEAD, SPEC, APPEND) as writer:
        assert writer.count == 2
        writer.append(exchange(writer.count + 1))
    assert path.read_bytes() == before + encode_line(exchange(3), SPEC)
    written(path, 7, storage=Storage(force=True))
    assert ids(path) == ["7"]
    assert written(path).count == 7
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (b"", "a.jsonl: is empty"),
        (b"hello\n", "a.jsonl:1: is no qqlab capture"),
        (b'{"qqlab_capture":1,"tool":"t","spec":"httpqq","redacted":"secrets"}\n', "has capture format 1, and only"),
        (b'{"qqlab_capture":3}\n', "has capture format 3, and this qqlab reads up to 2"),
        (b'{"qqlab_capture":2,"tool":"t","spec":"lamp","redacted":"secrets"}\n', "was recorded by the spec 'lamp'"),
        (
            b'{"qqlab_capture":2,"tool":"t","spec":"httpqq","redacted":"none"}\n',
            "was recorded with redaction 'none', not 'secrets'",
        ),
        (b'{"qqlab_capture":2,"tool":"t","spec":"httpqq","redacted":"secrets"}\njunk\n', "a.jsonl:2: the line is dam"),
    ],
)
def test_what_cannot_be_gone_on_with_is_left_as_it_is(there: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(there)
    with pytest.raises(InputError, match=re.escape(expected)):
        Writer(path, HEAD, SPEC, APPEND)
    assert path.read_bytes() == there
    assert list(tmp_path.iterdir()) == [path]
    assert_unlocked(path)


def assert_unlocked(path: Path) -> None:
    Writer(path, HEAD, SPEC, Storage(force=True)).close()


def test_no_recording_goes_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / "pipe").mkdir()
    for storage in (Storage(), APPEND, Storage(force=True)):
        for name in ("pipe", "no/a.jsonl", "a.jsonl.zst", "a\0b"):
            with pytest.raises((InputError, ValueError)):
                check(tmp_path / name, storage)
            with pytest.raises((InputError, ValueError)):
                Writer(tmp_path / name, HEAD, SPEC, storage)
    assert list(tmp_path.iterdir()) == [tmp_path / "pipe"]


def test_a_link_leads_to_the_recording(tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to("real.jsonl")
    written(tmp_path / "real.jsonl", 1)
    written(tmp_path / "link.jsonl", 2)
    assert ids(tmp_path / "real.jsonl") == ["1", "2"]
    assert (tmp_path / "link.jsonl").is_symlink()


@pytest.mark.parametrize("left", [1, 20, -2])
def test_a_torn_last_line_is_taken_out_and_kept(left: int, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    written(path, 1, 2)
    whole = path.read_bytes()
    torn = encode_line(exchange(3), SPEC)[:left]
    path.write_bytes(whole + torn)
    writer = written(path, 3)
    assert path.read_bytes() == whole + encode_line(exchange(3), SPEC)
    assert writer.notices == [
        f"{path}: the last line was cut off ({len(torn)} bytes): it is taken out and kept in a.jsonl.torn"
    ]
    assert (tmp_path / "a.jsonl.torn").read_bytes() == torn + b"\n"


def test_a_last_line_without_its_end_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    written(path, 1)
    whole = path.read_bytes()
    path.write_bytes(whole.rstrip(b"\n"))
    assert written(path, 2).notices == []
    assert path.read_bytes() == whole + encode_line(exchange(2), SPEC)


@pytest.mark.parametrize("at", range(0, 700, 23))
def test_a_recording_cut_anywhere_is_gone_on_with_or_refused(at: int, tmp_path: Path) -> None:
    """As a crash would leave it: exchanges that were whole are there, and what follows is not joined to the rest."""
    path = tmp_path / "a.jsonl"
    whole = [msgspec.json.encode(HEAD) + b"\n", *(encode_line(exchange(number), SPEC) for number in (1, 2))]
    ends = [sum(map(len, whole[: number + 1])) - 1 for number in range(3)]
    kept = b"".join(whole)[:at]
    path.write_bytes(kept)
    if at < ends[0]:
        with pytest.raises(InputError):
            written(path, 9)
        assert path.read_bytes() == kept
    else:
        written(path, 9)
        assert ids(path) == [*(str(number) for number in (1, 2) if at >= ends[number]), "9"]


def test_what_sync_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    now = 100.0
    real = os.fsync

    def fsync(file: int) -> None:
        calls.append(file)
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(time, "monotonic", lambda: now)

    def synced(*steps: float, storage: Storage) -> list[int]:
        """How often the file was brought to the disk with each exchange, that many seconds later, and with the end."""
        nonlocal now
        counts = []
        writer = Writer(tmp_path / f"{storage.sync}.jsonl", HEAD, SPEC, storage)
        for number, step in enumerate(steps, 1):
            now += step
            calls.clear()
            writer.append(exchange(number))
            counts.append(len(calls))
        calls.clear()
        writer.close()
        return [*counts, len(calls)]

    assert synced(0, 5, 0, storage=Storage(sync="never")) == [0, 0, 0, 0]
    assert synced(0, 0, 1, 0.5, 0.5, storage=Storage(sync="interval")) == [0, 0, 1, 0, 1, 1]
    assert synced(0, 0, storage=Storage(sync="always")) == [1, 1, 1]


def test_between_exchanges_the_interval_is_kept_by_idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    now = 100.0
    with Writer(tmp_path / "a.jsonl", HEAD, SPEC, Storage(sync="interval")) as writer:
        monkeypatch.setattr(os, "fsync", calls.append)
        monkeypatch.setattr(time, "monotonic", lambda: now)
        writer._flushed = now
        writer.append(exchange(1))
        now += 1
        writer.idle()
        writer.idle()
        assert len(calls) == 1


def test_a_disk_that_fails_says_what_is_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(file: int) -> None:
        raise OSError(5, "Input/output error")

    path = tmp_path / "a.jsonl"
    writer = Writer(path, HEAD, SPEC, Storage(sync="always"))
    writer.append(exchange(1))
    monkeypatch.setattr(os, "fsync", broken)
    for number in (2, 3):  # after a failure nothing more is written
        with pytest.raises(InputError, match=r"Input/output error \(1 exchange is safe in it\)"):
            writer.append(exchange(number))
    writer.close()
    assert ids(path) == ["1", "2"]


FULL = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, "tests")
from test_storage import HEAD, SPEC, InputError, Writer, exchange
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
writer = Writer(Path(sys.argv[1]), HEAD, SPEC)
try:
    while True:
        writer.append(exchange(writer.count + 1))
except InputError as error:
    print(error)
try:
    writer.append(exchange(1000))
except InputError as error:
    print(error)
writer.close()
"""


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", FULL, path, "5000"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    capture = load(path)
    safe = len(capture.exchanges)
    assert safe > 1
    assert capture.torn is None
    assert path.read_bytes().endswith(b"\n")
    assert done.stdout == f"{path}: File too large ({safe} exchanges are safe in it)\n" * 2
    assert ids(path) == [str(number) for number in range(1, safe + 1)]


def test_a_recording_that_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    script = FULL
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "a.jsonl", "10"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert "File too large (the capture cannot be created)" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_long_bodies_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    long = b"CMD=List&XX=" + b"x" * 3000
    with Writer(path, HEAD, SPEC, Storage(limit=1000)) as writer:
        writer.append(exchange(1, long))
        writer.append(exchange(2))
    first, second = load(path).exchanges
    assert second == exchange(2)
    assert first.request == RawMessage(
        head=b"POST / HTTP/1.1\r\n\r\n",
        body=long[:1000],
        cut=Cut(length=len(long), sha256=hashlib.sha256(long).hexdigest()),
    )
    stored = json.loads(path.read_bytes().splitlines()[1])
    assert stored["request"]["cut"] == {"length": 3012, "sha256": hashlib.sha256(long).hexdigest()}


def test_what_was_cut_before_keeps_its_length(tmp_path: Path) -> None:
    known = Cut(length=10**10, sha256="00")
    before = Exchange(id="1", session="", reply=RawMessage(body=b"12345678", cut=known))
    assert cut(before, 8) is before
    assert cut(before, 3).reply == RawMessage(body=b"123", cut=known)


def test_no_line_is_written_that_is_too_long_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_LINE", 5000)
    line = fitted_line(exchange(1, b"\x00" * 4000), SPEC)
    assert len(line) <= 5000
    found = parse(msgspec.json.encode(HEAD) + b"\n" + line, "x").exchanges[0]
    assert found.request is not None
    assert (found.request.cut or Cut(length=0, sha256="")).length == 4000


def test_a_capture_of_format_1_is_read_as_format_2() -> None:
    old = (
        b'{"qqlab_capture":1,"tool":"qqlab 0.0.9","spec":"httpqq","redacted":"none","note":"old"}\n'
        b'{"id":"1","session":"s","time":null,"elapsed":null,"client":"","server":"","transport":"http",'
        b'"request":{"head":"","body":"CMD=List"},"reply":null,"error":null,"decoded":{}}\n'
    )
    capture = parse(old, "x")
    assert capture.header == msgspec.structs.replace(HEAD, redacted="none", note="old", tool="qqlab 0.0.9")
    assert capture.exchanges == (Exchange(id="1", session="s", request=RawMessage(body=b"CMD=List")),)


def test_a_capture_is_read_one_exchange_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    save(path, HEAD, map(exchange, range(1, 4)), SPEC)
    stream = open_capture(path)
    assert stream.header == HEAD
    assert [(found.exchange.id, found.where) for found in stream] == [
        ("1", f"{path}:2"),
        ("2", f"{path}:3"),
        ("3", f"{path}:4"),
    ]
    assert stream.missing == []


@pytest.mark.parametrize("limit", [1000, 20])
def test_what_was_decoded_before_makes_the_same_line(limit: int) -> None:
    one = exchange(1, b"VER=1.1&CMD=List&SEQ=1&UIN=10001&TN=160&UN=0")
    assert fitted_line(one, SPEC, limit, decode(one, SPEC)) == fitted_line(one, SPEC, limit)
