"""Heads, framing and the cutting of streams, without I/O."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab import http1
from qqlab.exchange import RawMessage
from qqlab.http1 import Reader
from qqlab.spec import Direction

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
SLOPPY = b"POST HTTP/1.1\r\nContent-Length: 3\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TO_THE_END = b"HTTP/1.0 200 OK\r\n\r\n"
BARE = b"POST / HTTP/1.0\nContent-Length: 3\n\n"


@pytest.mark.parametrize(
    ("direction", "stream", "messages"),
    [
        ("request", HEAD + b"abc", [(HEAD, b"abc")]),
        ("request", SLOPPY + b"abc", [(SLOPPY, b"abc")]),
        ("request", BARE + b"abc", [(BARE, b"abc")]),
        ("request", HEAD + b"abc" + SLOPPY + b"def", [(HEAD, b"abc"), (SLOPPY, b"def")]),
        ("request", HEAD + b"abc\r\n" + HEAD + b"def", [(HEAD, b"abc"), (HEAD, b"def")]),
        ("request", b"GET / HTTP/1.1\r\n\r\n", [(b"GET / HTTP/1.1\r\n\r\n", b"")]),
        ("reply", CHUNKED + b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n", [(CHUNKED, b"abc")]),
        ("reply", CHUNKED + b"3\nabc\n0\n\n", [(CHUNKED, b"abc")]),
        ("reply", CHUNKED + b"0\r\nTrailer: 1\r\n\r\n", [(CHUNKED, b"")]),
        (
            "reply",
            b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 304 No\r\n\r\n",
            [(b"HTTP/1.1 204 No\r\n\r\n", b""), (b"HTTP/1.1 304 No\r\n\r\n", b"")],
        ),
        ("reply", TO_THE_END + b"abc", []),
    ],
)
def test_a_stream_is_cut_the_same_in_pieces_of_any_size(
    direction: Direction, stream: bytes, messages: list[tuple[bytes, bytes]]
) -> None:
    for size in (1, 2, 7, len(stream)):
        reader = Reader(direction)
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        cut = [message for piece in pieces for message in reader.feed(piece)]
        assert [(message.head, message.body) for message in cut] == messages
        assert reader.broken is None


def test_a_broken_stream_keeps_nothing_more() -> None:
    reader = Reader("reply")
    reader.feed(b"no HTTP\r\n\r\n")
    for _ in range(3):
        assert reader.feed(bytes(100_000)) == []
    assert not reader.pending
    assert reader.flush() is None


def test_a_body_has_a_limit() -> None:
    for head in (TO_THE_END, CHUNKED + b"ffffff\r\n", TO_THE_END[:-2] + b"Content-Length: 99999999\r\n\r\n"):
        reader = Reader("reply")
        reader.feed(head + bytes(http1.MAX_CONTENT + 1))
        assert reader.broken is not None


def test_it_is_known_whether_the_end_of_the_connection_may_end_a_message() -> None:
    for stream, expected in ((TO_THE_END, True), (CHUNKED, False), (HEAD, False), (b"", False), (b"HTTP/1.1", False)):
        reader = Reader("reply")
        reader.feed(stream)
        assert reader.open_ended is expected


def test_what_only_the_end_completes() -> None:
    reader = Reader("reply")
    assert reader.feed(TO_THE_END + b"ab") == []
    pending = [reader.pending]
    reader.feed(b"c")
    assert reader.flush() == RawMessage(head=TO_THE_END, body=b"abc")
    pending.append(reader.pending)
    assert pending == [True, False]
    assert reader.flush() is None


def test_a_request_without_a_length_is_whole_when_its_reply_begins() -> None:
    head = b"POST / HTTP/1.0\r\n\r\n"
    reader = Reader("request")
    assert reader.feed(head + b"CMD=List") == []
    assert reader.flush() == RawMessage(head=head, body=b"CMD=List")


def test_a_chunked_body_that_breaks_off_is_kept() -> None:
    reader = Reader("reply")
    reader.feed(CHUNKED + b"2\r\nab\r\n5\r\ncd")
    assert reader.flush() == RawMessage(head=CHUNKED, body=b"ab")


@pytest.mark.parametrize(
    ("direction", "stream", "what"),
    [
        ("request", b"VER=1.1&CMD=Login\n\nx", "the first line is not HTTP/1's"),
        ("request", b"x" * (http1.MAX_HEAD + 1), "no end of the head within 65536 bytes"),
        ("request", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "Content-Length is no number"),
        ("reply", CHUNKED + b"zz\r\n", "a chunk's size is no number"),
        ("reply", CHUNKED + b"2\r\nabc\r\n", "a chunk of 2 bytes is not followed by a line end"),
    ],
)
def test_what_is_no_http(direction: Direction, stream: bytes, what: str) -> None:
    reader = Reader(direction)
    assert reader.feed(stream) == []
    assert reader.broken == what
    assert reader.feed(HEAD + b"abc") == []


@given(st.sampled_from(["request", "reply"]), st.lists(st.binary(max_size=50), max_size=10))
def test_any_stream_is_read_without_raising(direction: Direction, pieces: list[bytes]) -> None:
    reader = Reader(direction)
    for piece in pieces:
        reader.feed(piece)
    reader.flush()


def test_a_megabyte_in_chunks_of_one_byte() -> None:
    """What took seconds when every chunk moved the rest of the buffer."""
    reader = Reader("reply")
    cut = reader.feed(CHUNKED + b"1\r\na\r\n" * 200_000 + b"0\r\n\r\n")
    assert cut == [RawMessage(head=CHUNKED, body=b"a" * 200_000)]


WORDS = [
    b"POST ",
    b"/",
    b" HTTP/1.1",
    b"HTTP/1.1 200 OK",
    b"\r\n",
    b"\n",
    b"Content-Length: 3",
    b"abc",
    b"5\r\n",
    b"0\r\n",
]


@given(st.sampled_from(["request", "reply"]), st.lists(st.sampled_from([*WORDS, CHUNKED[15:]]), max_size=20))
def test_http_like_streams_lose_no_message_to_the_cut(direction: Direction, words: list[bytes]) -> None:
    stream = b"".join(words)
    whole, bytewise = Reader(direction), Reader(direction)
    together = whole.feed(stream)
    apart = [message for byte in stream for message in bytewise.feed(bytes([byte]))]
    assert apart == together
    assert bytewise.broken == whole.broken
    if whole.broken is None:
        assert bytewise.flush() == whole.flush()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", False),
        (b"PO", None),
        (b"POST", None),
        (b"POST ", None),
        (b"POST HTT", None),
        (b"POST HTTP/", True),
        (b"POST  HTTP/1.0\n", True),
        (b"POST / HTTP/1.1", False),
        (b"POST /HTTP/", False),
        (b"GET HTTP/1.1", True),
        (b"\x16\x03", False),
    ],
)
def test_a_missing_target_is_told_from_the_first_bytes(data: bytes, expected: bool | None) -> None:
    assert http1.has_no_target(data) is expected


def test_a_target_is_put_in_for_strict_parsers() -> None:
    assert http1.add_target(SLOPPY) == SLOPPY.replace(b"POST ", b"POST / ")
    assert http1.add_target(HEAD) == HEAD


PLAIN = b"CMD=List"


def packed(data: bytes) -> bytes:
    """Without a time in it, so that the names of the tests stay the same."""
    return gzip.compress(data, mtime=0)


@pytest.mark.parametrize(
    ("coding", "body", "expected"),
    [
        ("gzip", packed(PLAIN), PLAIN),
        ("deflate", zlib.compress(PLAIN), PLAIN),
        ("deflate", zlib.compress(PLAIN)[2:-4], PLAIN),
        ("identity", PLAIN, PLAIN),
        ("gzip", packed(PLAIN[:3]) + packed(PLAIN[3:]), PLAIN),
        ("gzip", b"junk", None),
        ("gzip", packed(PLAIN)[:-9], None),
        ("br", PLAIN, None),
        ("gzip", packed(bytes(http1.MAX_CONTENT + 1)), None),
    ],
)
def test_content_codings(coding: str, body: bytes, expected: bytes | None) -> None:
    message = RawMessage(head=f"HTTP/1.1 200 OK\r\nCONTENT-ENCODING: {coding}\r\n\r\n".encode(), body=body)
    assert http1.content(message) == expected


def test_a_new_body_changes_its_framing_only() -> None:
    message = RawMessage(head=HEAD, body=b"abc")
    assert http1.with_body(message, b"abcd") == RawMessage(head=HEAD.replace(b": 3", b": 4"), body=b"abcd")
    assert http1.with_body(message, b"abc") == message
    chunked = RawMessage(head=CHUNKED, body=b"abc")
    assert http1.with_body(chunked, b"abc").head == b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
    unframed = RawMessage(head=TO_THE_END, body=b"abc")
    assert http1.with_body(unframed, b"abcd") == RawMessage(head=TO_THE_END, body=b"abcd")


@pytest.mark.parametrize("head", [HEAD, SLOPPY, BARE])
def test_the_head_that_bytes_begin_with(head: bytes) -> None:
    assert http1.first_head(head + b"abc") == head
    assert http1.first_head(head[:-1]) is None


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"POST / HTTP/1.1\r\nhost : old\r\nX: 1\r\n\r\n", b"POST / HTTP/1.1\r\nhost : new\r\nX: 1\r\n\r\n"),
        (b"POST / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nHost: new\r\n\r\n"),
        (b"POST / HTTP/1.1\n\n", b"POST / HTTP/1.1\nHost: new\n\n"),
        (b"POST / HTTP/1.1", b"POST / HTTP/1.1"),
    ],
)
def test_one_header_is_set_and_the_rest_stays(head: bytes, expected: bytes) -> None:
    assert http1.with_header(head, "Host", "new") == expected


def test_status_of_a_reply() -> None:
    assert http1.status(RawMessage(head=b"HTTP/1.0 404 Not Found\r\n\r\n")) == 404
    assert http1.status(RawMessage()) is None
