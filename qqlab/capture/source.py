"""The lines of a file or of standard input, plain or compressed with zstd.

Law: memory stays small whatever is read: a line longer than `MAX_LINE`, or a first line longer than `MAX_FIRST`, is
passed over, and that is said as soon as it is known, also where a few compressed bytes stand for a gigabyte. What a
file is, its first bytes say, not its name.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import msgspec
import zstandard

from qqlab.capture.places import is_url, place, reading
from qqlab.errors import InputError

MAX_LINE = 64 << 20
MAX_FIRST = 1 << 20

STDIN = "<stdin>"

_READ = 256 << 10
# Four bytes can stand for a block of 128 KiB, so that so many stand for no more than 32 MiB.
_COMPRESSED = 1 << 10
_WINDOW = 128 << 20
ZSTD = b"\x28\xb5\x2f\xfd"
_KINDS = ((b"\x1f\x8b", "gzip", "gunzip it first"), (b"\xfd7zXZ", "xz", "unxz it first"), (b"PK\x03\x04", "zip", ""))
_PARQUET = b"PAR1"


class Line(msgspec.Struct, frozen=True, gc=False):
    """A line without its end, its number from 1, and whether its end was there (else it is the file's last). `whole` is
    False, and `data` empty, for a line that is too long."""

    number: int
    data: bytes
    ended: bool
    whole: bool = True


def name(path: Path | str) -> str:
    """A path as errors name it; `-` is standard input."""
    return STDIN if str(path) == "-" else str(place(path))


def lines(path: Path | str) -> Iterator[Line]:
    """The lines of a file; `-` is standard input. What follows the last line end is a line where it is not empty.

    Raises InputError, while it goes on, for a file that cannot be read, and for damaged compression, after all lines
    before the damage.
    """
    with _opened(path) as read:
        yield from _lines(_decompressed(read, name(path)), name(path))


def lines_of(data: bytes, where: str) -> Iterator[Line]:
    """The lines of a file whose bytes these are. Raises InputError as `lines` does."""
    return _lines(_decompressed(BytesIO(data).read, where), where)


def blocks(path: Path | str) -> Iterator[bytes]:
    """The bytes of a file, a piece at a time, decompressed where they are zstd. Raises InputError as `lines` does."""
    with _opened(path) as read:
        yield from _decompressed(read, name(path))


@contextmanager
def _opened(path: Path | str) -> Iterator[Callable[[int], bytes]]:
    where = name(path)
    try:
        if where == STDIN:
            yield _stdin()
            return
        if is_url(path):
            with reading(path) as far:
                yield far.read
            return
        with open(place(path), "rb", buffering=0) as file:  # noqa: PTH123
            yield lambda size: file.read(size) or b""
    except IsADirectoryError as error:
        raise InputError(where, "is a directory", "name a file") from error
    except OSError as error:
        raise InputError(where, error.strerror or str(error)) from error
    except ValueError as error:  # a NUL in the name
        raise InputError(where, str(error)) from error


def _stdin() -> Callable[[int], bytes]:
    if sys.stdin is None:  # closed by whoever started us
        raise InputError(STDIN, "is closed", "name a file")
    return sys.stdin.buffer.read


def _decompressed(read: Callable[[int], bytes], where: str) -> Iterator[bytes]:
    first = read(_READ)
    if first.startswith(ZSTD):
        yield from _unpacked(read, first, where)
        return
    for magic, kind, hint in _KINDS:
        if first.startswith(magic):
            raise InputError(where, f"is compressed with {kind}, and only zstd is read", hint)
    if first.startswith(_PARQUET):
        raise InputError(where, "is a Parquet file, which is read with all of its dataset", "name the directory")
    while first:
        yield first
        first = read(_READ)


def _unpacked(read: Callable[[int], bytes], data: bytes, where: str) -> Iterator[bytes]:
    """What zstd frames, one after the other, hold."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    frame = decompressor.decompressobj()
    while data:
        for at in range(0, len(data), _COMPRESSED):
            piece = data[at : at + _COMPRESSED]
            while piece:
                if frame.eof:
                    frame = decompressor.decompressobj()
                try:
                    unpacked = frame.decompress(piece)
                except zstandard.ZstdError as error:
                    raise InputError(where, f"its zstd compression is damaged: {error}", _REPAIR) from error
                yield from (unpacked[start : start + _READ] for start in range(0, len(unpacked), _READ))
                piece = frame.unused_data if frame.eof else b""
        data = read(_READ)
    if not frame.eof:
        raise InputError(where, "its zstd compression is cut off", _REPAIR)


_REPAIR = "qqlab verify --repair keeps what stands before that"


def _lines(chunks: Iterator[bytes], where: str) -> Iterator[Line]:
    number, rest, size, whole = 1, list[bytes](), 0, True
    for chunk in chunks:
        *ends, begun = chunk.split(b"\n")
        for end in ends:
            if whole:
                yield Line(number, b"".join([*rest, end]) if rest else end, True)
            number += 1
            if rest or not whole:
                rest, size, whole = [], 0, True
        if whole:
            rest.append(begun)
            size += len(begun)
            whole = size <= longest(number)
            if not whole:
                rest = []
                yield Line(number, b"", False, False)
    if size and whole:
        yield Line(number, b"".join(rest), False)


def longest(number: int) -> int:
    """How long the line of this number may be, in bytes."""
    return MAX_FIRST if number == 1 else MAX_LINE


def too_long(line: Line, where: str) -> InputError:
    """The error for a line that is not whole."""
    what = f"the line is longer than {longest(line.number) >> 20} MiB"
    return InputError(f"{where}:{line.number}", what, "is it a capture?")
