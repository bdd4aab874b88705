"""Which of any number of things are kept: the ones with the lowest rank.

Law: a rank is a hash of the thing itself, the same in every process and on every machine. So what is kept of all is
kept of every part of them, too, in whatever parts they are counted: its counts are exact, and do not depend on the
parts. Ranks are spread evenly, so that what is kept is a fair sample; they are not made to withstand someone who looks
for collisions, who gains by them only that his own things are told apart less well.
"""

from bisect import insort
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import msgspec
import xxhash

Key = TypeVar("Key")

_digest = xxhash.xxh3_64_intdigest


def rank(text: str) -> int:
    """Where a text stands among all: a number of 64 bits."""
    return _digest(text.encode("utf-8", "surrogatepass"))


class Lowest(msgspec.Struct, Generic[Key], array_like=True, gc=False):
    """The `room` things of the lowest rank among those that were let in, in the order of their ranks.

    Two of one rank are ordered by themselves.
    """

    room: int
    order: list[tuple[int, Key]] = []

    def admit(self, key: Key, at: int) -> Key | None:
        """Let in one that is new, of rank `at`. Returns the one for which there is no room then, itself or another."""
        new = (at, key)
        if len(self.order) < self.room:
            insort(self.order, new)
            return None
        if new >= self.order[-1]:
            return key
        insort(self.order, new)
        return self.order.pop()[1]

    @property
    def is_full(self) -> bool:
        """Whether there is no more room, but for another one's."""
        return len(self.order) >= self.room


def lowest(keys: Iterable[Key], room: int, ranked: Callable[[Key], int]) -> Lowest[Key]:
    """The order of those that are kept, of which there are no more than there is room for."""
    return Lowest(room, sorted((ranked(key), key) for key in keys))
