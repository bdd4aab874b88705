"""What happened once on the wire: a request, its reply or its failure, when, between whom.

Law: frozen records of raw bytes, and the only thing that is stored. Nothing here is decoded; everything else
the tool says is a function of exchanges and a spec.
"""

from datetime import datetime

import msgspec


def address(host: str, port: int) -> str:
    """A client or a server as an exchange names it: `host:port`, with an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class RawMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP message as bytes.

    `head` is everything up to and including the blank line, empty where the source knows none (a transcript).
    `body` is what follows once transfer coding is undone; a content coding such as gzip is left as it was.
    """

    head: bytes = b""
    body: bytes = b""


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its reply.

    `id` is unique within a capture. `session` tells one user's conversation from another's: exchanges of one
    session happened one after the other. `time` is when the request was complete (aware, UTC), None where
    unknown; `elapsed` the seconds from there to the complete reply. `client` and `server` are `host:port`,
    or empty. `transport` is how the bytes travelled: `http`, `tcp` (HTTP relayed unparsed) or `transcript`.
    `request` is None for a reply that nobody asked for, `reply` is None when none came; `error` then says why
    in one line, and may also accompany a reply that broke off.
    """

    id: str
    session: str
    time: datetime | None = None
    elapsed: float | None = None
    client: str = ""
    server: str = ""
    transport: str = "http"
    request: RawMessage | None = None
    reply: RawMessage | None = None
    error: str | None = None
