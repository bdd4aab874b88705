"""What happened once on the wire: a request, its reply or its failure, when, between whom.

Law: frozen records of raw bytes, and the only thing that is stored. Nothing here is decoded; everything else
the tool says is a function of exchanges and a spec.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Generic, Literal

import msgspec

if TYPE_CHECKING:
    from typing_extensions import TypeVar
else:
    from typing import TypeVar

Pairing = Literal["", "order", "echo"]

# The transport of what was never recorded, but printed.
TRANSCRIPT = "transcript"


def address(host: str, port: int) -> str:
    """A client or a server as an exchange names it: `host:port`, with an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# Nothing here holds a cycle; told so, the garbage collector need not look at the many there may be.
class Cut(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a body was before it was cut to a limit: its full length in bytes, and the SHA-256 of all of it in hex,
    empty where what is left of it was redacted."""

    length: int
    sha256: str


class RawMessage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message as bytes: `head + body + end` is what was on the wire.

    `head` is everything up to and including the blank line of HTTP, empty where there is none (a line of VER 1.4) or
    the source knows none (a transcript). `body` is what follows. With `chunked` it holds the chunks as they were sent;
    without, whoever recorded had put them together already, whatever the head says. A content coding such as gzip is
    left as it was. `end` is the line end that closed a message of lines. `cut` is None unless `body` is only the
    beginning.
    """

    head: bytes = b""
    body: bytes = b""
    end: bytes = b""
    chunked: bool = False
    cut: Cut | None = None


if TYPE_CHECKING:
    _M = TypeVar("_M", bound=RawMessage, default=RawMessage)
else:
    _M = TypeVar("_M", bound=RawMessage)


# What its messages are is open for who decodes one (`qqlab.capture.file`), and for nobody else.
class Exchange(msgspec.Struct, Generic[_M], frozen=True, kw_only=True, gc=False):
    """One request and its reply.

    `id` is unique within a capture. `session` tells one user's conversation from another's: exchanges of one
    session happened one after the other. `time` is when the request was complete, or the reply that nobody asked for
    (aware, UTC), None where unknown; `elapsed` the seconds from there to the complete reply, 0 where that came first.
    `client` and `server` are `host:port`, or empty. `transport` is how the bytes travelled: `http`, `tcp` (HTTP
    relayed or reassembled byte for byte), `lines` (bare lines on a TCP connection) or `transcript`. `pairing` is how
    the reply was found to belong to the request: by the `order` of the connection, by what it repeats of the request
    (`echo`), or empty where there is no pair or nobody knows; how sure that is, the codec says. `request` is None for
    a reply that nobody asked for, `reply` is None when none came; `error` then says why in one line, and may also
    accompany a reply that broke off.
    """

    id: str
    session: str
    time: datetime | None = None
    elapsed: float | None = None
    client: str = ""
    server: str = ""
    transport: str = "http"
    request: _M | None = None
    reply: _M | None = None
    error: str | None = None
    pairing: Pairing = ""
