"""Transcripts: the lines that write-ups print, `> ` before a request body and `< ` before a reply body.

Law: bodies are taken byte for byte up to the end of the line; nothing else is known of them, so heads are empty
and there is no time. A reply belongs to the request before it; a second reply in a row stands alone. `#` begins
a comment line.
"""

from collections.abc import Iterator

from qqlab.capture.session import session
from qqlab.codec import decode
from qqlab.errors import InputError
from qqlab.exchange import Exchange, RawMessage
from qqlab.spec import Spec

TRANSPORT = "transcript"


def parse(data: bytes, where: str, spec: Spec) -> tuple[Exchange, ...]:
    """The exchanges of a transcript, numbered from 1. Raises InputError, naming the line, for a line that is
    neither request, reply, comment nor blank, and for a transcript without any message."""
    exchanges = []
    for number, (request, reply) in enumerate(_pairs(data, where), 1):
        bare = Exchange(id=str(number), session="", transport=TRANSPORT, request=request, reply=reply)
        account = decode(bare, spec).account
        exchanges.append(
            Exchange(id=bare.id, session=session(TRANSPORT, account), transport=TRANSPORT, request=request, reply=reply)
        )
    if not exchanges:
        raise InputError(where, "holds no message", "a transcript has lines that begin with '> ' or '< '")
    return tuple(exchanges)


def _pairs(data: bytes, where: str) -> Iterator[tuple[RawMessage | None, RawMessage | None]]:
    request: RawMessage | None = None
    for mark, body in _messages(data, where):
        message = RawMessage(body=body)
        if mark == b">":
            if request is not None:
                yield request, None
            request = message
        else:
            yield request, message
            request = None
    if request is not None:
        yield request, None


def _messages(data: bytes, where: str) -> Iterator[tuple[bytes, bytes]]:
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        line = line.removesuffix(b"\r")  # noqa: PLW2901
        if line[:2] in (b"> ", b"< "):
            yield line[:1], line[2:]
        elif line.strip() and not line.startswith(b"#"):
            shown = line[:30].decode("utf-8", "replace")
            raise InputError(f"{where}:{number}", f"{shown!r} begins with neither '> ' nor '< '", "is it a transcript?")
