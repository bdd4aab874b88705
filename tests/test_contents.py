"""What is remembered of messages is what looking at each alone gives."""

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st
from test_lanes import exchange

from qqlab import http1
from qqlab import spec as specs
from qqlab.exchange import RawMessage
from qqlab.replay.changes import Changes
from qqlab.replay.contents import Content, Contents
from qqlab.replay.passwords import no_passwords
from qqlab.replay.reading import read
from qqlab.replay.rewrite import Refused, Rewriting
from qqlab.replay.sequences import Sequences
from qqlab.spec import Direction

SPEC = specs.builtin()
WORDS = [
    b"VER=1.1",
    b"CMD=GetMsgEx",
    b"CMD=Login",
    b"UIN=10001",
    b"UN=10002,10003,",
    b"SG=0f0f0f0f",
    b"seq=7",
    b"MT=9,",
]
WORDS += [b"SEQ=8", b"PS=ab", b"S%45Q=4", b"MG=a+b%20c", b"X=\xc4\xe3", b"", b"=", b"RES=0", b"TN=50"]
PARTS = st.lists(st.sampled_from(WORDS), max_size=6).map(b"&".join)
NUMBERS = st.integers(0, 10**12).map(lambda number: str(number).encode()) | st.sampled_from([b"", b"x", b"0", b"007"])


def message(before: bytes, number: bytes, behind: bytes, direction: Direction, packed: bool) -> RawMessage:
    body = before + b"&SEQ=" + number + b"&" + behind
    if packed:
        return RawMessage(body=body, head=b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\n")
    return http1.request(body, "localhost") if direction == "request" else http1.reply(body)


def without_number(content: Content, number: str | None) -> Content:
    """With nothing that shows whose message was read; only a plain number may be another's."""
    content = msgspec.structs.replace(content, kind=0)
    if content.around is None:
        return content
    assert number is not None
    first = content.read.get("SEQ")
    fields = tuple(one for one in content.read.fields if one is not first)
    return msgspec.structs.replace(content, read=msgspec.structs.replace(content.read, fields=fields))


@given(PARTS, PARTS, st.lists(NUMBERS, min_size=2, max_size=3), st.sampled_from(["request", "reply"]), st.booleans())
@example(b"CMD=GetMsgEx&UIN=10001", b"UN=10002", [b"1", b"22"], "reply", False)
@example(b"S%45Q=4&CMD=Login", b"PS=ab", [b"1", b"2"], "request", False)
def test_what_comes_again_is_known_as_if_it_was_new(
    before: bytes, behind: bytes, numbers: list[bytes], direction: Direction, packed: bool
) -> None:
    contents = Contents(SPEC)
    for number in numbers:
        raw = message(before, number, behind, direction, packed)
        known, known_number = contents.of(raw, direction)
        alone, alone_number = Contents(SPEC).of(raw, direction)
        assert known_number == alone_number == alone.read.text("SEQ")
        assert without_number(known, known_number) == without_number(alone, alone_number)


@given(PARTS, PARTS, NUMBERS)
@example(b"CMD=GetMsgEx&UIN=10001", b"UN=10002", b"99")
def test_a_request_with_nothing_but_a_fresh_number_is_what_rewriting_gives(
    before: bytes, behind: bytes, number: bytes
) -> None:
    raw = message(before, number, behind, "request", False)
    recorded = msgspec.structs.replace(exchange("1", "10001"), request=raw)
    content, text = Contents(SPEC).of(raw, "request")
    if content.around is None:
        return
    assert text is not None
    first, second = (
        Rewriting("h:1", SPEC, Sequences([("10001", text)], 5), no_passwords, no_passwords, Changes()) for _ in range(2)
    )
    for one in (first, second):
        one.request(recorded, read(raw, "request", SPEC), "10001", right=False)
    template = first.template(recorded, content.around, "10001")
    wanted = second.request(recorded, read(raw, "request", SPEC), "10001", right=False)
    made = None if template is None else template.request(text)
    if template is None or made is None:
        assert isinstance(wanted, Refused) or len(wanted.body) != len(raw.body)
        return
    assert made == wanted
    first.took([template])
    assert (first.counts, first.examples) == (second.counts, second.examples)
