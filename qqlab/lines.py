"""Messages as bare lines on a TCP connection, as VER 1.4 has them: a byte stream cut at LF or CR LF.

Law: no I/O, and exact: the messages that come out, and what `flush` gives, are together the bytes that went in. The
sizes of the pieces change nothing. A line longer than the limit is cut (see `qqlab.bodies`): memory is bounded.
"""

from qqlab.bodies import MAX_CONTENT, Body
from qqlab.exchange import RawMessage


class Reader:
    """Cuts one direction of a connection into lines. A message's `body` is the line without its end, its `end` LF or
    CR LF; a line may be empty."""

    def __init__(self, limit: int = MAX_CONTENT) -> None:
        self._limit = limit
        self._line = Body(limit)
        self._held = b""  # a CR which the next byte tells to be part of the line or of its end

    @property
    def pending(self) -> bool:
        """Whether a line has begun and is not complete."""
        return bool(self._line.length or self._held)

    def feed(self, data: bytes) -> list[RawMessage]:
        """Take bytes as they came; return the lines that they complete."""
        *whole, rest = (self._held + data).split(b"\n")
        messages = [self._finish(*_without_cr(piece)) for piece in whole]
        rest, self._held = (rest[:-1], b"\r") if rest.endswith(b"\r") else (rest, b"")
        self._line.add(rest)
        return messages

    def flush(self) -> RawMessage | None:
        """The line under way, without an end; None where none is."""
        if not self.pending:
            return None
        held, self._held = self._held, b""
        return self._finish(held, b"")

    def _finish(self, rest: bytes, end: bytes) -> RawMessage:
        self._line.add(rest)
        line, self._line = self._line, Body(self._limit)
        return RawMessage(body=line.kept, end=end, cut=line.cut)


def _without_cr(line: bytes) -> tuple[bytes, bytes]:
    return (line[:-1], b"\r\n") if line.endswith(b"\r") else (line, b"\n")
