"""Exchanges that need no reading: the same bytes, but for the sequence number that each reply repeats.

Law: `same` is never true where reading both would find anything; where it is false nothing is said. Of exchanges that
are as they should be nearly all end here, so that each step has to be worth its nanoseconds.
"""

from functools import lru_cache

from qqlab import http1
from qqlab.codec import spelt
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
    return _but_for_the_number(asked.body, again.body, old.body, new.body, spec)


def _but_for_the_number(asked: bytes, again: bytes, old: bytes, new: bytes, spec: Spec) -> bool:
    mark = spec.free_number
    if not mark:
        return False
    begin, number, rest = parted(asked, mark)
    if not number.isdigit() or parted(old, mark)[1] != number:
        return False
    other_begin, other_number, other_rest = parted(again, mark)
    if begin != other_begin or rest != other_rest or not other_number.isdigit():
        return False
    begin_of_reply, _, rest_of_reply = parted(old, mark)
    return (
        (begin_of_reply, other_number, rest_of_reply) == parted(new, mark)
        and _is_first(begin, spec.roles.sequence)
        and _is_first(begin_of_reply, spec.roles.sequence)
        and _is_last(rest_of_reply, spec.roles.sequence)
    )


def parted(body: bytes, mark: bytes) -> tuple[bytes, bytes, bytes]:
    """A body before the value that follows this mark, that value, and the body from its end on."""
    begin, _, rest = body.partition(mark)
    end = rest.find(b"&")
    return (begin, rest, b"") if end < 0 else (begin, rest[:end], rest[end:])


def same_requests(expected: bytes, actual: bytes, spec: Spec) -> bool:
    """Whether two requests are the same bytes but for the sequence number."""
    if expected == actual:
        return True
    mark = spec.free_number
    if not mark:
        return False
    left, right = parted(expected, mark), parted(actual, mark)
    return left[::2] == right[::2] and left[1].isdigit() and right[1].isdigit()


@lru_cache(256)
def _is_first(begin: bytes, name: str) -> bool:
    """Whether no field of that name, however it is spelt, stands in the beginning of a body."""
    return all(spelt(segment.partition(b"=")[0]) != name.upper() for segment in begin.split(b"&"))


def _is_last(rest: bytes, name: str) -> bool:
    """Whether none stands in the rest of a body."""
    if rest.find(b"%") < 0 and rest.upper().find(name.upper().encode()) < 0:
        return True
    return _is_first.__wrapped__(rest, name)


@lru_cache(_HEADS)
def plain(head: bytes) -> bool:
    """Whether the body behind a head is its content: no coding has to be undone."""
    return head.lower().find(b"content-encoding") < 0


@lru_cache(_HEADS)
def _heads_agree(old: bytes, new: bytes) -> bool:
    """Whether two heads of replies say the same, and nothing of a coding."""
    return plain(old) and plain(new) and statuses(old, new) is None


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


def content(message: RawMessage) -> bytes:
    """A body as it is read: without its content coding, where that can be undone."""
    if not message.chunked and plain(message.head):
        return message.body
    undone = http1.content(message)
    return message.body if undone is None else undone
