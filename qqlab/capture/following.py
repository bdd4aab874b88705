"""A capture that grows: its exchanges, those that are there and then each as it is written.

Law: no exchange is left out and none comes twice, whatever happens to the file meanwhile: a last line without its end
is waited for, a segment that is finished is read to its end before the next one, and those that were begun and finished
while nobody looked are read where they stand. A file that another recording replaced is read from its beginning. How
long to wait, and until when, is the caller's.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from qqlab.capture import segments, source
from qqlab.capture.file import Header, parse_header, parse_line
from qqlab.capture.places import is_url
from qqlab.capture.reading import find_segment
from qqlab.errors import InputError
from qqlab.exchange import Exchange

_READ = 256 << 10


def follow(path: Path, go_on: Callable[[], bool], say: Callable[[str], None]) -> Iterator[Exchange]:
    """The exchanges of the capture at `path`, from the first on.

    `go_on` is called whenever there is nothing new: it waits a while, and says whether to look again. `say` is told, a
    line each, of what is missing and of a file that begins anew. Raises InputError as reading a capture does.
    """
    if is_url(path) or path.is_dir():
        raise InputError(str(path), "is no file of this machine that grows", "leave out --follow")
    recording, expected = "", 1
    while (opened := _open(path, go_on, is_there=expected == 1)) is not None:
        with opened as file:
            tail = _Tail(file, path, go_on)
            head = tail.header()
            if head is None:
                return
            if recording != head.recording or head.segment < expected:
                if expected > 1:
                    say(f"{path}: is another recording now")
                recording, expected = head.recording, 1
            if not segments.is_finished(path, head.segment):
                yield from _between(path, head, expected, say)
            yield from tail.exchanges(say)
            if not tail.replaced:
                return
            expected = head.segment + 1


def _open(path: Path, go_on: Callable[[], bool], is_there: bool) -> BinaryIO | None:
    """The file, once there is one again where it was before; None where nobody wants to wait for that."""
    while True:
        try:
            return path.open("rb", buffering=0)
        except FileNotFoundError as error:
            if is_there:
                raise InputError(str(path), error.strerror or str(error)) from error
        except OSError as error:
            raise InputError(str(path), error.strerror or str(error)) from error
        if not go_on():
            return None


def _between(path: Path, head: Header, expected: int, say: Callable[[str], None]) -> Iterator[Exchange]:
    """The exchanges of segments that were finished before the file at hand was begun."""
    for number in range(expected, head.segment):
        part = find_segment(path, head, number)
        if part is None:
            say(f"{path}: segment {number} of this recording does not stand beside it")
            continue
        for exchange, _ in part.numbered():
            yield exchange
        if part.torn is not None:
            say(part.torn)


class _Tail:
    """One file, read as it grows. `replaced` is set once its name leads elsewhere and all of it was read."""

    def __init__(self, file: BinaryIO, path: Path, go_on: Callable[[], bool]) -> None:
        self.replaced = False
        self._file = file
        self._path = path
        self._go_on = go_on
        self._rest = b""
        self._number = 0
        self._whole = 0  # how many bytes the lines have that were read whole
        self._lines = self._read()

    def header(self) -> Header | None:
        """The header, once its line is whole; None where nobody wants to wait for it."""
        line = next(self._lines, None)
        if line is None and not self._rest:
            return None
        first = line if line is not None else self._rest
        if first.startswith(source.ZSTD):
            raise InputError(str(self._path), "is compressed, and so is finished", "leave out --follow")
        return parse_header(first, str(self._path))[0]

    def exchanges(self, say: Callable[[str], None]) -> Iterator[Exchange]:
        """The exchanges of the lines that follow."""
        for line in self._lines:
            if line.strip():
                yield parse_line(line, str(self._path), self._number)
        if self._rest:
            size = len(self._rest)
            say(f"{self._path}:{self._number + 1}: the last line is cut off and was skipped ({size} bytes)")

    def _read(self) -> Iterator[bytes]:
        """Whole lines without their ends, until the file is replaced or nobody wants more."""
        while True:
            moved = self._has_moved()
            data = self._file.read(_READ)
            if not data and moved:
                self.replaced = True
                return
            if not data:
                if not self._go_on():
                    return
                self._look_again()
                continue
            *whole, self._rest = (self._rest + data).split(b"\n")
            for line in whole:
                self._number += 1
                self._whole += len(line) + 1
                yield line
            self._check_length()

    def _look_again(self) -> None:
        """Read a line without its end anew once the file has changed: a recorder that goes on after a crash cuts it
        off. Raises InputError where whole lines are gone."""
        size = os.fstat(self._file.fileno()).st_size
        if size < self._whole:
            raise InputError(str(self._path), "became shorter while it was followed", "follow it anew")
        if self._rest and size != self._file.tell():
            self._file.seek(self._whole)
            self._rest = b""

    def _check_length(self) -> None:
        if len(self._rest) > source.longest(self._number + 1):
            raise source.too_long(source.Line(self._number + 1, b"", False, False), str(self._path))

    def _has_moved(self) -> bool:
        """Whether the name leads to another file by now. Asked before the read that finds nothing more, since what is
        renamed is finished."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False  # between two names, or gone: it may come again
        return not os.path.samestat(os.fstat(self._file.fileno()), there)
