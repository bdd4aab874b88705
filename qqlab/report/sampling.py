"""Which exchanges are shown one by one, where there are too many to show all: a fair sample of each command.

Law: the sample is the same however the traffic is cut and in whatever order its parts are added, and bounded. Of each
command those are in it whose ids have the lowest rank (`qqlab.profile.lowest`): which ones, is as good as drawn. How
many of each there is room for is settled once all are counted, and can only have become fewer on the way.
"""

from collections.abc import Mapping

import msgspec

from qqlab.exchange import Exchange
from qqlab.profile.lowest import rank

# Beyond so many times the room, what can be in no sample is dropped.
_SLACK = 4


class Group(msgspec.Struct, array_like=True):
    """The exchanges of one command: how many, and those of the lowest rank, each with where it stands. All of a rank
    below `limit` are there."""

    count: int = 0
    lowest: list[tuple[int, int]] = []
    limit: int = 1 << 64

    def cut(self, most: int) -> None:
        """Keep so many."""
        if len(self.lowest) > most:
            self.lowest.sort()
            self.limit = self.lowest[most][0]
            self.lowest = [one for one in self.lowest[:most] if one[0] < self.limit]


class Sampling(msgspec.Struct):
    """The sample so far, for so much `room`; `mark` is what stands before a command's name. Of names, too, those of the
    lowest rank are kept, all of them below `limit`; `kept` is about how many exchanges are held."""

    mark: bytes
    room: int
    total: int = 0
    groups: dict[bytes, Group] = {}
    limit: int = 1 << 64
    kept: int = 0

    def add(self, at: int, label: str, exchange: Exchange) -> None:
        """One more exchange, which stands at `at` and is called `label`."""
        self.total += 1
        name = named(exchange, self.mark)
        group = self.groups.get(name)
        if group is None:
            group = self._begun(name)
            if group is None:
                return
        group.count += 1
        place = rank(label)
        if place < group.limit:
            group.lowest.append((place, at))
            self.kept += 1
            if self.kept > _SLACK * self.room:
                self.trim()

    def _begun(self, name: bytes) -> Group | None:
        if _rank(name) >= self.limit:
            return None
        group = self.groups[name] = Group()
        if len(self.groups) > _SLACK * self.room:
            self._cut_names()
        return group if name in self.groups else None

    def _cut_names(self) -> None:
        if len(self.groups) > self.room:
            ranked = sorted((_rank(name), name) for name in self.groups)
            self.limit = ranked[self.room][0]
            self.groups = {name: self.groups[name] for _, name in ranked[: self.room]}

    def trim(self) -> None:
        """Keep what can still be in the sample."""
        self._cut_names()
        shares = shared([group.count for group in self.groups.values()], self.room)
        for group in self.groups.values():
            group.cut(min(group.count, shares + 1))
        self.kept = sum(len(group.lowest) for group in self.groups.values())

    def merge(self, other: "Sampling") -> None:
        """Add what another one has, which is used up."""
        self.total += other.total
        self.limit = min(self.limit, other.limit)
        for name, theirs in other.groups.items():
            own = self.groups.setdefault(name, theirs)
            if own is not theirs:
                own.count += theirs.count
                own.lowest += theirs.lowest
                own.limit = min(own.limit, theirs.limit)
        if self.limit < 1 << 64:
            self.groups = {name: group for name, group in self.groups.items() if _rank(name) < self.limit}
        for group in self.groups.values():
            if group.limit < 1 << 64:
                group.lowest = [one for one in group.lowest if one[0] < group.limit]
        self.trim()

    def chosen(self, cited: Mapping[int, bytes]) -> list[int]:
        """Where the exchanges stand that are in the sample, in order: as many of each command as there is room for
        beside those that are shown anyway, of which `cited` has the commands by where they stand."""
        self.trim()
        ours: dict[bytes, int] = {}
        for name in cited.values():
            ours[name] = ours.get(name, 0) + 1
        if self.total <= self.room:
            return sorted(at for group in self.groups.values() for _, at in group.lowest if at not in cited)
        found, room = [], self.room
        groups = sorted(self.groups.items(), key=lambda item: (item[1].count, item[0]))
        for number, (name, group) in enumerate(groups):
            share = max(ours.get(name, 0), min(group.count, room // (len(groups) - number)))
            others = (at for _, at in sorted(group.lowest) if at not in cited)
            found += [at for at, _ in zip(others, range(share - ours.get(name, 0)), strict=False)]
            room -= share
        return sorted(found)[: max(0, self.room - len(cited))]


def shared(counts: list[int], room: int) -> int:
    """How many of each kind there is room for, where all of those of which there are fewer are taken."""
    left = len(counts)
    for count in sorted(counts):
        if count * left > room:
            return room // left
        room -= count
        left -= 1
    return max(counts, default=0)


def named(exchange: Exchange, mark: bytes) -> bytes:
    """The command that an exchange names, roughly: enough to tell one kind from another. `mark` is in upper case."""
    message = exchange.request or exchange.reply
    if message is None:
        return b""
    body = message.body[:1024]
    _, found, rest = body.partition(b"&" + mark)
    if not found:
        _, _, rest = (b"&" + body.upper()).partition(b"&" + mark)
    return rest.partition(b"&")[0][:32].upper()


def _rank(name: bytes) -> int:
    return rank(name.decode("latin-1"))
