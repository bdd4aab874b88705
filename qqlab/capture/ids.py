"""The ids of a chunk, in little room, and whether any of them is in another chunk, too.

Law: ids that count up, as those of recordings do, are held as ranges; others as numbers or hashes of 64 bits. So it may
be said of two that they are equal though they are not, which whoever hears it looks up; never the other way.
"""

from array import array
from itertools import pairwise

import msgspec
import xxhash

_FEW = 10_000


class Sealed(msgspec.Struct, frozen=True):
    """Ids of a chunk: ranges of numbers, from the first up to before the second, and hashes, as arrays of 64 bits."""

    starts: bytes
    stops: bytes
    hashes: bytes = b""


class Ids:
    """The ids that a chunk has."""

    def __init__(self) -> None:
        self._first = self._number = 0
        self._next = ""  # the id of that number, once there is one
        self._numbers: set[int] = set()
        self._hashes: set[int] = set()

    def add(self, identifier: str) -> bool:
        """Take note of one; whether it is a new one, as far as can be told."""
        if identifier == self._next:
            self._number += 1
            while self._number in self._numbers:
                self._numbers.remove(self._number)
                self._number += 1
            self._next = str(self._number)
            return True
        number = _number(identifier)
        if number is None:
            return _is_new(self._hashes, xxhash.xxh3_64_intdigest(identifier.encode("utf-8", "surrogatepass")))
        if not self._next:
            self._first, self._number, self._next = number, number + 1, str(number + 1)
            return True
        return not self._first <= number < self._number and _is_new(self._numbers, number)

    def sealed(self) -> Sealed:
        """All of them."""
        starts, stops = array("Q"), array("Q")
        ranges = [(number, number + 1) for number in sorted(self._numbers)]
        if self._next:
            ranges = sorted([*ranges, (self._first, self._number)])
        for start, stop in ranges:
            if stops and stops[-1] == start:
                stops[-1] = stop
            else:
                starts.append(start)
                stops.append(stop)
        return Sealed(starts.tobytes(), stops.tobytes(), array("Q", sorted(self._hashes)).tobytes())


class Met:
    """The ids of several chunks."""

    def __init__(self) -> None:
        self._starts, self._stops, self._hashes = array("Q"), array("Q"), array("Q")

    def add(self, ids: Sealed) -> None:
        """Take note of those of one more."""
        self._starts.frombytes(ids.starts)
        self._stops.frombytes(ids.stops)
        self._hashes.frombytes(ids.hashes)

    def clash(self) -> bool:
        """Whether two chunks seem to have the same id."""
        if len(self._starts) + len(self._hashes) < _FEW:
            ranges = sorted(zip(self._starts, self._stops, strict=True))
            return any(stop > start for (_, stop), (start, _) in pairwise(ranges)) or len(set(self._hashes)) < len(
                self._hashes
            )
        # Its import takes as long as reading a small capture.
        import numpy as np  # noqa: PLC0415

        starts, stops, hashes = (np.frombuffer(one, np.uint64) for one in (self._starts, self._stops, self._hashes))
        order = np.argsort(starts)
        met = bool((stops[order][:-1] > starts[order][1:]).any())
        ranked = np.sort(hashes)
        return met or bool((ranked[:-1] == ranked[1:]).any())


def _is_new(known: set[int], one: int) -> bool:
    if one in known:
        return False
    known.add(one)
    return True


def _number(identifier: str) -> int | None:
    """The number that an id is, where it is written as that number is."""
    if not (identifier.isascii() and identifier.isdigit() and len(identifier) < 19):
        return None
    number = int(identifier)
    return number if str(number) == identifier else None
