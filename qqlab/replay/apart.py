"""A capture planned in parts, each by itself, so that the plans together are that of the whole.

Law: pure. A part is some lanes with all that happened in them; lanes that have to do with each other are in one part,
and so are those that share a count of sequence numbers. What a plan knows of a whole capture beyond that is told in
few words between the parts: the moment that times follow from, the values that clients of several parts were told, the
names that there are. Where these words do not settle it, the capture is planned as a whole: `NotApart` says why.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple, TypeVar

from qqlab.exchange import RawMessage
from qqlab.replay.correlate import Evidence, Settled, Way, is_repeated, judged
from qqlab.replay.lanes import Union, at_once
from qqlab.replay.order import groups, related
from qqlab.replay.plan import Options, Plan
from qqlab.replay.schedule import Span
from qqlab.replay.seen import Seen
from qqlab.spec import Effect

_T = TypeVar("_T")


class NotApart(Exception):  # nothing is wrong: it is planned as a whole
    """A capture, or what is asked for, cannot be planned in parts; it says why in one line."""


def why_whole(options: Options) -> str | None:
    """Why a replay with these options is planned as a whole, None where it need not be."""
    if options.only:
        return "--only looks for what it needs everywhere"
    if options.changes.settings or options.changes.accounts or options.pins:
        return "what is set or pinned may be for nothing, which only the whole capture shows"
    if options.max_gap is not None:
        return "a silence is one only where nobody does anything"
    return None


class LaneSeen(NamedTuple):
    """A lane: its sessions, the accounts that it has and all that it names, and how many exchanges. `nameless`: some of
    its numbered exchanges have no account."""

    sessions: frozenset[str]
    accounts: frozenset[str]
    named: frozenset[str]
    size: int
    nameless: bool


class PartSeen(NamedTuple):
    """What there is to know of a part before it is planned."""

    lanes: tuple[LaneSeen, ...]
    evidence: Mapping[Way, Evidence]


def part_seen(seen: Seen) -> PartSeen:
    """What other parts are to know of one."""
    sessions: dict[int, set[str]] = {lane: set() for lane in seen.named}
    sizes = dict.fromkeys(seen.named, 0)
    nameless = set()
    for lane, exchange, (account, number) in zip(seen.lanes, seen.exchanges, seen.owned_numbers(), strict=True):
        sessions[lane].add(exchange.session)
        sizes[lane] += 1
        if number and not account:
            nameless.add(lane)
    owners = seen.owners()
    lanes = tuple(
        LaneSeen(frozenset(sessions[lane]), frozenset(owners[lane]), frozenset(named), sizes[lane], lane in nameless)
        for lane, named in seen.named.items()
    )
    return PartSeen(lanes, seen.correlation.evidence())


def shared_out(sizes: Sequence[int], homes: Sequence[int], number: int) -> list[int]:
    """Which of so many parts each of these gets to, so that all have about the same to do. Each stays where it is at
    home as long as that does not get too much."""
    fair = sum(sizes) / number
    loads = [0] * number
    found = [0] * len(sizes)
    for one in sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True):
        home, least = homes[one], loads.index(min(loads))
        found[one] = home if loads[home] + sizes[one] <= fair * 1.05 else least
        loads[found[one]] += sizes[one]
    return found


def regrouped(parts: Sequence[PartSeen]) -> list[frozenset[str]] | None:
    """The sessions that each part is to have, so that lanes which have to do with each other are together; None where
    it is so. Where there are few such sets, some parts have none. Raises NotApart where all lanes have."""
    lanes = [(part, lane) for part, seen in enumerate(parts) for lane in seen.lanes]
    union = _belonging([lane for _, lane in lanes])
    home_of: dict[object, list[int]] = {}
    for number, (part, lane) in enumerate(lanes):
        home_of.setdefault(union.find(number), [0] * len(parts))[part] += lane.size
    if len(home_of) < 2:
        raise NotApart("its lanes have to do with each other")
    if all(sum(map(bool, homes)) == 1 for homes in home_of.values()):
        return None
    sizes = [sum(homes) for homes in home_of.values()]
    to = shared_out(sizes, [homes.index(max(homes)) for homes in home_of.values()], len(parts))
    part_of = dict(zip(home_of, to, strict=True))
    found: list[set[str]] = [set() for _ in parts]
    for number, (_, lane) in enumerate(lanes):
        found[part_of[union.find(number)]].update(lane.sessions)
    return [frozenset(sessions) for sessions in found]


def _belonging(lanes: Sequence[LaneSeen]) -> Union:
    """The lanes that have to be in one part, by their numbers."""
    accounts = {number: lane.accounts for number, lane in enumerate(lanes)}
    named = {number: lane.named for number, lane in enumerate(lanes)}
    union = Union()
    first: dict[int, int] = {}
    for number, group in groups(related(accounts, named)).items():
        union.join(first.setdefault(group, number), number)
    nameless = [number for number, lane in enumerate(lanes) if lane.nameless]
    for number in nameless:
        union.join(nameless[0], number)
    return union


class Asked(NamedTuple):
    """What each part is asked about: which of these values it was told, and all that it names, where that counts."""

    values: frozenset[str]
    names: bool


class Told(NamedTuple):
    """What a part says to that, values with whether several of its lanes were told them."""

    values: Mapping[str, bool]
    names: frozenset[str]


class Shared(NamedTuple):
    """What all parts know then."""

    settled: Settled
    names: frozenset[str]


def to_ask(parts: Sequence[PartSeen]) -> Asked:
    """What to ask each part about."""
    ways = [(way, evidence) for part in parts for way, evidence in part.evidence.items()]
    values = {value for way, evidence in ways if way.part == "whole" for value in evidence.values}
    return Asked(frozenset(values), any(way.part != "whole" for way, _ in ways))


def told(seen: Seen, asked: Asked) -> Told:
    """What a part says."""
    names = {name for names in seen.named.values() for name in names} if asked.names else ()
    return Told(seen.told(asked.values) if asked.values else {}, frozenset(names))


def shared(parts: Sequence[PartSeen], said: Sequence[Told]) -> Shared:
    """What the parts know together. Raises NotApart where it cannot be said what to make of a value."""
    counts: dict[str, int] = {}
    for one in said:
        for value, several in one.values.items():
            counts[value] = counts.get(value, 0) + (2 if several else 1)
    constants = frozenset(value for value, count in counts.items() if count > 1)
    ways: dict[Way, list[Evidence]] = {}
    for part in parts:
        for way, evidence in part.evidence.items():
            ways.setdefault(way, []).append(evidence)
    verdicts = {way: judged(way, _summed(way, found, constants), (), constants) for way, found in ways.items()}
    return Shared(Settled(verdicts, constants), frozenset().union(*(one.names for one in said)))


def _summed(way: Way, found: Sequence[Evidence], constants: frozenset[str]) -> Evidence:
    values = frozenset().union(*(one.values for one in found))
    summed = Evidence(
        sum(one.cases for one in found), sum(one.of for one in found), values, any(one.strong for one in found)
    )
    is_constant = way.part == "whole" and values <= constants
    if way.part != "last" and not summed.strong and not is_constant and is_repeated(summed):
        raise NotApart(f"how often {way.command}.{way.field} was not from a reply, only the whole capture shows")
    return summed


Place = tuple[float, int]
"""Where an exchange stands in a whole plan: when it began, and the number of its line."""


class Outline(NamedTuple):
    """What there is to know of a part's plan: how many `steps` it has, and when the `first` begins; from when to when
    each of its lanes is under way; the effects that are refused; the accounts that lack something, and the requests
    that hold secrets, each with its place."""

    steps: int
    first: float
    lanes: tuple[Span, ...]
    refused: tuple[Effect, ...]
    lacking: tuple[tuple[Place, str], ...]
    unread: tuple[tuple[Place, str], ...]
    secret: tuple[tuple[Place, RawMessage], ...]


class Whole(NamedTuple):
    """What there is to know of all parts' plans together. `plan` is that of the whole, but for its steps and what is
    skipped; `loads` are how many steps each part has, `lanes` how many lanes there are."""

    plan: Plan
    first: float
    lanes: int
    loads: tuple[int, ...]
    secret: tuple[RawMessage, ...]


def outline(
    planned: Plan, begins: Sequence[float], ends: Sequence[float], numbers: Sequence[int], secret: Iterable[int]
) -> Outline:
    """What others are to know of a part's plan: from when to when each of its steps was, the numbers of their lines,
    and which of them hold secrets."""
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    for step, begin, end in zip(planned.steps, begins, ends, strict=True):
        first.setdefault(step.lane, begin)
        if end > last.setdefault(step.lane, end):
            last[step.lane] = end
    tried: dict[str, Place] = {}
    for number in secret:
        tried.setdefault(planned.steps[number].account or "", (begins[number], numbers[number]))
    return Outline(
        steps=len(planned.steps),
        first=begins[0] if begins else float("inf"),
        lanes=tuple(Span(begin, last[lane]) for lane, begin in first.items()),
        refused=planned.refused,
        lacking=tuple((tried.get(account, (0.0, 0)), account) for account in planned.lacking),
        unread=tuple((tried.get(account, (0.0, 0)), account) for account in planned.unread),
        secret=tuple(((begins[number], numbers[number]), planned.steps[number].request) for number in secret),
    )


def whole(parts: Sequence[Outline]) -> Whole:
    """What the parts are together."""
    spans = [span for part in parts for span in part.lanes]
    return Whole(
        plan=Plan(
            steps=(),
            skipped={},
            lacking=tuple(_in_order(part.lacking for part in parts)),
            unread=tuple(_in_order(part.unread for part in parts)),
            at_once=at_once(range(len(spans)), spans),
            refused=tuple(dict.fromkeys(effect for part in parts for effect in part.refused)),
        ),
        first=min(part.first for part in parts),
        lanes=len(spans),
        loads=tuple(part.steps for part in parts),
        secret=tuple(_in_order(part.secret for part in parts)),
    )


def _in_order(parts: Iterable[tuple[tuple[Place, _T], ...]]) -> Iterator[_T]:
    return (one for _, one in sorted((one for part in parts for one in part), key=itemgetter(0)))
