"""Connections as exchanges: who sent what in which order, and what the capture says of it."""

import re
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab import conversation as conversations
from qqlab.conversation import Conversation, Paired, Transport
from qqlab.exchange import RawMessage
from qqlab.spec import builtin

START = datetime(2005, 7, 1, tzinfo=UTC)
SPEC = builtin()

Side = Literal[">", "<"]
Event = tuple[Side, bytes]
Exchanges = list[tuple[bytes | None, bytes | None, str | None]]


def asks(body: bytes) -> bytes:
    return b"POST HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def says(body: bytes, length: int | None = None) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (length or len(body)) + body


def line(command: str, sequence: int | str, rest: str = "", uin: int = 10001) -> bytes:
    return f"VER=1.4&CMD={command}&SEQ={sequence}&UIN={uin}{rest}".encode()


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EXPECTS = b"POST HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
NO_LENGTH = b"POST HTTP/1.0\r\n\r\n"
TO_THE_END = b"HTTP/1.0 200 OK\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SENDS_CHUNKS = b"POST HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
SWITCHES = b"HTTP/1.1 101 Switching\r\n\r\n"
ASKS_FOR_A_HEAD = b"HEAD / HTTP/1.1\r\n\r\n"
GARBAGE = b"\x00\x01 this is\r\n\r\nno HTTP\r\n\r\n"

NO_REPLY = "the connection ended before the reply"
TORN_REPLY = "the connection ended before the reply was complete"
TORN_REQUEST = "the connection ended before the request was complete"
NO_HTTP = "the first line is not HTTP/1's"
NO_SIZE = "a chunk's size is no number"
SWITCHED = "the connection went over to another protocol"
UNASKED = "a reply belongs to no request"


def converse(
    events: list[Event], error: str | None = None, size: int | None = None, *, told: bool = False
) -> tuple[list[Paired], Exchanges]:
    """Play the events, one a second, each cut into pieces of that size, and check that no byte is lost. With `told`,
    the server's direction ends before the connection does.

    Gives what came out, and in short: the bodies of request and reply (None: there is none) with the error of each.
    """
    conversation = Conversation(SPEC)
    pairs: list[Paired] = []
    for second, (side, data) in enumerate(events):
        feed = conversation.from_client if side == ">" else conversation.from_server
        step = size or max(1, len(data))
        for start in range(0, len(data), step):
            pairs.extend(feed(data[start : start + step], START + timedelta(seconds=second)))
    end = START + timedelta(seconds=len(events))
    if told:
        pairs.extend(conversation.server_done(end))
    pairs.extend(conversation.end(end, error))
    assert conversation.any is bool(pairs)
    asked, said = (b"".join(data for one, data in events if one == side) for side in "><")
    check(asked, [pair.request for pair in pairs], conversation.transport, in_order=conversation.transport == "tcp")
    # A reply that waits for the request under way may come out behind later ones.
    check(said, [pair.reply for pair in pairs], conversation.transport, in_order=False)
    return pairs, [(body(pair.request), body(pair.reply), pair.error) for pair in pairs]


def body(message: RawMessage | None) -> bytes | None:
    return None if message is None else message.body


def check(stream: bytes, messages: Iterable[RawMessage | None], transport: str, *, in_order: bool) -> None:
    """Whether all that was sent is in the messages, but for blank lines between lines and at the end."""
    kept = [message.head + message.body + message.end for message in messages if message is not None]
    pieces = re.findall(rb"[^\n]*\n?", stream) if transport == "lines" else [stream]
    whole = b"".join(piece for piece in pieces if piece.strip(b"\r\n") or transport == "tcp").rstrip(b"\r\n")
    together = b"".join(kept).rstrip(b"\r\n")
    if in_order:
        assert together == whole
    assert Counter(together.translate(None, b"\r\n")) == Counter(whole.translate(None, b"\r\n"))
    assert all(one in stream for one in kept)


VECTORS: dict[str, tuple[list[Event], Exchanges]] = {
    "nothing": ([], []),
    "plain": ([(">", asks(b"a")), ("<", says(b"A"))], [(b"a", b"A", None)]),
    "one after the other": (
        [(">", asks(b"a")), ("<", says(b"A")), (">", asks(b"b")), ("<", says(b"B"))],
        [(b"a", b"A", None), (b"b", b"B", None)],
    ),
    "pipelined": (
        [(">", asks(b"a") + asks(b"b")), ("<", says(b"A") + says(b"B"))],
        [(b"a", b"A", None), (b"b", b"B", None)],
    ),
    "pipelined, the last without a length": (
        [(">", asks(b"a") + NO_LENGTH + b"b"), ("<", says(b"A") + says(b"B"))],
        [(b"a", b"A", None), (b"b", b"B", None)],
    ),
    "100-continue": (
        [(">", EXPECTS), ("<", CONTINUE), (">", b"abc"), ("<", says(b"A"))],
        [(b"abc", b"A", None)],
    ),
    "100-continue without a length": (
        [(">", NO_LENGTH), ("<", CONTINUE), (">", b"abc"), ("<", says(b"A"))],
        [(b"abc", b"A", None)],
    ),
    "100-continue, and then no": (
        [(">", EXPECTS), ("<", b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")],
        [(b"", b"", TORN_REQUEST)],
    ),
    "interim replies": (
        [(">", asks(b"a")), ("<", CONTINUE + b"HTTP/1.1 102 Processing\r\n\r\n" + says(b"A"))],
        [(b"a", b"A", None)],
    ),
    "interim reply, then the end": ([(">", asks(b"a")), ("<", CONTINUE)], [(b"a", b"", TORN_REPLY)]),
    "another protocol from now on": (
        [(">", asks(b"a")), ("<", SWITCHES), (">", asks(b"b")), ("<", says(b"B"))],
        [(b"a", b"", None), (asks(b"b"), says(b"B"), SWITCHED)],
    ),
    "a head alone was asked for": (
        [(">", ASKS_FOR_A_HEAD + asks(b"b")), ("<", says(b"", 100) + says(b"B"))],
        [(b"", b"", None), (b"b", b"B", None)],
    ),
    "answered before the request is complete": (
        [(">", asks(b"abc")[:-2]), ("<", says(b"A")), (">", b"bc")],
        [(b"abc", b"A", None)],
    ),
    "answered before the request is complete, which it never is": (
        [(">", asks(b"abc")[:-2]), ("<", says(b"A"))],
        [(b"a", b"A", TORN_REQUEST)],
    ),
    "answered twice before the request is complete": (
        [(">", asks(b"abc")[:-2]), ("<", says(b"A") + says(b"B")), (">", b"bc")],
        [(None, b"B", UNASKED), (b"abc", b"A", None)],
    ),
    "answered within the head": (
        [(">", b"POST HTTP"), ("<", says(b"A"))],
        [(b"", b"A", TORN_REQUEST)],
    ),
    "no answer": ([(">", asks(b"a") + asks(b"b"))], [(b"a", None, NO_REPLY), (b"b", None, NO_REPLY)]),
    "torn request": ([(">", asks(b"abc")[:-1])], [(b"ab", None, TORN_REQUEST)]),
    "torn head of a second request": (
        [(">", asks(b"a")), ("<", says(b"A")), (">", b"POST HT")],
        [(b"a", b"A", None), (b"", None, TORN_REQUEST)],
    ),
    "torn reply": ([(">", asks(b"a")), ("<", says(b"12345", 100))], [(b"a", b"12345", TORN_REPLY)]),
    "torn head of a reply": ([(">", asks(b"a")), ("<", says(b"A")[:20])], [(b"a", b"", TORN_REPLY)]),
    "reply up to the end": ([(">", asks(b"a")), ("<", TO_THE_END + b"A")], [(b"a", b"A", None)]),
    "chunked": (
        [(">", asks(b"a")), ("<", CHUNKED + b"2\r\nAB\r\n1\r\nC\r\n0\r\n\r\n")],
        [(b"a", b"2\r\nAB\r\n1\r\nC\r\n0\r\n\r\n", None)],
    ),
    "torn chunks": ([(">", asks(b"a")), ("<", CHUNKED + b"2\r\nAB\r\n1")], [(b"a", b"2\r\nAB\r\n1", TORN_REPLY)]),
    "broken chunks": (
        [(">", asks(b"a")), ("<", CHUNKED + b"2\r\nAB\r\nzz\r\n"), (">", asks(b"b"))],
        [(b"a", b"2\r\nAB\r\nzz\r\n", NO_SIZE), (b"b", None, NO_REPLY)],
    ),
    "broken chunks of a request": (
        [(">", SENDS_CHUNKS + b"1\r\na\r\nzz\r\n"), ("<", says(b"A"))],
        [(b"1\r\na\r\nzz\r\n", b"A", NO_SIZE)],
    ),
    "request without a length": ([(">", NO_LENGTH + b"a"), ("<", says(b"A"))], [(b"a", b"A", None)]),
    "request without a length, nor an answer": (
        [(">", NO_LENGTH + b"a")],
        [(b"a", None, NO_REPLY)],
    ),
    "reply without a request": ([("<", says(b"A"))], [(None, b"A", UNASKED)]),
    "reply without a length or a request": ([("<", TO_THE_END + b"A")], [(None, b"A", UNASKED)]),
    "reply too many": (
        [(">", asks(b"a")), ("<", says(b"A") + says(b"B"))],
        [(b"a", b"A", None), (None, b"B", UNASKED)],
    ),
    "garbage from the server": (
        [(">", asks(b"a")), ("<", GARBAGE), (">", asks(b"b"))],
        [(b"a", GARBAGE, NO_HTTP), (b"b", None, NO_REPLY)],
    ),
    "garbage from the server, then the rest of the request": (
        [(">", asks(b"abc")[:-2]), ("<", GARBAGE), (">", b"bc")],
        [(b"abc", GARBAGE, NO_HTTP)],
    ),
    "garbage from the server behind a reply": (
        [(">", asks(b"a")), ("<", says(b"A") + GARBAGE)],
        [(b"a", b"A", None), (None, GARBAGE, NO_HTTP)],
    ),
    "more from the server than it said": (
        [(">", asks(b"a")), ("<", says(b"A") + b"B"), (">", asks(b"c")), ("<", says(b"C"))],
        [(b"a", b"A", None), (b"c", b"C", None)],
    ),
    "garbage from the client behind a request": (
        [(">", asks(b"a") + GARBAGE), ("<", says(b"A"))],
        [(b"a", b"A", None), (GARBAGE, None, NO_HTTP)],
    ),
    "garbage from both": ([(">", GARBAGE), ("<", GARBAGE)], [(GARBAGE, GARBAGE, NO_HTTP)]),
    "garbage with a refusal": ([(">", GARBAGE), ("<", says(b"?"))], [(GARBAGE, b"?", NO_HTTP)]),
    "the beginning of nothing": ([(">", b"POS"), ("<", b"H")], [(b"", b"", TORN_REQUEST)]),
    "lengths that are none": (
        [(">", asks(b"a")), ("<", b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nA")],
        [(b"a", b"A", None)],
    ),
    "a request's length that is none": (
        [(">", b"POST HTTP/1.1\r\nContent-Length: many\r\n\r\na"), ("<", says(b"A"))],
        [(b"a", b"A", None)],
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_what_becomes_of_a_connection(name: str) -> None:
    events, expected = VECTORS[name]
    for size in (None, 1, 7):
        assert converse(events, size=size)[1] == expected, size
    assert Counter(converse(events, told=True)[1]) == Counter(expected)


ASKS = line("Login", 1)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([(">", asks(b"a")), ("<", TO_THE_END + b"A")], [(b"a", b"A", None)]),
        ([(">", asks(b"a")), ("<", says(b"A", 9))], [(b"a", b"A", TORN_REPLY)]),
        ([(">", NO_LENGTH + b"a"), ("<", TO_THE_END + b"A")], [(b"a", b"A", None)]),
        ([(">", ASKS + b"\n"), ("<", ASKS + b"&RS=")], [(ASKS, ASKS + b"&RS=", TORN_REPLY)]),
        ([(">", asks(b"a")), ("<", says(b"A"))], []),
        ([(">", asks(b"a"))], []),
        ([(">", b"PO")], []),
    ],
)
def test_a_reply_that_the_end_ends_is_there_before_the_client_has_ended(
    events: list[Event], expected: Exchanges
) -> None:
    conversation = Conversation(SPEC)
    for side, data in events:
        feed = conversation.from_client if side == ">" else conversation.from_server
        feed(data, START)
    pairs = conversation.server_done(START)
    assert [(body(pair.request), body(pair.reply), pair.error) for pair in pairs] == expected


def test_a_reply_torn_before_its_request_was_complete_is_still_its_reply() -> None:
    conversation = Conversation(SPEC)
    conversation.from_client(asks(b"abc")[:-1], START)
    conversation.from_server(says(b"A", 9), START)
    assert conversation.server_done(START) == []
    (pair,) = conversation.from_client(b"c", START)
    assert (body(pair.request), body(pair.reply), pair.error) == (b"abc", b"A", TORN_REPLY)


def test_when_it_was_and_how_long_it_took() -> None:
    events: list[Event] = [(">", asks(b"abc")[:-1]), (">", b"c"), ("<", says(b"A")), (">", asks(b"b")[:-1])]
    pairs, _ = converse([*events, ("<", says(b"B")), (">", b"b"), ("<", says(b"C"))])
    assert [(pair.time - START, pair.elapsed, pair.pairing) for pair in pairs] == [
        (timedelta(seconds=1), 1.0, "order"),
        (timedelta(seconds=5), 0.0, "order"),
        (timedelta(seconds=6), None, ""),
    ]
    pairs, _ = converse([(">", NO_LENGTH + b"a"), ("<", b""), ("<", says(b"A")), (">", asks(b"b"))])
    assert [(pair.time - START, pair.elapsed, pair.pairing) for pair in pairs] == [
        (timedelta(0), 2.0, "order"),
        (timedelta(seconds=3), None, ""),
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([(">", asks(b"a"))], (b"a", None)),
        ([(">", asks(b"ab")[:-1])], (b"a", None)),
        ([(">", asks(b"a")), ("<", says(b"A", 100))], (b"a", b"A")),
        ([(">", asks(b"a")), ("<", TO_THE_END + b"A")], (b"a", b"A")),
    ],
)
def test_a_reset_in_the_middle_is_the_error(events: list[Event], expected: tuple[bytes, bytes | None]) -> None:
    assert converse(events, "reset")[1] == [(*expected, "reset")]


def test_requests_that_nobody_answers_are_given_up() -> None:
    conversation = Conversation(SPEC)
    late = "the reply to a request that was given up"
    given_up = f"no reply came while {conversations.MAX_WAITING} more requests were sent"
    pairs = [pair for _ in range(conversations.MAX_WAITING + 2) for pair in conversation.from_client(asks(b"a"), START)]
    pairs += conversation.from_server(says(b"A") * 3, START)
    assert [(pair.reply and pair.reply.body, pair.error) for pair in pairs] == [
        *[(None, given_up)] * 2,
        *[(b"A", late)] * 2,
        (b"A", None),
    ]
    assert len(conversation.end(START)) == conversations.MAX_WAITING - 1


def test_waiting_requests_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MAX_WAITING_BYTES", 100)
    pairs, exchanges = converse([(">", asks(b"a" * 90)), (">", asks(b"b" * 90)), ("<", says(b"A") + says(b"B"))])
    assert [exchange[1] for exchange in exchanges] == [None, b"A", b"B"]
    assert [pair.request and pair.request.body[:1] for pair in pairs] == [b"a", None, b"b"]


WORDS = [
    asks(b"a"),
    asks(b"abc")[:-2],
    b"bc",
    says(b"A"),
    says(b"ABC")[:-2],
    EXPECTS,
    CONTINUE,
    NO_LENGTH,
    TO_THE_END,
    CHUNKED,
    SENDS_CHUNKS,
    SWITCHES,
    ASKS_FOR_A_HEAD,
    b"1\r\nx\r\n",
    b"0\r\n\r\n",
    b"\r\n",
    GARBAGE,
]
EVENTS: st.SearchStrategy[list[Event]] = st.lists(
    st.tuples(st.sampled_from((">", "<")), st.sampled_from(WORDS)), max_size=12
)


@given(EVENTS, st.integers(1, 40), st.sampled_from([None, "reset"]))
def test_pieces_of_any_size_give_the_same_exchanges(events: list[Event], size: int, error: str | None) -> None:
    assert converse(events, error, size) == converse(events, error)


@given(st.lists(st.tuples(st.sampled_from((">", "<")), st.binary(max_size=40)), max_size=8), st.integers(1, 40))
def test_any_bytes_are_read_without_raising(events: list[Event], size: int) -> None:
    assert converse(events, size=size) == converse(events)


LOGIN, STAT, LIST = line("Login", 1), line("Query_Stat2", 2), line("SimpleInfo2", 3)
LOGIN_REPLY, STAT_REPLY, LIST_REPLY = (one + b"&RES=0" for one in (LOGIN, line("QUERY_STAT2", 2), LIST))
PICTURE = line("VERIFYCODE", 1, "&SC=1&VC=" + "89504e47" * 5000)
PUSH = line("Server_Msg", 2, "&UN=10002&MG=hi")
ALREADY = "no reply came while 100 later requests were answered"

LINES: dict[str, tuple[list[Event], Exchanges]] = {
    "plain": ([(">", LOGIN + b"\n"), ("<", LOGIN_REPLY + b"\r\n")], [(LOGIN, LOGIN_REPLY, None)]),
    "several in one segment": (
        [(">", LOGIN + b"\n" + STAT + b"\r\n"), ("<", LOGIN_REPLY + b"\r\n" + STAT_REPLY + b"\n")],
        [(LOGIN, LOGIN_REPLY, None), (STAT, STAT_REPLY, None)],
    ),
    "out of order": (
        [(">", STAT + b"\n" + LIST + b"\n"), ("<", LIST_REPLY + b"\r\n" + STAT_REPLY + b"\r\n")],
        [(LIST, LIST_REPLY, None), (STAT, STAT_REPLY, None)],
    ),
    "a push in the middle, with the sequence number of a request": (
        [(">", STAT + b"\n" + LIST + b"\n"), ("<", PUSH + b"\r\n" + STAT_REPLY + b"\r\n"), ("<", LIST_REPLY + b"\r\n")],
        [(None, PUSH, None), (STAT, STAT_REPLY, None), (LIST, LIST_REPLY, None)],
    ),
    "a push before anything": ([("<", PUSH + b"\r\n")], [(None, PUSH, None)]),
    "a line that nobody waits for": (
        [(">", LIST + b"\n"), ("<", STAT_REPLY + b"\r\n"), ("<", LIST_REPLY + b"\r\n")],
        [(None, STAT_REPLY, None), (LIST, LIST_REPLY, None)],
    ),
    "a picture instead of a login": (
        [(">", LOGIN + b"\n"), ("<", PICTURE + b"\r\n")],
        [(LOGIN, PICTURE, None)],
    ),
    "a picture, when the same number was asked for twice": (
        [(">", line("VERIFYCODE", 1) + b"\n" + LOGIN + b"\n"), ("<", LOGIN_REPLY + b"\n" + PICTURE + b"\n")],
        [(LOGIN, LOGIN_REPLY, None), (line("VERIFYCODE", 1), PICTURE, None)],
    ),
    "another account's number": (
        [(">", STAT + b"\n"), ("<", line("Login", 2, "&RES=0", 10002) + b"\n")],
        [(None, line("Login", 2, "&RES=0", 10002), None), (STAT, None, NO_REPLY)],
    ),
    "a reply without a number": (
        [(">", LOGIN + b"\n" + STAT + b"\n"), ("<", b"CMD=query_stat2&RES=0\n"), ("<", b"CMD=List&RES=0\n")],
        [(STAT, b"CMD=query_stat2&RES=0", None), (None, b"CMD=List&RES=0", None), (LOGIN, None, NO_REPLY)],
    ),
    "sent twice": (
        [(">", STAT + b"\n" + STAT + b"\n"), ("<", STAT_REPLY + b"\n")],
        [(STAT, STAT_REPLY, None), (STAT, None, NO_REPLY)],
    ),
    "blank lines": (
        [(">", b"\n\r\n" + LOGIN + b"\r\n\r\n"), ("<", b"\r\n" + LOGIN_REPLY + b"\r\n\n")],
        [(LOGIN, LOGIN_REPLY, None)],
    ),
    "what is no line of this protocol, behind one": (
        [(">", LOGIN + b"\n" + asks(b"a")), ("<", b"hello\n")],
        [
            (None, b"hello", None),
            (LOGIN, None, NO_REPLY),
            (b"POST HTTP/1.1", None, NO_REPLY),
            (b"Content-Length: 1", None, NO_REPLY),
            (b"a", None, TORN_REQUEST),
        ],
    ),
    "torn": (
        [(">", LOGIN + b"\n" + STAT), ("<", LOGIN_REPLY)],
        [(LOGIN, LOGIN_REPLY, TORN_REPLY), (STAT, None, TORN_REQUEST)],
    ),
    "torn within the number": (
        [(">", STAT + b"\n"), ("<", b"VER=1.1&CMD=Query_Stat2&SEQ=2")],
        [(STAT, b"VER=1.1&CMD=Query_Stat2&SEQ=2", TORN_REPLY)],
    ),
    "a first line without an end": (
        [(">", LOGIN), ("<", PUSH)],
        [(None, PUSH, TORN_REPLY), (LOGIN, None, TORN_REQUEST)],
    ),
    "a GET that looks like it": (
        [(">", b"GET /?VER=1.4&CMD=Login&SEQ=1 HTTP/1.1\r\n\r\n"), ("<", says(b"A"))],
        [(b"", b"A", None)],
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_what_becomes_of_lines(name: str) -> None:
    events, expected = LINES[name]
    for size in (None, 1, 7):
        assert converse(events, size=size)[1] == expected, size


def test_lines_say_how_they_were_paired() -> None:
    pairs, _ = converse([(">", LOGIN[:9]), (">", LOGIN[9:] + b"\n"), ("<", LOGIN_REPLY), ("<", b"\r\n" + PUSH + b"\n")])
    assert pairs == [
        Paired(
            RawMessage(body=LOGIN, end=b"\n"),
            RawMessage(body=LOGIN_REPLY, end=b"\r\n"),
            START + timedelta(seconds=1),
            2.0,
            None,
            "echo",
        ),
        Paired(None, RawMessage(body=PUSH, end=b"\n"), START + timedelta(seconds=3), None, None, ""),
    ]


def test_a_line_that_is_overtaken_is_given_up() -> None:
    """So that its number can come again."""
    conversation = Conversation(SPEC)
    pairs = conversation.from_client(LOGIN + b"\n", START)
    for number in range(conversations.MAX_OVERTAKEN + 1):
        pairs += conversation.from_client(line("List", number + 5) + b"\n", START)
        pairs += conversation.from_server(line("List", number + 5) + b"\r\n", START)
    assert pairs[-1] == Paired(RawMessage(body=LOGIN, end=b"\n"), None, START, None, ALREADY, "")
    assert conversation.end(START) == []


def test_many_lines_at_once_are_answered_in_order() -> None:
    """None of them is overtaken by those that came before it."""
    conversation = Conversation(SPEC)
    many = [line("List", number) for number in range(3 * conversations.MAX_OVERTAKEN)]
    assert conversation.from_client(b"\n".join(many) + b"\n", START) == []
    pairs = conversation.from_server(b"\n".join(many) + b"\n", START)
    assert [(body(pair.request), body(pair.reply), pair.error) for pair in pairs] == [(one, one, None) for one in many]


def test_lines_that_nobody_answers_are_bounded() -> None:
    conversation = Conversation(SPEC)
    asked = b"".join(line("List", number) + b"\n" for number in range(conversations.MAX_WAITING + 2))
    given_up = f"no reply came while {conversations.MAX_WAITING} more requests were sent"
    assert [pair.error for pair in conversation.from_client(asked, START)] == [given_up] * 2
    assert len(conversation.end(START)) == conversations.MAX_WAITING


@pytest.mark.parametrize("transport", ["tcp", "lines"])
def test_a_connection_of_days_stays_small(transport: Transport) -> None:
    conversation = Conversation(SPEC, transport)
    sizes = []
    tracemalloc.start()
    for number in range(4000):
        asked, said = line("List", number), line("LIST", number, "&RES=0")
        # Every tenth request has no reply, and some bytes belong to no message.
        answered = b"" if number % 10 == 0 and transport == "lines" else said
        conversation.from_client(asks(asked) + b"\r\n" if transport == "tcp" else asked + b"\n\n", START)
        conversation.from_server(says(answered) + b"x" if transport == "tcp" else answered + b"\r\n", START)
        if number % 2000 == 1999:
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[1] - sizes[0] < 10_000


def test_what_a_connection_speaks_can_be_told_beforehand() -> None:
    conversation = Conversation(SPEC, "lines")
    assert conversation.from_server(b"hello\n", START) == [
        Paired(None, RawMessage(body=b"hello", end=b"\n"), START, None, None, "")
    ]
    assert (conversation.transport, conversation.any, conversation.ours) == ("lines", True, False)
    assert [pair.request and pair.request.body for pair in Conversation(SPEC, "tcp").end(START)] == []
    conversation = Conversation(SPEC)
    conversation.from_client(LOGIN + b"\n", START)
    assert (conversation.transport, conversation.any, conversation.ours) == ("lines", False, False)
    conversation.from_server(LOGIN_REPLY + b"\r\n", START)
    assert conversation.ours


LINE_WORDS = [LOGIN, STAT, LIST, LOGIN_REPLY, STAT_REPLY, PUSH, PICTURE[:90], b"\n", b"\r\n", b"\r", b"\n", b"&", b"x"]


@given(
    st.lists(st.tuples(st.sampled_from((">", "<")), st.sampled_from(LINE_WORDS)), max_size=16),
    st.integers(1, 40),
    st.sampled_from([None, "reset"]),
)
def test_pieces_of_lines_of_any_size_give_the_same(events: list[Event], size: int, error: str | None) -> None:
    assert converse(events, error, size) == converse(events, error)
