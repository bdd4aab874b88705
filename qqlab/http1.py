"""HTTP/1 as the clients of this protocol spoke it: heads, framing, and cutting a byte stream into messages.

Law: no I/O, and lenient where the historical server was: a request line without a target, bare LF, no
Content-Type, no Content-Length, replies that end with the connection. Heads are kept as they were sent;
a patch of a head changes one header and nothing else. Bodies are what remains when chunks are put together.
"""

import re
import zlib
from typing import NamedTuple

from qqlab.exchange import RawMessage
from qqlab.spec import Direction

OK = 200
MAX_HEAD = 64 * 1024
MAX_CONTENT = 16 * 1024 * 1024

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_TARGETLESS = re.compile(rb"[A-Z]+ +HTTP/1\.[0-9]\r?\n")
_TARGETLESS_START = re.compile(rb"[A-Z]+ +HTTP/")
_PERHAPS_TARGETLESS = re.compile(rb"P(O(S(T( +(H(T(TP?)?)?)?)?)?)?)?")
_STATUS = re.compile(rb"HTTP/1\.[0-9] +([0-9]{3})\b")
_NO_BODY = (204, 304)
_INFORMATIONAL = range(100, 200)


class Head(NamedTuple):
    """A message's head, read: the start line, and header names (lower-case) with their values, in order."""

    start: str
    headers: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str | None:
        """The first value of a header, or None; `name` in lower case."""
        return next((value for key, value in self.headers if key == name), None)


def parse_head(head: bytes) -> Head:
    """Read a head. Total: a line that is no header is passed over."""
    start, *lines = head.decode("latin-1").replace("\r\n", "\n").split("\n")
    split = (line.partition(":") for line in lines)
    return Head(start, tuple((name.strip().lower(), value.strip()) for name, colon, value in split if colon))


def status(reply: RawMessage) -> int | None:
    """The status code of a reply, or None where its head has none."""
    match = _STATUS.match(reply.head)
    return int(match[1]) if match else None


def has_no_target(data: bytes) -> bool | None:
    """Whether these first bytes of a message are a request line without a target (`POST HTTP/1.1`); None where
    more bytes must tell."""
    if _PERHAPS_TARGETLESS.fullmatch(data):
        return None
    return _TARGETLESS_START.match(data) is not None


def add_target(data: bytes, target: bytes = b"/") -> bytes:
    """The same bytes with a target put into a request line that has none, for parsers that insist on one."""
    match = _TARGETLESS.match(data)
    if match is None:
        return data
    method, _, rest = data.partition(b" ")
    return method + b" " + target + b" " + rest.lstrip(b" ")


def content(message: RawMessage) -> bytes | None:
    """The body with its content coding undone; None where that cannot be done, or would exceed 16 MiB."""
    coding = (parse_head(message.head).get("content-encoding") or "identity").lower() if message.head else "identity"
    if coding == "identity":
        return message.body
    windows = {"gzip": (zlib.MAX_WBITS | 16,), "x-gzip": (zlib.MAX_WBITS | 16,), "deflate": (15, -15)}
    return next((data for bits in windows.get(coding, ()) if (data := _inflate(message.body, bits)) is not None), None)


def _inflate(packed: bytes, bits: int) -> bytes | None:
    """All members of a packed body, or None where it is damaged, cut off, or holds more than 16 MiB."""
    data = b""
    while packed:
        member = zlib.decompressobj(bits)
        try:
            data += member.decompress(packed, MAX_CONTENT - len(data) + 1)
        except zlib.error:
            return None
        if not member.eof or len(data) > MAX_CONTENT:
            return None
        packed = member.unused_data
    return data


def with_header(head: bytes, name: str, value: str) -> bytes:
    """The head with the first header of that name set to a value; every other byte stays. Absent: put at the end."""
    pattern = re.compile(rb"^(" + re.escape(name.encode()) + rb"[ \t]*:[ \t]*)[^\r\n]*", re.IGNORECASE | re.MULTILINE)
    patched, count = pattern.subn(lambda match: match[1] + value.encode(), head, count=1)
    if count:
        return patched
    end = _HEAD_END.search(head)
    if end is None:
        return head
    newline = b"\r\n" if end[0].startswith(b"\r") else b"\n"
    return head[: end.start()] + newline + f"{name}: {value}".encode() + head[end.start() :]


def without_header(head: bytes, name: str) -> bytes:
    """The head without any header of that name; every other byte stays."""
    return re.sub(rb"(?im)^" + re.escape(name.encode()) + rb"[ \t]*:[^\n]*\n", b"", head)


def with_body(message: RawMessage, body: bytes) -> RawMessage:
    """The message with another body, and the framing that this forces where it had any: Content-Length, no chunks."""
    head = message.head
    framing = parse_head(head)
    if framing.get("transfer-encoding") is not None:
        head = with_header(without_header(head, "Transfer-Encoding"), "Content-Length", str(len(body)))
    elif framing.get("content-length") is not None and body != message.body:
        head = with_header(head, "Content-Length", str(len(body)))
    return RawMessage(head=head, body=body)


def first_head(data: bytes) -> bytes | None:
    """The head that these bytes begin with, up to and including its blank line; None where it is not complete."""
    end = _HEAD_END.search(data)
    return None if end is None else data[: end.end()]


class Reader:
    """Cuts one direction of a connection into messages, whatever the sizes of the pieces it is fed.

    Bytes that are no HTTP set `broken`, a sentence that quotes none of them (they may hold a secret); from then on
    nothing more comes out. Memory is bounded by the messages.
    """

    def __init__(self, direction: Direction) -> None:
        self.broken: str | None = None
        self._direction = direction
        self._buffer = bytearray()
        self._searched = 0  # up to here the buffer holds no end of a head
        self._head: bytes | None = None
        self._length: int | None = None
        self._chunked: _Chunks | None = None

    @property
    def pending(self) -> bool:
        """Whether a message has begun and is not complete."""
        return self._head is not None or bool(self._buffer.strip(b"\r\n"))

    @property
    def open_ended(self) -> bool:
        """Whether a message is under way whose end only the connection's course tells: no length, no chunks."""
        return self._head is not None and self._length is None and self._chunked is None

    def feed(self, data: bytes) -> list[RawMessage]:
        """Take bytes as they came; return the messages that they complete."""
        if self.broken is not None:
            return []
        self._buffer += data
        messages = []
        while self.broken is None and (message := self._next()) is not None:
            messages.append(message)
        return messages

    def flush(self) -> RawMessage | None:
        """The message under way, as far as it came; it is whole if it was `open_ended`. None where none is, or its
        head is incomplete."""
        if self._head is None:
            return None
        if self._chunked is None:
            return self._finish(bytes(self._buffer), len(self._buffer))
        return self._finish(self._chunked.body(), len(self._buffer))

    def _next(self) -> RawMessage | None:
        if self._head is None and not self._read_head():
            return None
        if self._chunked is not None:
            whole = self._chunked.take(self._buffer)
            self.broken = self._chunked.broken
            size = self._chunked.size
        else:
            whole = self._length is not None and len(self._buffer) >= self._length
            size = len(self._buffer) if self._length is None else self._length
        if size > MAX_CONTENT and not whole:
            self.broken = f"a body of more than {MAX_CONTENT} bytes"
        if not whole:
            return None
        if self._chunked is not None:
            return self._finish(self._chunked.body(), 0)
        return self._finish(bytes(self._buffer[: self._length]), self._length or 0)

    def _finish(self, body: bytes, used: int) -> RawMessage:
        message = RawMessage(head=self._head or b"", body=body)
        self._head, self._length, self._chunked = None, None, None
        del self._buffer[:used]
        return message

    def _read_head(self) -> bool:
        """Take a head off the buffer, if it is complete, and learn from it where the body ends."""
        blank = len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))
        if blank:
            del self._buffer[:blank]
            self._searched = 0
        end = _HEAD_END.search(self._buffer, max(0, self._searched - 3))
        self._searched = len(self._buffer) if end is None else 0
        if end is None:
            if len(self._buffer) > MAX_HEAD:
                self.broken = f"no end of the head within {MAX_HEAD} bytes"
            return False
        raw = bytes(self._buffer[: end.end()])
        del self._buffer[: end.end()]
        head = parse_head(raw)
        length = head.get("content-length")
        if "HTTP/1." not in head.start:
            self.broken = "the first line is not HTTP/1's"
            self._buffer.clear()
            return False
        if "chunked" in (head.get("transfer-encoding") or "").lower():
            self._chunked = _Chunks()
        elif length is None:
            self._length = self._default_length(head)
        elif length.isascii() and length.isdecimal() and len(length) < 20:
            self._length = int(length)
        else:
            self.broken = "Content-Length is no number"
        self._head = raw
        return self.broken is None

    def _default_length(self, head: Head) -> int | None:
        """How long a body without a stated length is; None for up to the end."""
        if self._direction == "request":
            return None if head.start.startswith("POST") else 0
        code = status(RawMessage(head=head.start.encode("latin-1")))
        return 0 if code is not None and (code in _NO_BODY or code in _INFORMATIONAL) else None


class _Chunks:
    """Puts a chunked body together."""

    def __init__(self) -> None:
        self.broken: str | None = None
        self.size = 0
        self._pieces: list[bytes] = []

    def body(self) -> bytes:
        """What has been put together."""
        return b"".join(self._pieces)

    def take(self, buffer: bytearray) -> bool:
        """Take all whole chunks off the buffer; whether the last one was among them."""
        at = 0
        while self.broken is None and (chunk := self._chunk(buffer, at)) is not None:
            piece, at = chunk
            if not piece:
                del buffer[:at]
                return True
            self._pieces.append(piece)
            self.size += len(piece)
        del buffer[:at]
        return False

    def _chunk(self, buffer: bytearray, at: int) -> tuple[bytes, int] | None:
        """The chunk that begins there and the place behind it; None where it is not whole yet, or is none."""
        newline = buffer.find(b"\n", at)
        if newline < 0:
            return None
        size = re.fullmatch(rb"\s*([0-9A-Fa-f]{1,8})\s*(?:;[^\n]*)?", buffer[at:newline])
        if size is None:
            self.broken = "a chunk's size is no number"
            return None
        start, length = newline + 1, int(size[1], 16)
        if length == 0:
            trailer = re.compile(rb"(?:[^\r\n]+\r?\n)*\r?\n").match(buffer, start)
            return None if trailer is None else (b"", trailer.end())
        behind = bytes(buffer[start + length : start + length + 2])
        if behind in (b"", b"\r"):
            return None  # the line end behind the chunk is still to come
        if not behind.startswith((b"\r\n", b"\n")):
            self.broken = f"a chunk of {length} bytes is not followed by a line end"
            return None
        return bytes(buffer[start : start + length]), start + length + (2 if behind.startswith(b"\r") else 1)


def request(body: bytes, host: str, *, target: str = "/", keep_alive: bool = False) -> RawMessage:
    """A plain request as a client of this protocol makes it; an empty target leaves it out, as some did."""
    line = f"POST {target} HTTP/1.1" if target else "POST HTTP/1.1"
    head = (
        f"{line}\r\nHost: {host}\r\nContent-Type: text/plain; charset=UTF-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: {'keep-alive' if keep_alive else 'close'}\r\n\r\n"
    )
    return RawMessage(head=head.encode(), body=body)


def reply(body: bytes, *, code: int = OK, reason: str = "OK", keep_alive: bool = False) -> RawMessage:
    """A plain reply, saying whether the connection stays open."""
    head = (
        f"HTTP/1.1 {code} {reason}\r\nContent-Type: text/html; charset=UTF-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: {'keep-alive' if keep_alive else 'close'}\r\n\r\n"
    )
    return RawMessage(head=head.encode(), body=body)
