"""Bounded counters: what a fold over any number of exchanges may keep.

Law: memory does not grow with the traffic. Every counter keeps exact counts, but only the first few pieces of evidence
and examples, each cut to a fixed length; what was left out is counted. The first ones are those that stand first in the
capture: `at`, where an exchange stands, is kept beside each. So two counters of two parts of a capture add up (`merge`)
to that of both, in whatever order parts are added.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from qqlab.profile.adding import KEPT, earliest, first_of, latest

# Characters of one captured text.
LENGTH = 80


def clip(text: str, limit: int = LENGTH) -> str:
    """The text, or its beginning and its length in characters where it is longer than `limit`."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


class Cited(NamedTuple):
    """An exchange as evidence: the id by which it is cited, its time, and where it stands."""

    label: str
    time: datetime | None
    at: int


class Evidence(msgspec.Struct, array_like=True, gc=False):
    """How often something happened, the ids of the first exchanges in which it did, and when it first and last did.

    `ats` says where these exchanges stand. `more` tells whether it happened in others, too.
    """

    count: int = 0
    ids: list[str] = []
    ats: list[int] = []
    more: bool = False
    first: datetime | None = None
    last: datetime | None = None

    def add(self, exchange: str, time: datetime | None = None, at: int = 0) -> None:
        """Count one more, in an exchange that stands behind all before; the same exchange is named once."""
        self.count += 1
        if time is not None:
            if self.first is None or self.last is None:
                self.first = self.last = time
            elif time > self.last:
                self.last = time
            elif time < self.first:
                self.first = time
        if self.more or (name := clip(exchange)) in self.ids:
            return
        if len(self.ids) < KEPT:
            self.ids.append(name)
            self.ats.append(at)
        else:
            self.more = True

    def merge(self, other: "Evidence") -> None:
        """Count all of another one, too."""
        self.count += other.count
        self.first, self.last = earliest(self.first, other.first), latest(self.last, other.last)
        if self.more and (not other.ats or self.ats[-1] < other.ats[0]):
            return  # all of them stand behind those that are kept
        self.ids, self.ats, more = first_of(self.ids, self.ats, other.ids, other.ats)
        self.more = self.more or other.more or more

    def add_all(self, cited: Iterable[Cited]) -> None:
        """Count an exchange each, in the order in which they stand."""
        rest = iter(cited)
        while not self.more and (one := next(rest, None)) is not None:
            self.add(*one)
        others = list(rest)
        self.count += len(others)
        times = [one.time for one in others if one.time is not None]
        if times:
            self.first, self.last = earliest(self.first, min(times)), latest(self.last, max(times))


class Held(msgspec.Struct, array_like=True, gc=False):
    """How often a rule held, could not be checked, and was broken."""

    held: int = 0
    unchecked: int = 0
    broken: Evidence = msgspec.field(default_factory=Evidence)

    def add(self, holds: bool | None, exchange: str, time: datetime | None, at: int = 0) -> None:
        """Count one case; None where it cannot be checked."""
        if holds:
            self.held += 1
        elif holds is None:
            self.unchecked += 1
        else:
            self.broken.add(exchange, time, at)

    def merge(self, other: "Held") -> None:
        """Count all of another one, too."""
        self.held += other.held
        self.unchecked += other.unchecked
        if other.broken.count:
            self.broken.merge(other.broken)


class Example(NamedTuple):
    """A captured value: the beginning of its text, None where it is masked, and its whole length in characters."""

    text: str | None
    length: int


class Examples(msgspec.Struct, array_like=True, gc=False):
    """The first distinct values, and where they stand. `more` tells whether there were others."""

    first: list[Example] = []
    ats: list[int] = []
    more: bool = False

    def add(self, text: str, masked: bool, at: int = 0) -> None:
        """Keep one more value if it is new and there is room; of a masked one only the length is kept."""
        example = Example(None if masked else text[:LENGTH], len(text))
        if example in self.first:
            return
        if len(self.first) < KEPT:
            self.first.append(example)
            self.ats.append(at)
        else:
            self.more = True

    def merge(self, other: "Examples") -> None:
        """Keep the first of both."""
        self.first, self.ats, more = first_of(self.first, self.ats, other.first, other.ats)
        self.more = self.more or other.more or more
