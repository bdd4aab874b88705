"""The clients of the time: how each writes a request, and how it connects.

Law: a table, after the facts of the spec's `wire`: sloppy heads, escapes, sequence numbers. What a head says of a body
is true.
"""

from typing import Literal, NamedTuple

SERVER = "192.0.2.1"
"""An address that is nobody's: of the block that is set aside for documentation."""

# How values are written: as they are, as PHP's urlencode does, or as RFC 3986 does.
Escapes = Literal["raw", "form", "percent"]
# Where sequence numbers come from.
Sequence = Literal["clock", "random", "count"]


class Kind(NamedTuple):
    """One client program. `head` has a place for the body's length; `said_version` is by command where it is another
    than `version`; `rows` is TN of List."""

    name: str
    version: str
    head: str
    escapes: Escapes = "raw"
    sequence: Sequence = "clock"
    keeps: bool = False
    transport: str = "http"
    port: int = 8000
    rows: int = 160
    others: tuple[tuple[str, str], ...] = ()

    @property
    def is_mobile(self) -> bool:
        """Whether it speaks the mobile variant."""
        return self.version == "1.4"

    @property
    def server(self) -> str:
        """Where it connects to."""
        return f"{SERVER}:{self.port}"

    def version_of(self, command: str) -> str:
        """The version that a request of that command says."""
        return dict(self.others).get(command, self.version)


_FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
_TEXT = "Content-Type: text/plain; charset=UTF-8\r\n"
_LENGTH = "Content-Length: %d\r\n"

KINDS: tuple[tuple[int, Kind], ...] = (
    (
        30,
        Kind(
            "desktop",
            "1.1",
            f"POST / HTTP/1.1\r\nHost: {SERVER}:8000\r\n{_TEXT}{_LENGTH}Connection: close\r\n\r\n",
        ),
    ),
    (
        20,
        Kind(
            "delphi",
            "1.1",
            f"POST / HTTP/1.1\r\n{_FORM}{_LENGTH}Host: {SERVER}:8000\r\nAccept: text/html, */*\r\n"
            "User-Agent: Mozilla/3.0 (compatible; Indy Library)\r\nConnection: keep-alive\r\n\r\n",
            escapes="percent",
            keeps=True,
            rows=50,
        ),
    ),
    (
        15,
        Kind(
            "php",
            "1.1",
            f"POST / HTTP/1.0\r\nHost: {SERVER}:8000\r\n{_FORM}{_LENGTH}\r\n",
            escapes="form",
            sequence="random",
            others=(("CLTMSG", "1.2"),),
        ),
    ),
    (10, Kind("python", "1.0", f"POST / HTTP/1.0\r\nHost: {SERVER}\r\n{_LENGTH}\r\n", sequence="count", rows=20)),
    (
        15,
        Kind(
            "csharp",
            "1.1",
            f"POST HTTP/1.1\r\nHost: {SERVER}:8000\r\n{_TEXT}{_LENGTH}Connection: close\r\n\r\n",
            sequence="random",
            transport="tcp",
        ),
    ),
    (
        10,
        Kind(
            "mobile",
            "1.4",
            f"POST / HTTP/1.1\r\nHost: {SERVER}:14000\r\n{_FORM}{_LENGTH}Connection: keep-alive\r\n\r\n",
            sequence="count",
            keeps=True,
            port=14000,
        ),
    ),
)
"""The clients, and how many of a hundred users have each."""

_BY_SHARE = tuple(kind for share, kind in KINDS for _ in range(share))


def kind_of(place: int) -> Kind:
    """The client of the account in that place."""
    return _BY_SHARE[place * 37 % len(_BY_SHARE)]
