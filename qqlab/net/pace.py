"""When a step may go out: the recorded times on one anchored clock, a rate that delays, and how late things were.

Law: a step's time follows from the start alone, `start + due / speed`, never from when the step before went out, so
that nothing adds up. A rate delays and drops nothing. The clock is given, so that all of this is plain arithmetic.
"""

from array import array
from typing import NamedTuple


class Lateness(NamedTuple):
    """How many seconds after their time steps went out: half of them, 95 and 99 of 100, and the last one."""

    p50: float
    p95: float
    p99: float
    max: float


class Pace:
    """The clock of one replay. `speed` 1 is as recorded, 2 twice as fast, None as fast as it goes; `rate` is the most
    steps a second, None for no limit. `start` is the moment that times follow from, None for that when it begins."""

    def __init__(self, speed: float | None = None, rate: float | None = None, start: float | None = None) -> None:
        self._speed = speed
        self._gap = None if rate is None else 1 / rate
        self._given = start
        self._start = self._next = 0.0
        self._late = array("d")

    @property
    def is_free(self) -> bool:
        """Whether every step may go out at once, and none has a time."""
        return self._speed is None and self._gap is None

    def begin(self, now: float) -> None:
        """It starts now."""
        self._start = now if self._given is None else self._given
        self._next = now

    def due(self, due: float, now: float) -> float:
        """When a step that is `due` so many seconds after the first may go out; not after `now`: at once."""
        return now if self._speed is None else self._start + due / self._speed

    def reserve(self, now: float) -> float:
        """The seconds by which the rate delays one more step; its place is taken with that."""
        if self._gap is None:
            return 0.0
        at = max(self._next, now)
        self._next = at + self._gap
        return at - now

    def sent(self, due: float, now: float) -> None:
        """A step goes out."""
        if self._speed is not None:
            self._late.append(max(0.0, now - self._start - due / self._speed))

    @property
    def late(self) -> "array[float]":
        """How late each step was, in seconds; nothing where none has a time of its own."""
        return self._late


def lateness(late: "array[float]") -> Lateness | None:
    """What is told of it; None where there is nothing."""
    ordered = sorted(late)
    if not ordered:
        return None
    last = len(ordered) - 1
    return Lateness(*(round(ordered[int(last * part)], 6) for part in (0.5, 0.95, 0.99, 1)))
