"""Lines that are put together from what was remembered are those that writing anew gives."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qqlab import http1
from qqlab import spec as specs
from qqlab.capture.writing import fitted_line
from qqlab.exchange import Exchange, RawMessage
from qqlab.net.repeated import Repeated
from qqlab.replay import Step

SPEC = specs.builtin()
TIME = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = st.integers(0, 10**10).map(str) | st.sampled_from(["1", "10001", "007", "x", "", "9&SEQ=1"])
BODIES = st.sampled_from(
    ["", "&UN=10002", "&MG=a,b&SEQ=3", '&MG="%5c', "&X=é", "&PS=1&TN=1", "&UN=1,2,&ST=10,20,&NK=a,b,"]
)


def exchange(number: str, asked: str, said: str, head: bytes = b"") -> Exchange:
    request = http1.request(f"VER=1.1&CMD=GetInfo&SEQ={number}&UIN=10001{asked}".encode(), "h")
    reply = http1.reply(f"VER=1.1&CMD=GETINFO&SEQ={number}&UIN=10001&RES=0{said}".encode())
    reply = RawMessage(head=reply.head.replace(b"\r\n\r\n", b"\r\n" + head + b"\r\n"), body=reply.body)
    client = f"127.0.0.1:{len(number)}"
    return Exchange(
        id=f"x{number}",
        session="s",
        time=TIME,
        elapsed=0.5,
        client=client,
        request=request,
        reply=reply,
        pairing="order",
    )


def step(recorded: Exchange, alike: int | None = 1) -> Step:
    assert recorded.request is not None
    return Step(recorded=recorded, request=recorded.request, alike=alike)


def learned(one: Exchange) -> Repeated:
    memory = Repeated(SPEC)
    memory.learn(one, step(one), fitted_line(one, SPEC))
    return memory


@given(NUMBERS, NUMBERS, BODIES, BODIES)
@example("1", "2", "", "")
@example("271828", "314159", "&UN=10002", "&UN=1,2,&ST=10,20,&NK=a,b,")
@example("271828", "314159", "&MG=a,b&SEQ=3", "&MG=a")
def test_a_line_is_that_which_writing_anew_gives(first: str, second: str, asked: str, said: str) -> None:
    memory = learned(exchange(first, asked, said))
    again = exchange(second, asked, said)
    assert memory.line(again, step(again)) in (None, fitted_line(again, SPEC))


def test_plain_numbers_are_remembered_and_nothing_else_is_taken_for_the_same() -> None:
    one, again = exchange("1000", "&UN=10002", "&NK=a"), exchange("2001", "&UN=10002", "&NK=a")
    memory = learned(one)
    assert memory.line(again, step(again)) == fitted_line(again, SPEC)
    assert again.request is not None
    assert again.reply is not None
    other_number = msgspec.structs.replace(again.reply, body=again.reply.body.replace(b"2001", b"2002"))
    for other in (
        exchange("2001", "&UN=10003", "&NK=a"),
        exchange("2001", "&UN=10002", "&NK=b"),
        exchange("2001", "&UN=10002", "&NK=a", b"X-Y: z\r\n"),
        exchange("0001", "&UN=10002", "&NK=a"),
        msgspec.structs.replace(again, error="closed"),
        msgspec.structs.replace(again, reply=None),
        msgspec.structs.replace(again, reply=other_number),
        msgspec.structs.replace(again, pairing=""),
    ):
        assert memory.line(other, step(other)) is None
    assert memory.line(again, step(again, None)) is None
    assert memory.line(again, step(again, 2)) is None
    assert memory.line(again, None) is None
    memory.forget()
    assert memory.line(again, step(again)) is None


@pytest.mark.parametrize("number", ["1234567890", "0123", "12x"])
def test_numbers_on_which_something_might_hang_are_not_remembered(number: str) -> None:
    one = exchange(number, "", "")
    assert learned(one).line(one, step(one)) is None
