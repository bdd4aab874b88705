"""Relayed connections as exchanges: who sent what in which order, and what the capture says of it."""

from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab.proxy.streams import Conversation, Paired

START = datetime(2005, 7, 1, tzinfo=UTC)

Side = Literal[">", "<"]
Event = tuple[Side, bytes]


def asks(body: bytes) -> bytes:
    return b"POST HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def says(body: bytes, length: int | None = None) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (length or len(body)) + body


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EXPECTS = b"POST HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
NO_LENGTH = b"POST HTTP/1.0\r\n\r\n"
TO_THE_END = b"HTTP/1.0 200 OK\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SENDS_CHUNKS = b"POST HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
GARBAGE = b"\x00\x01 this is\r\n\r\nno HTTP\r\n\r\n"

NO_REPLY = "the connection ended before the reply"
TORN_REPLY = "the connection ended before the reply was complete"
TORN_REQUEST = "the connection ended before the request was complete"
NO_HTTP = "the first line is not HTTP/1's"
UNASKED = "a reply belongs to no request"


class Outcome(NamedTuple):
    """Bodies of request and reply (None: no reply) with the error of each exchange; whether a request was seen; what
    was lost."""

    exchanges: list[tuple[bytes, bytes | None, str | None]]
    any: bool = True
    lost: str | None = None


def converse(events: list[Event], error: str | None = None, size: int | None = None) -> tuple[list[Paired], Outcome]:
    """Play the events, one a second, each cut into pieces of that size."""
    conversation = Conversation()
    pairs: list[Paired] = []
    for second, (side, data) in enumerate(events):
        feed = conversation.from_client if side == ">" else conversation.from_server
        step = size or max(1, len(data))
        for start in range(0, len(data), step):
            pairs.extend(feed(data[start : start + step], START + timedelta(seconds=second)))
    pairs.extend(conversation.end(START + timedelta(seconds=len(events)), error))
    exchanges = [(pair.request.body, None if pair.reply is None else pair.reply.body, pair.error) for pair in pairs]
    return pairs, Outcome(exchanges, conversation.any, conversation.lost)


VECTORS: dict[str, tuple[list[Event], Outcome]] = {
    "plain": ([(">", asks(b"a")), ("<", says(b"A"))], Outcome([(b"a", b"A", None)])),
    "one after the other": (
        [(">", asks(b"a")), ("<", says(b"A")), (">", asks(b"b")), ("<", says(b"B"))],
        Outcome([(b"a", b"A", None), (b"b", b"B", None)]),
    ),
    "pipelined": (
        [(">", asks(b"a") + asks(b"b")), ("<", says(b"A") + says(b"B"))],
        Outcome([(b"a", b"A", None), (b"b", b"B", None)]),
    ),
    "pipelined, the last without a length": (
        [(">", asks(b"a") + NO_LENGTH + b"b"), ("<", says(b"A") + says(b"B"))],
        Outcome([(b"a", b"A", None), (b"b", b"B", None)]),
    ),
    "100-continue": (
        [(">", EXPECTS), ("<", CONTINUE), (">", b"abc"), ("<", says(b"A"))],
        Outcome([(b"abc", b"A", None)]),
    ),
    "100-continue without a length": (
        [(">", NO_LENGTH), ("<", CONTINUE), (">", b"abc"), ("<", says(b"A"))],
        Outcome([(b"abc", b"A", None)]),
    ),
    "100-continue, and then no": (
        [(">", EXPECTS), ("<", b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")],
        Outcome([(b"", b"", TORN_REQUEST)]),
    ),
    "interim replies": (
        [(">", asks(b"a")), ("<", CONTINUE + b"HTTP/1.1 102 Processing\r\n\r\n" + says(b"A"))],
        Outcome([(b"a", b"A", None)]),
    ),
    "interim reply, then the end": ([(">", asks(b"a")), ("<", CONTINUE)], Outcome([(b"a", None, NO_REPLY)])),
    "another protocol from now on": (
        [(">", asks(b"a")), ("<", b"HTTP/1.1 101 Switching\r\n\r\n")],
        Outcome([(b"a", b"", None)]),
    ),
    "answered before the request is complete": (
        [(">", asks(b"abc")[:-2]), ("<", says(b"A")), (">", b"bc")],
        Outcome([(b"abc", b"A", None)]),
    ),
    "answered before the request is complete, which it never is": (
        [(">", asks(b"abc")[:-2]), ("<", says(b"A"))],
        Outcome([(b"a", b"A", TORN_REQUEST)]),
    ),
    "answered twice before the request is complete": (
        [(">", asks(b"abc")[:-2]), ("<", says(b"A") + says(b"B")), (">", b"bc")],
        Outcome([(b"abc", b"A", None)], lost=UNASKED),
    ),
    "answered within the head": (
        [(">", b"POST HTTP"), ("<", says(b"A"))],
        Outcome([], any=False, lost=TORN_REQUEST),
    ),
    "no answer": ([(">", asks(b"a") + asks(b"b"))], Outcome([(b"a", None, NO_REPLY), (b"b", None, NO_REPLY)])),
    "torn request": ([(">", asks(b"abc")[:-1])], Outcome([(b"ab", None, TORN_REQUEST)])),
    "torn head of a second request": (
        [(">", asks(b"a")), ("<", says(b"A")), (">", b"POST HT")],
        Outcome([(b"a", b"A", None)], lost=TORN_REQUEST),
    ),
    "torn reply": ([(">", asks(b"a")), ("<", says(b"12345", 100))], Outcome([(b"a", b"12345", TORN_REPLY)])),
    "torn head of a reply": ([(">", asks(b"a")), ("<", says(b"A")[:20])], Outcome([(b"a", None, NO_REPLY)])),
    "reply up to the end": ([(">", asks(b"a")), ("<", TO_THE_END + b"A")], Outcome([(b"a", b"A", None)])),
    "chunked": (
        [(">", asks(b"a")), ("<", CHUNKED + b"2\r\nAB\r\n1\r\nC\r\n0\r\n\r\n")],
        Outcome([(b"a", b"ABC", None)]),
    ),
    "torn chunks": ([(">", asks(b"a")), ("<", CHUNKED + b"2\r\nAB\r\n1\r\n")], Outcome([(b"a", b"AB", TORN_REPLY)])),
    "broken chunks": (
        [(">", asks(b"a")), ("<", CHUNKED + b"2\r\nAB\r\nzz\r\n"), (">", asks(b"b"))],
        Outcome([(b"a", b"AB", "a chunk's size is no number"), (b"b", None, "a chunk's size is no number")]),
    ),
    "broken chunks of a request": (
        [(">", SENDS_CHUNKS + b"1\r\na\r\nzz\r\n"), ("<", says(b"A"))],
        Outcome([(b"a", b"A", "a chunk's size is no number")], lost="a chunk's size is no number"),
    ),
    "request without a length": ([(">", NO_LENGTH + b"a"), ("<", says(b"A"))], Outcome([(b"a", b"A", None)])),
    "request without a length, nor an answer": (
        [(">", NO_LENGTH + b"a")],
        Outcome([(b"a", None, NO_REPLY)]),
    ),
    "reply without a request": ([("<", says(b"A"))], Outcome([], any=False, lost=UNASKED)),
    "reply without a length or a request": ([("<", TO_THE_END + b"A")], Outcome([], any=False, lost=UNASKED)),
    "reply too many": (
        [(">", asks(b"a")), ("<", says(b"A") + says(b"B"))],
        Outcome([(b"a", b"A", None)], lost=UNASKED),
    ),
    "garbage from the server": (
        [(">", asks(b"a")), ("<", GARBAGE), (">", asks(b"b"))],
        Outcome([(b"a", None, NO_HTTP), (b"b", None, NO_HTTP)]),
    ),
    "garbage from the server, then the rest of the request": (
        [(">", asks(b"abc")[:-2]), ("<", GARBAGE), (">", b"bc")],
        Outcome([(b"abc", None, NO_HTTP)]),
    ),
    "garbage from the server behind a reply": (
        [(">", asks(b"a")), ("<", says(b"A") + GARBAGE)],
        Outcome([(b"a", b"A", None)], lost=NO_HTTP),
    ),
    "more from the server than it said": (
        [(">", asks(b"a")), ("<", says(b"A") + b"B")],
        Outcome([(b"a", b"A", None)], lost="bytes behind the last reply are no reply"),
    ),
    "garbage from the client behind a request": (
        [(">", asks(b"a") + GARBAGE), ("<", says(b"A"))],
        Outcome([(b"a", b"A", None)], lost=NO_HTTP),
    ),
    "garbage from both": ([(">", GARBAGE), ("<", GARBAGE)], Outcome([], any=False)),
    "garbage with a refusal": ([(">", GARBAGE), ("<", says(b"?"))], Outcome([], any=False, lost=UNASKED)),
    "nothing": ([], Outcome([], any=False)),
}


@pytest.mark.parametrize("name", VECTORS)
def test_what_becomes_of_a_connection(name: str) -> None:
    events, expected = VECTORS[name]
    for size in (None, 1, 7):
        assert converse(events, size=size)[1] == expected, size


def test_when_it_was_and_how_long_it_took() -> None:
    events: list[Event] = [(">", asks(b"abc")[:-1]), (">", b"c"), ("<", says(b"A")), (">", asks(b"b")[:-1])]
    pairs, _ = converse([*events, ("<", says(b"B")), (">", b"b")])
    assert [(pair.time - START, pair.elapsed) for pair in pairs] == [
        (timedelta(seconds=1), 1.0),
        (timedelta(seconds=5), 0.0),
    ]
    pairs, _ = converse([(">", NO_LENGTH + b"a"), ("<", b""), ("<", says(b"A"))])
    assert [(pair.time - START, pair.elapsed) for pair in pairs] == [(timedelta(0), 2.0)]


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
    assert converse(events, "reset")[1] == Outcome([(*expected, "reset")])


def test_a_length_that_is_none_is_an_error_of_its_exchange() -> None:
    bad = b"Content-Length: many\r\n\r\n"
    assert converse([(">", asks(b"a")), ("<", b"HTTP/1.1 200 OK\r\n" + bad + b"A")])[1] == Outcome(
        [(b"a", b"A", "Content-Length is no number")]
    )
    assert converse([(">", b"POST HTTP/1.1\r\n" + bad + b"a"), ("<", says(b"A"))])[1] == Outcome(
        [(b"a", b"A", "Content-Length is no number")], lost="Content-Length is no number"
    )


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


# Of these every byte of a message stands in the message as it was sent.
VERBATIM = [asks(b"a"), asks(b"abc")[:-2], b"bc", EXPECTS, NO_LENGTH, GARBAGE]


@given(st.lists(st.tuples(st.just(">"), st.sampled_from(VERBATIM)) | st.tuples(st.just("<"), st.sampled_from(WORDS))))
def test_what_a_client_sent_is_in_the_exchanges_or_its_loss_is_told(events: list[Event]) -> None:
    pairs, outcome = converse(events)
    assert outcome.any is bool(pairs)
    if outcome.any and outcome.lost is None:
        sent = b"".join(data for side, data in events if side == ">")
        assert b"".join(pair.request.head + pair.request.body for pair in pairs) == sent


@given(st.lists(st.tuples(st.sampled_from((">", "<")), st.binary(max_size=40)), max_size=8))
def test_any_bytes_are_read_without_raising(events: list[Event]) -> None:
    converse(events)
