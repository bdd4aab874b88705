"""The codec: all published lines both ways, notes as a table, total for any bytes.

`vectors.json` holds, for each line of `captures/forum-2005.txt`, what decoding gives. When the spec gains a field
that changes one of them, correct that vector by hand: it is the test, not an output.
"""

import gzip
import json
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import example, given
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.codec import CATALOGUE, Value, decode, decode_message, describe, encode_message, is_of, recognise, succeeded
from qqlab.codec.decode import decode_anew
from qqlab.codec.message import MOST_FIELDS, MOST_ITEMS, MOST_NOTES
from qqlab.exchange import Exchange, RawMessage
from qqlab.spec import Direction, Spec

VECTORS: list[dict[str, Any]] = json.loads((ROOT / "tests/vectors.json").read_text(encoding="utf-8"))
SPEC = specs.builtin()


def direction_of(line: str) -> Direction:
    return "request" if line[0] == ">" else "reply"


def exchange(request: bytes | None, reply: bytes | None, error: str | None = None) -> Exchange:
    return Exchange(
        id="1",
        session="",
        request=None if request is None else RawMessage(body=request),
        reply=None if reply is None else RawMessage(body=reply),
        error=error,
    )


def test_the_vectors_are_the_published_lines() -> None:
    lines = (ROOT / "captures/forum-2005.txt").read_text(encoding="utf-8").splitlines()
    assert [vector["line"] for vector in VECTORS] == [line for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{number}-{v['command']}" for number, v in enumerate(VECTORS)])
def test_published_lines_both_ways(vector: dict[str, Any], known: Spec) -> None:
    body, direction = vector["line"][2:].encode(), direction_of(vector["line"])
    message = decode_message(body, direction, known)
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in vector["values"].items()}
    assert message.command is not None
    assert message.command.name == vector["command"]
    assert message.values() == values
    assert message.terminated == vector["terminated"]
    assert [list(row.cells.values()) for table in message.tables for row in table.rows] == vector["rows"]
    assert [f"{note.code}:{note.field or ''}" for note in message.notes] == vector["notes"]
    written = encode_message(values.items(), direction, known, message.command, terminated=vector["terminated"])
    # A list that was cut short cannot be told from a whole one by its values.
    assert (written == body) == vector["encodes"]


def test_all_but_the_torn_line_encode() -> None:
    assert [vector["command"] for vector in VECTORS if not vector["encodes"]] == ["List"]


REPLY = b"VER=1.1&CMD=GETMSGEX&SEQ=1&UIN=1&RES=0&MN=1&MT=9,&UN=2,&MG=x,"
REQUEST = b"VER=1.1&CMD=GetMsgEx&SEQ=1&UIN=1"

NOTES: list[tuple[str, bytes | None, bytes | None, list[str]]] = [
    ("nothing odd", REQUEST, REPLY, []),
    ("no reply", REQUEST, None, ["reply.missing"]),
    ("no request", None, REPLY, ["request.missing"]),
    ("an empty reply", REQUEST, b"", ["reply.empty"]),
    ("an empty request", b"", REPLY, []),
    ("another SEQ", REQUEST, REPLY.replace(b"SEQ=1", b"SEQ=2"), ["echo.seq"]),
    ("another UIN", REQUEST, REPLY.replace(b"UIN=1", b"UIN=7"), ["echo.uin"]),
    ("another command", REQUEST, b"VER=1.1&CMD=LOGOUT&SEQ=1&UIN=1&RES=0", ["echo.cmd"]),
    ("an empty SEQ cannot disagree", REQUEST.replace(b"SEQ=1", b"SEQ="), REPLY, ["value.empty"]),
    (
        "but for a value that no request can have had",
        REQUEST.replace(b"SEQ=1", b"SEQ="),
        REPLY.replace(b"SEQ=1", b"SEQ=-1"),
        ["value.empty", "value.type", "echo.seq"],
    ),
    ("an unknown field", REQUEST + b"&ZZ=1", REPLY, ["field.undocumented"]),
    ("a bare segment", REQUEST + b"&ZZ", REPLY, ["field.undocumented", "field.bare"]),
    ("another case", REQUEST.replace(b"SEQ", b"Seq"), REPLY, ["field.case"]),
    ("a doubled field", REQUEST + b"&SEQ=1", REPLY, ["field.duplicate", "field.order"]),
    ("a field left out", REQUEST, REPLY.replace(b"&MN=1", b""), ["field.missing"]),
    ("fields of success need not stand in a failure", REQUEST, b"VER=1.1&CMD=GETMSGEX&SEQ=1&UIN=1&RES=20", []),
    ("a wrong order", REQUEST, b"CMD=GETMSGEX&VER=1.1&SEQ=1&UIN=1&RES=20", ["field.order"]),
    ("a field of another version", REQUEST + b"&CON=1", REPLY, ["field.version"]),
    ("an unknown code", REQUEST, b"VER=1.1&CMD=GETMSGEX&SEQ=1&UIN=1&RES=99", ["code.unknown"]),
    ("an unknown code in a list", REQUEST, REPLY.replace(b"MT=9,", b"MT=8,"), ["code.unknown"]),
    ("a system message", REQUEST, REPLY.replace(b"MT=9,", b"MT=99,").replace(b"MG=x", b"MG=10"), []),
    ("an unknown system message", REQUEST, REPLY.replace(b"MT=9,", b"MT=99,"), ["code.unknown"]),
    ("a count that disagrees", REQUEST, REPLY.replace(b"MN=1", b"MN=2"), ["list.count"]),
    ("lists that differ", REQUEST, REPLY.replace(b"UN=2,", b"UN=2,3,"), ["list.length", "list.count"]),
    ("no messages", REQUEST, b"VER=1.1&CMD=GETMSGEX&SEQ=1&UIN=1&RES=0&MN=0&MT=&UN=&MG=", []),
    ("an open list", REQUEST, REPLY.removesuffix(b","), ["list.unterminated"]),
    ("GB2312", REQUEST, REPLY.replace(b"MG=x", "MG=小程".encode("gb2312")), ["text.charset"]),
    ("no charset at all", REQUEST, REPLY.replace(b"MG=x", b"MG=\xff"), ["text.charset"]),
    ("a broken escape", REQUEST, REPLY.replace(b"MG=x", b"MG=100%"), ["text.escape"]),
    ("a plus", REQUEST, REPLY.replace(b"MG=x", b"MG=1+1"), ["text.plus"]),
    ("a page of HTML", REQUEST, b"<html><p>a=1&nbsp;Bad Gateway</p></html>", ["body.foreign"]),
    ("no number", REQUEST, REPLY.replace(b"MN=1", b"MN=one"), ["value.type"]),
    ("a number beyond 64 bits", REQUEST, REPLY.replace(b"MN=1", b"MN=" + b"9" * 5000), ["value.type"]),
    ("an unknown command", b"VER=1.1&CMD=Dance&SEQ=1&UIN=1", None, ["command.unknown", "reply.missing"]),
    ("no command", b"VER=1.1&SEQ=1&UIN=1", None, ["command.missing", "reply.missing"]),
    ("an unknown version", REQUEST.replace(b"1.1", b"9.9"), REPLY, ["version.unknown"]),
    ("no version", REQUEST.removeprefix(b"VER=1.1&"), REPLY, ["version.missing", "field.missing"]),
    ("no account", REQUEST.removesuffix(b"&UIN=1"), REPLY, ["account.missing", "field.missing"]),
    (
        "another constant",
        b"VER=1.1&CMD=Login&SEQ=1&UIN=1&PS=ab&M5=1&LC=00",
        b"VER=1.1&CMD=Login&SEQ=1&UIN=1&RES=0&RS=1&RA=no",
        ["value.constant"],
    ),
]


CERTAINTIES: list[tuple[str, bytes | None, bytes | None, str | None]] = [
    ("all is repeated", REQUEST, REPLY, "sure"),
    ("no reply", REQUEST, None, None),
    ("no request", None, REPLY, None),
    ("nothing is repeated", REQUEST, b"RES=0", "likely"),
    ("no number is repeated", REQUEST, b"VER=1.1&CMD=GETMSGEX&UIN=1&RES=20", "likely"),
    ("a template without a number", REQUEST.replace(b"SEQ=1", b"SEQ="), REPLY, "likely"),
    ("another command's name", REQUEST, REPLY.replace(b"GETMSGEX", b"VERIFYCODE"), "likely"),
    ("another number", REQUEST, REPLY.replace(b"SEQ=1", b"SEQ=2"), "doubtful"),
    ("another account", REQUEST, REPLY.replace(b"UIN=1", b"UIN=2"), "doubtful"),
    ("another name, and no number", REQUEST, b"VER=1.1&CMD=Login&UIN=1&RES=20", "doubtful"),
    ("no protocol", b"\xff", b"\xff", "likely"),
]


@pytest.mark.parametrize(("asked", "said", "certainty"), [v[1:] for v in CERTAINTIES], ids=[v[0] for v in CERTAINTIES])
def test_how_sure_a_pairing_is(asked: bytes | None, said: bytes | None, certainty: str | None, known: Spec) -> None:
    assert decode(exchange(asked, said), known).certainty == certainty


def test_framing_that_is_not_so_is_a_note(known: Spec) -> None:
    request = RawMessage(head=b"HEAD / HTTP/1.1\r\nContent-Length: 99\r\n\r\n", body=REQUEST)
    reply = RawMessage(head=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    notes = decode(Exchange(id="1", session="", request=request, reply=reply), known).notes
    assert [(note.code, note.text, note.direction) for note in notes] == [
        ("http.framing", f"Content-Length is 99, and the body has {len(REQUEST)} bytes", "request"),
        ("reply.empty", "the reply's body is empty", "reply"),
    ]
    chunked = RawMessage(head=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", body=b"0\r\n\r\n", chunked=True)
    notes = decode(Exchange(id="1", session="", request=RawMessage(body=REQUEST), reply=chunked), known).notes
    assert [note.code for note in notes] == ["reply.empty"]


@pytest.mark.parametrize(("request_body", "reply_body", "codes"), [v[1:] for v in NOTES], ids=[v[0] for v in NOTES])
def test_what_is_odd(request_body: bytes | None, reply_body: bytes | None, codes: list[str], known: Spec) -> None:
    decoded = decode(exchange(request_body, reply_body), known)
    assert [note.code for note in decoded.notes] == codes


def test_a_failure_and_an_http_status_are_notes(known: Spec) -> None:
    broken = Exchange(
        id="1",
        session="",
        request=RawMessage(body=REQUEST),
        reply=RawMessage(head=b"HTTP/1.1 500 Oops\r\nContent-Encoding: br\r\n\r\n", body=REPLY),
        error="reset",
    )
    assert [note.code for note in decode(broken, known).notes] == ["http.encoding", "exchange.error", "http.status"]


def test_every_note_has_a_severity_and_a_sentence() -> None:
    assert {severity for severity, _ in CATALOGUE.values()} == {"info", "warning", "error"}
    assert describe("echo.seq") == CATALOGUE["echo"][1]


def test_roles_of_an_exchange(known: Spec) -> None:
    decoded = decode(exchange(REQUEST, REPLY), known)
    assert (decoded.command, decoded.version, decoded.account, decoded.sequence, decoded.status) == (
        "GetMsgEx",
        "1.1",
        "1",
        "1",
        0,
    )


LOGIN = b"VER=1.1&CMD=Login&SEQ=1&UIN=1&RES="


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (LOGIN + b"0&RS=0", True),
        (LOGIN + b"0&RS=1", False),
        (LOGIN + b"20", False),
        (LOGIN + b"20&RS=0", False),
        (LOGIN + b"0&RS=7", None),
        (LOGIN + b"7&RS=0", None),
        (b"nonsense", None),
        (None, None),
    ],
)
def test_success_is_read_off_the_codes(reply: bytes | None, expected: bool | None, known: Spec) -> None:
    assert succeeded(decode(exchange(b"CMD=Login", reply), known), known) is expected


TEXTS: list[tuple[str, bytes, str, Value]] = [
    ("a comma escaped in both layers", b"MG=a%252cb,", "MG", ("a,b",)),
    ("upper-case hex", b"MG=a%252Cb,", "MG", ("a,b",)),
    ("a percent sign in both layers", b"MG=100%2525,", "MG", ("100%",)),
    ("an ampersand and a line end", b"MG=a%26b%0d%0a,", "MG", ("a&b\r\n",)),
    ("what the list's layer does not escape stays", b"MG=%2541,", "MG", ("%41",)),
    ("a trailing blank stays", b"MG=a ,", "MG", ("a ",)),
    ("GB18030", "MG=小程,".encode("gb18030"), "MG", ("小程",)),
    ("neither charset", b"MG=\xff\xfe,", "MG", ("\\xff\\xfe",)),
    ("a field of one layer", b"ZZ=a%252cb", "ZZ", "a%2cb"),
]


@pytest.mark.parametrize(("body", "name", "value"), [v[1:] for v in TEXTS], ids=[v[0] for v in TEXTS])
def test_layers_of_text(body: bytes, name: str, value: Value, known: Spec) -> None:
    assert decode_message(b"CMD=GETMSGEX&" + body, "reply", known).value(name) == value


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"CMD=CLTMSG&MG=1+1", "1+1"),
        (b"CMD=CLTMSG&MG=%E4%BD%A0+%E5%A5%BD", "你 好"),
        (b"CMD=CLTMSG&MG=%E4%BD%A0%20+", "你 +"),
        ("CMD=CLTMSG&MG=你+".encode(), "你+"),
    ],
)
def test_a_plus_is_decided_by_how_the_client_encodes(body: bytes, value: str, known: Spec) -> None:
    assert decode_message(body, "request", known).value("MG") == value


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (REQUEST, True),
        (b"cmd=x&uin=1", True),
        (b"CMD=x", False),
        (b"CMD&UIN=1", False),
        (b"a=1&b=2", False),
        (b"", False),
        (b"\x00" * 100, False),
    ],
)
def test_the_protocol_is_recognised(body: bytes, expected: bool, known: Spec) -> None:
    assert recognise(body, known) is expected


CODED = b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\n\r\n"


@pytest.mark.parametrize(
    ("transport", "request_", "reply", "expected"),
    [
        ("http", RawMessage(body=REQUEST), None, True),
        ("http", RawMessage(head=CODED, body=gzip.compress(REQUEST)), None, True),
        ("http", RawMessage(head=CODED, body=REQUEST), None, True),  # it only says so
        ("http", RawMessage(body=b"a=1"), RawMessage(body=REPLY), False),
        ("tcp", RawMessage(body=b"a=1"), RawMessage(body=REPLY), True),
        ("lines", None, RawMessage(body=REPLY), True),
        ("http", None, None, False),
    ],
)
def test_an_exchange_is_told_from_others(
    transport: str, request_: RawMessage | None, reply: RawMessage | None, expected: bool, known: Spec
) -> None:
    exchange = Exchange(id="1", session="", transport=transport, request=request_, reply=reply)
    assert is_of(exchange, known) is expected


def test_a_message_without_end_is_read_up_to_a_limit(known: Spec) -> None:
    message = decode_message(b"CMD=List&" + b"X&" * 2_000_000, "request", known)
    assert len(message.fields) == MOST_FIELDS
    assert next((note.code, note.text) for note in message.notes) == (
        "field.many",
        "there are 2000002 fields, the first 1000 were read",
    )
    assert [note.code for note in message.notes].count("field.undocumented") == MOST_NOTES


def test_a_list_without_end_is_read_up_to_a_limit(known: Spec) -> None:
    message = decode_message(b"CMD=LIST&UN=" + b"x," * 1_000_000, "reply", known)
    value = message.value("UN")
    assert isinstance(value, tuple)
    assert len(value) == MOST_ITEMS
    assert [note.code for note in message.notes if note.field == "UN"] == ["field.many", *["value.type"] * MOST_NOTES]


def test_what_was_decoded_before_changes_nothing() -> None:
    """Fields are remembered where nothing was odd about them; whatever else is decoded first, they are the same."""
    fresh = specs.builtin.__wrapped__()
    odd = b"CMD=LIST&UN=1,2,&SN=x&UN=1&" + b"SN=x&" * 10 + b"RES=0\r\n"
    bodies = [odd, b"CMD=LIST&UN=1,2,&SN=x&RES=0", b"CMD=LIST&UN=1,2,&SN=2&RES=0\r\n", odd, b"CMD=LIST&UN=1&UN=1,2,"]
    bodies.append(b"CMD=LIST&" + b"RES=0&" * 8 + b"SN=x")  # where so many stood before that none was noted any more
    for body in (*bodies, *bodies):
        assert decode_message(body, "reply", fresh) == decode_message(body, "reply", specs.builtin.__wrapped__())


PIECES = st.sampled_from(
    [b"&", b"=", b",", b"%", b"%2c", b"%zz", b"+", b"\xff", "小".encode(), "小".encode("gb18030")]
    + [name.encode() for name in ("CMD", "RES", "UN", "MT", "MG", "SN", "MN", "Login", "List", "GETMSGEX", "9", "-1")]
)
FOREIGN = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=40).map(b"".join))
NUMBERED = st.one_of(FOREIGN, st.builds(b"&".join, st.lists(st.one_of(FOREIGN, st.just(b"SEQ=1")), max_size=4)))


NUMBERS = st.sampled_from([b"1", b"007", b"123456789", b"1234567890", b"", b"1x", b"\xb2"])


@given(st.tuples(NUMBERED, NUMBERED, NUMBERED, NUMBERED), NUMBERS, NUMBERS)
@example((b"VER=1.1&CMD=Login", b"UIN=10001", b"VER=1.1&CMD=LOGIN", b"UIN=1&RES=0"), b"12", b"12")
@example((b"X&" * 300 + b"CMD=Login", b"UIN=10001", b"X&" * 300, b""), b"12", b"12")
@example((b"CMD=Login", b"UIN=10001", b"seq=5", b"RES=0"), b"12", b"12")
def test_another_number_is_all_that_may_be_new(rest: tuple[bytes, bytes, bytes, bytes], one: bytes, two: bytes) -> None:
    for asked, said in ((b"5", b"5"), (one, two), (one, one), (b"5", b"5")):
        bodies = [b"%s&SEQ=%s&%s" % (rest[0], asked, rest[1]), b"%s&SEQ=%s&%s" % (rest[2], said, rest[3])]
        odd = exchange(bodies[0], bodies[1])
        decoded = decode(odd, SPEC)
        assert decoded == decode_anew(odd, SPEC)
        values = [message.values() for message in decoded.messages()]
        assert values == [message.values() for message in decode_anew(odd, SPEC).messages()]


def test_a_note_is_of_bounded_length(known: Spec) -> None:
    message = decode_message(b"CMD=List&" + b"X" * 1_000_000 + b"=1", "request", known)
    assert max(len(note.text) for note in message.notes) <= 300


@given(st.none() | FOREIGN, st.none() | FOREIGN, st.none() | st.text(), FOREIGN)
def test_decoding_never_raises(request: bytes | None, reply: bytes | None, error: str | None, head: bytes) -> None:
    odd = Exchange(
        id="1",
        session="",
        request=None if request is None else RawMessage(head=head, body=request),
        reply=None if reply is None else RawMessage(head=head, body=reply),
        error=error,
    )
    decode(odd, SPEC)


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.lists(WORDS, max_size=5))
def test_any_text_in_a_list_survives_both_layers(texts: list[str]) -> None:
    command = SPEC.command("GetMsgEx")
    body = encode_message([("CMD", "GETMSGEX"), ("MG", tuple(texts))], "reply", SPEC, command)
    assert decode_message(body, "reply", SPEC).value("MG") == tuple(texts)


@given(WORDS)
def test_any_text_of_one_layer_survives(text: str) -> None:
    command = SPEC.command("CLTMSG")
    body = encode_message([("CMD", "CLTMSG"), ("MG", text), ("X", " ")], "request", SPEC, command)
    assert decode_message(body, "request", SPEC).value("MG") == text
