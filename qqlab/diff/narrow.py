"""Bodies without what they have in common, so that only what may differ is decoded.

Law: what is left is judged as the whole would be. Left out is only what stands in both bodies at the same place with
the same bytes, is spelt as the spec spells it, and has no part in how anything that differs is read: its rows, their
count, what its meaning hangs on, a field of the same name.
"""

from typing import NamedTuple

from qqlab.codec import MOST_FIELDS
from qqlab.spec import Command, Field, Spec


class Apart(NamedTuple):
    """Two replies to one command, cut into the segments between `&`, and the places where they differ."""

    expected: list[bytes]
    actual: list[bytes]
    places: list[int]
    command: Command

    def bodies(self, spec: Spec) -> tuple[bytes, bytes]:
        """Both without what they have in common."""
        kept = {spec.roles.command.encode()}
        for place in self.places:
            kept |= self.command.beside[_key(self.expected[place])]
        return _only(self.expected, kept), _only(self.actual, kept)

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
        named = next((segment for segment in self.expected if segment.startswith(mark)), b"")
        return named.isascii() and spec.command(named[len(mark) :].decode()) is self.command


class Unlike(NamedTuple):
    """A field, and its values on both sides as they were sent."""

    field: Field
    expected: bytes
    actual: bytes


def apart(expected: bytes, actual: bytes, command: Command) -> Apart | None:
    """Tell two replies to that command apart; None where not by the places of their fields, or a key is unusual."""
    left, right = expected.split(b"&"), actual.split(b"&")
    if len(left) != len(right) or len(left) > MOST_FIELDS or b"+" in expected or b"+" in actual:
        return None
    usual = command.beside
    places = []
    for place, segment in enumerate(left):
        key = _key(segment)
        if key not in usual:
            if segment or right[place] or place < len(left) - 1:
                return None
        elif segment != right[place]:
            if len(segment) == len(key) or not right[place].startswith(key + b"="):
                return None
            places.append(place)
    return Apart(left, right, places, command)


def narrow_request(body: bytes, spec: Spec) -> bytes:
    """A request without those fields that no reply hangs on."""
    segments = body.split(b"&")
    if len(segments) > MOST_FIELDS or b"+" in body:  # whose meaning the whole body tells
        return body
    left = [segment for segment in segments[:-1] if _key(segment) not in spec.unheard]
    return b"&".join([*left, segments[-1]])


def _only(segments: list[bytes], kept: set[bytes]) -> bytes:
    """The segments of these keys, and the last one, behind which the body ends."""
    left = [segment for segment in segments[:-1] if _key(segment) in kept]
    return b"&".join([*left, segments[-1]])


def _key(segment: bytes) -> bytes:
    return segment.partition(b"=")[0]
