"""Bytes as lines to read and edit, and back: nothing changes but what somebody changed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab import http1, spec, wire
from qqlab.codec import decode_message, note
from qqlab.codec import text as texts
from qqlab.errors import UsageError
from qqlab.exchange import Cut, RawMessage
from qqlab.sheet import Part, Sheet, part, parts
from qqlab.spec import Direction
from qqlab.visible import visible

KNOWN = spec.builtin()
START = b"VER=1.1&CMD=GETMSGEX&SEQ=1&UIN=10001&"
LOGIN = b"VER=1.1&CMD=Login&SEQ=1&UIN=10001&PS=5f4dcc3b5aa765d61d8327deb882cf99&M5=1"
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"

DIRECTION = st.sampled_from(spec.DIRECTIONS)
HOSTILE = st.text(st.sampled_from(" \t\n\r\\\"'#:!|>&=%,+[]{}-?*@`ab1中\x1b\u202e\u2028\xa0\x85"), max_size=12)
PIECE = st.one_of(
    st.binary(max_size=12),
    HOSTILE.map(lambda text: text.encode()),
    st.sampled_from(
        [b"&", b"=", b"%26", b"%2C", b"%ff", b"+", b"\r\n", b"PS=", b"MG=", b"&UN=1,", b"&MT=9,", b"&\xc4\xe3=\xba\xc3"]
    ),
)
BODY = st.lists(PIECE, max_size=12).map(b"".join)


def sheet(body: bytes, direction: Direction = "request", *, reveal: bool = False) -> Sheet:
    """The sheet of one body, taken for a message whatever it is."""
    message = decode_message(body, direction, KNOWN)
    return Sheet([Part(RawMessage(body=body), message, message.notes)], KNOWN, reveal=reveal)


@given(BODY, DIRECTION, st.booleans())
def test_what_nobody_changed_is_the_same_bytes(body: bytes, direction: Direction, reveal: bool) -> None:
    for data in (body, START + body):
        made = sheet(data, direction, reveal=reveal)
        assert made.read(made.text()) == data
        # An editor may change line ends, and put one behind the last line.
        assert made.read(made.text().replace("\n", "\r\n") + "\n\n") == data
        assert visible(made.text().replace("\n", "")) == made.text().replace("\n", "")
        found = Sheet(parts(data, direction, KNOWN), KNOWN)
        assert found.read(found.text()) == data


@given(BODY, st.integers(0, 30), HOSTILE)
def test_a_changed_field_changes_only_its_span(body: bytes, at: int, text: str) -> None:
    body = START + body
    made = sheet(body)
    lines = made.text().split("\n")
    fields = [number for number, line in enumerate(lines) if line.strip() and not line.startswith("#")]
    position = at % len(fields)
    pair = wire.split(body)[position]
    name = lines[fields[position]]
    name = name[: re.match(r'(?:!raw )?"(?:[^"\\]|\\.)*"|[\w.-]+', name).end()]  # type: ignore[union-attr]
    value = '"' + visible(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'
    lines[fields[position]] = f"  {name} : {value}   # changed"
    changed = made.read("\n".join(lines))

    before, after = wire.split(body), wire.split(changed)
    assert len(after) == len(before)
    assert [one for n, one in enumerate(after) if n != position] == [
        one for n, one in enumerate(before) if n != position
    ]
    assert after[position].key == pair.key
    raw = after[position].value
    assert raw is not None
    plus = decode_message(body, "request", KNOWN).plus
    read = texts.decode(texts.unescape(raw, plus), KNOWN.wire.charsets).value
    assert read in (text, text + "\n", text + "\r\n", text + "\n\n") or read.rstrip("\r\n") == text.rstrip("\r\n")


@given(BODY, st.lists(st.tuples(st.sampled_from("-+*~"), st.integers(0, 40), HOSTILE), max_size=4))
def test_any_edit_is_bytes_or_one_clear_line(body: bytes, edits: list[tuple[str, int, str]]) -> None:
    made = sheet(START + body)
    lines = made.text().split("\n")
    for how, at, text in edits:
        place = at % max(1, len(lines))
        if how == "-":
            del lines[place : place + 1]
        elif how == "~":
            lines.insert(at % (len(lines) + 1), lines.pop(place) if lines else "")
        else:
            lines.insert(place, text if how == "+" or not lines else lines[place])
    try:
        assert isinstance(made.read("\n".join(lines)), bytes)
    except UsageError as error:
        assert visible(str(error)) == str(error)


def edited(body: bytes, old: str, new: str, direction: Direction = "request") -> bytes:
    made = sheet(body, direction)
    assert old in made.text()
    return made.read(made.text().replace(old, new))


@pytest.mark.parametrize(
    ("body", "old", "new", "result"),
    [
        (LOGIN, "SEQ: 1 ", "SEQ: 77 ", LOGIN.replace(b"SEQ=1", b"SEQ=77")),
        (LOGIN, "PS: !secret", "PS: abc", LOGIN.replace(b"5f4dcc3b5aa765d61d8327deb882cf99", b"abc")),
        (b"VER=1&CMD=x&A=%e4%bd%a0&b", "A: 你", "A: 你好&%", "VER=1&CMD=x&A=你好%26%25&b".encode()),
        (b"VER=1&CMD=x&A=&b&", "A:", 'A: " "', b"VER=1&CMD=x&A= &b&"),
        (b"VER=1&CMD=x&A=1&b&", "b ", "b: 2 ", b"VER=1&CMD=x&A=1&b=2&"),
        (b"VER=1&CMD=x&A=1&b&", "A: 1 ", "A ", b"VER=1&CMD=x&A&b&"),
        (b"VER=1&CMD=x&A=1&b&", "A: 1 ", "Z: 1 ", b"VER=1&CMD=x&Z=1&b&"),  # another name
        (b"VER=1&CMD=x&%41=%31&b&", "A: 1 ", "Z: 1 ", b"VER=1&CMD=x&Z=%31&b&"),
        (b"VER=1&CMD=x&A=1&b&", "A: 1 ", "Z: 1 \nA: 1", b"VER=1&CMD=x&Z=1&A=1&b&"),  # one more
        (b"VER=1&CMD=x&A=1&b&", "A: 1", "#", None),
        (b"VER=1&CMD=x&A=%ff", '"%ff"', '"\\x00\\xe9"', b"VER=1&CMD=x&A=\x00\xe9"),
        (b"VER=1&CMD=x&A=1", "A: 1", 'A: !raw "%zz"', b"VER=1&CMD=x&A=%zz"),
        (b"VER=1&CMD=x&A=\xc4\xe3", "A: 你", "A: 好", b"VER=1&CMD=x&A=" + "好".encode("gb18030")),
        (b"VER=1&CMD=x&A=%e4%bd%a0+b", "A: 你 b", "A: 你 + b", b"VER=1&CMD=x&A=%E4%BD%A0%20%2B%20b"),
        (b"VER=1&CMD=x&A=1\r\n", "A: 1", "A: 2", b"VER=1&CMD=x&A=2\r\n"),
        (b"VER=1&CMD=x&A=1&A=2", "A: 2", "A: 3", b"VER=1&CMD=x&A=1&A=3"),
        (b"VER=1&CMD=x&A=1&A=%32", "A: 1", "\n", None),
        (b"VER=1&CMD=x&A=1&A=%31&", "A: 1", "", None),
        (b"VER=1&CMD=x", "CMD: x ", "CMD: GetInfo#1 ", b"VER=1&CMD=GetInfo#1"),
    ],
)
def test_an_edit(body: bytes, old: str, new: str, result: bytes | None) -> None:
    if result is None:
        with pytest.raises(UsageError):
            edited(body, old, new)
    else:
        assert edited(body, old, new) == result


def test_lines_that_were_taken_out_put_in_or_moved() -> None:
    body = b"VER=1.1&CMD=x&A=%31&B=%32&C=3&"
    made = sheet(body)
    lines = made.text().split("\n")
    assert [line.split(" ")[0] for line in lines[:6]] == ["#", "VER:", "CMD:", "A:", "B:", "C:"]
    without = lines[:3] + lines[4:]
    assert made.read("\n".join(without)) == b"VER=1.1&CMD=x&B=%32&C=3&"
    moved = [*lines[:3], lines[4], lines[3], *lines[5:]]
    assert made.read("\n".join(moved)) == b"VER=1.1&CMD=x&B=%32&A=%31&C=3&"
    doubled = [*lines[:4], lines[3], *lines[4:]]
    assert made.read("\n".join(doubled)) == b"VER=1.1&CMD=x&A=%31&A=1&B=%32&C=3&"
    assert made.read("") == b""
    empty = sheet(b"")
    assert (empty.read(empty.text()), empty.read("A: 1")) == (b"", b"A=1")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("SEQ: 1 ", "SEQ = 1", "line 4: is no field (write NAME: value"),
        ("SEQ: 1 ", 'SEQ: "1', "line 4: is no field (write NAME: value"),
        ("SEQ: 1 ", 'SEQ: !raw "1', "line 4: double quotes must close"),
        ("SEQ: 1 ", 'SEQ: "\\q"', "line 4: a backslash is followed by none of"),
        ("SEQ: 1 ", 'SEQ: "\\ud800"', "line 4: this is no text"),
        ("SEQ: 1 ", "SEQ: !x", "line 4: a value that begins with ! stands in double quotes"),
        ("SEQ: 1 ", "SEQ: !secret", "line 4: nothing says what !secret stands for here"),
        ("SEQ: 1 ", 'SEQ: !raw "1&2"', "line 4: this cannot stand in one field"),
        ("SEQ: 1 ", 'SEQ: !raw "中"', "line 4: !raw holds bytes"),
        ("# Login", "# Logout", "line 1: this line only explains"),
        ("UIN: 10001", "---\nUIN: 10001", "the sheet: there are 2 parts, there were 1"),
    ],
)
def test_an_edit_that_makes_no_sense_is_one_clear_line(old: str, new: str, problem: str) -> None:
    with pytest.raises(UsageError, match=re.escape(problem)) as caught:
        edited(LOGIN, old, new)
    assert "\n" not in str(caught.value)


def test_a_reply_shows_codes_rows_and_notes() -> None:
    body = (
        "VER=1.1&CMD=QUERY_STAT&SEQ=1&UIN=10001&RES=0&FC=270,1,&FN=1&SN=3&ST=10,30,&UN=10002,7,&NK=山%252c 水,x,&RES=9"
    )
    assert sheet(body.encode(), "reply").text() == (
        "# Query_Stat reply: The user's friends that are online now, with avatar, presence and\n# nickname.\n"
        "VER: 1.1         # Version of the protocol; 1.1 also in answer to 1.4.\n"
        "CMD: QUERY_STAT  # The command again, often upper-cased.\n"
        "SEQ: 1           # The request's sequence number again.\n"
        "UIN: 10001       # The request's account number again.\n"
        "RES: 0           # accepted | Whether the request was accepted, which does not say that it did "
        "what was meant.\n"
        "FC: 270,1,       # Avatars: picture number FC / 3 + 1.\n"
        "FN: 1            # complete | Whether the list is complete.\n"
        "SN: 3            # How many rows follow.\n"
        "ST: 10,30,       # Presence of each friend.\n"
        "UN: 10002,7,     # Account numbers of the friends.\n"
        "NK: 山%2c 水,x,  # Nicknames of the friends.\n"
        "RES: 9           # Whether the request was accepted, which does not say that it did what was meant.\n"
        " \n"
        "# friend: One friend that is online; whom List has besides is not.\n"
        "#    UN     NK      ST                                          FC\n"
        "# 1  10002  山, 水  10 online                                   270\n"
        "# 2  7      x       30 busy (forum-2005); or away (mobile-1.4)  1\n"
        " \n"
        "# notes\n"
        "#   warning  code.unknown     RES: 9 is not in table RES\n"
        "#   warning  field.duplicate  RES stands there 2 times\n"
        "#   info     field.order      RES stands later than the spec has it\n"
        "#   warning  list.count       SN says 3, there are 2"
    )


def test_a_secret_shows_only_where_it_is_asked_for() -> None:
    secret = "5f4dcc3b5aa765d61d8327deb882cf9z"  # no hex, so that a note would quote it
    body = LOGIN.replace(b"cf99", b"cf9z")
    assert secret not in sheet(body).text()
    assert "PS: !secret " in sheet(body).text()
    assert "value.type     The value is not of the documented type." in sheet(body).text()
    assert f"PS: {secret} " in sheet(body, reveal=True).text()
    # Of a command that nobody knows, too.
    assert secret not in sheet(body.replace(b"Login", b"Logon")).text()


def test_a_secret_beside_the_fields_is_not_shown_either() -> None:
    head = b"POST /?ps=hidden0&x=1 HTTP/1.1\r\nCookie: a=hidden1\r\nAuthorization: Basic hidden2\r\n\r\n"
    data = head + LOGIN.replace(b"5f4dcc3b5aa765d61d8327deb882cf99", b"hidden3") + b"\nPS=hidden4"
    for found in (parts(data, "request", KNOWN), parts(data[1:], "request", KNOWN)):
        made = Sheet(found, KNOWN)
        assert "hidden" not in made.text()
        assert made.read(made.text()) == b"".join(one.raw.head + one.raw.body + one.raw.end for one in found)
        assert "hidden4" in Sheet(found, KNOWN, reveal=True).text()


def test_a_secret_that_another_field_or_a_head_repeats_is_not_shown_there() -> None:
    secret = "5f4dcc3b5aa765d61d8327deb882cf99"
    body = LOGIN + b"&RA=not+" + secret.upper().encode() + b"&M5=1"
    made = Sheet(parts(b"POST /" + secret.encode() + b" HTTP/1.1\r\n\r\n" + body, "request", KNOWN), KNOWN)
    assert secret not in made.text().lower()
    assert "#| POST /!secret HTTP/1.1" in made.text()
    assert made.read(made.text()).endswith(body)


def test_one_read_of_a_connection() -> None:
    first, second = LOGIN, START + b"A=1"
    data = HEAD % len(first) + first + HEAD % len(second) + second
    found = parts(data, "request", KNOWN)
    assert [one.raw.body for one in found] == [first, second]
    made = Sheet(found, KNOWN)
    assert made.text().startswith("#| POST / HTTP/1.1\n#| Host: x\n#| Content-Length: 74\n \n# Login request")
    assert "\n---\n#| POST" in made.text()
    changed = second.replace(b"A=1", b"A=123")
    # The length that the head tells follows.
    assert made.read(made.text().replace("A: 1 ", "A: 123 ")) == (
        HEAD % len(first) + first + HEAD % len(changed) + changed
    )
    for old, new in [("#| Host: x", ""), ("#| Host: x", "#| Host: y"), ("\n---\n", "\n")]:
        with pytest.raises(UsageError):
            made.read(made.text().replace(old, new))


def test_parts_of_a_stream() -> None:
    whole = HEAD % len(LOGIN) + LOGIN
    for at in range(len(whole)):
        for data in (whole[:at], whole[at:]):
            made = Sheet(parts(data, "request", KNOWN), KNOWN)
            assert made.read(made.text()) == data
    split = parts(whole[:-3], "request", KNOWN)
    assert [one.message is not None for one in split] == [True]
    assert Sheet(split, KNOWN).read(Sheet(split, KNOWN).text().replace("SEQ: 1 ", "SEQ: 12 ")) == (
        HEAD % (len(LOGIN) + 1) + LOGIN[:-3].replace(b"SEQ=1", b"SEQ=12")
    )


def test_bare_lines_and_what_lies_between() -> None:
    push = b"VER=1.4&CMD=MSG&SEQ=1&UIN=10001&MG=x"
    data = b"GIF\x00\n" + push + b"\r\n" + push + b"\n"
    found = parts(data, "reply", KNOWN)
    assert [(one.raw.body, one.raw.end) for one in found] == [(b"GIF\x00\n", b""), (push, b"\r\n"), (push, b"\n")]
    made = Sheet(found, KNOWN)
    assert made.text().startswith("# 5 bytes that are no message of httpqq, as they are\n#| GIF\\x00\n---\n# ")
    assert made.read(made.text().replace("MG: x", "MG: y", 1)) == data.replace(b"MG=x\r", b"MG=y\r")


def test_what_travels_packed_can_only_be_looked_at() -> None:
    body = LOGIN + b"&A=1"
    for raw in (
        RawMessage(body=body, cut=Cut(length=1000, sha256="")),
        RawMessage(body=body, chunked=True),
    ):
        made = Sheet([Part(raw, decode_message(body, "request", KNOWN))], KNOWN)
        assert made.read(made.text()) == made.read(made.text()) == raw.body
        with pytest.raises(UsageError, match="it can be looked at here, not edited"):
            made.read(made.text().replace("A: 1", "A: 2"))


def test_what_is_no_message_is_shown_as_it_is() -> None:
    one = part(RawMessage(body=b"<html>\n\x1b[1m"), "reply", KNOWN)
    assert one.message is None
    assert Sheet([one], KNOWN).text() == (
        "# 11 bytes that are no message of httpqq, as they are\n#| <html>\n#| \\x1b[1m"
    )
    long = Sheet([part(RawMessage(body=b"x" * 10_000), "reply", KNOWN)], KNOWN)
    assert long.text().endswith("x\n# ... and 5904 bytes more")
    assert http1.content(one.raw) == long.read(long.text())[:0] + one.raw.body


def test_notes_beyond_the_message() -> None:
    message = decode_message(LOGIN, "request", KNOWN)
    made = Sheet([Part(RawMessage(body=LOGIN), message, (note("exchange.error", "\x1b broken"),))], KNOWN)
    assert made.text().endswith("\n \n# notes\n#   error  exchange.error  \\x1b broken")
