"""The lines of a file or of standard input, plain or compressed with zstd.

Law: memory stays small whatever is read: a line longer than `MAX_LINE`, or a first line longer than `MAX_FIRST`, is
passed over, and that is said as soon as it is known, also where a few compressed bytes stand for a gigabyte. What a
file is, its first bytes say, not its name.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec
import zstandard

from qqlab.capture.places import is_url, place, reading
from qqlab.errors import InputError

MAX_LINE = 64 << 20
MAX_FIRST = 1 << 20

STDIN = "<stdin>"

# Of more than this, memory comes from the system and goes back each time, and that takes as long as the reading.
_READ = 64 << 10
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


class Piece(NamedTuple):
    """Whole lines with their ends; or one line, which is the file's last and has no end, or is too long (not `whole`,
    and `data` is empty)."""

    data: bytes
    ended: bool = True
    whole: bool = True


class Lines:
    """The lines of a file, once: one by one, or a piece of the file at a time, which takes less of it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._pieces = _pieces(chunks)
        self._number = 1

    def first(self) -> Line | None:
        """The first of the lines, None where there is none."""
        piece = next(self._pieces, None)
        if piece is None:
            return None
        data, _, others = piece.data.partition(b"\n")
        if others:
            self._pieces = chain((Piece(others),), self._pieces)
        self._number = 2
        return Line(1, data, piece.ended, piece.whole)

    def pieces(self) -> Iterator[Piece]:
        """The lines that are left, some at a time."""
        return self._pieces

    def __iter__(self) -> Iterator[Line]:
        for piece in self._pieces:
            for line in each_line(piece, self._number):
                yield line
                self._number += 1


def each_line(piece: Piece, number: int) -> Iterator[Line]:
    """The lines of a piece, of which the first has that number."""
    data, ended, whole = piece
    lines = data.removesuffix(b"\n").split(b"\n") if ended else (data,)
    return (Line(at, line, ended, whole) for at, line in enumerate(lines, number))


def lines(path: Path | str) -> Lines:
    """The lines of a file; `-` is standard input. What follows the last line end is a line where it is not empty.

    While it goes on InputError is raised for a file that cannot be read, and for damaged compression, after all lines
    before the damage.
    """
    return Lines(blocks(path))


def lines_of(data: bytes, where: str) -> Lines:
    """The lines of a file whose bytes these are. Raises InputError as `lines` does."""
    return Lines(_decompressed(BytesIO(data).read, where))


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


def _pieces(chunks: Iterator[bytes]) -> Iterator[Piece]:
    number, rest, size, whole = 1, list[bytes](), 0, True
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if end:
            begin = 0 if whole else chunk.find(b"\n") + 1  # behind a line that was told of already
            if begin < end:
                yield Piece(b"".join([*rest, chunk[begin:end]]))
            number, rest, size, whole = 2, [], 0, True
        if whole:
            rest.append(chunk[end:])
            size += len(chunk) - end
            whole = size <= longest(number)
            if not whole:
                rest = []
                yield Piece(b"", False, False)
    if size and whole:
        yield Piece(b"".join(rest), False)


def longest(number: int) -> int:
    """How long the line of this number may be, in bytes."""
    return MAX_FIRST if number == 1 else MAX_LINE


def too_long(line: Line, where: str) -> InputError:
    """The error for a line that is not whole."""
    what = f"the line is longer than {longest(line.number) >> 20} MiB"
    return InputError(f"{where}:{line.number}", what, "is it a capture?")
