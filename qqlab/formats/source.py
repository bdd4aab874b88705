"""What is imported, opened: a file or standard input, with its first bytes at hand to tell its format by.

Law: what comes out of a pipe is not copied to the disk, since it may hold secrets.
"""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from qqlab.errors import InputError

SAMPLE = 64 * 1024


class Source(NamedTuple):
    """`where` names it in errors, `first` are its first `SAMPLE` bytes (or all), `file` still holds all of them."""

    where: str
    first: bytes
    file: BinaryIO


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """A file to read; `-` is standard input. Raises InputError where it cannot be read."""
    where = "<stdin>" if str(path) == "-" else str(path)
    try:
        if where == "<stdin>":
            yield _source(where, _stdin())
        else:
            with _open(path) as file:
                yield _source(where, file)
    except OSError as error:
        raise InputError(where, error.strerror or str(error)) from error


def _stdin() -> BinaryIO:
    if sys.stdin is None:  # closed by whoever started us
        raise InputError("<stdin>", "is closed", "name a file")
    return sys.stdin.buffer


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except ValueError as error:  # a NUL in the name
        raise InputError(str(path), str(error)) from error


def _source(where: str, file: BinaryIO) -> Source:
    first = file.read(SAMPLE)
    if file.seekable():
        file.seek(0)
        return Source(where, first, file)
    return Source(where, first, cast(BinaryIO, io.BufferedReader(_Whole(first, file), SAMPLE)))


class _Whole(io.RawIOBase):
    """A file with what was read of it put back in front."""

    def __init__(self, first: bytes, file: BinaryIO) -> None:
        self._first = memoryview(first)
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._first:
            data = self._file.read(len(buffer))
            buffer[: len(data)] = data
            return len(data)
        size = min(len(self._first), len(buffer))
        buffer[:size], self._first = self._first[:size], self._first[size:]
        return size
