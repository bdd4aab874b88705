"""One exchange of a pair, read no further than somebody asks.

Law: pure and total. Most requests were asked before in the same words: what they say is remembered with the spec, a
bounded number of them.
"""

from functools import cached_property

from qqlab.codec import Message, decode_message
from qqlab.diff.narrow import narrow_request
from qqlab.diff.same import content, without_number
from qqlab.diff.values import accounts
from qqlab.exchange import Exchange
from qqlab.spec import Command, Spec

_MOST = 1024
_LONGEST = 512


class Side:
    """One of the exchanges: its request, read as far as replies hang on it, and the body of its reply."""

    def __init__(self, exchange: Exchange, spec: Spec, other: "Side | None" = None) -> None:
        """`other` is the side that was read before: if it asks the same (`asks_as`), that is not read again."""
        self.exchange = exchange
        self.spec = spec
        self.asked = None if exchange.request is None else content(exchange.request)
        self.body = None if exchange.reply is None else content(exchange.reply)
        self.unnumbered = None
        if self.asked is not None and self.body is not None:
            self.unnumbered = without_number(self.asked, self.body, spec)
        before = None if other is None else other.unnumbered
        same = before is not None and self.unnumbered is not None and before.asks_as(self.unnumbered)
        self.asks_as = other if same else None

    @cached_property
    def request(self) -> Message | None:
        """The request, as far as replies hang on it, without a number that is repeated as it should be."""
        if self.asks_as is not None:
            return self.asks_as.request
        return None if self.asked is None else _request(self.narrow_request, self.spec)

    @cached_property
    def narrow_request(self) -> bytes:
        """What is read of the request."""
        if self.asks_as is not None:
            return self.asks_as.narrow_request
        asked = self.asked if self.unnumbered is None else self.unnumbered.asked
        return narrow_request(asked or b"", self.spec)

    @cached_property
    def numbered_request(self) -> Message | None:
        """The same with its number, whatever that is."""
        return None if self.asked is None else _request(narrow_request(self.asked, self.spec), self.spec)

    @cached_property
    def known(self) -> Command | None:
        """What the spec says of the command that was asked."""
        return None if self.request is None else self.request.command

    def whole_request(self) -> Message | None:
        """The request, all of it."""
        return None if self.asked is None else decode_message(self.asked, "request", self.spec)

    def reply(self, body: bytes) -> Message:
        """What is in the reply's body, or in what is left of it."""
        return decode_message(body, "reply", self.spec, self.known)

    @cached_property
    def whole_reply(self) -> Message | None:
        """The reply, all of it, if there is one."""
        return None if self.body is None else self.reply(self.body)

    @property
    def first(self) -> Message | None:
        """The request, or the reply that nobody asked for: what says which command it is."""
        return self.whole_reply if self.request is None else self.request

    @property
    def spec_of_command(self) -> Command | None:
        """What the spec says of the command."""
        return None if self.first is None else self.first.command

    @cached_property
    def command(self) -> str:
        """The command, as `Decoded` has it."""
        first = self.first
        return "" if first is None else first.name if first.command is None else first.command.name

    @property
    def label(self) -> str:
        """What an exchange is: its command, and whether anybody asked."""
        return self.command if self.request is not None else f"{self.command} (no request)".lstrip()

    @cached_property
    def about(self) -> tuple[str, ...]:
        """The accounts that the request speaks of, or else the reply that nobody asked for."""
        return () if self.first is None else accounts((field.spec, field.value) for field in self.first.fields)

    @cached_property
    def account(self) -> str:
        """Who asked, or was told; empty where nothing says it."""
        name = self.spec.roles.account
        said = None if self.request is None else self.request.text(name)
        reply = self.whole_reply if said is None else None
        return said or (reply.text(name) if reply is not None else None) or ""


def _request(body: bytes, spec: Spec) -> Message:
    message: Message | None = spec.compared.get(body)
    if message is None:
        message = decode_message(body, "request", spec, checked=False)
        if len(body) <= _LONGEST:
            remember(spec, body, message)
    return message


def recorded_reply(body: bytes, command: Command, spec: Spec) -> Message:
    """A part of a recorded reply to that command, as many others are."""
    key = command.name, body
    message: Message | None = spec.compared.get(key)
    if message is None:
        message = decode_message(body, "reply", spec, command, checked=False)
        if len(body) <= _LONGEST:
            remember(spec, key, message)
    return message


def remember(spec: Spec, key: object, value: object) -> None:
    """Keep what came of something, in bounded room."""
    if len(spec.compared) >= _MOST:
        spec.compared.clear()
    spec.compared[key] = value
