"""A share of a capture: of several that read the same one, each takes its own exchanges and need not decode the others.

Law: an exchange is in exactly one share, by its id, so that counterparts in two captures are in the same; but all that
nobody asked for is in the first, since no id tells of those what belongs together. Whose a line is, is looked up in its
bytes where they are written as usual, and decoded by everybody where they are not. Where that look was wrong, which
only lines can do that no tool writes, it is noticed by whoever took the line: `NotSharedError`.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from qqlab.capture import source
from qqlab.errors import InputError
from qqlab.exchange import Exchange

# How our lines begin, and what stands in each that has a request.
_BEGINNING = b'{"id":"'
_ASKED = b'"request":{'
_START = len(_BEGINNING)
_NEAR = 2048  # bytes, within which the request begins
# int() takes no more than 4,300 digits.
_LONGEST = 4000


class NotSharedError(Exception):
    """This capture cannot be read in shares: it has to be read as a whole."""


class Share(NamedTuple):
    """The share of this `number`, from 0, `of` so many. `unasked` says whether nobody asked for an exchange."""

    number: int
    of: int
    unasked: Callable[[Exchange], bool]

    def by_id(self, identifier: bytes) -> int:
        """The number of the share that the exchanges of an id are in: ids that count up go round."""
        if identifier.isdigit() and len(identifier) <= _LONGEST:
            return int(identifier) % self.of
        return zlib.crc32(identifier) % self.of


class Met:
    """The ids of a share that were met, in little room where they count up, as those of recordings do."""

    def __init__(self, share: Share) -> None:
        self._step = share.of
        self._first = self._next = -1
        self._numbers: set[int] = set()
        self._others: set[bytes] = set()

    def add(self, identifier: bytes) -> bool:
        """Take note of one; whether it is a new one, as far as can be told: `007` counts as `7`."""
        if not identifier.isdigit() or len(identifier) > _LONGEST:
            return _is_new(self._others, identifier)
        number = int(identifier)
        if number == self._next:
            self._next += self._step
            while self._next in self._numbers:
                self._numbers.remove(self._next)
                self._next += self._step
            return True
        if self._next < 0:
            self._first, self._next = number, number + self._step
            return True
        return not self._first <= number < self._next and _is_new(self._numbers, number)


T = TypeVar("T")


def _is_new(known: set[T], one: T) -> bool:
    before = len(known)
    known.add(one)
    return len(known) > before


Candidate = tuple[int, bytes, bool, bytes | None]
"""A line that may be of a share: its number, its bytes, whether its end is there, and the id that it seems to have.
None stands for that where it is not to be seen, or it seems that nobody asked."""


def candidates(blocks: Iterable[bytes], where: str, share: Share) -> Iterator[Candidate]:
    """The lines of a file behind its header that are of a share, or may be. Raises InputError for one that is too
    long."""
    number, size, rest = 0, 0, list[bytes]()
    for block in blocks:
        start = 0
        if rest and (end := block.find(b"\n")) >= 0:
            line = b"".join([*rest, block[:end]])
            rest, size, number, start = [], 0, number + 1, end + 1
            for _, begin, stop, identifier in _lines(line + b"\n", 0, share):
                if number > 1:
                    yield number, line[begin:stop], True, identifier
        for count, begin, stop, identifier in _lines(block, start, share):
            if number + count > 1:
                yield number + count, block[begin:stop], True, identifier
        number += block.count(b"\n", start)
        begun = block[block.rfind(b"\n") + 1 :]
        rest.append(begun)
        size += len(begun)
        if size > source.MAX_LINE:
            raise InputError(f"{where}:{number + 1}", "the line is too long", "is it a capture?")
    if size and number:
        yield number + 1, b"".join(rest), False, None


def _lines(block: bytes, start: int, share: Share) -> Iterator[tuple[int, int, int, bytes | None]]:
    """Which of the lines that end in a block are of a share, or may be: the number of each, from 1, where it begins and
    ends, and its id. All lines pass here, so that each step has to be worth its nanoseconds."""
    find, of, mine = block.find, share.of, share.number
    count, begin = 0, start
    while (end := find(b"\n", begin)) >= 0:
        count += 1
        identifier: bytes | None = None
        if block.startswith(_BEGINNING, begin) and find(_ASKED, begin, min(end, begin + _NEAR)) >= 0:
            first = begin + _START
            identifier = block[first : find(b'"', first, end)]
            if identifier.isdigit() and len(identifier) <= _LONGEST:
                owner = int(identifier) % of
            elif b"\\" in identifier:
                owner, identifier = mine, None
            else:
                owner = share.by_id(identifier)
            if owner != mine:
                begin = end + 1
                continue
        yield count, begin, end, identifier
        begin = end + 1
