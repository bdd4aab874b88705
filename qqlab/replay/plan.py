"""What a replay will send: recorded requests, with the few spans changed that must be, in their lanes.

Law: pure, and in one go: each message is read once, and time goes with their number. What cannot or may not be sent is
left out with its reason. A push is not sent but waited for, where its connection is replayed. How requests are changed
says `rewrite`, what they take from replies `correlate`, who waits for whom `order`, when each is due `schedule`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from qqlab.exchange import Exchange, RawMessage
from qqlab.replay.changes import Changes, check_accounts, check_commands, strange
from qqlab.replay.contents import Around
from qqlab.replay.correlate import Hole, Link, Produced
from qqlab.replay.effects import effect_of, not_allowed
from qqlab.replay.lanes import Lane, at_once, line
from qqlab.replay.order import Placed, afters, groups
from qqlab.replay.passwords import Passwords, no_passwords
from qqlab.replay.reading import read
from qqlab.replay.rewrite import Example, Refused, Rewriting, Template
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
    return plan_of(seen, spec, host=host, passwords=passwords, codes=codes, start=start, options=options)


def plan_of(
    seen: Seen, spec: Spec, *, host: str, passwords: Passwords, codes: Passwords, start: int, options: Options
) -> Plan:
    """The same, of what was seen already."""
    sequences = Sequences(seen.owned_numbers(), start)
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
        self._set_effects: dict[int, Effect] = {}  # of the requests that something was set in
        self._refused: dict[Effect, None] = {}
        self._templates: dict[int, Template] = {}  # of shapes that come again
        self._relations = seen.relations()
        self._check()
        self._holes = seen.correlation.holes() if options.correlate else {}

    def _check(self) -> None:
        seen, changes = self._seen, self._options.changes
        commands = seen.commands()
        check_commands("--set", ((one.command, one.field) for one in changes.settings), self._spec, commands)
        check_commands("--pin", self._options.pins, self._spec, commands)
        if changes.accounts:
            asking = (shape.account for shape in seen.shapes if shape.asked is not None)
            check_accounts(changes.accounts, dict.fromkeys(account for account in asking if account is not None))

    def plan(self) -> Plan:
        places = self._permitted(self._selected(self._sendable()))
        requests = self._requests(places)
        steps = self._steps(requests)
        correlate = self._options.correlate
        counts = dict(self._rewriting.counts)
        if filled := sum([len(step.holes) for step in steps]):
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
        lines = {line(one) for one in exchanges if one.transport == "lines" and one.request is not None}
        for place, shape in enumerate(self._seen.shapes):
            if shape.unsendable is None:
                found.append(place)
                continue
            exchange = exchanges[place]
            over = line(exchange)
            if exchange.request is None and over is not None and over in lines:
                self._pushes.setdefault(over, []).append(exchange.id)
            else:
                self._skipped[exchange.id] = shape.unsendable
        return found

    def _permitted(self, places: list[int]) -> list[int]:
        """Those of these requests that may be sent for what they do."""
        if self._options.effects is None:
            return places
        return [place for place in places if self._may_go(place, self._seen.shapes[place].effect)]

    def _may_go(self, place: int, effect: Effect) -> bool:
        """Whether a request may be sent for what it does; why not is noted."""
        if self._options.effects is None or effect in self._options.effects:
            return True
        self._refused[effect] = None
        self._skipped[self._seen.exchanges[place].id] = not_allowed(effect)
        return False

    def _effect(self, place: int) -> Effect:
        return self._set_effects.get(place) or self._seen.shapes[place].effect

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
            account=seen.shapes[place].account,
            tries=place in seen.secrets,
            login=seen.login(place),
            sources=sources,
            span=seen.spans[place],
            effect=self._effect(place),
        )

    def _requests(self, places: Iterable[int]) -> dict[int, RawMessage]:
        """The requests that go out for these; why others do not is noted."""
        found: dict[int, RawMessage] = {}
        shapes, numbers, templates = self._seen.shapes, self._seen.numbers, self._templates
        for place in places:
            template = templates.get(id(shapes[place]))
            request = None if template is None else template.request(numbers[place])
            if request is None:
                request = self._request(place)
            if request is not None:
                found[place] = request
        self._rewriting.took(templates.values())
        return found

    def _request(self, place: int) -> RawMessage | None:
        request = self._rewritten(place)
        if isinstance(request, Refused):
            self._skipped[self._seen.exchanges[place].id] = request.reason
            return None
        if not self._rewriting.set_in or self._seen.exchanges[place].id not in self._rewriting.set_in:
            return request
        effect = effect_of(read(request, "request", self._spec), request, self._spec)  # what was put in may do more
        self._set_effects[place] = effect
        return request if self._may_go(place, effect) else None

    def _rewritten(self, place: int) -> RawMessage | Refused:
        seen, rewriting = self._seen, self._rewriting
        shape, exchange = seen.shapes[place], seen.exchanges[place]
        asked, message = shape.asked, exchange.request
        assert asked is not None
        assert message is not None
        right = asked.secret and seen.is_right(place)
        if asked.around is None:
            return rewriting.request(exchange, asked.read, shape.account, right=right)
        made = None if right else self._numbered(place, asked.around)
        if made is not None:
            return made
        return rewriting.request(exchange, read(message, "request", self._spec), shape.account, right=right)

    def _numbered(self, place: int, around: Around) -> RawMessage | None:
        """A request whose number alone is another one; what makes it is remembered for those of the same shape."""
        seen, shape = self._seen, self._seen.shapes[place]
        template = self._rewriting.template(seen.exchanges[place], around, shape.account)
        made = None if template is None else template.request(seen.numbers[place])
        if template is None or made is None:
            return None
        if shape.pair is not None and place not in seen.secrets:
            self._templates[id(shape)] = template
        else:
            self._rewriting.took([template])
        return made

    def _steps(self, requests: Mapping[int, RawMessage]) -> tuple[Step, ...]:
        due = dues([self._seen.spans[place] for place in requests], self._options.max_gap)
        # Most steps wait for none, take nothing and hold no secret: what they are as they mostly are is not said.
        steps = list(map(self._step, requests, requests.values(), due))
        return tuple(self._carrying(self._waiting(steps, requests), requests))

    def _waiting(self, steps: list[Step], places: Collection[int]) -> list[Step]:
        """The steps with those of other lanes that they wait for."""
        if not any(self._relations.values()):
            return steps
        found = afters(self._placed(places), self._relations)
        ids = [step.recorded.id for step in steps]
        return [
            msgspec.structs.replace(step, after=tuple([ids[other] for other in after])) if after else step
            for step, after in zip(steps, found, strict=True)
        ]

    def _carrying(self, steps: list[Step], places: Collection[int]) -> list[Step]:
        """The steps with their holes, and what they are to tell others."""
        holes = self._open(places)
        if not holes:
            return steps
        wanted: dict[str, dict[Produced, None]] = {}
        for hole in (hole for mine in holes.values() for hole in mine):
            wanted.setdefault(hole.source, {})[hole.produced] = None
        known = self._known() if any(one.item is not None for ones in wanted.values() for one in ones) else frozenset()
        return [
            msgspec.structs.replace(
                step,
                holes=holes.get(identifier, ()),
                wanted=tuple(wanted.get(identifier, ())),
                known=known if identifier in wanted else frozenset(),
            )
            if (identifier := step.recorded.id) in holes or identifier in wanted
            else step
            for step in steps
        ]

    def _step(self, place: int, request: RawMessage, due: float) -> Step:
        """A step alone, which waits for none and takes nothing."""
        seen, set_in = self._seen, self._rewriting.set_in
        exchange, shape = seen.exchanges[place], seen.shapes[place]
        asked = shape.asked
        assert asked is not None
        account = shape.account
        step = Step(
            recorded=exchange,
            request=request,
            lane=seen.lanes[place],
            connection=seen.connections[place],
            account=account if self._rewriting.only_numbers else self._rewriting.account(account),
            command=asked.command,
            effect=shape.effect,
            due=due,
            alike=seen.alike[place],
        )
        if exchange.transport != "lines" and not asked.secret and exchange.id not in set_in:
            return step
        return msgspec.structs.replace(
            step,
            line=line(exchange),
            effect=self._effect(place),
            changed=tuple(set_in.get(exchange.id, ())),
            tries=asked.secret,
            login=asked.secret and seen.login(place) is True,
        )

    def _open(self, places: Iterable[int]) -> dict[str, tuple[Hole, ...]]:
        """The holes of these requests whose sources are sent as well, and that nothing else was put into."""
        if not self._holes:
            return {}
        sent = {self._seen.exchanges[place].id for place in places}
        found: dict[str, tuple[Hole, ...]] = {}
        for identifier, holes in self._holes.items():
            if identifier in sent:
                set_here = self._rewriting.set_in.get(identifier, ())
                kept = [hole for hole in holes if hole.source in sent and hole.name not in set_here]
                found[identifier] = tuple([self._mapped(hole) for hole in kept])
        return found

    def _known(self) -> frozenset[str]:
        """All that the recording names where accounts are named, as it goes out."""
        named = {name for names in self._seen.named.values() for name in names}.union(self._seen.named_elsewhere)
        return frozenset(self._rewriting.account(name) or name for name in named)

    def _mapped(self, hole: Hole) -> Hole:
        other = self._rewriting.account(hole.recorded)
        return hole if other is None or other == hole.recorded else hole._replace(recorded=other)

    def _placed(self, places: Iterable[int]) -> list[Placed]:
        seen = self._seen
        shared = seen.shared()
        return [
            Placed(seen.lanes[place], seen.spans[place], _changes(self._effect(place), seen.lanes[place] in shared))
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


def _changes(effect: Effect, shared: bool) -> bool:
    """Whether others may see what a request does; what is consumed is missed by the same account elsewhere."""
    return effect in ("auth", "write") or (effect == "consume" and shared)


def _lane(number: int, group: int, steps: Sequence[Step]) -> Lane:
    named = Counter([step.connection for step in steps])
    alone = named.pop(None, 0)
    return Lane(
        number=number,
        name=steps[0].recorded.session,
        accounts=tuple([account for account in dict.fromkeys([step.account for step in steps]) if account is not None]),
        steps=len(steps),
        connections=len(named) + alone,
        group=group,
    )
