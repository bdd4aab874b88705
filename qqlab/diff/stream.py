"""Two captures joined as they are read: exchanges by their id, pushes by what they are.

Law: what has its counterpart is given out at once and forgotten; only what waits for one is held. Of two captures in
nearly the same order that is little, however long they are: the side that is ahead of its last match waits for the
other. What comes out is in the order of the first capture, but for what waited.
"""

from collections.abc import Container, Iterable, Iterator

import msgspec

from qqlab.diff.pushes import Aligned, Pushes, is_push
from qqlab.exchange import Exchange
from qqlab.spec import Spec

Place = tuple[int, int]


class Paired(msgspec.Struct, frozen=True, gc=False):
    """An exchange of the first capture and its counterpart; None where there is none. `place` orders what was found as
    the captures have it: what only the second has stands behind all else."""

    place: Place
    expected: Exchange | None
    actual: Exchange | None


Numbered = Iterable[tuple[int, Exchange]]
"""Exchanges with numbers that grow along their capture."""


class Join:
    """Joins two captures, once, each with the numbers of its exchanges. What is `passed_over` by its id waits for no
    counterpart and gets none, but for a push, which no id tells. `in_step` tells whether all that came so far stands in
    the same order in both."""

    def __init__(self, expected: Numbered, actual: Numbered, spec: Spec, passed_over: Container[str] = ()) -> None:
        self.in_step = True
        self._sides = _Side(expected), _Side(actual)
        self._pushes = Pushes(spec)
        self._passed_over = passed_over

    @property
    def held(self) -> int:
        """How many exchanges wait for their counterparts."""
        return sum(len(side.waiting) for side in self._sides) + self._pushes.held

    def __iter__(self) -> Iterator[Paired]:
        yield from self._side_by_side()
        self.in_step = False
        while (side := self._next()) is not None:
            exchange = self._sides[side].read()
            if exchange is not None:
                yield from self._taken(side, exchange)
        yield from self._rest()

    def _side_by_side(self) -> Iterator[Paired]:
        """Both captures side by side, as long as each exchange stands beside its counterpart: most are like that, and
        nothing has to wait then."""
        first, second = self._sides
        while (left := first.read()) is not None:
            right = second.read()
            if right is None or left.id != right.id or left.id in self._passed_over or is_push(left) or is_push(right):
                self.in_step = False
                for side in self._sides:
                    side.match(side.before)
                yield from self._taken(0, left)
                if right is not None:
                    yield from self._taken(1, right)
                return
            yield Paired((0, first.number), left, right)

    def _next(self) -> int | None:
        """Which side to read: the one that is not ahead of its last match, as long as there is more of it."""
        first, second = self._sides
        if first.over or second.over:
            return None if first.over and second.over else int(first.over)
        return int(first.ahead > second.ahead)

    def _taken(self, side: int, exchange: Exchange) -> Iterable[Paired]:
        """What one more exchange settles."""
        if is_push(exchange):
            return map(_of_push, self._pushes.add(side, self._sides[side].number, exchange))
        if exchange.id in self._passed_over:
            self._sides[side].match(self._sides[side].number)
            return () if side else (_alone(side, self._sides[side].number, exchange),)
        return self._matched(side, exchange)

    def _matched(self, side: int, exchange: Exchange) -> Iterable[Paired]:
        own, other = self._sides[side], self._sides[1 - side]
        found = other.waiting.pop(exchange.id, None)
        if found is not None:
            own.match(own.number)
            other.match(found[0])
            pair = (found[1], exchange) if side else (exchange, found[1])
            return (Paired((0, found[0] if side else own.number), *pair),)
        if other.over or exchange.id in own.waiting:  # which a capture that was read from a file never has
            return (_alone(side, own.number, exchange),)
        own.waiting[exchange.id] = own.number, exchange
        return ()

    def _rest(self) -> Iterator[Paired]:
        """What has no counterpart, now that all is read."""
        left = [_alone(side, *one) for side, capture in enumerate(self._sides) for one in capture.waiting.values()]
        left += map(_of_push, self._pushes.rest())
        yield from sorted(left, key=lambda paired: paired.place)


def _of_push(pair: Aligned) -> Paired:
    left, right = pair
    if left is not None:
        return Paired((0, left.number), left.exchange, None if right is None else right.exchange)
    assert right is not None
    return _alone(1, right.number, right.exchange)


def _alone(side: int, number: int, exchange: Exchange) -> Paired:
    return Paired((1, number), None, exchange) if side else Paired((0, number), exchange, None)


class _Side:
    """One capture being read: how far, and what waits."""

    def __init__(self, exchanges: Numbered) -> None:
        self._exchanges = iter(exchanges)
        self.number = self.before = 0
        self.over = False
        self.waiting: dict[str, tuple[int, Exchange]] = {}
        self._matched = 0

    def read(self) -> Exchange | None:
        """The next exchange, None where there is none."""
        self.before = self.number
        found = next(self._exchanges, None)
        if found is None:
            self.over = True
            return None
        self.number, exchange = found
        return exchange

    def match(self, number: int) -> None:
        """Take note that the exchange of this number has its counterpart."""
        self._matched = max(self._matched, number)

    @property
    def ahead(self) -> int:
        """How many were read behind the last that has its counterpart."""
        return self.number - self._matched
