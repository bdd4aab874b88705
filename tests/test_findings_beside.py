"""Two messages side by side: fields find their counterparts, secrets stay away, and no bytes are too odd."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from qqlab import http1
from qqlab import spec as specs
from qqlab.exchange import Exchange, RawMessage
from qqlab.findings import Sides
from qqlab.findings.beside import Beside, Cell, Pair, Piece, Row

SPEC = specs.builtin()

LOGIN = "VER=1.1&CMD=Login&SEQ={}&UIN=10001&PS={}&M5=1&LC=9326B87B234E7235"
STAT = "VER=1.1&CMD=Query_Stat&SEQ={}&UIN=10001&TN=50&UN=0"


def exchange(request: str | None, reply: str | None, **more: object) -> Exchange:
    made = Exchange(
        id="1",
        session="s",
        request=None if request is None else http1.request(request.encode(), "127.0.0.1:8000"),
        reply=None if reply is None else http1.reply(reply.encode()),
    )
    return msgspec.structs.replace(made, **more)


def both(left: Exchange | None, right: Exchange | None) -> dict[str, Pair]:
    return {pair.direction: pair for pair in Beside(SPEC).pairs(Sides(left, right))}


def marks(pair: Pair) -> dict[str, str]:
    return {row.name: row.mark for row in pair.rows if row.mark != "same"}


def test_fields_stand_beside_their_counterparts() -> None:
    left = exchange(
        STAT.format(7), "VER=1.1&CMD=QUERY_STAT&SEQ=7&UIN=10001&RES=0&FN=1&ST=10,30,&NK=%e4%bd%a0,b,&UN=1,2,"
    )
    right = exchange(
        STAT.format(9), "VER=1.1&CMD=QUERY_STAT&SEQ=9&UIN=10001&RES=20&XX=1&ST=10,20,&NK=%E4%BD%A0,b,&UN=1,2,"
    )
    pairs = both(left, right)
    assert pairs["request"].alike
    assert marks(pairs["reply"]) == {
        "RES": "differs",
        "XX": "extra",
        "FN": "missing",
        "ST": "differs",
        "NK": "written",
    }
    rows = {row.name: row for row in pairs["reply"].rows}
    assert [row.name for row in pairs["reply"].rows] == [
        "VER",
        "CMD",
        "SEQ",
        "UIN",
        "RES",
        "XX",
        "FN",
        "ST",
        "NK",
        "UN",
    ]
    assert rows["ST"] == Row(
        "ST",
        "Presence of each friend.",
        Cell((Piece("10 online"), Piece("30 busy", unlike=True))),
        Cell((Piece("10 online"), Piece("20 offline", unlike=True))),
        "differs",
    )
    assert rows["XX"] == Row("XX", "", None, Cell((Piece("1"),)), "extra")
    assert rows["NK"].expected == Cell((Piece("你"), Piece("b")), "%e4%bd%a0,b,")


def test_a_number_that_is_no_echo_differs() -> None:
    reply = "VER=1.1&CMD=QUERY_STAT&SEQ=7&UIN=10001&RES=20"
    pairs = both(exchange(STAT.format(7), reply), exchange(STAT.format(9), reply.replace("10001", "10002")))
    assert marks(pairs["reply"]) == {"UIN": "differs"}
    pairs = both(exchange(STAT.format(7), reply), exchange(STAT.format(7), reply.replace("SEQ=7", "SEQ=8")))
    assert marks(pairs["reply"]) == {"SEQ": "differs"}


def test_one_side_alone_and_what_broke_off() -> None:
    pairs = both(exchange(STAT.format(7), None, error="connection reset"), None)
    assert pairs["reply"].rows == ()
    assert pairs["reply"].raw == ("\n(connection reset)", None)
    assert set(marks(pairs["request"]).values()) == {"missing"}
    assert both(None, None) == {}


def test_secrets_are_in_neither_form() -> None:
    made = [
        exchange(LOGIN.format(7, secret), f"<html>{secret}", error=f"saw {secret}")
        for secret in ("abcdef0123456789" * 2, "99" * 16)
    ]
    told = repr(both(*made))
    assert "abcdef0123456789" not in told
    assert "99" * 16 not in told
    assert "PS=(secret)" in told
    assert "PS" not in marks(both(*made)["request"])


def test_long_messages_are_cut() -> None:
    long = (
        "VER=1.1&CMD=QUERY_STAT&SEQ=7&UIN=10001&RES=0&UN="
        + "1," * 5000
        + "".join(f"&X{n}={'y' * 900}" for n in range(300))
    )
    reply = both(exchange(STAT.format(7), long), exchange(STAT.format(7), long + "&Z=1"))["reply"]
    assert (len(reply.rows), reply.more) == (200, 107)
    cell = next(row.expected for row in reply.rows if row.name == "UN")
    assert cell is not None
    assert cell.pieces[100:] == (Piece("… and 4,900 more"),)
    assert all(len(side or "") < 4100 for side in reply.raw)


MESSAGES = st.builds(
    RawMessage,
    head=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", b"\xff\r\n\r\n"]),
    body=st.binary(max_size=60)
    | st.sampled_from([LOGIN.format(7, "x").encode(), STAT.format(7).encode() + b"&UN=\xff"]),
)
EXCHANGES = st.none() | st.builds(
    Exchange, id=st.just("1"), session=st.just("s"), request=st.none() | MESSAGES, reply=st.none() | MESSAGES
)


@given(EXCHANGES, EXCHANGES)
def test_no_bytes_are_too_odd(left: Exchange | None, right: Exchange | None) -> None:
    for pair in Beside(SPEC).pairs(Sides(left, right)):
        for row in pair.rows:
            assert (row.expected is None) == (row.mark == "extra")
            assert (row.actual is None) == (row.mark == "missing")
    for pair in Beside(SPEC).pairs(Sides(left, left)):
        assert pair.alike == (left is not None)
