"""Bounded counters: what a fold over any number of exchanges may keep.

Law: memory does not grow with the traffic. Every counter keeps exact counts, but only the first few pieces of
evidence, examples and distinct names, each cut to a fixed length; what was left out is counted. The first ones
are kept, in order of appearance, so the same input always gives the same result.
"""

from datetime import datetime
from typing import NamedTuple

import msgspec

# Pieces of evidence for one fact, and characters of one captured text.
KEPT = 5
LENGTH = 80


def clip(text: str, limit: int = LENGTH) -> str:
    """The text, or its beginning and its length in characters where it is longer than `limit`."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


class Evidence(msgspec.Struct):
    """How often something happened, the ids of the first exchanges in which it did, and when it first and last did.

    `more` tells whether it happened in others, too.
    """

    count: int = 0
    ids: list[str] = []
    more: bool = False
    first: datetime | None = None
    last: datetime | None = None

    def add(self, exchange: str, time: datetime | None = None) -> None:
        """Count one more; the same exchange is named once."""
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
        else:
            self.more = True


class Held(msgspec.Struct):
    """How often a rule held, could not be checked, and was broken."""

    held: int = 0
    unchecked: int = 0
    broken: Evidence = msgspec.field(default_factory=Evidence)

    def add(self, holds: bool | None, exchange: str, time: datetime | None) -> None:
        """Count one case; None where it cannot be checked."""
        if holds:
            self.held += 1
        elif holds is None:
            self.unchecked += 1
        else:
            self.broken.add(exchange, time)


class Names(msgspec.Struct):
    """How often each name occurred, in order of appearance. `more` counts occurrences of names beyond the limit."""

    counts: dict[str, int] = {}
    more: int = 0

    def add(self, name: str, limit: int) -> None:
        """Count one more occurrence of a name."""
        name = clip(name)
        if name in self.counts or len(self.counts) < limit:
            self.counts[name] = self.counts.get(name, 0) + 1
        else:
            self.more += 1


class Example(NamedTuple):
    """A captured value: the beginning of its text, None where it is masked, and its whole length in characters."""

    text: str | None
    length: int


class Examples(msgspec.Struct):
    """The first distinct values. `more` tells whether there were others."""

    first: list[Example] = []
    more: bool = False

    def add(self, text: str, masked: bool) -> None:
        """Keep one more value if it is new and there is room; of a masked one only the length is kept."""
        example = Example(None if masked else text[:LENGTH], len(text))
        if example in self.first:
            return
        if len(self.first) < KEPT:
            self.first.append(example)
        else:
            self.more = True
