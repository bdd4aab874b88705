"""Cutting what a client sends to the test server into requests of HTTP.

Law: no I/O, and lenient where the historical server was (no target, no Content-Type, HTTP/1.0); anything else is a
refusal: a status and a sentence. Memory is bounded by one request.
"""

import re
from http import HTTPStatus
from typing import NamedTuple

import httptools

from qqlab import http1

MOST_BODY = 1024 * 1024
_TEXT_LINE = re.compile(rb"[ -~]{0,8192}\r?")


class Request(NamedTuple):
    """A request's body, and whether its connection shall stay open after the reply."""

    body: bytes
    keep_alive: bool


class Refusal(NamedTuple):
    """Why a request gets an HTTP error instead of an answer; nothing after it can be read."""

    code: HTTPStatus
    sentence: str


class RequestReader:
    """Cuts the bytes of a connection into requests, whatever the sizes of the pieces. No I/O.

    The parser is fed one line at a time but for bodies of a stated length, so that it never sees the beginning of the
    next request, whose first line may lack its target.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0  # what stands before this place of the buffer was parsed
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._begun = False
        self._head_size = 0
        self._in_body = False
        self._left: int | None = None
        self._chunked = False
        self._keep_alive = False
        self._expects = False
        self._body: list[bytes] = []
        self._body_size = 0
        self._complete = False
        self._refusal: Refusal | None = None

    @property
    def pending(self) -> bool:
        """Whether a request has begun and is not complete."""
        return self._begun or self._buffer[self._at :].strip(b"\r\n") != b""

    def expects_continue(self) -> bool:
        """Whether the client waits for a word before it sends the body. Asking clears it."""
        expects, self._expects = self._expects and self._in_body, False
        return expects

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""
        self._buffer, self._at = self._buffer[self._at :] + data, 0

    def next(self) -> Request | Refusal | None:
        """The next request, if it is complete. After a refusal nothing more may be asked."""
        while self._refusal is None and not self._complete and (piece := self._take()):
            self._parse(piece)
        if self._refusal is not None:
            return self._refusal
        if not self._complete:
            return None
        request = Request(b"".join(self._body), self._keep_alive)
        self._begin()
        return request

    def _take(self) -> bytes:
        """What the parser can have now, or nothing."""
        if self._in_body and self._left is not None:
            piece = self._cut(self._at + self._left)
            self._left -= len(piece)
            return piece
        if self._begun:
            return self._cut(self._buffer.find(b"\n", self._at) + 1 or len(self._buffer))
        while self._buffer[self._at : self._at + 1] in (b"\r", b"\n"):
            self._at += 1
        end = self._buffer.find(b"\n", self._at) + 1
        if end == 0 and _TEXT_LINE.fullmatch(self._buffer, self._at):
            return b""  # perhaps the beginning of a request line
        line = self._cut(end or len(self._buffer))
        self._begun = line != b""
        return http1.add_target(line)

    def _cut(self, end: int) -> bytes:
        piece = self._buffer[self._at : end]
        self._at += len(piece)
        return piece

    def _parse(self, piece: bytes) -> None:
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # The parser has stopped before the body, and calls the request complete.
            if self._refusal is None:
                self._refuse(HTTPStatus.BAD_REQUEST, "No other protocol is spoken here; leave Upgrade out.")
        except httptools.HttpParserError as error:
            if self._refusal is None:
                self._refuse(HTTPStatus.BAD_REQUEST, f"This is no HTTP request: {error}.")
        if not self._in_body and not self._complete:
            self._head_size += len(piece)
            if self._head_size > http1.MAX_HEAD and self._refusal is None:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"The head exceeds {http1.MAX_HEAD} bytes.")

    def _refuse(self, code: HTTPStatus, sentence: str) -> None:
        self._refusal = Refusal(code, sentence)

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Learn where the body ends, and what shall become of the connection."""
        match name.lower():
            case b"content-length":
                self._left = int(value)
            case b"transfer-encoding":
                self._chunked = value.strip().lower() == b"chunked"
            case b"connection":
                self._keep_alive = b"keep-alive" in value.lower()
            case b"expect":
                self._expects = value.strip().lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """Refuse what is not served, before its body comes."""
        self._in_body = True
        if self._parser.get_method() != b"POST":
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "Only POST is served.")
        elif self._left is None and not self._chunked:
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "A Content-Length is needed.")
        elif self._left is not None and self._left > MOST_BODY:
            self._refuse_size()

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._body.append(data)
        self._body_size += len(data)
        if self._body_size > MOST_BODY:
            self._refuse_size()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._complete = True

    def _refuse_size(self) -> None:
        self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body may hold {MOST_BODY} bytes at most.")
