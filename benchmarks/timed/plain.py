"""msgspec and nothing else: each line of a capture as it is decoded into the fields that are loaded of it.

Argument: a capture, whose first line is a header and no exchange. What is decoded in a line is passed over, as qqlab
does, too.
"""

import sys
from datetime import datetime
from pathlib import Path

import msgspec
from timed.saying import timed


class Message(msgspec.Struct, gc=False):
    """A request or a reply."""

    head: str | None = None
    head_base64: bytes | None = None
    body: str | None = None
    body_base64: bytes | None = None
    end: str = ""
    chunked: bool = False


class Line(msgspec.Struct, gc=False):
    """A line."""

    id: str
    session: str
    time: datetime | None = None
    elapsed: float | None = None
    client: str = ""
    server: str = ""
    transport: str = "http"
    request: Message | None = None
    reply: Message | None = None
    error: str | None = None
    pairing: str = ""


def _read() -> int:
    decode = msgspec.json.Decoder(Line).decode
    with Path(sys.argv[1]).open("rb") as source:
        next(source)
        return sum(1 for line in source if decode(line).id)


if __name__ == "__main__":
    timed(_read)
