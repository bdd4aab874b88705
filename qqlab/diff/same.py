"""Exchanges that need no reading: the same bytes, but for the sequence number that each reply repeats.

Law: `same` is never true where reading both would find anything; where it is false nothing is said. Of exchanges that
are as they should be nearly all end here, so that each step has to be worth its nanoseconds.
"""

import re
from functools import cache, lru_cache

import msgspec

from qqlab import http1
from qqlab.exchange import Exchange, RawMessage
from qqlab.spec import Spec

# A recording has a few hundred heads: they differ by what their bodies' lengths are.
_HEADS = 4096


def same(expected: Exchange, actual: Exchange, spec: Spec) -> bool:
    """Whether two exchanges of a request and a whole reply are the same but for their own sequence numbers."""
    asked, again, old, new = expected.request, actual.request, expected.reply, actual.reply
    if asked is None or again is None or old is None or new is None:
        return False
    if expected.error is not None or actual.error is not None or old.end != new.end:
        return False
    if old.chunked or new.chunked or asked.chunked or again.chunked or old.cut is not None or new.cut is not None:
        return False
    if not (_heads_agree(old.head, new.head) and plain(asked.head) and plain(again.head)):
        return False
    if asked.body == again.body and old.body == new.body:
        return True
    if len(again.body) - len(asked.body) != len(new.body) - len(old.body):
        return False  # a number that is repeated makes the request longer by as much as the reply
    left = without_number(asked.body, old.body, spec)
    if left is None:
        return False
    before, number, behind = parted(again.body, spec.free_number)
    if before != left.before_asked or behind != left.behind_asked or not number.isdigit():
        return False
    return (left.before_said, number, left.behind_said) == parted(new.body, spec.free_number)


class Unnumbered(msgspec.Struct, frozen=True, gc=False):
    """A request and its reply without the field of the sequence number: each before it and behind it."""

    before_asked: bytes
    behind_asked: bytes
    before_said: bytes
    behind_said: bytes

    @property
    def asked(self) -> bytes:
        """The request."""
        return self.before_asked + self.behind_asked

    @property
    def said(self) -> bytes:
        """The reply."""
        return self.before_said + self.behind_said

    def asks_as(self, other: "Unnumbered") -> bool:
        """Whether both requests are the same but for the number."""
        return self.before_asked == other.before_asked and self.behind_asked == other.behind_asked

    def stands_as(self, other: "Unnumbered") -> bool:
        """Whether the number stands at the same place in both replies."""
        return self.before_said.count(b"&") == other.before_said.count(b"&")


def without_number(asked: bytes, said: bytes, spec: Spec) -> Unnumbered | None:
    """A request and its reply without the plain number that the one says and the other repeats; None where it is not so
    plain, or there may be more numbers than one."""
    mark, name = spec.free_number, spec.roles.sequence
    before_asked, number, behind_asked = parted(asked, mark)
    before_said, repeated, behind_said = parted(said, mark)
    if not number.isdigit() or number != repeated:
        return None
    if not (_is_first(before_asked, name) and _is_first(before_said, name) and _is_last(behind_said, name)):
        return None
    return Unnumbered(before_asked, behind_asked, before_said, behind_said)


def parted(body: bytes, mark: bytes) -> tuple[bytes, bytes, bytes]:
    """A body before the value that follows this mark, that value, and the body from its end on."""
    begin, _, rest = body.partition(mark) if mark else (body, b"", b"")
    end = rest.find(b"&")
    return (begin, rest, b"") if end < 0 else (begin, rest[:end], rest[end:])


def same_requests(expected: bytes, actual: bytes, spec: Spec) -> bool:
    """Whether two requests are the same bytes but for the sequence number."""
    if expected == actual:
        return True
    left, right = parted(expected, spec.free_number), parted(actual, spec.free_number)
    return left[::2] == right[::2] and left[1].isdigit() and right[1].isdigit()


@lru_cache(256)
def _is_first(begin: bytes, name: str) -> bool:
    """Whether no field that may have that name stands in the beginning of a body."""
    return _may_be(name).search(b"&" + begin) is None


def _is_last(rest: bytes, name: str) -> bool:
    """Whether none stands in the rest of a body, which begins with `&` or is empty."""
    return rest.find(b"&") < 0 or _may_be(name).search(rest) is None


@cache
def _may_be(name: str) -> "re.Pattern[bytes]":
    """A key that is that name in some spelling, or that has escapes, or letters that might become it."""
    return re.compile(rb"&(?:" + re.escape(name.encode()) + rb"|[^=&]*[%\x80-\xff][^=&]*)(?=[=&]|\Z)", re.IGNORECASE)


@lru_cache(_HEADS)
def plain(head: bytes) -> bool:
    """Whether the body behind a head is its content: no coding has to be undone."""
    return head.lower().find(b"content-encoding") < 0


@lru_cache(_HEADS)
def _heads_agree(old: bytes, new: bytes) -> bool:
    """Whether two heads of replies say the same, and nothing of a coding."""
    return plain(old) and plain(new) and statuses(old, new) is None


@lru_cache(_HEADS)
def statuses(old: bytes, new: bytes) -> tuple[str, str] | None:
    """The statuses of two replies where they differ. One that was handed down without its head is one that a client
    could read; of one that came without, nothing is known."""
    before, now = _status(old) or str(http1.OK), _status(new)
    return None if now is None or now == before else (before, now)


def _status(head: bytes) -> str | None:
    """The status code, or the start line where none can be read in it; None where the head is not known."""
    if not head:
        return None
    code = http1.status(RawMessage(head=head))
    return http1.parse_head(head).start if code is None else str(code)


def unasked_coding(exchange: Exchange) -> str | None:
    """The content coding of a reply whose request did not say that it takes that one."""
    if exchange.reply is None or plain(exchange.reply.head):
        return None
    coding = (http1.parse_head(exchange.reply.head).get("content-encoding") or "").lower()
    head = b"" if exchange.request is None else exchange.request.head
    taken = (http1.parse_head(head).get("accept-encoding") or "").lower()
    return None if coding in ("", "identity") or coding in taken or "*" in taken else coding


def content(message: RawMessage) -> bytes:
    """A body as it is read: without its content coding, where that can be undone."""
    if not message.chunked and plain(message.head):
        return message.body
    undone = http1.content(message)
    return message.body if undone is None else undone
