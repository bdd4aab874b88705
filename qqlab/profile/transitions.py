"""Which command came after which in one session, and how long after.

Law: what a stretch of a session shows, and with what it begins and ends: as much as it takes to tell what the stretch
before it and this one show together (`then`). A time before that of the exchange before it is counted, and no
duration is made of it. What the server pushes is no command of the client: it only takes its time.
"""

from datetime import datetime

import msgspec

from qqlab.profile.behaviour import TransitionTally
from qqlab.profile.lowest import Lowest, lowest, rank

# Pairs of commands of which something is kept.
TRANSITIONS = 1000
# What one session counts at most when it is asked how much there is of all.
HEAVIEST = 1 << 17

Pair = tuple[str, str]


class Transitions(msgspec.Struct, array_like=True, gc=False):
    """A stretch of at least one exchange.

    `opened` and `last` are the times of its first and its last exchange. `lead` is the first command that was sent, and
    `gap` how long it came after the exchange before it; where that is none of the stretch (`leads`), it is not known.
    `command` is the last one that was sent. `more` counts pairs beyond the limit.
    """

    opened: datetime | None
    last: datetime | None
    lead: str | None = None
    gap: float | None = None
    leads: bool = False
    command: str | None = None
    pairs: dict[Pair, TransitionTally] = {}
    more: int = 0
    order: Lowest[Pair] | None = None
    clock_back: int = 0

    def add(self, command: str, time: datetime | None) -> None:
        """One more exchange, in which that command was sent."""
        gap = self.wait(time)
        if self.command is None:
            self.lead, self.gap = command, gap
        else:
            self._pair(self.command, command, gap)
        self.command = command

    def wait(self, time: datetime | None) -> float | None:
        """How long after the last exchange this one comes, which is the last one now."""
        last, self.last = self.last, time
        if time is None or last is None:
            return None
        seconds = (time - last).total_seconds()
        if seconds < 0:
            self.clock_back += 1
            return None
        return seconds

    def then(self, after: "Transitions") -> None:
        """The stretch right after this one, too."""
        gap = self.wait(after.opened)
        if after.lead is not None:
            gap = gap if after.leads else after.gap
            if self.command is None:
                self.lead, self.gap = after.lead, gap
            else:
                self._pair(self.command, after.lead, gap)
            self.command = after.command
        self.last = after.last
        self.clock_back += after.clock_back
        self.more += after.more
        for pair, tally in after.pairs.items():
            self._add(pair, tally)
        if after.order is not None and self.order is None:
            self.order = lowest(self.pairs, TRANSITIONS, ranked)

    def _pair(self, before: str, after: str, gap: float | None) -> None:
        tally = self.pairs.get((before, after))
        if tally is None:
            self._add((before, after), tally := TransitionTally())
            # One more that there is no room for is counted, too.
            self.more += (before, after) not in self.pairs
        tally.count += 1
        if gap is not None:
            tally.gaps.add(gap)

    def _add(self, pair: Pair, tally: TransitionTally) -> None:
        if pair in self.pairs:
            self.pairs[pair].merge(tally)
        elif self._has_room(pair):
            self.pairs[pair] = tally
        else:
            self.more += tally.count

    def _has_room(self, pair: Pair) -> bool:
        """Whether a new pair is kept; another one may have to go for it."""
        if self.order is None:
            if len(self.pairs) < TRANSITIONS:
                return True
            self.order = lowest(self.pairs, TRANSITIONS, ranked)
        gone = self.order.admit(pair, ranked(pair))
        if gone is not None and gone != pair:
            self.more += self.pairs.pop(gone).count
        return gone != pair

    @property
    def weight(self) -> int:
        """How much there is of it, which only grows as the stretch does: where pairs had to go, as if it was most."""
        if self.order is not None:
            return HEAVIEST
        return min(HEAVIEST, sum(1 + len(tally.gaps.buckets) for tally in self.pairs.values()))


def ranked(pair: Pair) -> int:
    """The rank of a pair."""
    return rank("\0".join(pair))
