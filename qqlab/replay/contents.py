"""What a plan wants to know of messages, found out once for all that are the same but for their sequence number.

Law: pure; of each message the same as if it had been looked at alone (a test holds both side by side). Clients of this
protocol ask the same every few seconds, and mostly hear the same; nothing here but the number itself hangs on it. What
is kept is bounded: short bodies, and so many of them.
"""

from itertools import count
from typing import NamedTuple

import msgspec

from qqlab import http1
from qqlab.exchange import RawMessage
from qqlab.replay.correlate import Candidates, Offered, Taken
from qqlab.replay.effects import effect_of
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

    `kind` tells it from others. `around` is all of its body but the number, None where there is no plain one. Where
    there is, `read` may show that of another message. `named` is what might be an account. Of a request: what it does
    (`effect`, but for what a request line may say), whether it holds something made from a password (`secret`), and the
    values that replies may have produced (`taken`); of a reply: what it offers.
    """

    read: Read
    kind: int
    around: Around | None
    named: tuple[str, ...]
    account: str | None = None
    effect: Effect = "write"
    secret: bool = False
    taken: tuple[Taken, ...] = ()
    offered: Offered = Offered()


class Contents:
    """Looks at messages, and remembers them."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._candidates = Candidates(spec)
        self._known: dict[tuple[Direction, str, bytes, bytes], Content] = {}
        self._once: set[int] = set()
        self._naming: dict[int, bool] = {}
        self._kinds = count()

    def of(
        self, message: RawMessage, direction: Direction, fallback: Command | None = None
    ) -> tuple[Content, str | None]:
        """What a message says, and its sequence number. `fallback` as `read` takes it."""
        before, number, behind = _parted(message, self._spec.free_number)
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
            self._known[key] = content
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
        if direction == "reply":
            return Content(said, next(self._kinds), around, named, offered=self._candidates.offered(said))
        return Content(
            said,
            next(self._kinds),
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
