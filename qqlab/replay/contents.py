"""What a plan wants to know of messages, found out once for all that are the same but for their sequence number.

Law: pure; of each message, and each exchange, the same as if it had been looked at alone (tests hold both side by
side). Clients of this protocol ask the same every few seconds, and mostly hear the same; nothing here but the number
itself hangs on it. What is kept is bounded: short bodies, and so many of them.
"""

from itertools import count
from typing import NamedTuple

import msgspec

from qqlab import http1
from qqlab.exchange import Exchange, RawMessage
from qqlab.replay.correlate import Candidates, Offered, Taken
from qqlab.replay.effects import effect_of, not_one
from qqlab.replay.lanes import line
from qqlab.replay.reading import Read, items, read
from qqlab.replay.rewrite import is_account, secret_of
from qqlab.spec import Command, Direction, Effect, Spec

_LONGEST = 1024
_MOST = 1024
_MOST_ONCE = 1 << 16


class Around(NamedTuple):
    """A body before its sequence number, and behind it."""

    before: bytes
    behind: bytes


class Content(msgspec.Struct, frozen=True, gc=False):
    """What a message says beside its sequence number.

    `kind` tells it from others. `command` is the spec's spelling of its command, or the wire's. `around` is all of its
    body but the number, None where there is no plain one. Where there is, `read` may show that of another message.
    `named` is what might be an account. Of a request: what it does (`effect`, but for what a request line may say),
    whether it holds something made from a password (`secret`), and the values that replies may have produced (`taken`);
    of a reply: what it offers.
    """

    read: Read
    kind: int
    command: str
    around: Around | None
    named: tuple[str, ...]
    account: str | None = None
    effect: Effect = "write"
    secret: bool = False
    taken: tuple[Taken, ...] = ()
    offered: Offered = Offered()


class Shape(msgspec.Struct, frozen=True, gc=False):
    """What exchanges have in common that are the same but for a plain sequence number, which request and reply share;
    or what there is to know of one alone.

    `account` is who asks, or is told. Of the request: what it does (`effect`), and why it cannot be sent
    (`unsendable`, None where it can). `pair` is a number that tells it from others, None where it is of one alone.
    """

    asked: Content | None
    said: Content | None
    account: str | None
    effect: Effect = "write"
    unsendable: str | None = "no request was recorded"
    pair: int | None = None


# All by which exchanges of one shape are the same: heads, bodies around their numbers, and how they travelled.
_Key = tuple[str, int, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]


class Contents:
    """Looks at messages and exchanges, and remembers them."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._candidates = Candidates(spec)
        self._mark = spec.free_number
        self._known: dict[tuple[Direction, str, bytes, bytes], Content] = {}
        self._kept: set[int] = set()  # the kinds of these
        self._shapes: dict[_Key, Shape] = {}
        self._pairs: dict[tuple[int, int, bytes, bytes], int] = {}
        self._once: set[int] = set()
        self._naming: dict[int, bool] = {}
        self._kinds = count()

    def exchange(self, exchange: Exchange) -> tuple[Shape, str]:
        """What is to know of an exchange, and its sequence number, empty where it has none."""
        request, reply, mark = exchange.request, exchange.reply, self._mark
        if request is None or reply is None or exchange.error is not None or not mark or _is_partial(request, reply):
            return self._alone(exchange, None)
        before, _, rest = request.body.partition(mark)
        number, end, behind = rest.partition(b"&")
        before_said, _, rest = reply.body.partition(mark)
        repeated, end_said, behind_said = rest.partition(b"&")
        if number != repeated or not number.isdigit():
            return self._alone(exchange, None)
        asked = request.head, before, end, behind, request.end
        key = (exchange.transport, len(number), *asked, reply.head, before_said, end_said, behind_said)
        shape = self._shapes.get(key)
        return self._alone(exchange, key) if shape is None else (shape, number.decode())

    def _alone(self, exchange: Exchange, key: _Key | None) -> tuple[Shape, str]:
        """The same, found out anew; it is remembered by its key, where it has one and came before."""
        asked = said = account = number = repeated = None
        if exchange.request is not None:
            asked, number = self.of(exchange.request, "request")
            account = asked.account
        if exchange.reply is not None:
            said, repeated = self.of(exchange.reply, "reply", None if asked is None else asked.read.command)
            account = said.read.text(self._spec.roles.account) if account is None else account
            number = repeated if number is None else number
        pair = None if key is None else self._pair(key, asked, said)
        shape = self._shape(exchange, asked, said, account, pair)
        if key is not None and pair is not None:
            if len(self._shapes) >= _MOST:
                self._shapes.clear()
            self._shapes[key] = shape
        return shape, number or ""

    def _pair(self, key: _Key, asked: Content | None, said: Content | None) -> int | None:
        """A number for all exchanges that are the same but for a plain sequence number, once both messages came
        before."""
        if asked is None or said is None or asked.kind not in self._kept or said.kind not in self._kept:
            return None
        return self._pairs.setdefault((asked.kind, said.kind, key[2], key[7]), len(self._pairs))

    def _shape(
        self, exchange: Exchange, asked: Content | None, said: Content | None, account: str | None, pair: int | None
    ) -> Shape:
        request = exchange.request
        if request is None or asked is None:
            return Shape(asked, said, account)
        # What a request line says is none of what was remembered with the body.
        has_query = request.head.find(b"?") >= 0
        effect = effect_of(asked.read, request, self._spec) if has_query else asked.effect
        reason = not_one(request, as_line=line(exchange) is not None)
        if request.cut is not None:
            reason = "only the beginning of the request was recorded"
        return Shape(asked, said, account, effect, reason, pair)

    def of(
        self, message: RawMessage, direction: Direction, fallback: Command | None = None
    ) -> tuple[Content, str | None]:
        """What a message says, and its sequence number. `fallback` as `read` takes it."""
        before, number, behind = _parted(message, self._mark)
        if not number:
            content = self._look(message, direction, fallback, None)
            return content, content.read.text(self._spec.roles.sequence)
        key = direction, "" if fallback is None else fallback.name, before, behind
        known = self._known.get(key)
        if known is not None:
            return known, number.decode()
        content = self._look(message, direction, fallback, Around(before, behind))
        if content.around is not None and self._came_before(hash(key)):
            if len(self._known) >= _MOST:
                self._known.clear()
                self._kept.clear()
            self._known[key] = content
            self._kept.add(content.kind)
        return content, number.decode() if content.around else content.read.text(self._spec.roles.sequence)

    def _came_before(self, mark: int) -> bool:
        """Whether a message came before, as it seems. Most of what is new does not come again: to hold it would cost
        more memory, and so time, than to look twice at what does."""
        if mark in self._once:
            return True
        if len(self._once) >= _MOST_ONCE:
            self._once.clear()
        self._once.add(mark)
        return False

    def _look(
        self, message: RawMessage, direction: Direction, fallback: Command | None, around: Around | None
    ) -> Content:
        spec = self._spec
        said = read(message, direction, spec, fallback)
        number = said.get(spec.roles.sequence)
        if around is not None and (number is None or number.position != around.before.count(b"&")):
            around = None  # another number counts
        named = self._named(said)
        command = said.name if said.command is None else said.command.name
        if direction == "reply":
            return Content(said, next(self._kinds), command, around, named, offered=self._candidates.offered(said))
        return Content(
            said,
            next(self._kinds),
            command,
            around,
            named,
            said.text(spec.roles.account),
            # What comes again may do so under another head.
            effect_of(said, message if around is None else RawMessage(body=message.body), spec),
            secret_of(said) is not None,
            self._candidates.taken(said),
        )

    def _named(self, message: Read) -> tuple[str, ...]:
        """What might be an account."""
        named: list[str] = []
        for field in message.fields:
            known = field.spec
            if known is None:
                continue
            names = self._naming.get(id(known))  # told apart by what they are: to compare two fields takes long
            if names is None:
                names = self._naming[id(known)] = is_account(known, self._spec)
            if names:
                named += items(field, self._spec) if known.list else (field.text,)
        return tuple(named)


def _is_partial(request: RawMessage, reply: RawMessage) -> bool:
    """Whether a body is not as it was sent."""
    return request.chunked or reply.chunked or request.cut is not None or reply.cut is not None


def _parted(message: RawMessage, mark: bytes) -> tuple[bytes, bytes, bytes]:
    """A body before its plain number, that number, and the body behind it; no number where there is none, or something
    is to be said of the message but what its body says."""
    body = message.body
    start = body.find(mark) + len(mark)
    if not mark or start < len(mark) or len(body) > _LONGEST or not http1.is_plain(message):
        return b"", b"", b""
    end = body.find(b"&", start)
    end = len(body) if end < 0 else end
    number = body[start:end]
    return (body[:start], number, body[end:]) if number.isdigit() else (b"", b"", b"")
