"""Heads, framing and the cutting of streams, without I/O."""

import gzip
import hashlib
import zlib
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qqlab import http1
from qqlab.bodies import MAX_CONTENT
from qqlab.exchange import Cut, RawMessage
from qqlab.http1 import Reader
from qqlab.spec import Direction

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
SLOPPY = b"POST HTTP/1.1\r\nContent-Length: 3\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TO_THE_END = b"HTTP/1.0 200 OK\r\n\r\n"
BARE = b"POST / HTTP/1.0\nContent-Length: 3\n\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
GET = b"GET / HTTP/1.1\r\n\r\n"
SWITCHED = "the connection went over to another protocol"
NO_SIZE = "a chunk's size is no number"


def lengths(*values: bytes) -> bytes:
    """The head of a request whose length is stated so."""
    return b"POST / HTTP/1.1\r\n" + b"".join(b"Content-Length: %s\r\n" % value for value in values) + b"\r\n"


class Read(NamedTuple):
    """What becomes of a stream: the messages it completes (head and body), what flush gives, and the reader's state
    at the end."""

    messages: list[tuple[bytes, bytes]]
    rest: tuple[bytes, bytes] | None = None
    open_ended: bool = False
    broken: str | None = None


def read(direction: Direction, stream: bytes, size: int, *, bodiless: bool = False) -> Read:
    """Feed a stream in pieces of that size, and check that no byte of it is lost or invented."""
    reader = Reader(direction, bodiless=lambda: bodiless)
    pieces = (stream[start : start + size] for start in range(0, len(stream), size))
    messages = [message for piece in pieces for message in reader.feed(piece)]
    pending, open_ended = reader.pending, reader.open_ended
    rest = reader.flush()
    assert pending is (rest is not None)
    whole = [*messages, rest] if rest is not None else messages
    assert b"".join(message.head + message.body for message in whole) + reader.unread == stream
    plain = [(message.head, message.body) for message in messages]
    return Read(plain, None if rest is None else (rest.head, rest.body), open_ended, reader.broken)


STREAMS: dict[str, tuple[Direction, bytes, Read]] = {
    "nothing": ("request", b"", Read([])),
    "plain": ("request", HEAD + b"abc", Read([(HEAD, b"abc")])),
    "no target": ("request", SLOPPY + b"abc", Read([(SLOPPY, b"abc")])),
    "bare LF": ("request", BARE + b"abc", Read([(BARE, b"abc")])),
    "pipelined": ("request", HEAD + b"abc" + SLOPPY + b"def", Read([(HEAD, b"abc"), (SLOPPY, b"def")])),
    "line ends between": (
        "request",
        b"\r\n" + HEAD + b"abc\r\n" + HEAD + b"def\r\n",
        Read([(b"\r\n" + HEAD, b"abc"), (b"\r\n" + HEAD, b"def")]),
    ),
    "no body": ("request", GET, Read([(GET, b"")])),
    "no length": ("request", b"POST / HTTP/1.0\r\n\r\nabc", Read([], (b"POST / HTTP/1.0\r\n\r\n", b"abc"), True)),
    "an unusual method": ("request", GET.replace(b"GET", b"x-brew"), Read([(b"x-brew / HTTP/1.1\r\n\r\n", b"")])),
    "an unusual method, and a usual one in the target": (
        "request",
        b"BREW /GET HTTP/1.1\r\n\r\n",
        Read([(b"BREW /GET HTTP/1.1\r\n\r\n", b"")]),
    ),
    "too short a length": (
        "request",
        HEAD + b"abcdef" + HEAD + b"abc",
        Read([(HEAD, b"abc"), (b"def" + HEAD, b"abc")]),
    ),
    "too short a length, and lines behind": (
        "request",
        HEAD + b"abc=1\r\n\r\n2&" + GET,
        Read([(HEAD, b"abc"), (b"=1\r\n\r\n2&" + GET, b"")]),
    ),
    "too short a length, at the end": (
        "request",
        HEAD + b"abc=1",
        Read([(HEAD, b"abc")], (b"", b"=1"), False, http1.NO_HTTP),
    ),
    "too long a length": ("request", HEAD + b"ab", Read([], (HEAD, b"ab"))),
    "two equal lengths": ("request", lengths(b"1", b"1") + b"a", Read([(lengths(b"1", b"1"), b"a")])),
    "two lengths": ("request", lengths(b"1", b"2") + b"a", Read([(lengths(b"1", b"2"), b"a")])),
    "a list of lengths": ("request", lengths(b"x, 1") + b"a", Read([(lengths(b"x, 1"), b"a")])),
    "a length that is none": ("request", lengths(b"-1") + b"a", Read([], (lengths(b"-1"), b"a"), True)),
    "a length of many digits": ("request", lengths(b"9" * 5000) + b"a", Read([], (lengths(b"9" * 5000), b"a"), True)),
    "a torn first line": ("request", b"POST HT", Read([], (b"POST HT", b""))),
    "a torn head": ("request", HEAD[:-2], Read([], (HEAD[:-2], b""))),
    "chunks": (
        "reply",
        CHUNKED + b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n" + TO_THE_END,
        Read([(CHUNKED, b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n")], (TO_THE_END, b""), True),
    ),
    "chunks with bare LF": ("reply", CHUNKED + b"3\nabc\n0\n\n", Read([(CHUNKED, b"3\nabc\n0\n\n")])),
    "odd chunk lines": (
        "reply",
        CHUNKED + b" 0000000000A \r\n0123456789\r\n00 ; x\r\n\r\n",
        Read([(CHUNKED, b" 0000000000A \r\n0123456789\r\n00 ; x\r\n\r\n")]),
    ),
    "trailers": ("reply", CHUNKED + b"0\r\nTrailer: 1\r\n\r\n", Read([(CHUNKED, b"0\r\nTrailer: 1\r\n\r\n")])),
    "torn chunks": ("reply", CHUNKED + b"2\r\nab\r\n5\r\ncd", Read([], (CHUNKED, b"2\r\nab\r\n5\r\ncd"))),
    "a chunk without a size": (
        "reply",
        CHUNKED + b"2\r\nab\r\nzz\r\n" + TO_THE_END,
        Read([], (CHUNKED, b"2\r\nab\r\nzz\r\n" + TO_THE_END), False, NO_SIZE),
    ),
    "a chunk that is longer than its size": (
        "reply",
        CHUNKED + b"2\r\nabc\r\n",
        Read([], (CHUNKED, b"2\r\nabc\r\n"), False, "a chunk is not followed by a line end"),
    ),
    "a chunk line without an end": (
        "reply",
        CHUNKED + b"2;" + bytes(20_000),
        Read([], (CHUNKED, b"2;" + bytes(20_000)), False, "a chunk line is too long"),
    ),
    "no body by the status": (
        "reply",
        b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n" + TO_THE_END,
        Read(
            [(b"HTTP/1.1 204 No\r\n\r\n", b""), (b"HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", b"")],
            (TO_THE_END, b""),
            True,
        ),
    ),
    "up to the end": ("reply", TO_THE_END + b"abc", Read([], (TO_THE_END, b"abc"), True)),
    "interim replies": (
        "reply",
        CONTINUE + b"\r\nHTTP/1.1 102 Wait\r\nX: 1\r\n\r\n" + CHUNKED + b"0\r\n\r\n",
        Read([(CONTINUE + b"\r\nHTTP/1.1 102 Wait\r\nX: 1\r\n\r\n" + CHUNKED, b"0\r\n\r\n")]),
    ),
    "an interim reply alone": ("reply", CONTINUE, Read([], (CONTINUE, b""))),
    "an interim reply, and a torn one": ("reply", CONTINUE + CHUNKED[:20], Read([], (CONTINUE + CHUNKED[:20], b""))),
    "another protocol": (
        "reply",
        b"HTTP/1.1 101 Switching\r\n\r\n" + TO_THE_END + b"\x00",
        Read([(b"HTTP/1.1 101 Switching\r\n\r\n", b"")], (b"", TO_THE_END + b"\x00"), False, SWITCHED),
    ),
    "another protocol in silence": (
        "reply",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        Read([(b"HTTP/1.1 101 Switching\r\n\r\n", b"")], None, False, SWITCHED),
    ),
    "no HTTP": ("reply", b"RES=0&RS=0", Read([], (b"", b"RES=0&RS=0"), False, http1.NO_HTTP)),
    "no HTTP, in lines": ("request", b"CMD=List\n\nx\n", Read([], (b"", b"CMD=List\n\nx\n"), False, http1.NO_HTTP)),
    "no HTTP/1": ("request", b"GET / HTTP/2\r\n\r\n", Read([], (b"", b"GET / HTTP/2\r\n\r\n"), False, http1.NO_HTTP)),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_cut_the_same_in_pieces_of_any_size(name: str) -> None:
    direction, stream, expected = STREAMS[name]
    for size in (1, 2, 7, len(stream) or 1):
        assert read(direction, stream, size) == expected, size


def test_a_reply_to_head_has_no_body() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
    assert read("reply", head + CHUNKED, 7, bodiless=True) == Read([(head, b""), (CHUNKED, b"")])
    asked = [http1.wants_head(RawMessage(head=head)) for head in (b"\r\nHEAD / HTTP/1.0\r\n\r\n", GET, b"")]
    assert asked == [True, False, False]


def test_a_head_that_never_ends_is_given_up() -> None:
    for begin in (b"POST / HTTP/1.1\r\nX: ", b"x"):
        for size in (10_000, 100_000):
            reader = Reader("request")
            stream = begin + bytes(90_000) + b"\r\n\r\n" + HEAD + b"abc"
            for start in range(0, len(stream), size):
                assert reader.feed(stream[start : start + size]) == []
            assert (reader.broken, reader.unread) == ("no end of a head within 65536 bytes", b"")
            whole = Cut(length=len(stream), sha256=hashlib.sha256(stream).hexdigest())
            assert reader.flush() == RawMessage(body=stream[: http1.MAX_HEAD], cut=whole)
            assert (reader.feed(b""), reader.pending, reader.flush()) == ([], False, None)
            assert (reader.feed(HEAD), reader.flush()) == ([], RawMessage(body=HEAD))


@pytest.mark.parametrize("head", [TO_THE_END, CHUNKED, lengths(b"2012").replace(b"POST / HTTP/1.1", TO_THE_END[:-4])])
def test_a_long_body_is_cut(head: bytes) -> None:
    body = b"7d0\r\n" + bytes(2000) + b"\r\n0\r\n\r\n"
    for size in (1, 700, 5000):
        reader = Reader("reply", limit=1000)
        stream = head + body
        messages = [m for start in range(0, len(stream), size) for m in reader.feed(stream[start : start + size])]
        cut = Cut(length=len(body), sha256=hashlib.sha256(body).hexdigest())
        whole: list[RawMessage | None] = [*messages] or [reader.flush()]
        assert whole == [RawMessage(head=head, body=body[:1000], chunked=head == CHUNKED, cut=cut)]


@pytest.mark.parametrize(
    ("stream", "stray"),
    [(b"RES=0\n", True), (b"RES=0", False), (CONTINUE, False), (b"\r\n", False), (b"HTTP/1.1 ", False)],
)
def test_what_begins_as_no_message_is_told_early(stream: bytes, stray: bool) -> None:
    reader = Reader("reply")
    reader.feed(stream)
    assert reader.stray is stray
    reader.feed(TO_THE_END)
    assert not reader.stray


def test_a_request_without_a_length_is_whole_when_its_reply_begins() -> None:
    head = b"POST / HTTP/1.0\r\n\r\n"
    reader = Reader("request")
    assert reader.feed(head + b"CMD=List") == []
    assert reader.flush() == RawMessage(head=head, body=b"CMD=List")
    assert reader.feed(HEAD + b"abc") == [RawMessage(head=HEAD, body=b"abc")]


@given(st.sampled_from(["request", "reply"]), st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_come_out_as_they_went_in(direction: Direction, stream: bytes, size: int) -> None:
    assert read(direction, stream, size) == read(direction, stream, 1)


def test_a_megabyte_in_chunks_of_one_byte() -> None:
    """What took seconds when every chunk moved the rest of the buffer."""
    body = b"1\r\na\r\n" * 200_000 + b"0\r\n\r\n"
    (message,) = Reader("reply").feed(CHUNKED + body)
    assert message == RawMessage(head=CHUNKED, body=body, chunked=True)
    assert http1.content(message) == b"a" * 200_000


WORDS = [
    b"POST ",
    b"/",
    b" HTTP/1.1",
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 100 Continue",
    b"HTTP/1.1 101 Other",
    b"\r\n",
    b"\n",
    b"\r",
    b"Content-Length: 3",
    b"Transfer-Encoding: chunked",
    b"abc",
    b"5\r\n",
    b"0\r\n",
    HEAD,
    SLOPPY,
    CHUNKED,
    CONTINUE,
    GET,
]


@given(st.sampled_from(["request", "reply"]), st.lists(st.sampled_from(WORDS), max_size=20), st.integers(1, 50))
def test_http_like_streams_lose_nothing_to_the_cut(direction: Direction, words: list[bytes], size: int) -> None:
    stream = b"".join(words)
    assert read(direction, stream, size) == read(direction, stream, 1)


IN_CHUNKS = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


def marked(head: bytes) -> bytes:
    line, newline, headers = head.partition(b"\n")
    return line + newline + b"\x01" + headers + b"\x02"


START = b"POST / HTTP/1.1"


@given(st.lists(st.sampled_from(WORDS), max_size=20), st.integers(1, 50))
def test_heads_that_are_changed_change_nothing_else_however_the_stream_is_chopped(
    words: list[bytes], size: int
) -> None:
    stream = b"".join(words)
    plain = Reader("request")
    unchanged = plain.feed(stream)

    reader = Reader("request", patch=marked)
    messages, passed = [], b""
    for start in range(0, len(stream), size):
        messages += reader.feed(stream[start : start + size])
        passed += reader.passed()
        assert stream[: start + size].startswith(passed.replace(b"\x01", b"").replace(b"\x02", b""))
    assert [(one.body, one.chunked) for one in messages] == [(one.body, one.chunked) for one in unchanged]
    for changed, one in zip(messages, unchanged, strict=True):
        headers = one.head.removeprefix(changed.head.partition(b"\x01")[0])
        assert changed.head == one.head.removesuffix(headers) + b"\x01" + headers + b"\x02"
        assert one.head.removesuffix(headers).endswith(b"\n")
    passed += reader.passed(last=True)
    rest = reader.flush()
    assert passed == b"".join(one.head + one.body for one in [*messages, *([rest] if rest else [])]) + reader.unread
    assert passed.replace(b"\x01", b"").replace(b"\x02", b"") == stream


def test_no_head_of_another_protocol_is_changed() -> None:
    reader = Reader("request", patch=marked)
    reader.feed(HEAD + b"abc" + HEAD[:-1])
    assert reader.passed() == marked(HEAD) + b"abc" + START
    reader.switch()
    reader.feed(b"\n" + HEAD)
    assert START + reader.passed() == HEAD + HEAD


@pytest.mark.parametrize(
    ("stream", "passed"),
    [
        (HEAD[:-1], START),
        (START[:9], START[:9]),
        (START + b"\r", START + b"\r"),
        (HEAD + b"a", marked(HEAD) + b"a"),
        (HEAD + b"abc" + HEAD[:20], marked(HEAD) + b"abc" + START),
        (HEAD + b"abcdef", marked(HEAD) + b"abcdef"),
        (HEAD + b"abcde\nf", marked(HEAD) + b"abcde\nf"),
        (HEAD + b"abcdef" + HEAD[:-1], marked(HEAD) + b"abcdef" + START),
        (IN_CHUNKS + b"5\r\nab", marked(IN_CHUNKS) + b"5\r\nab"),
        (IN_CHUNKS + b"5", marked(IN_CHUNKS) + b"5"),
        (b"POST / HTTP/1.0\r\n\r\nCMD=", marked(b"POST / HTTP/1.0\r\n\r\n") + b"CMD="),
        (b"VER=1.4\nPOST", b"VER=1.4\nPOST"),
        (b"POST / HTTP/1.1\r\n" + bytes(http1.MAX_HEAD), b"POST / HTTP/1.1\r\n" + bytes(http1.MAX_HEAD)),
    ],
)
def test_only_what_a_change_could_touch_is_held_back(stream: bytes, passed: bytes) -> None:
    reader = Reader("request", patch=marked)
    reader.feed(stream)
    assert reader.passed() == passed
    assert reader.passed(last=True) == stream[len(passed.translate(None, b"\x01\x02")) :]
    assert reader.passed(last=True) == b""


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
        ("gzip", packed(bytes(MAX_CONTENT + 1)), None),
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


CHUNKS = b"2;x\r\nab\r\n3\ncde\n0\r\nT: 1\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (CHUNKS, b"abcde"),
        (b"0\r\n\r\n", b""),
        (b"", b""),
        (b"5\r\nab", b"ab"),
        (b"2\r\nab\r", b"ab"),
        (b"2\r\nab\r\n", b"ab"),
        (b"2\r\nab\r\n1", b"ab"),
        (b"2\r\nabc\r\n", b"abc\r\n"),
        (b"2\r\nab\r\nPS=1\r\n", b"abPS=1\r\n"),
        (b"2;" + b"x" * 20_000, b"2;" + b"x" * 20_000),
    ],
)
def test_chunks_are_put_together(body: bytes, expected: bytes) -> None:
    message = RawMessage(head=CHUNKED, body=body, chunked=True)
    assert http1.content(message) == expected
    assert http1.with_content(message, expected) is message
    changed = http1.with_content(message, bytes(len(expected)))
    assert http1.content(changed) == bytes(len(expected))
    assert len(changed.body) == len(body)
    assert http1.content(http1.with_content(message, expected + b"more")) == expected + b"more"


def test_new_content_keeps_the_framing_true() -> None:
    message = RawMessage(head=HEAD, body=b"abc")
    assert http1.with_content(message, b"abcd") == RawMessage(head=HEAD.replace(b": 3", b": 4"), body=b"abcd")
    assert http1.with_content(message, b"") == RawMessage(head=HEAD.replace(b": 3", b": 0"), body=b"")
    wrong = RawMessage(head=HEAD, body=b"ab")
    assert http1.with_content(wrong, b"abcd") == RawMessage(head=HEAD, body=b"abcd")
    chunked = RawMessage(head=CHUNKED, body=CHUNKS, chunked=True)
    patched = RawMessage(head=CHUNKED, body=CHUNKS.replace(b"ab", b"AB").replace(b"cde", b"CDE"), chunked=True)
    assert http1.with_content(chunked, b"ABCDE") == patched
    one = RawMessage(head=CHUNKED, body=b"a\r\n0123456789\r\n0\r\nT: 1\r\n\r\n", chunked=True)
    assert http1.with_content(chunked, b"0123456789") == one
    assert http1.with_content(chunked, b"").body == b"0\r\nT: 1\r\n\r\n"
    empty = RawMessage(head=b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate")
    assert http1.with_content(empty, b"a") == RawMessage(head=b"HTTP/1.1 200 OK\r\n", body=b"a")
    line = RawMessage(body=b"a", end=b"\r\n")
    assert http1.with_content(line, b"ab") == RawMessage(body=b"ab", end=b"\r\n")


def test_new_content_is_in_no_coding() -> None:
    coded = b"Content-Encoding: gzip\r\n"
    packed_body = packed(PLAIN)
    head = b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (coded, len(packed_body))
    new = http1.with_content(RawMessage(head=head, body=packed_body), b"abc")
    assert new == RawMessage(head=b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", body=b"abc")
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\n" + coded + b"\r\n")
    chunked = RawMessage(head=head, body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed_body), packed_body), chunked=True)
    assert http1.content(chunked) == PLAIN
    assert http1.with_content(chunked, b"abc") == RawMessage(head=CHUNKED, body=b"3\r\nabc\r\n0\r\n\r\n", chunked=True)


@given(st.binary(max_size=60), st.binary(max_size=60))
@example(b"\x00", b"A")
@example(b"aA\x00", b"0\r\n")
def test_content_of_any_chunks_can_be_replaced(body: bytes, new: bytes) -> None:
    message = RawMessage(head=CHUNKED, body=body, chunked=True)
    assert http1.content(http1.with_content(message, new)) == new


@pytest.mark.parametrize(
    ("before", "head"),
    [
        (b"", HEAD),
        (b"\r\n\n", SLOPPY),
        (b"UN=1&X", HEAD),
        (b"a\r\n\r\nb", HEAD),
        (CONTINUE, CHUNKED),
        (CONTINUE + b"\r\n" + CONTINUE, TO_THE_END),
        (b"x", CONTINUE),
        (CONTINUE, b"HTTP/1.1 2"),
        (b"\r\n", b"no head"),
    ],
)
def test_what_stands_before_a_head(before: bytes, head: bytes) -> None:
    assert http1.proper(before + head) == head
    assert http1.parse_head(before + head) == http1.parse_head(head)
    assert http1.status(RawMessage(head=before + head)) == http1.status(RawMessage(head=head))
    assert http1.with_header(before + head, "X", "1") == before + http1.with_header(head, "X", "1")
    assert http1.without_header(before + head, "Host") == before + http1.without_header(head, "Host")


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_a_head_is_a_part_of_what_it_stands_in(words: list[bytes]) -> None:
    head = b"".join(words)
    assert head.endswith(http1.proper(head))
    http1.parse_head(head)


OTHERS = "bytes that belong to no message stand before it"


@pytest.mark.parametrize(
    ("head", "body", "chunked", "wrong"),
    [
        (HEAD, b"abc", False, []),
        (b"", b"abc", False, []),
        (TO_THE_END, b"abc", False, []),
        (b"\r\n" + CONTINUE + TO_THE_END, b"abc", False, []),
        (HEAD, b"ab", False, ["Content-Length is 3, and the body has 2 bytes"]),
        (lengths(b"3", b"3"), b"abc", False, []),
        (lengths(b"2", b"3"), b"ab", False, ["Content-Length is stated as 2 and as 3"]),
        (lengths(b"many"), b"abc", False, ["Content-Length is no number"]),
        (lengths(b"x, 3"), b"abc", False, ["Content-Length is no number"]),
        (b"def" + HEAD, b"abc", False, [OTHERS]),
        (CHUNKED, CHUNKS, True, []),
        (CHUNKED, b"3\r\nabc", True, ["the chunks break off"]),
        (CHUNKED, b"3\r\nabc\r\n", True, ["the chunks break off"]),
        (CHUNKED, b"abcde", False, []),
    ],
)
def test_what_a_head_says_that_is_not_so(head: bytes, body: bytes, chunked: bool, wrong: list[str]) -> None:
    assert http1.framing(RawMessage(head=head, body=body, chunked=chunked)) == wrong


def test_framing_of_what_has_no_body_or_is_cut() -> None:
    head = RawMessage(head=b"HTTP/1.1 304 Same\r\nContent-Length: 3\r\n\r\n")
    assert http1.framing(head) == ["Content-Length is 3, and the body has 0 bytes"]
    assert http1.has_no_body(head, None)
    assert http1.framing(head, bodiless=True) == []
    assert http1.framing(RawMessage(head=HEAD, body=b"ab", cut=Cut(length=3, sha256=""))) == []


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
        (b"POST / HTTP/1.1\r\n\thOst\r: old\r\n\r\n", b"POST / HTTP/1.1\r\n\thOst\r: new\r\n\r\n"),
        (b"Host : HTTP/1.1\r\nHost: old\r\n\r\n", b"Host : HTTP/1.1\r\nHost: new\r\n\r\n"),
    ],
)
def test_one_header_is_set_and_the_rest_stays(head: bytes, expected: bytes) -> None:
    assert http1.with_header(head, "Host", "new") == expected


def test_status_of_a_reply() -> None:
    assert http1.status(RawMessage(head=b"HTTP/1.0 404 Not Found\r\n\r\n")) == 404
    assert http1.status(RawMessage()) is None
