"""What is said in the benchmarks: the exchanges of the demonstration, each time with another sequence number.

Law: client and server read it here, so that each reply can be held against what it has to be.
"""

from pathlib import Path
from typing import NamedTuple

from qqlab.capture import load
from qqlab.spec import builtin

DEMO = Path(__file__).parent.parent / "captures/demo.jsonl"
_SEQUENCE = builtin().roles.sequence.encode()


class Around(NamedTuple):
    """A body without the value of its sequence number: what stands before it and behind."""

    before: bytes
    behind: bytes

    def body(self, sequence: bytes) -> bytes:
        """The body with that sequence number."""
        return self.before + sequence + self.behind


def talk() -> dict[Around, Around]:
    """The reply to each request."""
    pairs = [(exchange.request, exchange.reply) for exchange in load(DEMO).exchanges]
    bodies = [(request.body, reply.body) for request, reply in pairs if request is not None and reply is not None]
    return {parted(request)[0]: parted(reply)[0] for request, reply in bodies}


def parted(body: bytes) -> tuple[Around, bytes]:
    """A body parted at its sequence number, and that number."""
    before, mark, rest = body.partition(b"&" + _SEQUENCE + b"=")
    sequence, ampersand, behind = rest.partition(b"&")
    return Around(before + mark, ampersand + behind), sequence
