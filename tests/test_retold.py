"""What is odd about a message is told again in another language, with the values in it."""

from collections.abc import Iterator

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from qqlab.capture import load
from qqlab.codec import CATALOGUE, Note, decode
from qqlab.exchange import Exchange, RawMessage
from qqlab.report.retold import SHAPES, UNSHAPED, has_shape, retold
from qqlab.report.say import Say
from qqlab.spec import Spec

CHINESE = Say("zh")
ASKED = b"VER=1.1&CMD=GetMsgEx&SEQ=1&UIN=10001"


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        ("field.missing", "Login: the reply has no RS", "Login：应答没有 RS"),
        (
            "list.length",
            "lists of one table differ: MT has 2, UN has 3",
            "同一张表的列表长度不一：MT 有 2 项、UN 有 3 项",
        ),
        ("http.framing", "Content-Length is stated as 3 and as 4", "Content-Length 写了不止一个值：3、4"),
        ("echo.seq", "SEQ: the request says '1', the reply '2'", "SEQ：请求为 '1'，应答为 '2'"),
        ("text.charset", "NK is gb18030, not UTF-8", "NK 是 gb18030，不是 UTF-8"),
        ("text.charset", "NK is in no known charset", "NK 不属于任何已知的字符集"),
        ("value.type", "AG: 'x {field} is\ny' is not of type int", "AG：'x {field} is\ny' 不是 int 类型"),
        ("exchange.error", "connection reset by peer", "connection reset by peer"),
    ],
)
def test_a_note_is_told_again(code: str, text: str, said: str) -> None:
    assert retold(code, text, CHINESE) == said
    assert retold(code, text, Say()) == text


def test_every_code_has_its_shapes() -> None:
    assert SHAPES.keys() | UNSHAPED == CATALOGUE.keys()
    assert not SHAPES.keys() & UNSHAPED


def odd() -> Iterator[Exchange]:
    """Exchanges with every oddity that there is a shape for."""
    bodies = (
        b"", b"x", b"VER=1.1&SEQ=2&RES=0", b"VER=9&CMD=Nope&SEQ=1&UIN=1&RES=0",
        ASKED + b"&RES=7&MN=1&MT=1,9&UN=1,2,3&MG=a",
        ASKED + b"&RES=x&mn=&MT=99,&UN=1,&MG=7,&ZZ=1&ZZ=2&bare", ASKED + b"&RES=0&MN=%&MT=9,&UN=a+b,&MG=\xff\xfe,",
        ASKED.replace(b"SEQ=1", b"SEQ=") + b"&RES=0&MN=1&MT=9,&UN=1,&MG=%C4%E3,", b"&".join([b"a=1"] * 20_000),
        ASKED + b"&RES=0&MN=1&UN=" + b"1," * 200_000, b"UIN=1&VER=1.1&CMD=GetMsgEx&SEQ=1&RES=0",
    )  # fmt: skip
    heads = (
        b"", b"HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", b"\r\nx\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n",
    )  # fmt: skip
    requests = (
        ASKED, ASKED.replace(b"SEQ=1", b"SEQ="), b"VER=1.1&CMD=Login&SEQ=1&UIN=1&PS=x&M5=1&LC=77&SID=1",
        b"CMD=Login&A=%zz&B=+", b"VER=1.1&SEQ=1&UIN=1",
    )  # fmt: skip
    for request in requests:
        for head in heads:
            for body in bodies:
                asked = RawMessage(head=b"", body=request)
                yield Exchange(id="1", session="", request=asked, reply=RawMessage(head=head, body=body))
        yield Exchange(id="1", session="", request=RawMessage(head=b"", body=request))
    yield Exchange(id="1", session="", reply=RawMessage(head=heads[1], body=b"3\r\nabc", chunked=True))


def test_all_that_the_codec_says_has_a_shape(known: Spec) -> None:
    notes = [note for one in odd() for note in decode(one, known).notes]
    for name in ("demo", "forum-2005", "lines"):
        notes += [note for one in load(ROOT / f"captures/{name}.jsonl").exchanges for note in decode(one, known).notes]
    assert unknown(notes) == []
    missed = SHAPES.keys() - {note.code if note.code in SHAPES else note.code.partition(".")[0] for note in notes}
    assert missed == {"body.cut"}


@given(st.binary(max_size=120), st.binary(max_size=120))
def test_whatever_the_bytes_it_has_a_shape(known: Spec, asked: bytes, reply: bytes) -> None:
    exchange = Exchange(
        id="1", session="", request=RawMessage(body=ASKED + b"&" + asked), reply=RawMessage(body=ASKED + reply)
    )
    assert unknown(decode(exchange, known).notes) == []


def unknown(notes: "list[Note] | tuple[Note, ...]") -> list[tuple[str, str]]:
    """Notes of no shape, but for those that were cut."""
    return [(note.code, note.text) for note in notes if not has_shape(note.code, note.text) and note.text[-1:] != "…"]
