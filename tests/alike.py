"""Exchanges that are much alike, and mostly not quite."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from qqlab import http1
from qqlab.exchange import Cut, Exchange, RawMessage

START = datetime(2005, 6, 30, 12, tzinfo=UTC)

# What is asked, and what is said to it: where `#` stands, a value that differs.
TEMPLATES: Sequence[tuple[str, str]] = (
    (
        "VER=1.1&CMD=Login&SEQ=#&UIN=#&PS=#&M5=1&LC=9326B87B234E7235",
        "VER=1.1&CMD=Login&SEQ=#&UIN=#&RES=0&RS=0&HI=#&LI=300",
    ),
    (
        "VER=1.1&CMD=List&SEQ=#&UIN=#&TN=2&UN=#",
        "VER=1.1&CMD=LIST&SEQ=#&UIN=#&RES=0&FN=0&SN=#&UN=#",
    ),
    (
        "VER=1.1&CMD=List&SEQ=#&UIN=#&TN=2&UN=7",
        "VER=1.1&CMD=LIST&SEQ=#&UIN=#&RES=0&FN=1&SN=2&UN=7,8,",
    ),
    (
        "VER=1.1&CMD=Query_Stat&SEQ=1&UIN=#&TN=2&UN=0",
        "VER=1.1&CMD=QUERY_STAT&SEQ=1&UIN=#&RES=0&FC=#&FN=1&SN=#&ST=#&UN=#&NK=#&",
    ),
    (
        "VER=1.1&CMD=GetMsgEx&SEQ=#&UIN=#",
        "VER=1.1&CMD=GETMSGEX&SEQ=#&UIN=#&RES=0&MN=1&MT=9,&UN=#&MG=#&",
    ),
    (
        "VER=1.1&CMD=GetMsgEx&SEQ=#&UIN=#",
        "VER=1.1&CMD=GETMSGEX&SEQ=#&UIN=#&RES=0&MN=#&MT=99,9,&UN=#&MG=#&",
    ),
    (
        "VER=1.1&CMD=GetMsgEx&SEQ=#&UIN=6&",
        "VER=1.1&CMD=GETMSGEX&SEQ=#&UIN=6&RES=20",
    ),
    (
        "VER=1.2&CMD=CLTMSG&SEQ=#&UIN=#&UN=7&MG=#",
        "VER=1.1&CMD=CLTMSG&SEQ=#&UIN=#&RES=0",
    ),
    (
        "VER=1.4&CMD=Change_stat&SEQ=#&UIN=#&ST=30",
        "VER=1.1&CMD=Change_Stat&SEQ=#&UIN=#&RES=0&",
    ),
    (
        "CMD=AddToList&VER=1.1&SEQ=#&UIN=#&UN=#",
        "VER=1.1&CMD=AddToList&SEQ=#&UIN=#&RES=0&CD=0&UN=#",
    ),
    (
        "VER=1.1&CMD=GetInfo&SEQ=#&UIN=6&LV=1&UN=#",
        "VER=1.1&CMD=GETINFO&SEQ=#&UIN=6&RES=0&AG=#&FC=0&LV=1&PV=#&SX=#&UN=#&NK=#",
    ),
)

# One value for all places of an exchange, and for each of them one of its own; most of them are good ones.
numbers = st.sampled_from(["1", "6", "7", "12", "007", "10001"])
texts = st.sampled_from(["hi", "你好", "a b", "%25", "1%2b1", "a,", "7,8,", "10,20,", "1,", "9,99,", "10,", "2", "20"])
hostile = st.sampled_from(
    ["", " ", "x", "-1", "+", "a+b", "%", "%zz", "%20", "%e4%bd%a0+a", "a=b", "7", "7,", ",", ",,", " 7", "7 ", "\r\n",
     "7\n", "%0a", "٣", "1" * 19, "1&X=2", "1&SEQ=2", "1&", "&", "\udcff", "\udcc4\udce3", "a" * 600]
)  # fmt: skip
values = st.one_of(numbers, numbers, texts, texts, hostile)


def _filled(template: str, all_of_them: str, own: Sequence[str]) -> bytes:
    """The template's marks replaced: the first two, which messages repeat, by what all have."""
    first, *rest = template.split("#")
    taken = iter(own)
    filled = first
    for place, text in enumerate(rest):
        filled += (all_of_them if place < 2 else next(taken, "1")) + text
    return filled.encode("utf-8", "surrogateescape")


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    asked, said = draw(st.sampled_from(TEMPLATES))
    same = draw(numbers) if draw(st.integers(0, 5)) else draw(hostile)
    request = _filled(asked, same, draw(st.lists(values, max_size=3)))
    return request, _filled(said, same, draw(st.lists(values, max_size=5)))


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    """An exchange as there are many, now and then with something wrong about it."""
    asked, said = draw(bodies())
    request, reply = http1.request(asked, "h"), http1.reply(said)
    error = None
    match draw(st.integers(0, 25)):
        case 0:
            request, reply = RawMessage(body=asked), RawMessage(body=said, end=b"\r\n")
        case 1:
            reply = http1.reply(said, code=500, reason="No")
        case 2:
            request = RawMessage(head=request.head, body=request.body + b"1")
        case 3:
            reply = RawMessage(head=reply.head, body=reply.body, cut=Cut(length=999, sha256="0"))
        case 4:
            error = "broke off"
        case 5:
            reply = RawMessage(head=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", body=said, chunked=True)
        case _:
            pass
    seconds = draw(st.none() | st.integers(0, 400))
    return Exchange(
        id="",
        session=draw(st.sampled_from(["", "a", "b", "c", "d"])),
        time=None if seconds is None else START + timedelta(seconds=seconds),
        elapsed=draw(st.none() | st.sampled_from([0.1, 0.5, 3.0, float("inf"), -1.0])),
        client=draw(st.sampled_from(["", "10.0.0.1:1", "10.0.0.1:2", "[::1]:3", "x"])),
        server="10.0.0.2:8000",
        request=request,
        reply=reply,
        error=error,
    )
