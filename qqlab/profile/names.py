"""How often each of any number of names occurred.

Law: exact for all as long as they are few. Of more, those of the lowest rank are kept (`qqlab.profile.lowest`), with
exact counts; the rest is counted together, and how many there are is estimated.
"""

import msgspec

from qqlab.profile.distinct import Distinct, united
from qqlab.profile.lowest import Lowest, lowest, rank
from qqlab.profile.tally import clip

NAMES = 1000  # clients, accounts, ...


class Names(msgspec.Struct):
    """The counts by name, in order of appearance once they are `settled`; `more` counts occurrences of others.

    `about` is how many different ones there are, an estimate; None where they are all there.
    """

    room: int = NAMES
    counts: dict[str, int] = {}
    more: int = 0
    about: int | None = None
    at: dict[str, int] = {}
    lowest: Lowest[str] | None = None
    beyond: Distinct | None = None

    def add(self, name: str, at: int = 0, count: int = 1) -> None:
        """Count occurrences of a name, the first of them in the exchange that stands at `at`."""
        name = clip(name)
        known = self.counts.get(name)
        if known is not None:
            self.counts[name] = known + count
            self.at[name] = min(self.at[name], at)
        elif self._has_room(name):
            self.counts[name], self.at[name] = count, at
        else:
            self.more += count

    def _has_room(self, name: str) -> bool:
        """Whether a new name is kept; another one may have to go for it."""
        if self.lowest is None:
            if len(self.counts) < self.room:
                return True
            self.lowest, self.beyond = lowest(self.counts, self.room, rank), Distinct()
        gone = self.lowest.admit(name, at := rank(name))
        if gone is not None and self.beyond is not None:
            self.beyond.add(at if gone == name else rank(gone))
            if gone != name:
                self.more += self.counts.pop(gone)
                del self.at[gone]
        return gone != name

    def merge(self, other: "Names") -> None:
        """Count all of another one, too."""
        for name, count in other.counts.items():
            self.add(name, other.at[name], count)
        self.more += other.more
        if other.beyond is not None:
            if self.lowest is None:
                self.lowest = lowest(self.counts, self.room, rank)
            self.beyond = united(self.beyond, other.beyond)

    def settled(self) -> "Names":
        """The same, without what only counting needs."""
        counts = dict(sorted(self.counts.items(), key=lambda item: self.at[item[0]]))
        about = None if self.beyond is None else max(len(counts) + 1, self.beyond.count(map(rank, counts)))
        return Names(room=self.room, counts=counts, more=self.more, about=about)
