"""Who waits for whom: what accounts do to each other keeps its recorded order, and nothing else does.

Law: pure; time goes with the number of steps and of lanes that have to do with each other, not with their product.
Two lanes are related when they share an account or one names an account of the other. A step waits for the last step
of each related lane that had ended before it began, where one of the two changes something; and where both do, of each
lane that is related to one that its own is related to, too: whoever hears of both hears of them in this order. What it
waits for anyway, through its own lane or through another step, is not listed again. Only earlier steps are waited for,
so no circle.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from qqlab.replay.lanes import Union
from qqlab.replay.schedule import Span

# What is covered by another edge is looked for among so many; more edges than needed do no harm.
_LOOKED_AT = 4


class Placed(NamedTuple):
    """A step as its order needs it: its lane, when it happened, and whether it changes what others may see."""

    lane: int
    span: Span
    changes: bool


class Last(NamedTuple):
    """The last step of a lane that is over. Times are counted in steps that were over: `known` when it began, `end`
    when it was over itself."""

    place: int
    known: int
    end: int
    changes: bool


def related(accounts: Mapping[int, Collection[str]], named: Mapping[int, Collection[str]]) -> dict[int, set[int]]:
    """The lanes that each lane is related to, by the accounts of each lane and by all that it names."""
    of: dict[str, list[int]] = {}
    for lane, mine in accounts.items():
        for account in mine:
            of.setdefault(account, []).append(lane)
    found: dict[int, set[int]] = {lane: set() for lane in accounts}
    for lane in accounts:
        others = {other for name in {*named.get(lane, ()), *accounts[lane]} for other in of.get(name, ())} - {lane}
        found[lane] |= others
        for other in others:
            found[other].add(lane)
    return found


def near(relations: Mapping[int, Collection[int]]) -> dict[int, set[int]]:
    """The lanes that each lane shares a related lane with, without those that it is related to."""
    return {
        lane: {third for other in others for third in relations[other]} - {lane, *others}
        for lane, others in relations.items()
    }


def groups(relations: Mapping[int, Collection[int]]) -> dict[int, int]:
    """The number of each lane's group: lanes of different groups have nothing to do with each other."""
    union = Union()
    for lane, others in relations.items():
        for other in others:
            union.join(lane, other)
    numbers: dict[object, int] = {}
    return {lane: numbers.setdefault(union.find(lane), len(numbers)) for lane in sorted(relations)}


def afters(steps: Sequence[Placed], relations: Mapping[int, Collection[int]]) -> list[tuple[int, ...]]:
    """For each step the places of those that must be over before it begins; steps stand in the order of their begin."""
    return _Waiting(steps, relations).all()


class _Waiting:
    """What was over at the time that is looked at: by group and in the order of their ends, each lane's last step."""

    def __init__(self, steps: Sequence[Placed], relations: Mapping[int, Collection[int]]) -> None:
        self._steps = steps
        self._relations = relations
        self._near = near(relations)
        self._groups = groups(relations)
        self._any: dict[int, dict[int, Last]] = {group: {} for group in self._groups.values()}
        self._changing: dict[int, dict[int, Last]] = {group: {} for group in self._groups.values()}
        self._known = [0] * len(steps)
        # Up to when a lane's earlier steps have waited: for whatever changes something, and for everything.
        self._heeded: dict[int, int] = {}
        self._heeded_all: dict[int, int] = {}
        self._wider: dict[tuple[int, int], bool] = {}

    def all(self) -> list[tuple[int, ...]]:
        found: list[tuple[int, ...]] = []
        ends = sorted(range(len(self._steps)), key=lambda place: self._steps[place].span.end)
        over = 0
        for place, step in enumerate(self._steps):
            while ends[over] < place and self._steps[ends[over]].span.end <= step.span.begin:
                self._ended(ends[over], over)
                over += 1
            self._known[place] = over
            found.append(tuple(sorted(self._of(step))) if self._relations[step.lane] else ())
            self._heeded[step.lane] = over
            if step.changes:
                self._heeded_all[step.lane] = over
        return found

    def _ended(self, place: int, end: int) -> None:
        lane, _, changes = self._steps[place]
        group = self._groups[lane]
        for last in (self._any[group], self._changing[group]) if changes else (self._any[group],):
            before = last.pop(lane, None)  # to stand last again
            if before is not None and before.place > place:
                last[lane] = before._replace(end=end)
            else:
                last[lane] = Last(place, self._known[place], end, changes)

    def _of(self, step: Placed) -> list[int]:
        group, others = self._groups[step.lane], self._relations[step.lane]
        last = (self._any if step.changes else self._changing)[group]
        heeded = (self._heeded_all if step.changes else self._heeded).get(step.lane, 0)
        kept: list[tuple[int, Last]] = []
        for lane, one in _latest_first(last, others):
            if one.end < heeded:
                break
            if not self._covered(lane, one, kept):
                kept.append((lane, one))
                if one.changes and self._knows_more(lane, step.lane):
                    heeded = max(heeded, one.known)
        if step.changes:
            kept += self._near_of(step, kept)
        return [one.place for _, one in kept]

    def _near_of(self, step: Placed, kept: Sequence[tuple[int, Last]]) -> list[tuple[int, Last]]:
        """What else changes something that those may see who see what this step changes."""
        changing, others = self._changing[self._groups[step.lane]], self._near[step.lane]
        heeded = self._heeded_all.get(step.lane, 0)
        found: list[tuple[int, Last]] = []
        for lane in reversed(changing):
            one = changing[lane]
            if one.end < heeded:
                break
            if lane in others and not self._covered(lane, one, [*found, *kept]):
                found.append((lane, one))
        return found

    def _covered(self, lane: int, one: Last, kept: Sequence[tuple[int, Last]]) -> bool:
        """Whether a step that is waited for has waited for this one."""
        return any(
            one.end < later.known
            and (
                ((later.changes or one.changes) and lane in self._relations[other])
                or (later.changes and one.changes and lane in self._near[other])
            )
            for other, later in kept[:_LOOKED_AT]
        )

    def _knows_more(self, lane: int, than: int) -> bool:
        """Whether a lane is related to all that another is related to."""
        known = self._wider.get((lane, than))
        if known is None:
            wide, narrow = self._relations[lane], self._relations[than]
            known = self._wider[lane, than] = all(other == lane or other in wide for other in narrow)
        return known


def _latest_first(last: dict[int, Last], lanes: Collection[int]) -> Iterator[tuple[int, Last]]:
    """What was over of these lanes, the latest first. All lanes stand in the order of their ends: a few are looked up,
    of many the rest is passed over."""
    if 4 * len(lanes) < len(last):
        found = [(last[lane].end, lane) for lane in lanes if lane in last]
        return ((lane, last[lane]) for _, lane in sorted(found, reverse=True))
    return ((lane, last[lane]) for lane in reversed(last) if lane in lanes)
