"""Comparing without reading all: captures joined as they come, exchanges that need no decoding, narrowed bodies."""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qqlab import http1
from qqlab import spec as specs
from qqlab.codec import Message, decode_message
from qqlab.diff import Judged, compare, judge
from qqlab.diff.finding import Deviation
from qqlab.diff.message import Replies, compare_requests
from qqlab.diff.same import content, same
from qqlab.diff.stream import Join
from qqlab.exchange import Exchange, RawMessage

SPEC = specs.builtin()

ASKED = b"VER=1.1&CMD=Query_Stat&SEQ=%d&UIN=10001&TN=50&UN=0"
SAID = b"VER=1.1&CMD=QUERY_STAT&SEQ=%d&UIN=10001&RES=0&FC=141,270,&FN=1&SN=2&ST=10,30,&UN=10002,10003,&NK=a,b,"
PUSH = b"VER=1.1&CMD=update_stat&SEQ=%d&UIN=10001&RES=0&ST=%d&UN=10002"


def exchange(id: int, sequence: int, said: bytes = SAID) -> Exchange:
    return Exchange(
        id=str(id),
        session="",
        request=http1.request(ASKED % sequence, "127.0.0.1:8000"),
        reply=http1.reply(said % sequence),
    )


def push(id: str, number: int) -> Exchange:
    return Exchange(id=id, session="", transport="lines", reply=RawMessage(body=PUSH % (number, number), end=b"\r\n"))


def shuffled(exchanges: list[Exchange], seed: int, window: int = 10) -> list[Exchange]:
    """The exchanges in nearly the same order."""
    random = Random(seed)
    keys = [place + random.uniform(0, window) for place in range(len(exchanges))]
    return [exchange for _, exchange in sorted(zip(keys, exchanges, strict=True), key=lambda one: one[0])]


def most_held(left: list[Exchange], right: list[Exchange]) -> tuple[int, int]:
    """How many pairs come of joining, and how many exchanges waited at most."""
    joined = Join(enumerate(left, 1), enumerate(right, 1), SPEC)
    held = [joined.held for _ in joined]
    return len(held), max(held)


def test_little_is_held_of_captures_in_nearly_the_same_order() -> None:
    for length in (200, 2000):
        left = [exchange(number, number) for number in range(length)]
        right = shuffled([exchange(number, 5000 + number) for number in range(length)], length)
        pairs, held = most_held(left, right)
        assert pairs == length
        assert held <= 25


def test_what_one_side_lacks_makes_nothing_else_wait() -> None:
    left = [exchange(number, number) for number in range(3000)]
    pairs, held = most_held(left, left[::3])
    assert pairs == 3000
    assert held <= 2000
    assert most_held(left, left[:100]) == (3000, 0)
    assert most_held(left[:100], left) == (3000, 0)


def test_pushes_wait_for_no_more_than_a_window() -> None:
    left = [push(f"a{number}", number) for number in range(3000)]
    right = [push(f"b{number}", number) for number in range(3000)]
    assert most_held(left, right) == (3000, 0)
    pairs, held = most_held(left, right[1:])
    assert pairs == 3000
    assert held <= 401
    comparison = compare(left, right[1:], SPEC)
    assert [(f.rule, f.exchange) for f in comparison.findings] == [("push.missing", "a0")]
    assert comparison.equal == 2999


def test_findings_are_in_the_order_of_the_captures() -> None:
    left = [exchange(number, number) for number in range(40)]
    right = [exchange(number, number, SAID.replace(b"10,30", b"20,30")) for number in range(40) if number % 7]
    right += [exchange(1000, 1), exchange(999, 1)]
    comparison = compare(left, shuffled(right, 1), SPEC)
    told = [finding.exchange or finding.actual_exchange for finding in comparison.findings]
    assert told[:40] == [*map(str, range(40))]
    assert [f.rule for f in comparison.findings if f.exchange and int(f.exchange) % 7 == 0] == ["exchange.missing"] * 6
    assert {finding.rule for finding in comparison.findings[40:]} == {"exchange.extra"}


def test_a_comparison_reads_each_side_once() -> None:
    def read() -> Iterator[Exchange]:
        yield from (exchange(number, number) for number in range(5))

    assert compare(read(), read(), SPEC).equal == 5


DIFFERENT = {
    "a reply that repeats another number": (ASKED % 1, SAID % 1, ASKED % 2, SAID % 1),
    "replies that repeat no number": (ASKED % 1, SAID % 3, ASKED % 2, SAID % 4),
    "another value": (ASKED % 1, SAID % 1, ASKED % 2, (SAID % 2).replace(b"RES=0", b"RES=20")),
    "another request": (ASKED % 1, SAID % 1, (ASKED % 2).replace(b"TN=50", b"TN=51"), SAID % 2),
    "a number before the number": (b"seq=5&" + ASKED % 1, SAID % 1, b"seq=5&" + ASKED % 2, SAID % 2),
    "a number behind the number": (ASKED % 1, SAID % 1 + b"&%53EQ=1", ASKED % 2, SAID % 2 + b"&%53EQ=1"),
    "a number that is none": (ASKED % 1, SAID % 1, ASKED.replace(b"%d", b"x"), SAID.replace(b"%d", b"x")),
}


def of_bodies(asked: bytes, said: bytes) -> Exchange:
    return Exchange(id="1", session="", request=RawMessage(body=asked), reply=RawMessage(body=said))


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_may_differ_is_read(name: str) -> None:
    bodies = DIFFERENT[name]
    assert not same(of_bodies(*bodies[:2]), of_bodies(*bodies[2:]), SPEC)


def test_what_only_repeats_its_own_number_is_not() -> None:
    assert same(of_bodies(ASKED % 1, SAID % 1), of_bodies(ASKED % 22, SAID % 22), SPEC)
    coded = RawMessage(head=b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", body=SAID % 1)
    odd = Exchange(id="1", session="", request=RawMessage(body=ASKED % 1), reply=coded)
    assert not same(odd, odd, SPEC)


SEGMENTS = st.sampled_from(
    (
        b"VER=1.1 CMD=LIST CMD=GETMSGEX CMD=List SEQ=1 SEQ=2 seq=1 %53EQ=1 UIN=10001 UIN=10002 RES=0 RES=20 FN=1 FN=0 "
        b"SN=2 SN=1 UN=1,2, UN=1, UN=2,1, MN=2 MN=1 MT=9,99, MT=99,9, MT=9, MG=10,20, MG=a%2cb, MG=%ff,+, ST=10, ST=30 "
        b"RS=0 RS=1 SG=aa SG=bb XX=1 XX=2 un=1,2, UN UN= A+B=1 LV=1 LV=2 NK=a"
    ).split(b" ")
)
COMMANDS = st.sampled_from([b"List", b"GETMSGEX", b"Query_Stat", b"GetInfo", b"Login", b"Odd"])


@st.composite
def alike(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Two bodies that have most of their segments in common."""
    left = draw(st.lists(SEGMENTS, min_size=1, max_size=12))
    right = [draw(SEGMENTS) if draw(st.integers(0, 5)) == 0 else segment for segment in left]
    if draw(st.integers(0, 5)) == 0:
        right.pop(draw(st.integers(0, len(right) - 1)))
    end = draw(st.sampled_from([b"", b"&", b"\r\n"]))
    return b"&".join(left) + end, b"&".join(right) + end


def whole(left: Exchange, right: Exchange) -> list[Deviation]:
    """The deviations that reading all of both finds."""

    def message(raw: RawMessage | None, asked: Message | None = None) -> Message:
        assert raw is not None
        command = None if asked is None else asked.command
        return decode_message(content(raw), "request" if asked is None else "reply", SPEC, command)

    requests = message(left.request), message(right.request)
    replies = message(left.reply, requests[0]), message(right.reply, requests[1])
    assert left.reply is not None
    assert right.reply is not None
    found = list(compare_requests(*requests, SPEC))
    return [*found, *Replies(replies, requests, (left.reply.body, right.reply.body), SPEC).deviations()]


@given(COMMANDS, alike(), alike())
@example(b"List", (b"SEQ=1&UIN=10001", b"SEQ=2&UIN=10001"), (b"SEQ=1&RES=0", b"SEQ=1&RES=0"))
@example(b"List", (b"SEQ=1&UIN=10001", b"SEQ=1&UIN=10002"), (b"SEQ=1&UIN=10001&RES=0", b"SEQ=1&UIN=10001&RES=20"))
@example(b"GETMSGEX", (b"SEQ=1", b"SEQ=1"), (b"SEQ=1&RES=0&MG=1 + 1,", b"SEQ=1&RES=20&MG=1 + 1,"))
@example(b"GetInfo", (b"SEQ=1", b"SEQ=1"), (b"SEQ=1&RES=0&NK=a+b&AD=%41", b"SEQ=1&RES=20&NK=a+b&AD=%20"))
def test_narrowed_bodies_are_judged_as_whole_ones(
    command: bytes, asked: tuple[bytes, bytes], said: tuple[bytes, bytes]
) -> None:
    begin = b"CMD=" + command + b"&"
    left, right = (of_bodies(begin + asked[side], begin + said[side]) for side in (0, 1))
    judged = judge(left, right, SPEC)
    if judged.skipped is None:
        told = [(f.rule, f.field, f.row, f.expected, f.actual) for f in judged.findings if not f.equivalent]
        told += [(f.rule, f.field, f.row, f.expected, f.actual) for f in judged.findings if f.equivalent]
        assert sorted(map(str, told)) == sorted(str(tuple(one)[:5]) for one in whole(left, right))


def test_a_reply_that_repeats_what_the_other_request_said_is_found() -> None:
    """As a server of canned replies answers: in the bytes that were recorded, whatever it is asked."""
    said = SAID % 1
    judged = judge(of_bodies(ASKED % 1, said), of_bodies(ASKED % 2, said), SPEC)
    assert [(one.rule, one.field, one.actual) for one in judged.findings] == [("echo", "SEQ", "1 (asked: 2)")]


@given(alike(), st.integers(0, 99), st.integers(0, 99))
def test_what_is_the_same_but_for_its_number_has_no_deviations(bodies: tuple[bytes, bytes], old: int, new: int) -> None:
    left, right = (of_bodies(*(body.replace(b"SEQ=1", b"SEQ=%d" % number) for body in bodies)) for number in (old, new))
    if same(left, right, SPEC):
        assert whole(left, right) == []


OTHER_SIDE = {"field.missing": "field.extra", "row.missing": "row.extra"}
VALUES = {"value", "row.value", "target.charset"}  # in no charset on the actual side alone, and that is said there


def kinds(judged: Judged) -> set[tuple[str, str]]:
    """What is found, called alike from either side."""
    named = {OTHER_SIDE.get(f.rule, "value" if f.rule in VALUES else f.rule) for f in judged.findings}
    return {(str(judged.verdict), rule) for rule in named}


@given(COMMANDS, alike(), alike())
def test_from_the_other_side_the_same_is_found(
    command: bytes, asked: tuple[bytes, bytes], said: tuple[bytes, bytes]
) -> None:
    begin = b"CMD=" + command + b"&"
    left, right = (of_bodies(begin + asked[side], begin + said[side]) for side in (0, 1))
    assert kinds(judge(left, right, SPEC)) == kinds(judge(right, left, SPEC))


@given(COMMANDS, alike(), alike())
def test_what_is_sent_again_is_never_different(
    command: bytes, asked: tuple[bytes, bytes], said: tuple[bytes, bytes]
) -> None:
    one = of_bodies(b"CMD=" + command + b"&" + asked[0], said[0])
    assert judge(one, one, SPEC).findings == ()
