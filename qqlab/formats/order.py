"""Exchanges in the order of time, and their numbers.

Law: memory is bounded. What has no time, or was numbered by qqlab before, stays where it is.
"""

import heapq
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from qqlab.formats.mark import Found

DEPTH = 10_000


def by_time(found: Iterable[Found], depth: int = DEPTH) -> Iterator[Found]:
    """The same exchanges by the time of their requests, the earlier in `found` first where times are equal.

    One that comes more than `depth` exchanges late stands where it came.
    """
    waiting: list[tuple[datetime, int, Found]] = []
    last = datetime.min.replace(tzinfo=UTC)
    for number, one in enumerate(found):
        stays = one.exchange.time is None or one.redacted is not None
        last = last if stays or one.exchange.time is None else one.exchange.time
        heapq.heappush(waiting, (last, number, one))
        if len(waiting) > depth:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


class Ids:
    """Hands out ids that are unique: the one that an exchange has where that is free, or else the next number."""

    def __init__(self) -> None:
        self._numbers = 0  # all numbers up to here are taken
        self._others: set[str] = set()

    def take(self, wanted: str) -> str:
        """An id that no other exchange has."""
        if wanted and not self._taken(wanted):
            return self._keep(wanted)
        number = self._numbers + 1
        while str(number) in self._others:
            number += 1
        return self._keep(str(number))

    def _taken(self, name: str) -> bool:
        # Numbers that were given in turn, as nearly all are, cost no memory.
        plain = name.isascii() and name.isdecimal() and len(name) < 20 and name[0] != "0"
        return name in self._others or (plain and int(name) <= self._numbers)

    def _keep(self, name: str) -> str:
        if name == str(self._numbers + 1):
            self._numbers += 1
        else:
            self._others.add(name)
        return name
