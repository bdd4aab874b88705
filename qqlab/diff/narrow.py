"""Bodies without what they have in common, so that only what may differ is decoded.

Law: what is left is judged as the whole would be. Left out is only what stands in both bodies at the same place with
the same bytes, is spelt as the spec spells it, and has no part in how anything that differs is read: its rows, their
count, what its meaning hangs on, a field of the same name.
"""

from collections.abc import Collection

from qqlab.codec import MOST_FIELDS
from qqlab.spec import Command, Spec


def narrow_replies(expected: bytes, actual: bytes, command: Command, spec: Spec) -> tuple[bytes, bytes] | None:
    """Two replies to that command without what they have in common; None where they cannot be told apart so."""
    sides = expected.split(b"&"), actual.split(b"&")
    if len(sides[0]) != len(sides[1]) or len(sides[0]) > MOST_FIELDS or _may_hold_blanks(expected, actual):
        return None
    kept = _needed(*sides, command)
    if kept is None:
        return None
    kept.add(spec.roles.command.encode())
    left, right = (_only(side, kept) for side in sides)
    return left, right


def _needed(expected: list[bytes], actual: list[bytes], command: Command) -> set[bytes] | None:
    """The keys of what differs, and of all that is read with it; None where a key is an unusual one."""
    kept: set[bytes] = set()
    last = len(expected) - 1
    for place, (left, right) in enumerate(zip(expected, actual, strict=True)):
        key = left.partition(b"=")[0]
        beside = command.beside.get(key)
        if beside is None:
            if place == last and left == right == b"":
                continue
            return None
        if left != right:
            if not right.startswith(key + b"=") or len(left) == len(key):
                return None
            kept |= beside
    return kept


def _only(segments: list[bytes], kept: Collection[bytes]) -> bytes:
    """The segments of these keys, and the last one, behind which the body ends."""
    left = [segment for segment in segments[:-1] if segment.partition(b"=")[0] in kept]
    return b"&".join([*left, segments[-1]])


def narrow_request(body: bytes, spec: Spec) -> bytes:
    """A request without those fields that no reply hangs on."""
    segments = body.split(b"&")
    if len(segments) > MOST_FIELDS or _may_hold_blanks(body):
        return body
    left = [segment for segment in segments[:-1] if segment.partition(b"=")[0] not in spec.unheard]
    return b"&".join([*left, segments[-1]])


def _may_hold_blanks(*bodies: bytes) -> bool:
    """Whether a + is there, whose meaning the whole body tells."""
    return any(body.find(b"+") >= 0 for body in bodies)
