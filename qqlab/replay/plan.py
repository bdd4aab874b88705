"""What a replay will send: recorded requests, with the few spans changed that must be.

Law: pure. Every byte of a request stays as it was recorded, but for the sequence number, passwords and answers to
pictures put back, the Host header (one of them) and a target that names another host, and the framing that these
force. A request without a target stays without, a line stays a line. No other host is named in what is sent; what
cannot be sent is left out with its reason. A push is not sent but waited for, where its connection is replayed.
"""

import re
from collections.abc import Sequence

import msgspec

from qqlab import http1, wire
from qqlab.codec import Decoded, Field, decode
from qqlab.exchange import Exchange, RawMessage
from qqlab.replay.correlate import Hole, Link, Produced
from qqlab.replay.lanes import Lane, at_once, connections, line, wants_kept
from qqlab.replay.lanes import lanes as lanes_of
from qqlab.replay.passwords import Passwords, no_passwords, put_back, secret_field, verdict, was_right, worked
from qqlab.replay.schedule import timeline
from qqlab.replay.sequences import Sequences
from qqlab.spec import Effect, Spec

_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Behind a method and nothing else, only this is surely no target: `HTTP/1.1.evil.example` might be taken for one.
_VERSION = re.compile(rb"HTTP/[0-9]+\.[0-9]+")
# The request line for a proxy names the server; sent on as it is, it would ask the target to go there.
_ABSOLUTE = re.compile(rb"\A(\s*" + _METHOD.pattern + rb"[ \t]+)[A-Za-z][A-Za-z0-9+.-]*://[^/?\s]*([^\s]*)")
# A server that takes a bare line for the first one of HTTP would go where it says.
_HTTP_LINE = re.compile(rb"(?:\A|[\r\n])[\s\0]*" + _METHOD.pattern + rb"[\s\0]")
# The line end before the header, its name, and the value with its continuation lines; a lone CR ends a line, too, for
# some servers.
# A name of several words is none, but for servers that look for one in it.
_NAME = rb"(?:\r?\n|\r)(?:[^\r\n:]*[ \t])?host(?:[ \t][^\r\n:]*)?:[ \t]*"
_HOST = re.compile(rb"(" + _NAME + rb")[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*", re.IGNORECASE)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded exchange and the request to send for it.

    `request` is rewritten but for its `holes`, which replies before it fill; `wanted` are the values of its own reply
    that later holes wait for. `lane` is the number of its lane, `connection` names the recorded connection to go over
    again within it, None for one of its own that is closed after; `keep_alive`: the client wanted it kept. `line` names
    the one long connection that it went over as a bare line, None for HTTP. `account` is the one that it is sent for.
    `due` are the seconds from the first step to this one. `after` are the ids of earlier steps of other lanes that must
    be over before it begins. `login`: whether it is a login that succeeded when recorded.
    """

    recorded: Exchange
    request: RawMessage
    keep_alive: bool
    line: str | None = None
    lane: int = 0
    connection: str | None = None
    account: str | None = None
    effect: Effect = "write"
    due: float = 0.0
    after: tuple[str, ...] = ()
    holes: tuple[Hole, ...] = ()
    wanted: tuple[Produced, ...] = ()
    login: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All of a replay.

    The steps stand in the order in which they began when recorded. `skipped` says why others are left out (by id),
    `lacking` are the accounts whose password would be needed and is not known, `unread` those of whose picture the
    code is not, `pushes` the ids of what was pushed over each line. `at_once` is the most lanes that were under way
    together when recorded. `rewrites` counts what was put in place of recorded values, by kind. `links` are the values
    of replies that later requests use, and those that were looked at and are not carried over.
    """

    steps: tuple[Step, ...]
    skipped: dict[str, str]
    lacking: tuple[str, ...]
    unread: tuple[str, ...] = ()
    pushes: dict[str, tuple[str, ...]] = {}
    lanes: tuple[Lane, ...] = ()
    at_once: int = 0
    rewrites: dict[str, int] = {}
    links: tuple[Link, ...] = ()


def plan(
    exchanges: Sequence[Exchange],
    spec: Spec,
    *,
    host: str,
    passwords: Passwords = no_passwords,
    codes: Passwords = no_passwords,
    start: int,
) -> Plan:
    """Plan the replay of exchanges against `host` (as its Host header says it). `codes` knows what accounts' pictures
    show. Fresh sequence numbers follow on `start`."""
    return _Planning(exchanges, spec, host, passwords, codes, start).plan()


class _Planning:
    """What is known of the whole capture while its requests are rewritten one by one."""

    def __init__(
        self,
        exchanges: Sequence[Exchange],
        spec: Spec,
        host: str,
        passwords: Passwords,
        codes: Passwords,
        start: int,
    ) -> None:
        self.spec = spec
        self.host = host
        self.passwords = passwords
        self.codes = codes
        spans = timeline(exchanges)
        order = sorted(range(len(exchanges)), key=lambda place: spans[place].begin)
        self.spans = [spans[place] for place in order]
        self.decoded = [(exchanges[place], decode(exchanges[place], spec)) for place in order]
        in_order = [exchange for exchange, _ in self.decoded]
        self.connections = connections(in_order)
        self.lanes = lanes_of(in_order, self.connections)
        self.right = worked((decoded for _, decoded in self.decoded), spec)
        numbers = ((decoded.account or "", decoded.sequence or "") for _, decoded in self.decoded)
        self.sequences = Sequences(numbers, start)
        self.lacking: dict[str, None] = {}
        self.unread: dict[str, None] = {}

    def plan(self) -> Plan:
        steps: list[Step] = []
        skipped: dict[str, str] = {}
        pushes: dict[str, list[str]] = {}
        lines = {line(exchange) for exchange, _ in self.decoded if exchange.request is not None}
        for place, (exchange, decoded) in enumerate(self.decoded):
            over = line(exchange)
            planned = self._step(place, exchange, decoded)
            if isinstance(planned, Step):
                steps.append(planned)
            elif exchange.request is None and over is not None and over in lines:
                pushes.setdefault(over, []).append(exchange.id)
            else:
                skipped[exchange.id] = planned
        return Plan(
            steps=tuple(steps),
            skipped=skipped,
            lacking=tuple(self.lacking),
            unread=tuple(self.unread),
            pushes={over: tuple(ids) for over, ids in pushes.items()},
            lanes=_lanes(steps),
            at_once=at_once(self.lanes, self.spans),
        )

    def _step(self, place: int, exchange: Exchange, decoded: Decoded) -> Step | str:
        """What to send for an exchange, or why nothing."""
        if exchange.request is None:
            return "no request was recorded"
        if exchange.request.cut is not None:
            return "only the beginning of the request was recorded"
        over = line(exchange)
        if over is not None:
            if _HTTP_LINE.search(exchange.request.body):
                return "the line might be taken for HTTP"
            body = wire.patch(exchange.request.body, self._values(decoded))
            return self._made(place, msgspec.structs.replace(exchange.request, body=body))
        head = _addressed(exchange.request.head, self.host)
        if head and not _names_no_host(head):
            return "the request line names another host"
        addressed = msgspec.structs.replace(exchange.request, head=head)
        return self._made(place, self._http(addressed, self._values(decoded)))

    def _made(self, place: int, request: RawMessage) -> Step:
        exchange, decoded = self.decoded[place]
        over = line(exchange)
        return Step(
            recorded=exchange,
            request=request,
            keep_alive=over is not None or wants_kept(exchange),
            line=over,
            lane=self.lanes[place],
            connection=self.connections[place],
            account=decoded.account,
            effect="write" if decoded.spec is None else decoded.spec.effect,
            due=self.spans[place].begin,
            login=secret_field(decoded) is not None and verdict(decoded, self.spec) is True,
        )

    def _values(self, decoded: Decoded) -> list[tuple[int, bytes]]:
        """What is put in place of what was recorded, by the place of its pair."""
        return [*self._fresh_sequence(decoded), *self._password(decoded)]

    def _http(self, addressed: RawMessage, values: list[tuple[int, bytes]]) -> RawMessage:
        if not addressed.head:
            return http1.request(wire.patch(addressed.body, values), self.host)
        return _patched_content(addressed, values)

    def _fresh_sequence(self, decoded: Decoded) -> list[tuple[int, bytes]]:
        field = None if decoded.request is None else decoded.request.get(self.spec.roles.sequence)
        number = "" if field is None else field.text.strip()
        if field is None or not (number.isascii() and number.isdigit()):
            return []
        return [_patched(field, number, self.sequences.fresh(decoded.account or "", number))]

    def _password(self, decoded: Decoded) -> list[tuple[int, bytes]]:
        field = secret_field(decoded)
        if field is None or decoded.account is None or not was_right(decoded, field, self.right):
            return []
        derived = None if field.spec is None else field.spec.derived
        secret = (self.codes if derived == "verification" else self.passwords)(decoded.account)
        if secret is None or derived is None:
            (self.unread if derived == "verification" else self.lacking)[decoded.account] = None
            return []
        recorded = field.text.strip()
        return [_patched(field, recorded, put_back(secret, derived, recorded))]


def _lanes(steps: Sequence[Step]) -> tuple[Lane, ...]:
    """The lanes of these steps, in the order of their numbers."""
    of: dict[int, list[Step]] = {}
    for step in steps:
        of.setdefault(step.lane, []).append(step)
    return tuple(
        Lane(
            number=number,
            name=mine[0].recorded.session,
            accounts=tuple(dict.fromkeys(step.account for step in mine if step.account is not None)),
            steps=len(mine),
            connections=len({step.connection for step in mine} - {None})
            + sum(step.connection is None for step in mine),
            group=number,
        )
        for number, mine in sorted(of.items())
    )


def _addressed(head: bytes, host: str) -> bytes:
    """The head for another host: one Host header, where it has any, and no host in the request line."""
    head = _ABSOLUTE.sub(lambda line: line[1] + (line[2] if line[2].startswith(b"/") else b"/" + line[2]), head)
    first = _HOST.search(head)
    if first is None:
        return head
    return head[: first.end(1)] + host.encode() + _HOST.sub(b"", head[first.end() :])


def _names_no_host(head: bytes) -> bool:
    """Whether the target in the request line is absent, a path or `*`; servers pass over what stands before it."""
    method, *rest = head.lstrip().partition(b"\n")[0].split() or [b""]
    absent = not rest or (len(rest) == 1 and _VERSION.fullmatch(rest[0]) is not None)
    return _METHOD.fullmatch(method) is not None and (absent or rest[0] == b"*" or rest[0].startswith(b"/"))


def _patched(field: Field, old: str, new: str) -> tuple[int, bytes]:
    """The patch of a field's value: of its core, where the wire has blanks or a line end beside it."""
    raw = field.raw or b""
    core = old.encode()
    return field.position, raw.replace(core, new.encode(), 1) if core in raw else new.encode()


def _patched_content(message: RawMessage, values: Sequence[tuple[int, bytes]]) -> RawMessage:
    """The message with these pairs of its content patched, as it can be sent."""
    content = http1.content(message) if values else None
    if content is not None:
        message = http1.with_content(message, wire.patch(content, values))
    if message.chunked:
        return message
    return http1.with_body(message, message.body if content is not None else wire.patch(message.body, values))


def patched(message: RawMessage, values: Sequence[tuple[int, bytes]]) -> RawMessage:
    """A request with these pairs patched, whatever carries it: as a line, or with the framing that HTTP then needs."""
    if not message.head:
        return msgspec.structs.replace(message, body=wire.patch(message.body, values))
    return _patched_content(message, values)
