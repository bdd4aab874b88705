"""What a replay will send: recorded requests, with the few spans changed that must be, in their lanes.

Law: pure, and in one go: each message is read once, and time goes with their number. What cannot or may not be sent is
left out with its reason. A push is not sent but waited for, where its connection is replayed. How requests are changed
says `rewrite`, what they take from replies `correlate`, who waits for whom `order`, when each is due `schedule`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from qqlab.exchange import Exchange, RawMessage
from qqlab.replay.changes import Changes, check_accounts, check_commands, strange
from qqlab.replay.correlate import Hole, Link, Produced
from qqlab.replay.effects import effect_of, not_allowed, not_one
from qqlab.replay.lanes import Lane, at_once, line
from qqlab.replay.order import Placed, afters, groups
from qqlab.replay.passwords import Passwords, no_passwords
from qqlab.replay.reading import Read, read
from qqlab.replay.rewrite import Example, Refused, Rewriting
from qqlab.replay.schedule import dues
from qqlab.replay.seen import Seen
from qqlab.replay.selection import Choice, needed
from qqlab.replay.sequences import Sequences
from qqlab.spec import Effect, Spec


class Step(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A recorded exchange and the request to send for it.

    `request` is rewritten but for its `holes`, which replies before it fill; `wanted` are the values of its own reply
    that later holes wait for, `known` the identifiers that the recording itself names, where that matters for them.
    `changed` are the names of fields that someone set. `alike` is a number that it has in common with steps that were
    recorded the same but for their sequence numbers, None where there are few of them.
    `lane` is the number of its lane, `connection` names the recorded connection to go over again within it, None for
    one of its own that is closed after. `line` names the one long connection
    that it went over as a bare line, None for HTTP. `account` is the one that it is sent for, `command` the spec's
    spelling of what it asks for, or the wire's. `due` are the seconds from the first step to this one. `after` are the
    ids of earlier steps of other lanes that must be over before it begins. `tries`: whether it holds something made
    from a password; `login`: whether it is a login that succeeded when recorded.
    """

    recorded: Exchange
    request: RawMessage
    line: str | None = None
    lane: int = 0
    connection: str | None = None
    account: str | None = None
    command: str = ""
    effect: Effect = "write"
    due: float = 0.0
    after: tuple[str, ...] = ()
    holes: tuple[Hole, ...] = ()
    wanted: tuple[Produced, ...] = ()
    known: frozenset[str] = frozenset()
    changed: tuple[str, ...] = ()
    tries: bool = False
    login: bool = False
    alike: int | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All of a replay.

    The steps stand in the order in which they began when recorded. `skipped` says why others are left out (by id),
    `lacking` are the accounts whose password would be needed and is not known, `unread` those of whose picture the
    code is not, `pushes` the ids of what was pushed over each line. `at_once` is the most lanes that were under way
    together when recorded. `rewrites` counts what was put in place of recorded values, by kind, and `examples` shows
    one of each. `links` are the values of replies that later requests use, and those that were looked at and are not
    carried over. `unused` are the options that nothing in the capture is meant by, `strange` those of fields that the
    spec does not have. `refused` are the effects for which
    requests are left out.
    """

    steps: tuple[Step, ...]
    skipped: dict[str, str]
    lacking: tuple[str, ...]
    unread: tuple[str, ...] = ()
    pushes: dict[str, tuple[str, ...]] = {}
    lanes: tuple[Lane, ...] = ()
    at_once: int = 0
    rewrites: dict[str, int] = {}
    examples: dict[str, Example] = {}
    links: tuple[Link, ...] = ()
    unused: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()
    refused: tuple[Effect, ...] = ()


class Options(NamedTuple):
    """How a replay is to differ from the recording.

    `changes` are fields and accounts to put in. `pins` are fields (of a command, or of any: None) that keep what was
    recorded though replies produced it, and without `correlate` all do. `only` are the ids of exchanges to send, with
    what they need; empty means all. Silences are shortened to `max_gap` seconds. `effects` are what requests may
    do, None for anything.
    """

    changes: Changes = Changes()
    pins: tuple[tuple[str | None, str], ...] = ()
    correlate: bool = True
    only: tuple[str, ...] = ()
    max_gap: float | None = None
    effects: Collection[Effect] | None = None


_AS_RECORDED = Options()


def plan(
    exchanges: Sequence[Exchange],
    spec: Spec,
    *,
    host: str,
    passwords: Passwords = no_passwords,
    codes: Passwords = no_passwords,
    start: int,
    options: Options = _AS_RECORDED,
) -> Plan:
    """Plan the replay of exchanges against `host` (as its Host header says it). `codes` knows what accounts' pictures
    show. Fresh sequence numbers follow on `start`. Raises UsageError where options make no sense for the capture."""
    seen = Seen(exchanges, spec, options.pins)
    sequences = Sequences(seen.numbers, start)
    rewriting = Rewriting(host, spec, sequences, passwords, codes, options.changes)
    return _Planning(seen, spec, options, rewriting).plan()


class _Planning:
    """Makes the steps of a plan of what was seen."""

    def __init__(self, seen: Seen, spec: Spec, options: Options, rewriting: Rewriting) -> None:
        self._seen = seen
        self._spec = spec
        self._options = options
        self._rewriting = rewriting
        self._skipped: dict[str, str] = {}
        self._pushes: dict[str, list[str]] = {}
        self._effects: dict[int, Effect] = {}
        self._refused: dict[Effect, None] = {}
        self._relations = seen.relations()
        self._check()
        self._holes = seen.correlation.holes() if options.correlate else {}

    def _check(self) -> None:
        seen, changes = self._seen, self._options.changes
        commands = seen.commands()
        check_commands("--set", ((one.command, one.field) for one in changes.settings), self._spec, commands)
        check_commands("--pin", self._options.pins, self._spec, commands)
        if changes.accounts:
            asking = (account for account, asked in zip(seen.accounts, seen.asked, strict=True) if asked is not None)
            check_accounts(changes.accounts, dict.fromkeys(account for account in asking if account is not None))

    def plan(self) -> Plan:
        places = self._permitted(self._selected(self._sendable()))
        requests = {place: request for place in places if (request := self._request(place)) is not None}
        steps = self._steps(requests)
        correlate = self._options.correlate
        counts = dict(self._rewriting.counts)
        if filled := sum(len(step.holes) for step in steps):
            counts["correlated"] = filled
        return Plan(
            steps=steps,
            skipped=self._skipped,
            lacking=tuple(self._rewriting.lacking),
            unread=tuple(self._rewriting.unread),
            pushes={over: tuple(ids) for over, ids in self._pushes.items()},
            lanes=self._lanes(steps),
            at_once=self._at_once(requests),
            rewrites=counts,
            examples=self._rewriting.examples,
            links=tuple(self._seen.correlation.links({step.recorded.id for step in steps})) if correlate else (),
            unused=tuple(self._unused()),
            strange=tuple(map(str, strange(self._options.changes.settings, self._spec))),
            refused=tuple(self._refused),
        )

    def _sendable(self) -> list[int]:
        """The places of the requests that can and may be sent; why others are not is noted."""
        found = []
        exchanges = self._seen.exchanges
        lines = {line(exchange) for exchange in exchanges if exchange.request is not None}
        for place, exchange in enumerate(exchanges):
            over = line(exchange)
            if exchange.request is None and over is not None and over in lines:
                self._pushes.setdefault(over, []).append(exchange.id)
            elif (reason := self._reason(place, exchange)) is not None:
                self._skipped[exchange.id] = reason
            else:
                found.append(place)
        return found

    def _reason(self, place: int, exchange: Exchange) -> str | None:
        asked = self._seen.asked[place]
        if exchange.request is None or asked is None:
            return "no request was recorded"
        if exchange.request.cut is not None:
            return "only the beginning of the request was recorded"
        return not_one(exchange.request, as_line=line(exchange) is not None)

    def _permitted(self, places: list[int]) -> list[int]:
        """Those of these requests that may be sent for what they do."""
        found = []
        for place in places:
            effect = self._effect(place)
            if self._may_go(place, effect):
                found.append(place)
        return found

    def _may_go(self, place: int, effect: Effect) -> bool:
        """Whether a request may be sent for what it does; why not is noted."""
        self._effects[place] = effect
        if self._options.effects is None or effect in self._options.effects:
            return True
        self._refused[effect] = None
        self._skipped[self._seen.exchanges[place].id] = not_allowed(effect)
        return False

    def _effect(self, place: int) -> Effect:
        exchange, asked = self._seen.exchanges[place], self._seen.asked[place]
        assert exchange.request is not None
        assert asked is not None
        if exchange.request.head.find(b"?") >= 0:
            return effect_of(asked.read, exchange.request, self._spec)
        return asked.effect

    def _selected(self, places: list[int]) -> list[int]:
        if not self._options.only:
            return places
        choices = [self._choice(place) for place in places]
        chosen = needed(self._options.only, choices, self._relations)
        for choice in choices:
            if choice.id not in chosen:
                self._skipped[choice.id] = "it was not asked for (--only)"
        return [place for place in places if self._seen.exchanges[place].id in chosen]

    def _choice(self, place: int) -> Choice:
        seen = self._seen
        identifier = seen.exchanges[place].id
        sources = {hole.source for hole in self._holes.get(identifier, ())}
        return Choice(
            id=identifier,
            lane=seen.lanes[place],
            account=seen.accounts[place],
            tries=place in seen.secrets,
            login=seen.login(place),
            sources=sources,
            span=seen.spans[place],
            effect=self._effect(place),
        )

    def _request(self, place: int) -> RawMessage | None:
        request = self._rewritten(place)
        identifier = self._seen.exchanges[place].id
        if isinstance(request, Refused):
            self._skipped[identifier] = request.reason
            return None
        if identifier in self._rewriting.set_in:  # what was put in may do more
            effect = effect_of(read(request, "request", self._spec), request, self._spec)
            return request if self._may_go(place, effect) else None
        return request

    def _rewritten(self, place: int) -> RawMessage | Refused:
        seen, rewriting = self._seen, self._rewriting
        asked, exchange, account = seen.asked[place], seen.exchanges[place], seen.accounts[place]
        assert asked is not None
        assert exchange.request is not None
        right = seen.is_right(place)
        if asked.around is None:
            return rewriting.request(exchange, asked.read, account, right=right)
        if not right and rewriting.only_numbers:
            before, behind = asked.around
            made = rewriting.numbered(exchange, before, seen.numbers[place][1], behind, account)
            if made is not None:
                return made
        return rewriting.request(exchange, read(exchange.request, "request", self._spec), account, right=right)

    def _steps(self, requests: Mapping[int, RawMessage]) -> tuple[Step, ...]:
        seen = self._seen
        ids = [seen.exchanges[place].id for place in requests]
        holes = self._open(requests)
        wanted: dict[str, dict[Produced, None]] = {}
        for hole in (hole for mine in holes.values() for hole in mine):
            wanted.setdefault(hole.source, {})[hole.produced] = None
        known = self._known() if any(one.item is not None for ones in wanted.values() for one in ones) else frozenset()
        due = dues((seen.spans[place] for place in requests), self._options.max_gap)
        related = any(self._relations.values())
        after = afters(self._placed(requests), self._relations) if related else [()] * len(requests)
        return tuple(
            self._step(
                place,
                request,
                due=due[number],
                after=tuple([ids[other] for other in after[number]]),
                holes=holes.get(ids[number], ()),
                wanted=tuple(wanted.get(ids[number], ())),
                known=known if ids[number] in wanted else frozenset(),
            )
            for number, (place, request) in enumerate(requests.items())
        )

    def _step(
        self,
        place: int,
        request: RawMessage,
        *,
        due: float,
        after: tuple[str, ...],
        holes: tuple[Hole, ...],
        wanted: tuple[Produced, ...],
        known: frozenset[str],
    ) -> Step:
        seen = self._seen
        exchange = seen.exchanges[place]
        over = line(exchange)
        asked = seen.asked[place]
        assert asked is not None
        return Step(
            recorded=exchange,
            request=request,
            line=over,
            lane=seen.lanes[place],
            connection=seen.connections[place],
            account=self._rewriting.account(seen.accounts[place]),
            command=_command(asked.read),
            effect=self._effects[place],
            due=due,
            after=after,
            holes=holes,
            wanted=wanted,
            known=known,
            changed=tuple(self._rewriting.set_in.get(exchange.id, ())),
            tries=place in seen.secrets,
            login=seen.login(place) is True,
            alike=seen.alike(place),
        )

    def _open(self, requests: Mapping[int, RawMessage]) -> dict[str, tuple[Hole, ...]]:
        """The holes of these requests whose sources are sent as well, and that nothing else was put into."""
        sent = {self._seen.exchanges[place].id for place in requests}
        found: dict[str, tuple[Hole, ...]] = {}
        for identifier, holes in self._holes.items():
            if identifier in sent:
                set_here = self._rewriting.set_in.get(identifier, ())
                kept = [hole for hole in holes if hole.source in sent and hole.name not in set_here]
                found[identifier] = tuple([self._mapped(hole) for hole in kept])
        return found

    def _known(self) -> frozenset[str]:
        """All that the recording names where accounts are named, as it goes out."""
        named = {name for names in self._seen.named.values() for name in names}
        return frozenset(self._rewriting.account(name) or name for name in named)

    def _mapped(self, hole: Hole) -> Hole:
        other = self._rewriting.account(hole.recorded)
        return hole if other is None or other == hole.recorded else hole._replace(recorded=other)

    def _placed(self, places: Iterable[int]) -> list[Placed]:
        seen = self._seen
        shared = seen.shared()
        return [
            Placed(seen.lanes[place], seen.spans[place], _changes(self._effects[place], seen.lanes[place] in shared))
            for place in places
        ]

    def _at_once(self, places: Collection[int]) -> int:
        return at_once([self._seen.lanes[place] for place in places], [self._seen.spans[place] for place in places])

    def _lanes(self, steps: Sequence[Step]) -> tuple[Lane, ...]:
        """The lanes of these steps, in the order of their numbers."""
        of: dict[int, list[Step]] = {}
        for step in steps:
            of.setdefault(step.lane, []).append(step)
        grouped = groups(self._relations)
        return tuple(_lane(number, grouped[number], mine) for number, mine in sorted(of.items()))

    def _unused(self) -> Iterable[str]:
        changes, used = self._options.changes, self._rewriting.used
        yield from (str(setting) for setting in changes.settings if setting not in used)
        yield from (f"--map-account {one}={other}" for one, other in changes.accounts.items() if one not in used)
        if self._options.correlate and self._options.pins:
            links = self._seen.correlation.links({exchange.id for exchange in self._seen.exchanges})
            fields = {(link.command.upper(), link.field.upper()) for link in links}
            fields |= {("*", field) for _, field in fields}
            for command, field in self._options.pins:
                if ((command or "*").upper(), field.upper()) not in fields:
                    yield f"--pin {command or '*'}.{field}"


def _command(asked: Read) -> str:
    return asked.name if asked.command is None else asked.command.name


def _changes(effect: Effect, shared: bool) -> bool:
    """Whether others may see what a request does; what is consumed is missed by the same account elsewhere."""
    return effect in ("auth", "write") or (effect == "consume" and shared)


def _lane(number: int, group: int, steps: Sequence[Step]) -> Lane:
    named = {step.connection for step in steps} - {None}
    return Lane(
        number=number,
        name=steps[0].recorded.session,
        accounts=tuple(dict.fromkeys(step.account for step in steps if step.account is not None)),
        steps=len(steps),
        connections=len(named) + sum(step.connection is None for step in steps),
        group=group,
    )
