"""One exchange of a pair, read no further than somebody asks.

Law: pure and total. Most requests were asked before in the same words: what they say is remembered with the spec, a
bounded number of them.
"""

from functools import cached_property
from typing import NamedTuple

from qqlab.codec import Message, decode_message, tells_success
from qqlab.diff.narrow import narrow_request, narrow_verdict
from qqlab.diff.same import content, without_number
from qqlab.diff.values import accounts
from qqlab.exchange import Exchange
from qqlab.spec import Command, Spec

_MOST = 1024
_LONGEST = 512


class Asked(NamedTuple):
    """A request as far as replies hang on it: the bytes that were read, what they say, the command as `Decoded` has it,
    who asked (None where it does not say), and all the accounts that it names."""

    body: bytes
    message: Message
    command: str
    account: str | None
    about: tuple[str, ...]


class Side:
    """One of the exchanges: its request, read as far as replies hang on it, and the body of its reply.

    `request` is without a number that is repeated as it should be; `known` is the command that was asked.
    """

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
        self.request: Asked | None = self._request() if self.asks_as is None else self.asks_as.request
        self.known: Command | None = None if self.request is None else self.request.message.command

    def _request(self) -> Asked | None:
        if self.asked is None:
            return None
        return _asked(self.asked if self.unnumbered is None else self.unnumbered.asked, self.spec)

    @property
    def message(self) -> Message | None:
        """What the request says."""
        return None if self.request is None else self.request.message

    @cached_property
    def numbered_request(self) -> Message | None:
        """The same with its number, whatever that is."""
        return None if self.asked is None else _asked(self.asked, self.spec).message

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
    def succeeded(self) -> bool:
        """Whether the reply tells that what was asked was done."""
        if self.body is None or self.known is None:
            return False
        verdict = narrow_verdict(self.body, self.known, self.spec)
        return tells_success(recorded_reply(verdict, self.known, self.spec), self.spec) is True

    @property
    def first(self) -> Message | None:
        """The request, or the reply that nobody asked for: what says which command it is."""
        return self.whole_reply if self.request is None else self.request.message

    @property
    def spec_of_command(self) -> Command | None:
        """What the spec says of the command."""
        return None if self.first is None else self.first.command

    @property
    def command(self) -> str:
        """The command, as `Decoded` has it."""
        return _name(self.whole_reply) if self.request is None else self.request.command

    @property
    def label(self) -> str:
        """What an exchange is: its command, and whether anybody asked."""
        return self.command if self.request is not None else f"{self.command} (no request)".lstrip()

    @property
    def about(self) -> tuple[str, ...]:
        """The accounts that the request speaks of, or else the reply that nobody asked for."""
        return _accounts(self.whole_reply) if self.request is None else self.request.about

    @cached_property
    def account(self) -> str:
        """Who asked, or was told; empty where nothing says it."""
        said = None if self.request is None else self.request.account
        reply = self.whole_reply if said is None else None
        return said or (reply.text(self.spec.roles.account) if reply is not None else None) or ""


def _asked(body: bytes, spec: Spec) -> Asked:
    asked: Asked | None = spec.compared.get(body)
    if asked is None:
        narrow = narrow_request(body, spec)
        asked = spec.compared.get(narrow) or _read(narrow, spec)
        for key in (narrow, body):
            if len(key) <= _LONGEST:
                remember(spec, key, asked)
    return asked


def _read(body: bytes, spec: Spec) -> Asked:
    message = decode_message(body, "request", spec, checked=False)
    return Asked(body, message, _name(message), message.text(spec.roles.account), _accounts(message))


def _name(first: Message | None) -> str:
    return "" if first is None else first.name if first.command is None else first.command.name


def _accounts(first: Message | None) -> tuple[str, ...]:
    return () if first is None else accounts((field.spec, field.value) for field in first.fields)


def recorded_reply(body: bytes, command: Command, spec: Spec) -> Message:
    """A part of a reply to that command, as many others are."""
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
