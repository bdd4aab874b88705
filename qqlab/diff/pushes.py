"""Which pushes of two captures belong together: nobody asked for them, so no id and no sequence number tells.

Law: pushes to one account, of one command, with one value of its key (as the spec names it) are aligned by what they
say, in order; where they stand between the replies means nothing. What says the same as its counterpart is let go at
once, and what does not once enough has come behind it. Pure, total, and bounded as rows are.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from qqlab import http1
from qqlab.codec import Message, Value, decode_message
from qqlab.diff.rows import MOST_ALIGNED, aligned
from qqlab.exchange import Exchange
from qqlab.spec import Spec

Key = tuple[str | None, str, str | None]
_Content = tuple[tuple[str, Value], ...]


class Push(NamedTuple):
    """A push: its number in its capture, and what it says."""

    number: int
    exchange: Exchange
    content: _Content


Aligned = tuple[Push | None, Push | None]
"""A push of the first capture and its counterpart; None where that side has none."""


def is_push(exchange: Exchange) -> bool:
    """Whether nobody asked for a reply, on a connection where that is nothing odd."""
    return exchange.request is None and exchange.transport == "lines" and exchange.reply is not None


def key_of(exchange: Exchange, spec: Spec) -> Key:
    """What pushes that may be counterparts have in common."""
    return _key(_read(exchange, spec), spec)


def says_the_same(one: Exchange, other: Exchange, spec: Spec) -> bool:
    """Whether two pushes say the same, but for their numbers."""
    return _content(_read(one, spec), spec) == _content(_read(other, spec), spec)


class Pushes:
    """Aligns pushes as they come, from either side. `held` counts those that wait."""

    def __init__(self, spec: Spec) -> None:
        self.held = 0
        self._spec = spec
        self._groups: dict[Key, _Group] = {}

    def add(self, side: int, number: int, exchange: Exchange) -> Iterator[Aligned]:
        """Take a push of the first capture (side 0) or the second (side 1), and give out what is settled by it."""
        message = _read(exchange, self._spec)
        group = self._groups.setdefault(_key(message, self._spec), _Group())
        group.sides[side].append(Push(number, exchange, _content(message, self._spec)))
        self.held += 1
        for pair in group.settled():
            self.held -= sum(push is not None for push in pair)
            yield pair

    def rest(self) -> Iterator[Aligned]:
        """All that is left, when nothing more can come."""
        self.held = 0
        for group in self._groups.values():
            yield from _aligned(*group.sides)
        self._groups.clear()


class _Group:
    """Pushes of one kind that have no counterpart yet, in order."""

    def __init__(self) -> None:
        self.sides: tuple[deque[Push], deque[Push]] = deque(), deque()

    def settled(self) -> Iterator[Aligned]:
        left, right = self.sides
        while left and right and left[0].content == right[0].content:
            yield left.popleft(), right.popleft()
        if min(len(left), len(right)) >= MOST_ALIGNED:
            yield from self._window()

    def _window(self) -> list[Aligned]:
        """What so many of both sides make sure of: all up to the last that are alike, or all of them."""
        pairs = list(_aligned(*([side[place] for place in range(MOST_ALIGNED)] for side in self.sides)))
        alike = [place for place, (left, right) in enumerate(pairs) if left and right and left.content == right.content]
        sure = pairs[: alike[-1] + 1] if alike else pairs
        for left, right in sure:
            for side, push in zip(self.sides, (left, right), strict=True):
                if push is not None:
                    side.popleft()
        return sure


def _aligned(left: Sequence[Push], right: Sequence[Push]) -> Iterator[Aligned]:
    for i, j in aligned([push.content for push in left], [push.content for push in right]):
        yield (None if i is None else left[i], None if j is None else right[j])


def _read(exchange: Exchange, spec: Spec) -> Message:
    assert exchange.reply is not None
    content = http1.content(exchange.reply)
    return decode_message(exchange.reply.body if content is None else content, "reply", spec)


def _key(message: Message, spec: Spec) -> Key:
    command = message.command
    name = message.name if command is None else command.name
    value = None if command is None or command.key is None else message.text(command.key)
    return message.text(spec.roles.account), name.upper(), value


def _content(message: Message, spec: Spec) -> _Content:
    """What a push says; its number is the server's own."""
    secret = {field.name for field in message.fields if field.spec is not None and field.spec.secret}
    own = (field for field in message.fields if field.name != spec.roles.sequence and field.name not in secret)
    return tuple((field.name, field.value) for field in own)
