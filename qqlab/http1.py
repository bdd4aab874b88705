"""HTTP/1 as the clients of this protocol spoke it: heads, framing, and cutting a byte stream into messages.

Law: no I/O, and lenient where the historical server was: a request line without a target, bare LF, no
Content-Type, no or a wrong Content-Length, replies that end with the connection. Heads and bodies are kept as they
were sent, chunks and content codings included, which `content` undoes on demand; a patch of a head changes one
header and nothing else, and new content keeps the framing true.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple, Protocol

import msgspec

from qqlab.bodies import MAX_CONTENT, Body
from qqlab.exchange import RawMessage
from qqlab.spec import DIRECTIONS, Direction

OK = 200
SWITCHING = 101
MAX_HEAD = 64 * 1024

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_TARGETLESS = re.compile(rb"[A-Z]+ +HTTP/1\.[0-9]\r?\n")
_TARGETLESS_START = re.compile(rb"[A-Z]+ +HTTP/")
_PERHAPS_TARGETLESS = re.compile(rb"P(O(S(T( +(H(T(TP?)?)?)?)?)?)?)?")
_STATUS = re.compile(rb"HTTP/1\.[0-9][ \t]+([0-9]{3})(?![0-9])")
_NO_BODY = (204, 304)
_INFORMATIONAL = range(100, 200)

# What ends the first line of a request, what begins it, and what it begins with behind bytes that belong elsewhere.
_REQUEST_END = re.compile(rb"[ \t]HTTP/1\.[0-9][ \t]*\r?\n\Z")
_REQUEST_START = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]")
_KNOWN_METHOD = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|TRACE|CONNECT|PATCH)[ \t]")
_BODY_METHODS = ("POST", "PUT", "PATCH")
_CHUNK_LINE = re.compile(rb"\s*([0-9A-Fa-f]{1,16})\s*(?:;[^\n]*)?")
_MAY_END_LINE = re.compile(rb"\r?(?:\n|\Z)")
_LINE_END = re.compile(rb"\r?\n|\r\Z")
# What servers of C strip around a name, too.
_BLANKS = " \t\r\v\f"
_USUAL = (b"POST ", b"HTTP/1.1 200 ")
_LONGEST_USUAL = 1024
_USUAL_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]+)[ \t]*\r?\n", re.IGNORECASE)
_MAX_LINE = 16 * 1024
_WINDOWS = {"gzip": (zlib.MAX_WBITS | 16,), "x-gzip": (zlib.MAX_WBITS | 16,), "deflate": (15, -15)}

NO_HTTP = "the first line is not HTTP/1's"


class Head(NamedTuple):
    """A message's head, read: the start line, and header names (lower-case) with their values, in order."""

    start: str
    headers: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str | None:
        """The first value of a header, or None; `name` in lower case."""
        return next((value for key, value in self.headers if key == name), None)


def proper(head: bytes) -> bytes:
    """A head without what stands before its start line: blank lines, interim replies such as 100 Continue, and bytes
    that a wrong length left behind."""
    if head.startswith(_USUAL):
        return head
    line = at = 0
    while (newline := head.find(b"\n", line)) >= 0:
        first = head[line : newline + 1]
        start = next((s for d in DIRECTIONS if (s := _find_start(first, d)) is not None), None)
        end = _HEAD_END.search(head, newline - 1) if start is not None else None
        if start is not None and (end is None or end.end() == len(head) or not _is_interim(first[start:])):
            return head[line + start :]
        line = newline + 1 if end is None else end.end()
        at = at if end is None else line
    return head[at:].lstrip(b"\r\n")


def parse_head(head: bytes) -> Head:
    """Read a head, from its start line on. Total: a line that is no header is passed over."""
    start, *lines = proper(head).decode("latin-1").replace("\r\n", "\n").split("\n")
    split = [line.partition(":") for line in lines]
    return Head(start, tuple([(name.strip(_BLANKS).lower(), value.strip()) for name, colon, value in split if colon]))


def status(reply: RawMessage) -> int | None:
    """The status code of a reply, or None where its head has none."""
    if reply.head.startswith(_USUAL[1]):
        return OK
    match = _STATUS.match(proper(reply.head))
    return int(match[1]) if match else None


def wants_head(request: RawMessage) -> bool:
    """Whether the reply to a request has no body, whatever its head says."""
    return proper(request.head).startswith(b"HEAD ")


def begins(line: bytes) -> bool:
    """Whether a message begins in this line, which includes its line end."""
    return any(_find_start(line, direction) is not None for direction in DIRECTIONS)


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
    """The body with its chunks put together and its content coding undone; None where the coding cannot be undone, or
    the content would exceed 16 MiB.

    Chunks that break off, or are none, give what came of them: no byte of their data is left out.
    """
    data = _joined(message) if message.chunked else message.body
    for coding in _codings(message.head):
        windows = _WINDOWS.get(coding, ())
        unpacked = next((one for bits in windows if (one := _inflate(data, bits)) is not None), None)
        if unpacked is None:
            return None
        data = unpacked
    return data


def _codings(head: bytes) -> list[str]:
    """The content codings that were applied, the last first."""
    if head.lower().find(b"content-encoding") < 0:  # asked of each message several times, and nearly none has it
        return []
    named = ",".join(value for key, value in parse_head(head).headers if key == "content-encoding")
    return [coding for one in reversed(named.lower().split(",")) if (coding := one.strip()) not in ("", "identity")]


def framing(message: RawMessage, *, bodiless: bool = False) -> list[str]:
    """What a head says of its body that is not so, and what stands before it that belongs elsewhere: one phrase each.

    `bodiless` for the reply to a request whose replies have no body. Nothing is said of chunks that whoever recorded
    had put together.
    """
    if not message.head or is_plain(message):
        return []
    wrong = ["bytes that belong to no message stand before it"] if _stray(message.head) else []
    if message.chunked:
        return wrong if _chunks(message.body)[1] < len(message.body) else [*wrong, "the chunks break off"]
    lengths = _lengths_of(message.head)
    actual = len(message.body) if message.cut is None else message.cut.length
    stated = dict.fromkeys(length for length in lengths if length is not None)
    wrong += ["Content-Length is no number"] if None in lengths else []
    wrong += ["Content-Length is stated as " + " and as ".join(map(str, stated))] if len(stated) > 1 else []
    if stated and actual not in stated and not (bodiless and actual == 0):
        wrong.append(f"Content-Length is {next(iter(stated))}, and the body has {actual} bytes")
    return wrong


def is_plain(message: RawMessage) -> bool:
    """Whether a message is as nearly all are: nothing before its head, no coding, no chunks, and one length, which is
    right; or it has no head at all. Nothing is to be said of such a message but what its body says."""
    if message.chunked or message.cut is not None or len(message.head) > _LONGEST_USUAL:
        return False
    return not message.head or _length(message.head) == len(message.body)


@lru_cache(256)
def _length(head: bytes) -> int | None:
    """The length that a usual head states, once and as it is mostly written; a client says the same head each time."""
    folded = head.lower()
    if not head.startswith(_USUAL) or folded.count(b"content-length") != 1 or folded.count(b"content-encoding"):
        return None
    length = _USUAL_LENGTH.search(head)
    return None if length is None or length[1].startswith(b"0") else int(length[1])


def stated_length(head: bytes) -> int | None:
    """The length of the body behind a reply's head, where that is as nearly all are: nothing before it, status 200,
    one length. None where more must be looked at, by a `Reader`."""
    if not head.startswith(b"HTTP/1.1 200 ") or len(head) > MAX_HEAD:
        return None
    folded = head.lower()
    length = _USUAL_LENGTH.search(folded)
    usual = folded.count(b"content-length") == 1 and b"transfer-encoding" not in folded
    end = _HEAD_END.search(head)
    if length is None or not usual or len(length[1]) > 15 or end is None or end.end() != len(head):
        return None
    return int(length[1])


def _stray(head: bytes) -> bool:
    """Whether more than blank lines and interim replies stands before a head."""
    before = head[: len(head) - len(proper(head))].strip(b"\r\n")
    return bool(before) and not before.startswith(b"HTTP/1.")


def _lengths_of(head: bytes) -> list[int | None]:
    return _lengths(parse_head(head)) if b"content-length" in head.lower() else []


def has_no_body(reply: RawMessage, request: RawMessage | None) -> bool:
    """Whether a reply has no body, whatever its head says: by its status, or by what was asked."""
    return status(reply) in _NO_BODY or (request is not None and wants_head(request))


def _joined(message: RawMessage) -> bytes:
    spans, _ = _chunks(message.body)
    return b"".join(message.body[start:stop] for start, stop in spans)


def trailer(body: bytes) -> bytes:
    """What stands behind the data of a body in chunks, from its last chunk on."""
    return body[_chunks(body)[1] :]


def _chunks(body: bytes) -> tuple[list[tuple[int, int]], int]:
    """Where the data of each chunk stands, and where the last chunk begins, which has none. What is no chunk is data,
    but for a chunk line that breaks off."""
    spans: list[tuple[int, int]] = []
    at = 0
    while True:
        newline = body.find(b"\n", at, at + _MAX_LINE)
        torn = newline < 0 and len(body) - at < _MAX_LINE
        size = _CHUNK_LINE.fullmatch(body, at, len(body) if torn else max(at, newline))
        if size is not None and (torn or int(size[1], 16) == 0):
            return spans, at
        start = at if size is None else newline + 1
        stop = len(body) if size is None else min(len(body), start + int(size[1], 16))
        spans.append((start, stop))
        behind = _LINE_END.match(body, stop)
        if behind is None:
            spans.append((stop, len(body)))
        at = len(body) if behind is None else behind.end()
        if at == len(body):
            return spans, at


def with_content(message: RawMessage, new: bytes) -> RawMessage:
    """The message with another content, and framing that is as true as it was.

    The same content changes no byte. Content of equal length is put into the chunks that are there, else the chunks
    become one, in front of the last one and its trailers. A content coding is gone. A Content-Length that was right
    stays so; a wrong one stays as it was.
    """
    old = content(message)
    if new == old:
        return message
    head = without_header(message.head, "Content-Encoding") if _codings(message.head) else message.head
    if not message.chunked:
        if len(new) != len(message.body) and _lengths(parse_head(head)) == [len(message.body)]:
            head = with_header(head, "Content-Length", str(len(new)))
        return msgspec.structs.replace(message, head=head, body=new)
    spans, last = _chunks(message.body)
    if sum(stop - start for start, stop in spans) == len(new):
        patched, at = bytearray(message.body), 0
        for start, stop in spans:
            patched[start:stop] = new[at : at + stop - start]
            at += stop - start
        # What was no chunk may become one.
        if _chunks(bytes(patched)) == (spans, last):
            return msgspec.structs.replace(message, head=head, body=bytes(patched))
    body = (b"%x\r\n%s\r\n" % (len(new), new) if new else b"") + message.body[last:]
    return msgspec.structs.replace(message, head=head, body=body)


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
    before, head = _parted(head)
    pattern = re.compile(rb"(?i)(?<=\n)(" + _named(name) + rb"[ \t]*)[^\r\n]*")
    patched, count = pattern.subn(lambda match: match[1] + value.encode(), head, count=1)
    if count:
        return before + patched
    end = _HEAD_END.search(head)
    if end is None:
        return before + head
    newline = b"\r\n" if end[0].startswith(b"\r") else b"\n"
    return before + head[: end.start()] + newline + f"{name}: {value}".encode() + head[end.start() :]


def without_header(head: bytes, name: str) -> bytes:
    """The head without any header of that name; every other byte stays."""
    before, head = _parted(head)
    return before + re.sub(rb"(?i)(?<=\n)" + _named(name) + rb"[^\n]*(?:\n|\Z)", b"", head)


def _named(name: str) -> bytes:
    """A pattern for the name of a header, with the blanks around it that `parse_head` passes over."""
    return rb"[ \t\r\v\f]*" + re.escape(name.encode()) + rb"[ \t\r\v\f]*:"


def _parted(head: bytes) -> tuple[bytes, bytes]:
    """What stands before the start line, and the head from there on."""
    rest = proper(head)
    return head[: len(head) - len(rest)], rest


def with_body(message: RawMessage, body: bytes) -> RawMessage:
    """The message, whose body is in no chunks, with another one, as it can be sent: the framing that this forces where
    it had any is Content-Length."""
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

    Exact: the messages, what `flush` gives and what is `unread` are together the bytes that went in. What stands
    before a message (blank lines, interim replies such as 100 Continue, bytes that a wrong length left behind) belongs
    to its head. A head that tells no length, or a nonsensical one, leaves the body open to the end. `broken` is set,
    a sentence that quotes no bytes (they may hold a secret), where the rest of the stream cannot be cut: all of it
    then belongs to the message under way. Memory is bounded: a body is cut at `limit` bytes (see `qqlab.bodies`).
    `bodiless` is asked when the head of a reply is read: whether its request was one whose replies have no body.
    `patch` is given each head, from its start line on, and changes what stands behind that line before it is in a
    message; `passed` then gives the same bytes as a stream.
    """

    def __init__(
        self,
        direction: Direction,
        *,
        limit: int = MAX_CONTENT,
        bodiless: Callable[[], bool] = lambda: False,
        patch: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self.broken: str | None = None
        self._direction = direction
        self._limit = limit
        self._bodiless = bodiless
        self._patch = patch
        self._passed = bytearray()  # what `passed` has not given yet
        self._given = 0  # so much of the buffer is in there already
        self._buffer = bytearray()
        self._line = 0  # where the first line begins that was not looked at yet
        self._searched = 0  # up to here the buffer holds no line end behind that, or no end of the head
        self._start: int | None = None  # where the start line is, once it was found
        self._interim = False  # whether an interim reply stands before it
        self._head = b""
        self._body = Body(limit)
        self._framing: _Framing | None = None
        self._chunked = False

    @property
    def pending(self) -> bool:
        """Whether a message has begun and is not complete."""
        return self._framing is not None or bool(self._buffer.strip(b"\r\n"))

    @property
    def open_ended(self) -> bool:
        """Whether a message is under way whose end only the connection's course tells: no length, no chunks."""
        return self.broken is None and isinstance(self._framing, _Endless)

    @property
    def in_body(self) -> bool:
        """Whether the head of a message is complete, and its body is not."""
        return self._framing is not None

    @property
    def stray(self) -> bool:
        """Whether the bytes that wait for a message begin with a whole line that is none's first."""
        plain = self._start is None and not self._interim
        return self.broken == NO_HTTP or (plain and bool(self._buffer[: self._line].strip(b"\r\n")))

    @property
    def unread(self) -> bytes:
        """The bytes that are in no message yet, nor in the body under way."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[RawMessage]:
        """Take bytes as they came; return the messages that they complete."""
        return list(self.messages(data))

    def messages(self, data: bytes) -> Iterator[RawMessage]:
        """Like `feed`, one message at a time: what `bodiless` says may depend on those before."""
        self._buffer += data
        while (self._framing is not None or self._read_head()) and self._read_body():
            yield self._finish()

    def passed(self, *, last: bool = False) -> bytes:
        """What may be sent on, since this was asked before, where heads are patched: all but what is behind the start
        line of the head under way. That as well, as it came, where these were the `last` bytes."""
        # A body may be longer than it said: what is in no message yet is what its server may be waiting for.
        in_headers = self._framing is None and self._start is not None
        self._pass(self._line if in_headers and not last else len(self._buffer))
        passed, self._passed = bytes(self._passed), bytearray()
        return passed

    def switch(self) -> None:
        """Behind the message under way the connection speaks something else."""
        self.broken = self.broken or "the connection went over to another protocol"

    def flush(self) -> RawMessage | None:
        """The message under way, as far as it came; it is whole if it was `open_ended`. None where none is.

        Bytes that are no message's beginning come out as a body without a head, and set `broken`.
        """
        if not self.pending:
            return None
        if self._framing is not None:
            self._body.add(self._buffer)
        elif self._start is not None or self._interim or _may_begin(self._buffer, self._direction):
            self._head = bytes(self._buffer)
        else:
            self.broken = self.broken or NO_HTTP
            self._body.add(self._buffer)
        self._drop(len(self._buffer))
        return self._finish()

    def _read_body(self) -> bool:
        """Take what there is of the body off the buffer; whether it is complete."""
        assert self._framing is not None
        used = self._framing.take(self._buffer)
        if used:
            self._body.add(self._buffer[:used])
            self._drop(used)
        if self._framing.broken is not None:
            self.broken, self._framing = self._framing.broken, _Endless()
            return self._read_body()
        return self._framing.complete

    def _finish(self) -> RawMessage:
        message = RawMessage(head=self._head, body=self._body.kept, chunked=self._chunked, cut=self._body.cut)
        self._head, self._body, self._framing, self._chunked = b"", Body(self._limit), None, False
        return message

    def _pass(self, size: int) -> None:
        """So much of the buffer is sent on, if it was not yet."""
        if self._patch is not None and size > self._given:
            self._passed += self._buffer[self._given : size]
            self._given = size

    def _drop(self, size: int) -> None:
        self._pass(size)
        self._given = max(0, self._given - size)
        del self._buffer[:size]
        self._line, self._searched, self._start, self._interim = 0, 0, None, False

    def _read_head(self) -> bool:
        """Take a head off the buffer, if it is complete, and learn from it where the body ends."""
        end = self._find_head() if self.broken is None else None
        if (len(self._buffer) if end is None else end) > MAX_HEAD:
            self.broken = self.broken or f"no end of a head within {MAX_HEAD} bytes"
        if self.broken is not None and self._buffer:
            # Nothing more can be cut: the rest is one body without a head, of which little is kept.
            self._body, self._framing = Body(min(self._limit, MAX_HEAD)), _Endless()
            return True
        if end is None:
            return False
        proper = bytes(self._buffer[self._start : end])
        head = parse_head(proper)
        if self._patch is None:
            self._head = bytes(self._buffer[:end])
        else:
            self._patch_head(proper, end - len(proper), end)
        self._drop(end)
        self._framing = self._framed(head)
        self._chunked = isinstance(self._framing, _Chunks)
        return True

    def _patch_head(self, proper: bytes, start: int, end: int) -> None:
        """The head that stands there is another one from now on, in its message and in what is sent on."""
        assert self._patch is not None
        patched = self._patch(proper)
        self._head = bytes(self._buffer[:start]) + patched
        self._pass(start)
        self._passed += patched[self._given - start :]
        self._given = end

    def _find_head(self) -> int | None:
        """Where the head ends that the buffer begins with; None where more must come."""
        while self._start is not None or self._find_start():
            end = _HEAD_END.search(self._buffer, max(self._line, self._searched - 3))
            if end is None:
                self._searched = len(self._buffer)
                return None
            if self._direction == "request" or not _is_interim(self._buffer[self._start : end.end()]):
                return end.end()
            self._line = self._searched = end.end()
            self._start, self._interim = None, True
        return None

    def _find_start(self) -> bool:
        """Look for the start line, line by line; `_line` is then where it ends, but for its line end."""
        while (newline := self._buffer.find(b"\n", self._searched)) >= 0:
            line = self._buffer[self._line : newline + 1]
            start = _find_start(line, self._direction)
            if start is not None:
                self._start = self._line + start
                self._line = self._searched = newline - 1 if line.endswith(b"\r\n") else newline
                return True
            self._line = self._searched = newline + 1
        self._searched = len(self._buffer)
        return False

    def _framed(self, head: Head) -> "_Framing":
        """How the body behind a head ends."""
        if self._direction == "reply":
            code = _STATUS.match(head.start.encode("latin-1"))
            switches = code is not None and int(code[1]) == SWITCHING
            if switches:
                self.switch()
            if self._bodiless() or switches or (code is not None and int(code[1]) in _NO_BODY):
                return _Sized(0)
        if "chunked" in (head.get("transfer-encoding") or "").lower():
            return _Chunks()
        length = next((int(length) for length in _lengths(head) if length is not None), None)
        if length is not None:
            return _Sized(length)
        return _Endless() if self._direction == "reply" or head.start.startswith(_BODY_METHODS) else _Sized(0)


def _lengths(head: Head) -> list[int | None]:
    """What a head says of the body's length, None for what is no number; clients have said it twice."""
    values = [one.strip() for key, value in head.headers if key == "content-length" for one in value.split(",")]
    return [int(one) if one.isascii() and one.isdecimal() and len(one) < 20 else None for one in values]


def _is_interim(head: bytes | bytearray) -> bool:
    """Whether this is a head such as 100 Continue: the reply proper is still to come."""
    match = _STATUS.match(head)
    return match is not None and int(match[1]) in _INFORMATIONAL and int(match[1]) != SWITCHING


def _find_start(line: bytes | bytearray, direction: Direction) -> int | None:
    """Where in a line a message begins: nearly always at 0, but the bytes of a body that was longer than it said may
    stand before. None where it does not."""
    if direction == "reply":
        match = _STATUS.search(line)
        return None if match is None else match.start()
    if _REQUEST_END.search(line) is None:
        return None
    method, known = _REQUEST_START.match(line), _KNOWN_METHOD.search(line)
    if known is not None and (method is None or not method[0].isupper() or known.start() < method.end()):
        return known.start()
    return None if method is None else 0


def _may_begin(data: bytes | bytearray, direction: Direction) -> bool:
    """Whether these may be the first bytes of a message whose first line is not complete."""
    first = bytes(data).lstrip(b"\r\n")
    if b"\n" in first:
        return False
    if direction == "reply":
        return b"HTTP/1.".startswith(first[:7])
    return _REQUEST_START.match(first + b" ") is not None and first.split()[0].isupper()


class _Framing(Protocol):
    """How a body ends. `take` says how many bytes of what came belong to it; `complete` whether it ended there,
    `broken` why that cannot be told."""

    complete: bool
    broken: str | None

    def take(self, buffer: bytearray) -> int: ...


class _Endless:
    """A body that ends with the connection."""

    complete = False
    broken: str | None = None

    def take(self, buffer: bytearray) -> int:
        return len(buffer)


class _Sized:
    """A body of a stated length."""

    broken: str | None = None

    def __init__(self, length: int) -> None:
        self._left = length
        self.complete = length == 0

    def take(self, buffer: bytearray) -> int:
        used = min(self._left, len(buffer))
        self._left -= used
        self.complete = self._left == 0
        return used


class _Chunks:
    """A chunked body, from its first chunk line to the blank line behind its trailers.

    A piece of a chunk is taken as it comes; a line only when it is whole, or too long.
    """

    def __init__(self) -> None:
        self.complete = False
        self.broken: str | None = None
        self._left = 0  # of the data of the chunk under way
        self._closing = False  # the line end behind a chunk's data is to come
        self._trailers = False  # the last chunk line was read

    def take(self, buffer: bytearray) -> int:
        at = 0
        while not self.complete and self.broken is None:
            before = at
            if self._left:
                at += min(self._left, len(buffer) - at)
                self._left -= at - before
                self._closing = self._left == 0
            else:
                at = self._take_line(buffer, at)
            if at == before:
                break
        return at

    def _take_line(self, buffer: bytearray, at: int) -> int:
        """Take one line; where it begins if it is not whole, or is not what must stand there."""
        newline = buffer.find(b"\n", at, at + _MAX_LINE)
        if self._closing and not _MAY_END_LINE.match(buffer, at):
            self.broken = "a chunk is not followed by a line end"
        elif newline < 0 and len(buffer) - at >= _MAX_LINE:
            self.broken = "a chunk line is too long"
        if newline < 0 or self.broken is not None:
            return at
        self._read_line(bytes(buffer[at:newline]))
        return at if self.broken is not None else newline + 1

    def _read_line(self, line: bytes) -> None:
        if self._closing:
            self._closing = False
        elif self._trailers:
            self.complete = line in (b"", b"\r")
        elif (size := _CHUNK_LINE.fullmatch(line)) is None:
            self.broken = "a chunk's size is no number"
        else:
            self._left = int(size[1], 16)
            self._trailers = self._left == 0


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
