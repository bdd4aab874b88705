"""How often each of any number of names occurred.

Law: exact for all as long as they are few. Of more, those of the lowest rank are kept (`qqlab.profile.lowest`), with
exact counts; the rest is counted together, and how many there are is estimated.
"""

import msgspec

from qqlab.profile.distinct import Distinct, united
from qqlab.profile.lowest import Lowest, lowest, rank
from qqlab.profile.tally import clip

NAMES = 1000  # clients, accounts, ...


class Names(msgspec.Struct, array_like=True, gc=False):
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
        if self.lowest is None and len(self.counts) < self.room:
            return True
        gone = self._close().admit(name, at := rank(name))
        if gone is not None and self.beyond is not None:
            self.beyond.add(at if gone == name else rank(gone))
            if gone != name:
                self.more += self.counts.pop(gone)
                del self.at[gone]
        return gone != name

    def merge(self, other: "Names") -> None:
        """Count all of another one, too."""
        self.more += other.more
        if other.lowest is not None:
            self._take(self._close(), other.lowest, other)
            self.beyond = united(self.beyond, other.beyond)
            return
        for name, count in other.counts.items():
            self.add(name, other.at[name], count)

    def _take(self, mine: Lowest[str], order: Lowest[str], other: "Names") -> None:
        """Count those of another one, few of which are kept; it is known from which rank on none is."""
        for place, pair in enumerate(order.order):
            name = pair[1]
            if mine.is_full and pair > mine.order[-1]:
                assert self.beyond is not None
                self.beyond.add_all(at for at, _ in order.order[place:])
                self.more += sum(other.counts[name] for _, name in order.order[place:])
                return
            self.add(name, other.at[name], other.counts[name])

    def _close(self) -> Lowest[str]:
        """The order of what is kept, from when on more must be told from it."""
        if self.lowest is None:
            self.lowest, self.beyond = lowest(self.counts, self.room, rank), Distinct()
        return self.lowest

    def settled(self) -> "Names":
        """The same, without what only counting needs."""
        counts = dict(sorted(self.counts.items(), key=lambda item: self.at[item[0]]))
        about = None if self.beyond is None else max(len(counts) + 1, self.beyond.count(map(rank, counts)))
        return Names(room=self.room, counts=counts, more=self.more, about=about)
