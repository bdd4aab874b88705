"""What a capture is read from: anything at all is its lines or one clear error, in little memory and time."""

import io
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard
from conftest import qqlab
from hypothesis import example, given
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.capture import encode_line, header, load, reading, source
from qqlab.capture.reading import Located, parse
from qqlab.capture.source import lines_of
from qqlab.errors import InputError
from qqlab.exchange import Exchange, RawMessage

SPEC = specs.builtin()
ONE = Exchange(id="1", session="s", request=RawMessage(body=b"CMD=List"))
DATA = msgspec.json.encode(header(SPEC, redacted="none")) + b"\n" + encode_line(ONE, SPEC)
PACKED = zstandard.ZstdCompressor(write_checksum=True).compress(DATA)
TWO = zstandard.compress(encode_line(msgspec.structs.replace(ONE, id="2"), SPEC))


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_their_lines(data: bytes, at: int) -> None:
    found = list(source.Lines(iter([data[:at], data[at:]])))
    assert all(line.whole for line in found)
    assert b"".join(line.data + b"\n" * line.ended for line in found) == data
    assert [line.number for line in found] == [*range(1, len(found) + 1)]
    assert all(line.ended for line in found[:-1])


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=3))
def test_zstd_frames_follow_on_each_other(pieces: list[bytes]) -> None:
    packed = b"".join(map(zstandard.compress, pieces))
    assert b"".join(source._decompressed(io.BytesIO(packed).read, "x")) == b"".join(pieces)


@given(st.integers(1, len(PACKED) - 1), st.integers(0, 255))
def test_damaged_compression_is_an_error(at: int, byte: int) -> None:
    for damaged in (PACKED[:at], PACKED[:at] + bytes([byte]) + PACKED[at + 1 :]):
        try:
            assert parse(damaged, "x").exchanges == (ONE,)
        except InputError as error:
            assert error.where.startswith("x")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "x: is empty (a capture begins with a header line)"),
        (zstandard.compress(b""), "x: is empty (a capture begins with a header line)"),
        (b"\x1f\x8b\x08\x00", "x: is compressed with gzip, and only zstd is read (gunzip it first)"),
        (b"\xfd7zXZ\x00", "x: is compressed with xz, and only zstd is read (unxz it first)"),
        (b"PK\x03\x04", "x: is compressed with zip, and only zstd is read"),
        (
            b"\x28\xb5\x2f\xfd",
            "x: its zstd compression is cut off (qqlab verify --repair keeps",
        ),
        (PACKED[:-1], "x: its zstd compression is cut off ("),
        (PACKED + b"more", "x: its zstd compression is damaged: "),
        (PACKED[:4] + b"\xff" * 40, "x: its zstd compression is damaged: "),
        (zstandard.compress(b"junk\n"), "x:1: is no qqlab capture ("),
        (b"7" * (2 << 20), "x:1: the line is longer than 1 MiB (is it a capture?)"),
    ],
)
def test_what_is_no_capture_is_one_line(data: bytes, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(data, "x")
    assert str(caught.value).startswith(expected)


OTHER = encode_line(msgspec.structs.replace(ONE, id="2"), SPEC)
BITS = [
    OTHER,
    OTHER[:-1],
    OTHER.replace(b'"2"', b'"3"'),
    OTHER[:9],
    OTHER[9:],
    b"\n",
    b"\r\n",
    b" ",
    b"{",
    b"}",
    b",",
    b"}\n{",
]


@given(st.lists(st.sampled_from(BITS), max_size=8))
@example([OTHER[:-1], OTHER.replace(b'"2"', b'"3"'), b"\n"])
@example([OTHER[:-1], OTHER.replace(b'"2"', b'"3"')[:9], b"\n", OTHER[9:]])
def test_many_lines_at_once_are_read_as_each_is_by_itself(bits: list[bytes]) -> None:
    data = DATA + b"".join(bits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "parse_lines", lambda _: None)
        expected = _outcome(data)
    assert _outcome(data) == expected


def _outcome(data: bytes) -> tuple[list[Located], str]:
    """What is read up to damage, and what is said of it."""
    part = reading.Part(lines_of(data, "x"), "x")
    found: list[Located] = []
    try:
        found.extend(part)
    except InputError as error:
        return found, str(error)
    return found, f"{part.torn} {part.ended} {part.size}"


def test_a_gigabyte_in_one_line_is_an_error_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.zst"
    with path.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as packing:
        packing.write(DATA + b'{"id":"')
        for _ in range(1024):
            packing.write(b"x" * (1 << 20))
    tracemalloc.start()
    with pytest.raises(InputError) as caught:
        load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(caught.value) == f"{path}:3: the line is longer than 64 MiB (is it a capture?)"
    assert peak < 120 << 20


def test_a_gigabyte_of_nothing_is_an_error_at_once(tmp_path: Path) -> None:
    path = tmp_path / "hole.jsonl"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    result = qqlab("show", path)
    expected = f"qqlab: {path}:1: the line is longer than 1 MiB (is it a capture?)\n"
    assert (result.returncode, result.stdout, result.stderr) == (3, "", expected)


@pytest.mark.parametrize(
    "data", [DATA, PACKED, PACKED + zstandard.compress(encode_line(msgspec.structs.replace(ONE, id="2"), SPEC))]
)
def test_standard_input_may_be_compressed(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    capture = load("-")
    assert capture.path == "<stdin>"
    assert capture.exchanges[0] == ONE


def test_standard_input_may_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="<stdin>: is closed"):
        load("-")


def test_a_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever runs this may be allowed everything, so that a file of the kernel's stands in that fails on reading."""
    with pytest.raises(InputError) as caught:
        load("/proc/self/mem")
    assert str(caught.value) == "/proc/self/mem: Input/output error"
    with pytest.raises(InputError, match="null"):
        load(tmp_path / "a\0b")


def test_a_capture_may_come_through_a_pipe(tmp_path: Path) -> None:
    result = qqlab("show", "-", stdin=DATA)
    assert result.returncode == 0
    assert "<stdin>: 1 exchange" in result.stdout


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    yield from (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_line_comes_in_any_number_of_pieces(size: int) -> None:
    assert [line.data for line in source.Lines(chunks(DATA, size))] == DATA.splitlines()
