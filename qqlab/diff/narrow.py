"""Bodies without what they have in common, so that only what may differ is decoded.

Law: what is left is judged as the whole would be. Left out is only what stands in both bodies at the same place with
the same bytes, is spelt as the spec spells it, and has no part in how anything that differs is read: its rows, their
count, what its meaning hangs on, a field of the same name; and nothing that repeats a request, where those differ.
"""

from typing import NamedTuple

import msgspec

from qqlab.codec import MOST_FIELDS
from qqlab.codec import text as texts
from qqlab.spec import Command, Field, Spec


class Apart(msgspec.Struct, frozen=True, gc=False):
    """Two replies to one command, cut into the segments between `&`, and the places where they differ."""

    expected: list[bytes]
    actual: list[bytes]
    places: list[int]
    command: Command

    def bodies(self, spec: Spec, asked_alike: bool) -> tuple[bytes, bytes] | None:
        """Both without what they have in common, which two requests that are not alike may have asked otherwise; None
        where the whole body has to tell what a `+` in it means."""
        kept = {spec.roles.command.encode()}
        if not asked_alike:
            kept |= self.command.repeating
        for place in self.places:
            kept |= self.command.beside[_key(self.expected[place])]
        left, right = _only(self.expected, kept), _only(self.actual, kept)
        return None if _holds_plus(left) or _holds_plus(right) else (left, right)

    def one_value(self, spec: Spec) -> "Unlike | None":
        """The one value in which they differ, if nothing hangs on its field and it on nothing."""
        if len(self.places) != 1:
            return None
        sides = self.expected[self.places[0]], self.actual[self.places[0]]
        known = self.command.alone.get(_key(sides[0]))
        if known is None or not self._answers(spec):
            return None
        left, right = (side[len(known.name) + 1 :] for side in sides)
        return Unlike(known, left, right)

    def _answers(self, spec: Spec) -> bool:
        """Whether both name the command that was asked for."""
        mark = f"{spec.roles.command}=".encode()
        for named in self.expected:
            if named.startswith(mark):
                return named.isascii() and spec.command(named[len(mark) :].decode()) is self.command
        return False


class Unlike(NamedTuple):
    """A field, and its values on both sides as they were sent."""

    field: Field
    expected: bytes
    actual: bytes


def apart(expected: bytes, actual: bytes, command: Command) -> Apart | None:
    """Tell two replies to that command apart; None where not by the places of their fields, or a key is unusual."""
    left, right = expected.split(b"&"), actual.split(b"&")
    if len(left) != len(right) or len(left) > MOST_FIELDS or not _same_plus(expected, actual):
        return None
    usual = command.beside
    places = []
    for place, (segment, other) in enumerate(zip(left, right, strict=True)):
        key = segment.partition(b"=")[0]
        if key not in usual:
            if segment or other or place < len(left) - 1:
                return None
        elif segment != other:
            if len(segment) == len(key) or not other.startswith(key + b"="):
                return None
            places.append(place)
    return Apart(left, right, places, command)


def narrow_request(body: bytes, spec: Spec) -> bytes:
    """A request without those fields that no reply hangs on."""
    segments = body.split(b"&")
    if len(segments) > MOST_FIELDS or _holds_plus(body):  # whose meaning the whole body tells
        return body
    left = [segment for segment in segments[:-1] if _key(segment) not in spec.unheard]
    return b"&".join([*left, segments[-1]])


def narrow_verdict(body: bytes, command: Command, spec: Spec) -> bytes:
    """A reply to that command without those fields that tell nothing of success."""
    segments = body.split(b"&")
    if len(segments) > MOST_FIELDS or _holds_plus(body):
        return body
    own = spec.roles.command.encode()
    return b"&".join([one for one in segments if (key := _key(one)) == own or key not in command.uncoded])


def _only(segments: list[bytes], kept: set[bytes]) -> bytes:
    """The segments of these keys, and the last one, behind which the body ends."""
    left = [segment for segment in segments[:-1] if _key(segment) in kept]
    return b"&".join([*left, segments[-1]])


def _same_plus(expected: bytes, actual: bytes) -> bool:
    """Whether a `+` that both have means the same in both."""
    if not (_holds_plus(expected) or _holds_plus(actual)):
        return True
    return texts.plus_is_blank(expected) == texts.plus_is_blank(actual)


def _holds_plus(body: bytes) -> bool:
    return body.find(b"+") >= 0


def _key(segment: bytes) -> bytes:
    return segment.partition(b"=")[0]
