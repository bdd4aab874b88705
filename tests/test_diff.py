"""Comparison: each rule by the smallest pair of replies that yields it, pairs that yield nothing, and any bytes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab import http1
from qqlab import spec as specs
from qqlab.diff import RULES, Comparison, Finding, compare, describe
from qqlab.exchange import Cut, Exchange, RawMessage

SPEC = specs.builtin()

Told = tuple[str, str | None, str | None, str | None, str | None]
Case = tuple[str, str | bytes, str | bytes, Told]


def exchange(
    request: str | bytes | None,
    reply: str | bytes | None,
    *,
    status: int = 200,
    error: str | None = None,
    id: str = "1",
) -> Exchange:
    def raw(text: str | bytes) -> bytes:
        return text.encode() if isinstance(text, str) else text

    return Exchange(
        id=id,
        session="127.0.0.1/10001",
        request=None if request is None else http1.request(raw(request), "127.0.0.1:8000"),
        reply=None if reply is None else http1.reply(raw(reply), code=status),
        error=error,
    )


def found(left: Exchange, right: Exchange) -> list[Told]:
    """The findings as (rule, field, row, expected, actual)."""
    return [
        (finding.rule, finding.field, finding.row, finding.expected, finding.actual)
        for finding in compare([left], [right], SPEC).findings
    ]


LOGOUT = "VER=1.1&CMD=Logout&SEQ=7&UIN=10001"
LOGIN = "VER=1.1&CMD=Login&SEQ=7&UIN=10001&PS=aaaa&M5=1&LC=9326B87B234E7235"
INFO = "VER=1.1&CMD=GetInfo&SEQ=7&UIN=10001&LV=1&UN=10002"
LIST = "VER=1.1&CMD=List&SEQ=7&UIN=10001&TN=160&UN=0"
STAT = "VER=1.1&CMD=Query_Stat&SEQ=7&UIN=10001&TN=50&UN=0"
POLL = "VER=1.1&CMD=GetMsgEx&SEQ=7&UIN=10001"

OUT = "VER=1.1&CMD=LOGOUT&SEQ=7&UIN=10001&RES=0"
IN = "VER=1.1&CMD=Login&SEQ=7&UIN=10001&RES=0&RS=0&HI=60&LI=300"
PROFILE = "VER=1.1&CMD=GETINFO&SEQ=7&UIN=10001&RES=0&LV=1&UN=10002&NK=小雨"
FRIENDS = "VER=1.1&CMD=LIST&SEQ=7&UIN=10001&RES=0&FN=1&SN=3&UN=10002,10003,10004,"
ONLINE = "VER=1.1&CMD=QUERY_STAT&SEQ=7&UIN=10001&RES=0&FC=141,270,&FN=1&SN=2&ST=10,30,&UN=10002,10003,&NK=甲,乙,"
MAIL = "VER=1.1&CMD=GETMSGEX&SEQ=7&UIN=10001&RES=0&MN=3&MT=9,99,9,&UN=10002,10003,10002,&MG=a,20,c,&"

DIFFERENCES: dict[str, Case] = {
    "a code with its names": (
        LOGIN,
        IN.replace("&HI=60&LI=300", ""),
        IN.replace("RS=0&HI=60&LI=300", "RS=1"),
        ("code", "RS", None, "0 logged in", "1 refused"),
    ),
    "a failure, and what follows from it": (
        LOGIN,
        IN,
        "VER=1.1&CMD=Login&SEQ=7&UIN=10001&RES=0&RS=1&RA=no",
        ("code", "RS", None, "0 logged in", "1 refused"),
    ),
    "a success, and what follows from it": (
        LIST,
        "VER=1.1&CMD=LIST&SEQ=7&UIN=10001&RES=20",
        FRIENDS,
        ("code", "RES", None, "20 not logged in, or logged in elsewhere since", "0 accepted"),
    ),
    "a code without a name": (LOGOUT, OUT, OUT.replace("RES=0", "RES=9"), ("code", "RES", None, "0 accepted", "9")),
    "another text": (INFO, PROFILE, PROFILE.replace("小雨", "小风"), ("value", "NK", None, "小雨", "小风")),
    "a text that is gone": (INFO, PROFILE, PROFILE.replace("小雨", ""), ("value", "NK", None, "小雨", "")),
    "another number": (LOGIN, IN, IN.replace("HI=60", "HI=61"), ("value", "HI", None, "60", "61")),
    "bytes in no charset": (
        INFO,
        PROFILE.replace("小雨", "a").encode() + b"\xff",
        PROFILE.replace("小雨", "a\\xff"),
        ("value", "NK", None, "a\ufffd", "a\\xff"),
    ),
    "a field gone": (LOGIN, IN, IN.replace("&HI=60", ""), ("field.missing", "HI", None, "60", None)),
    "the first field gone": (LOGIN, IN, IN.replace("VER=1.1&", ""), ("field.missing", "VER", None, "1.1", None)),
    "a column gone": (STAT, ONLINE, ONLINE.replace("&NK=甲,乙,", ""), ("field.missing", "NK", None, "甲, 乙", None)),
    "the key column gone": (
        STAT,
        ONLINE,
        ONLINE.replace("&UN=10002,10003,", ""),
        ("field.missing", "UN", None, "10002, 10003", None),
    ),
    "the only column gone": (
        LIST,
        FRIENDS,
        FRIENDS.replace("&UN=10002,10003,10004,", ""),
        ("field.missing", "UN", None, "10002, 10003, 10004", None),
    ),
    "a field too many": (LOGOUT, OUT, OUT + "&XX=1", ("field.extra", "XX", None, None, "1")),
    "an empty segment": (LOGOUT, OUT, OUT.replace("&RES", "&&RES"), ("field.extra", "", None, None, "")),
    "a secret too many": (LOGIN, IN, IN + "&SSG=12345", ("field.extra", "SSG", None, None, "(secret)")),
    "a field moved": (
        LOGIN,
        IN,
        "VER=1.1&CMD=Login&UIN=10001&RES=0&RS=0&HI=60&LI=300&SEQ=7",
        ("field.order", "SEQ", None, "VER CMD SEQ UIN RES RS HI LI", "VER CMD UIN RES RS HI LI SEQ"),
    ),
    "all fields moved": (
        LOGOUT,
        OUT,
        "&".join(reversed(OUT.split("&"))),
        ("field.order", None, None, "VER CMD SEQ UIN RES", "RES UIN SEQ CMD VER"),
    ),
    "a field twice": (LOGOUT, OUT, OUT + "&RES=0", ("field.duplicate", "RES", None, "once", "2 times")),
    "the second of two": (LOGOUT, OUT + "&XX=1&XX=2", OUT + "&XX=1&XX=3", ("value", "XX", None, "2", "3")),
    "no equals sign": (LOGOUT, OUT + "&XX=", OUT + "&XX", ("field.bare", "XX", None, "XX=", "XX without =")),
    "a field's name in lower case": (
        LOGOUT,
        OUT,
        OUT.replace("RES", "res"),
        ("field.spelling", "RES", None, "RES", "res"),
    ),
    "a sequence number not repeated": (
        LOGOUT,
        OUT,
        OUT.replace("SEQ=7", "SEQ=-1"),
        ("echo", "SEQ", None, "7 (asked: 7)", "-1 (asked: 7)"),
    ),
    "a sequence number repeated at last": (
        LOGOUT,
        OUT.replace("SEQ=7", "SEQ=-1"),
        OUT,
        ("echo", "SEQ", None, "-1 (asked: 7)", "7 (asked: 7)"),
    ),
    "another wrong sequence number": (
        LOGOUT,
        OUT.replace("SEQ=7", "SEQ=-1"),
        OUT.replace("SEQ=7", "SEQ=0"),
        ("value", "SEQ", None, "-1", "0"),
    ),
    "the reply to another command": (LIST, FRIENDS, OUT, ("echo", "CMD", None, "LIST", "LOGOUT")),
    "a wrong count": (
        LIST,
        FRIENDS,
        FRIENDS.replace("SN=3", "SN=4"),
        ("count", "SN", None, "3 with 3 rows", "4 with 3 rows"),
    ),
    "a count that is no number": (
        LIST,
        FRIENDS,
        FRIENDS.replace("SN=3", "SN=x"),
        ("count", "SN", None, "3 with 3 rows", "x with 3 rows"),
    ),
    "a count without rows": (
        LIST,
        "VER=1.1&CMD=LIST&SEQ=7&UIN=10001&RES=0&SN=3",
        "VER=1.1&CMD=LIST&SEQ=7&UIN=10001&RES=0&SN=4",
        ("count", "SN", None, "3", "4"),
    ),
    "a row gone, counted": (
        LIST,
        FRIENDS,
        FRIENDS.replace("SN=3", "SN=2").replace("10003,", ""),
        ("row.missing", "UN", "10003", "UN 10003", None),
    ),
    "a count that is right at last": (
        LIST,
        FRIENDS.replace("SN=3", "SN=4"),
        FRIENDS,
        ("count", "SN", None, "4 with 3 rows", "3 with 3 rows"),
    ),
    "another wrong count": (
        LIST,
        FRIENDS.replace("SN=3", "SN=4"),
        FRIENDS.replace("SN=3", "SN=5"),
        ("count", "SN", None, "4 with 3 rows", "5 with 3 rows"),
    ),
    "a row gone, counted wrong on both sides": (
        LIST,
        FRIENDS.replace("SN=3", "SN=4"),
        FRIENDS.replace("SN=3", "SN=4").replace("10003,", ""),
        ("row.missing", "UN", "10003", "UN 10003", None),
    ),
    "a row with another key": (
        LIST,
        FRIENDS,
        FRIENDS.replace("10003", "10009"),
        ("row.value", "UN", "10003", "10003", "10009"),
    ),
    "a row with another key and the same beside it": (
        STAT,
        ONLINE,
        ONLINE.replace("10002,10003", "5,10003"),
        ("row.value", "UN", "10002", "10002", "5"),
    ),
    "rows in another order where more will follow": (
        LIST,
        FRIENDS.replace("FN=1", "FN=0"),
        FRIENDS.replace("FN=1", "FN=0").replace("10002,10003", "10003,10002"),
        ("row.order", "UN", None, "10002, 10003, 10004", "10003, 10002, 10004"),
    ),
    "an unknown failure, and what follows from it": (
        LOGIN,
        IN,
        IN.replace("RS=0&HI=60&LI=300", "RS=7"),
        ("code", "RS", None, "0 logged in", "7"),
    ),
    "an unknown failure from which nothing follows": (
        LOGIN,
        IN,
        IN.replace("RS=0", "RS=7"),
        ("code", "RS", None, "0 logged in", "7"),
    ),
    "a success after an unknown failure": (
        LOGIN,
        IN.replace("RS=0&HI=60&LI=300", "RS=7&RA=no"),
        IN,
        ("code", "RS", None, "7", "0 logged in"),
    ),
    "a status from which the missing verdict follows": (
        LOGIN,
        IN,
        "VER=1.1&CMD=Login&SEQ=7&UIN=10001&RES=20",
        ("code", "RES", None, "0 accepted", "20 not logged in, or logged in elsewhere since"),
    ),
    "the second of two sequence numbers": (
        LOGOUT,
        OUT + "&SEQ=7",
        OUT + "&SEQ=8",
        ("echo", "SEQ", None, "7 (asked: 7)", "8 (asked: 7)"),
    ),
    "the second of two, which repeat nothing": (
        LOGOUT,
        OUT + "&UIN=1",
        OUT + "&UIN=2",
        ("value", "UIN", None, "1", "2"),
    ),
    "the last row twice": (
        LIST,
        FRIENDS,
        FRIENDS.replace("SN=3", "SN=4") + "10004,",
        ("row.extra", "UN", "10004 (2)", None, "UN 10004"),
    ),
    "a row too many": (
        STAT,
        ONLINE,
        ONLINE.replace("270,", "270,0,")
        .replace("SN=2", "SN=3")
        .replace("30,", "30,10,")
        .replace("10003,", "10003,5,")
        .replace("乙,", "乙,丙,"),
        ("row.extra", "UN", "5", None, "UN 5, NK 丙, ST 10 online, FC 0"),
    ),
    "a cell": (STAT, ONLINE, ONLINE.replace("ST=10", "ST=20"), ("row.value", "ST", "10002", "10 online", "20 offline")),
    "an item gone from one list": (
        STAT,
        ONLINE,
        ONLINE.replace("NK=甲,", "NK="),
        ("list.length", "NK", None, "2 items", "1 items"),
    ),
    "the last item not terminated": (
        LIST,
        FRIENDS,
        FRIENDS.removesuffix(","),
        ("list.terminator", "UN", None, "10002,10003,10004,", "10002,10003,10004"),
    ),
    "a message gone": (
        POLL,
        MAIL,
        MAIL.replace("MN=3", "MN=2").replace("9,99,", "99,", 1).replace("10002,", "", 1).replace("a,", ""),
        ("row.missing", None, "#1", "MT 9 message from a user, UN 10002, MG a", None),
    ),
    "a message too many": (
        POLL,
        MAIL,
        MAIL.replace("MN=3", "MN=4").replace("9,&", "9,9,&", 1).replace("10002,&", "10002,5,&").replace("c,", "c,d,"),
        ("row.extra", None, "#4", None, "MT 9 message from a user, UN 5, MG d"),
    ),
    "a message's text": (POLL, MAIL, MAIL.replace("a,", "b,"), ("row.value", "MG", "#1", "a", "b")),
    "a system message's code": (
        POLL,
        MAIL,
        MAIL.replace("a,20", "a,10"),
        ("row.value", "MG", "#2", "20 went offline", "10 came online"),
    ),
    "messages in another order": (
        POLL,
        MAIL,
        MAIL.replace("99,9,&", "9,99,&").replace("10003,10002,&", "10002,10003,&").replace("20,c", "c,20"),
        ("row.order", None, None, "#1, #2, #3", "#1, #3, #2"),
    ),
    "nicknames beside other numbers": (
        STAT,
        ONLINE,
        ONLINE.replace("甲,乙,", "乙,甲,"),
        ("list.order", "NK", None, "甲, 乙", "乙, 甲"),
    ),
    "messages reversed": (
        POLL,
        MAIL,
        MAIL.replace("10002,10003,10002", "10002,10003,10002").replace("a,20,c", "c,20,a"),
        ("row.order", None, None, "#1, #2, #3", "#3, #2, #1"),
    ),
    "no pairs at all": (
        LOGOUT,
        OUT,
        "<html>",
        ("body", None, None, f"40 bytes, from byte 0: {OUT[:30]}", "6 bytes, from byte 0: <html>"),
    ),
    "no body": (LOGOUT, "Bad", "", ("body", None, None, "3 bytes, from byte 0: Bad", "nothing")),
    "other bytes": (
        LOGOUT,
        b"\x00" * 40 + b"a",
        b"\x00" * 40 + b"b",
        (
            "body",
            None,
            None,
            "41 bytes, from byte 30: " + "\x00" * 10 + "a",
            "41 bytes, from byte 30: " + "\x00" * 10 + "b",
        ),
    ),
}

EQUIVALENT: dict[str, Case] = {
    "the command's case": (
        LOGOUT,
        OUT,
        OUT.replace("LOGOUT", "Logout"),
        ("command.case", "CMD", None, "LOGOUT", "Logout"),
    ),
    "the last ampersand": (LOGOUT, OUT, OUT + "&", ("body.terminator", None, None, "does not end in &", "ends in &")),
    "a line end": (LOGOUT, OUT, OUT + "\r\n", ("body.terminator", "RES", None, "0", "0\r\n")),
    "percent-encoding": (
        INFO,
        PROFILE,
        PROFILE.replace("小雨", "%e5%b0%8f雨"),
        ("text.escape", "NK", None, "小雨", "%e5%b0%8f雨"),
    ),
    "the case of hex digits": (
        INFO,
        PROFILE + "%2c",
        PROFILE + "%2C",
        ("text.escape", "NK", None, "小雨%2c", "小雨%2C"),
    ),
    "the case of hex digits within": (
        INFO,
        PROFILE + "%252c",
        PROFILE + "%252C",
        ("text.escape", "NK", None, "小雨%252c", "小雨%252C"),
    ),
    "another charset": (
        INFO,
        PROFILE,
        PROFILE.encode("gb18030"),
        ("text.charset", "NK", None, "小雨", "小雨".encode("gb18030").decode("utf-8", "replace")),
    ),
    "a number with a zero": (LOGIN, IN, IN.replace("HI=60", "HI=060"), ("value.form", "HI", None, "60", "060")),
    "the case of the second command": (
        LOGOUT,
        OUT + "&CMD=LOGOUT",
        OUT + "&CMD=Logout",
        ("command.case", "CMD", None, "LOGOUT", "Logout"),
    ),
    "rows whose order means nothing": (
        LIST,
        FRIENDS,
        FRIENDS.replace("10002,10003", "10003,10002"),
        ("row.permuted", "UN", None, "10002, 10003, 10004", "10003, 10002, 10004"),
    ),
    "a list escaped otherwise": (
        LIST,
        FRIENDS,
        FRIENDS.replace(",", "%2c"),
        (
            "text.escape",
            "UN",
            None,
            "10002,10003,10004,",
            "10002%2c10003%2c10004%2c",
        ),
    ),
}

NOTHING: dict[str, tuple[str | None, str, str | None, str]] = {
    "each repeats its own sequence number": (LOGOUT, OUT, LOGOUT.replace("=7", "=8"), OUT.replace("=7", "=8")),
    "each repeats it twice": (LOGOUT, OUT + "&SEQ=7", LOGOUT.replace("=7", "=8"), (OUT + "&SEQ=7").replace("=7", "=8")),
    "neither repeats it": (LOGOUT, OUT.replace("=7", "=-1"), LOGOUT.replace("=7", "=8"), OUT.replace("=7", "=-1")),
    "an empty sequence number, as templates have it": (
        LOGOUT.replace("=7", "="),
        OUT,
        LOGOUT.replace("=7", "="),
        OUT.replace("=7", "="),
    ),
    "two empty ones": (LOGOUT.replace("=7", "="), OUT, LOGOUT.replace("=7", "="), OUT.replace("=7", "=8")),
    "pushed replies": (None, OUT, None, OUT.replace("=7", "=8")),
    "secrets that differ": (LOGIN, IN + "&SSG=123", LOGIN.replace("aaaa", "bbbb"), IN + "&SSG=456"),
    "garbage on both sides": (LOGOUT, "<html>", LOGOUT, "<html>"),
    "nothing on both sides": (LOGOUT, "", LOGOUT, ""),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_one_deviation_is_one_difference(name: str) -> None:
    request, left, right, wanted = DIFFERENCES[name]
    comparison = compare([exchange(request, left)], [exchange(request, right)], SPEC)
    assert found(exchange(request, left), exchange(request, right)) == [wanted]
    assert (comparison.equal, comparison.equivalent, comparison.different) == (0, 0, 1)


@pytest.mark.parametrize("name", EQUIVALENT)
def test_what_means_the_same_is_equivalent(name: str) -> None:
    request, left, right, wanted = EQUIVALENT[name]
    comparison = compare([exchange(request, left)], [exchange(request, right)], SPEC)
    assert found(exchange(request, left), exchange(request, right)) == [wanted]
    assert (comparison.equal, comparison.equivalent, comparison.different) == (0, 1, 0)


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_equal(name: str) -> None:
    first, left, second, right = NOTHING[name]
    comparison = compare([exchange(first, left)], [exchange(second, right)], SPEC)
    assert comparison == Comparison(total=1, equal=1, equivalent=0, different=0, skipped={}, findings=())


def headed(head: bytes, body: str = OUT) -> Exchange:
    asked = exchange(LOGOUT, None)
    return msgspec.structs.replace(asked, reply=RawMessage(head=head, body=body.encode()))


OK = b"HTTP/1.0 200 Fine\r\n\r\n"
STATUSES: dict[str, tuple[bytes, bytes, tuple[str, str] | None]] = {
    "letters for digits": (OK, b"HTTP/1.1 2OO OK\r\n\r\n", ("200", "HTTP/1.1 2OO OK")),
    "no number": (OK, b"HTTP/1.1 OK\r\n\r\n", ("200", "HTTP/1.1 OK")),
    "no HTTP": (OK, b"QQ/1.1 500\n\n", ("200", "QQ/1.1 500")),
    "no number at first": (b"HTTP/1.1 OK\r\n\r\n", OK, ("HTTP/1.1 OK", "200")),
    "two that say nothing": (b"HTTP/1.1 A\r\n\r\n", b"HTTP/1.1 B\r\n\r\n", ("HTTP/1.1 A", "HTTP/1.1 B")),
    "the same that says nothing": (b"HTTP/1.1 A\r\n\r\n", b"HTTP/1.1 A\r\nX: 1\r\n\r\n", None),
    "another version and phrase": (OK, b"HTTP/1.1 200 OK\r\n\r\n", None),
    "a transcript and a failure": (b"", b"HTTP/1.1 500 No\r\n\r\n", ("200", "500")),
    "a transcript and no number": (b"", b"HTTP/1.1 2OO OK\r\n\r\n", ("200", "HTTP/1.1 2OO OK")),
    "a transcript and a reply": (b"", OK, None),
    "a reply and a transcript": (b"HTTP/1.1 500 No\r\n\r\n", b"", None),
    "two transcripts": (b"", b"", None),
}


@pytest.mark.parametrize("name", STATUSES)
def test_the_status_is_what_the_head_says(name: str) -> None:
    left, right, wanted = STATUSES[name]
    assert found(headed(left), headed(right)) == ([] if wanted is None else [("http.status", None, None, *wanted)])


OF_EXCHANGES: dict[str, tuple[Exchange, Exchange | None, tuple[str, str | None, str | None], str | None]] = {
    "another status": (
        exchange(LOGOUT, OUT),
        exchange(LOGOUT, "Oh no", status=500),
        ("http.status", "200", "500"),
        None,
    ),
    "no reply": (
        exchange(LOGOUT, OUT),
        exchange(LOGOUT, None, error="closed"),
        ("reply.missing", "a reply", "closed"),
        None,
    ),
    "a reply after all": (
        exchange(LOGOUT, None, error="closed"),
        exchange(LOGOUT, OUT),
        ("reply.extra", "closed", "a reply"),
        None,
    ),
    "a broken reply": (
        exchange(LOGOUT, OUT),
        exchange(LOGOUT, OUT[:20], error="closed"),
        ("reply.broken", "a whole reply", "closed"),
        None,
    ),
    "another command": (
        exchange(LOGOUT, OUT),
        exchange(LIST, FRIENDS),
        ("exchange.command", "Logout", "List"),
        "other command",
    ),
    "nobody asked": (
        exchange(LOGOUT, OUT),
        exchange(None, OUT),
        ("exchange.command", "Logout", "Logout (no request)"),
        "other command",
    ),
    "another request": (
        exchange(LOGOUT, OUT),
        exchange(LOGOUT.replace("VER=1.1", "VER=1.0"), OUT),
        ("request", "VER=1.1", "VER=1.0"),
        None,
    ),
    "other requests": (
        exchange(LIST, FRIENDS),
        exchange(LIST.replace("TN=160&UN=0", "TN=9"), FRIENDS),
        ("request", "TN=160, UN=0", "TN=9, no UN"),
        None,
    ),
    "not there": (exchange(LOGOUT, OUT), None, ("exchange.missing", None, None), "only in the first capture"),
}


@pytest.mark.parametrize("name", OF_EXCHANGES)
def test_differences_of_whole_exchanges(name: str) -> None:
    left, right, wanted, skipped = OF_EXCHANGES[name]
    comparison = compare([left], [] if right is None else [right], SPEC)
    assert [(f.rule, f.expected, f.actual) for f in comparison.findings] == [wanted]
    assert comparison.skipped == ({} if skipped is None else {skipped: ("1",)})
    assert comparison.compared == (0 if skipped else 1)


def test_replies_that_were_cut_are_compared_by_their_whole_or_not_at_all() -> None:
    def cut(sha256: str | None) -> Exchange:
        whole = exchange(LOGOUT, OUT)
        assert whole.reply is not None
        rest = None if sha256 is None else Cut(length=10**9, sha256=sha256)
        return msgspec.structs.replace(whole, reply=msgspec.structs.replace(whole.reply, cut=rest))

    assert compare([cut("a")], [cut("a")], SPEC).equal == 1
    for left, right in ((cut("a"), cut("b")), (cut("a"), cut(None)), (cut(None), cut("a"))):
        comparison = compare([left], [right], SPEC)
        assert (comparison.findings, comparison.skipped) == ((), {"only the beginning of a reply was recorded": ("1",)})


def test_what_was_cut_alike_may_still_have_another_status() -> None:
    left, right = (headed(f"HTTP/1.1 {status}\r\n\r\n".encode()) for status in ("200 OK", "500 No"))
    rest = Cut(length=10**9, sha256="a")
    sides = [
        msgspec.structs.replace(one, reply=msgspec.structs.replace(one.reply, cut=rest))
        for one in (left, right)
        if one.reply is not None
    ]
    assert found(*sides) == [("http.status", None, None, "200", "500")]


def test_what_only_the_second_capture_has() -> None:
    comparison = compare([], [exchange(LOGOUT, OUT)], SPEC)
    assert [finding.rule for finding in comparison.findings] == ["exchange.extra"]
    assert (comparison.total, comparison.skipped) == (1, {"only in the second capture": ("1",)})


def test_only_what_follows_from_a_failure_is_left_out() -> None:
    failed = IN.replace("RS=0", "RS=1").replace("&HI=60", "") + "&XX=1"
    assert [told[:2] for told in found(exchange(LOGIN, IN), exchange(LOGIN, failed))] == [
        ("field.missing", "HI"),
        ("field.extra", "XX"),
        ("code", "RS"),
    ]


def test_what_is_gone_though_no_code_tells_why_is_missing() -> None:
    assert [told[:2] for told in found(exchange(LOGIN, IN), exchange(LOGIN, OUT.replace("LOGOUT", "Login")))] == [
        ("field.missing", "RS"),
        ("field.missing", "HI"),
        ("field.missing", "LI"),
    ]
    assert [
        told[:2] for told in found(exchange(LIST, FRIENDS), exchange(LIST, "VER=1.1&CMD=LIST&SEQ=7&UIN=10001"))
    ] == [
        ("field.missing", "RES"),
        ("field.missing", "FN"),
        ("field.missing", "SN"),
        ("field.missing", "UN"),
    ]


def test_rows_that_are_gone_and_a_count_that_stays() -> None:
    assert found(exchange(LIST, FRIENDS), exchange(LIST, FRIENDS.replace("10002,10003,", ""))) == [
        ("count", "SN", None, "3 with 3 rows", "3 with 1 row"),
        ("row.missing", "UN", "10002", "UN 10002", None),
        ("row.missing", "UN", "10003", "UN 10003", None),
    ]


@pytest.mark.parametrize(
    ("new", "wanted"),
    [
        ("10002,10004,5,", [("row.missing", "10003"), ("row.extra", "5")]),  # elsewhere
        ("10002,5,6,", [("row.missing", "10003"), ("row.missing", "10004"), ("row.extra", "5"), ("row.extra", "6")]),
    ],
)
def test_only_one_row_at_its_place_can_have_got_another_key(new: str, wanted: list[tuple[str, str]]) -> None:
    changed = FRIENDS.replace("10002,10003,10004,", new)
    assert [(told[0], told[2]) for told in found(exchange(LIST, FRIENDS), exchange(LIST, changed))] == wanted


def test_a_row_that_is_wholly_another_has_not_got_another_key() -> None:
    changed = ONLINE.replace("10003", "5").replace("乙", "丙")
    assert [(told[0], told[2]) for told in found(exchange(STAT, ONLINE), exchange(STAT, changed))] == [
        ("row.missing", "10003"),
        ("row.extra", "5"),
    ]


@pytest.mark.parametrize(("left", "right"), [("FN=0", "FN=1"), ("FN=1", "FN=0")])
def test_the_order_counts_where_either_list_goes_on(left: str, right: str) -> None:
    first, second = FRIENDS.replace("FN=1", left), FRIENDS.replace("FN=1", right).replace("10002,10003", "10003,10002")
    assert [told[:2] for told in found(exchange(LIST, first), exchange(LIST, second))] == [
        ("code", "FN"),
        ("row.order", "UN"),
    ]


def test_every_rule_has_its_pair() -> None:
    shown = {wanted[0] for *_, wanted in [*DIFFERENCES.values(), *EQUIVALENT.values()]}
    shown |= {wanted[0] for _, _, wanted, _ in OF_EXCHANGES.values()}
    others = {rule for rule in RULES.keys() - shown if not rule.startswith("target.")}
    assert others == {
        "exchange.extra",
        "http.coding",
        "line.end",
        "more",
        "push.extra",
        "push.missing",
    }
    assert all(describe(rule).endswith(".") for rule in RULES)


def test_the_summary_says_what_was_not_compared_and_why() -> None:
    left = [
        exchange(LOGOUT, OUT, id="1"),
        exchange(LOGOUT, OUT, id="2"),
        exchange(LOGOUT, None, id="3"),
        exchange(LOGOUT, None, error="reset", id="4"),
        exchange(None, OUT, id="5"),
    ]
    right = [
        exchange(LOGOUT, OUT + "&", id="1"),
        exchange(LOGOUT, OUT.replace("RES=0", "RES=20"), id="2"),
        exchange(LOGOUT, OUT, id="3"),
        exchange(LOGOUT, None, error="reset", id="4"),
    ]
    comparison = compare(left, right, SPEC, skipped={"5": "no request was recorded"})
    assert (comparison.total, comparison.equal, comparison.equivalent, comparison.different) == (5, 0, 1, 1)
    assert comparison.skipped == {
        "no reply was recorded": ("3",),
        "no reply on either side": ("4",),
        "no request was recorded": ("5",),
    }


def test_a_reply_with_very_many_differences_is_cut_short() -> None:
    many = OUT + "".join(f"&X{number}=1" for number in range(5000))
    comparison = compare([exchange(LOGOUT, OUT)], [exchange(LOGOUT, many)], SPEC)
    assert [finding.rule for finding in comparison.findings] == ["field.extra"] * 100 + ["more"]


@pytest.mark.parametrize(
    ("left", "right", "told"),
    [
        ("&NK=old", "&NK=new", ("NK=old", "NK=new")),
        ("", "&NK=new", ("nothing", "NK=new")),
        ("&X=1", "&X=1&NK=new", ("nothing", "NK=new")),
        ("&NK=old&X=1", "&NK=old", ("X=1", "nothing")),
        ("&X=1&NKA=a", "&X=1&NKB=a", ("NKA=a", "NKB=a")),
    ],
)
def test_what_is_behind_the_fields_that_are_read_counts_too(left: str, right: str, told: tuple[str, str]) -> None:
    many = OUT + "&X=1" * 1000
    behind = [f"behind field 1,000: {side}" for side in told]
    assert found(exchange(LOGOUT, many + left), exchange(LOGOUT, many + right)) == [("more", None, None, *behind)]


def test_what_is_behind_the_items_that_are_read_counts_too() -> None:
    def friends(last: str) -> str:
        return FRIENDS.partition("&SN=")[0] + f"&SN=10001&UN={'1,' * 10_000}{last}"

    def told(left: str, right: str) -> list[Told]:
        return found(exchange(LIST, friends(left)), exchange(LIST, friends(right)))

    assert told("2,3,", "2,4,") == [("more", "UN", None, "item 10,002: 3", "item 10,002: 4")]
    assert told("2,", "") == [("more", "UN", None, "item 10,001: 2", "item 10,001: nothing")]
    assert [rule for rule, *_ in told("2,", "2")] == ["list.terminator"]


def test_a_finding_holds_of_a_long_value_what_differs() -> None:
    def said(value: str) -> Finding:
        [finding] = compare([exchange(LOGOUT, OUT + "&XX=" + "a" * 900_000)], [exchange(LOGOUT, value)], SPEC).findings
        return finding

    one = said(OUT + "&XX=" + "a" * 600_000 + "b" + "a" * 299_999)
    assert one.expected == f"…{'a' * 1000}… (900,000 characters, from number 599,961 on)"
    assert one.actual == f"…{'a' * 40}b{'a' * 959}… (900,000 characters, from number 599,961 on)"
    short = said(OUT + "&XX=b")
    assert (short.expected, short.actual) == ("a" * 1000 + "… (900,000 characters)", "b")
    name = "X" * 900_000
    [finding] = compare([exchange(LOGOUT, OUT)], [exchange(LOGOUT, f"{OUT}&{name}=1")], SPEC).findings
    assert finding.field == "X" * 99 + "…"


def test_long_tables_are_compared_in_bounded_time() -> None:
    def mail(texts: list[str]) -> str:
        count = len(texts)
        return (
            f"VER=1.1&CMD=GETMSGEX&SEQ=7&UIN=10001&RES=0&MN={count}&MT={'9,' * count}&UN={'1,' * count}&MG="
            + "".join(text + "," for text in texts)
        )

    left, right = ["a", *"bc" * 20_000], ["x", *"cb" * 20_000]
    assert len(found(exchange(POLL, mail(left)), exchange(POLL, mail(right)))) == 101


CHAT = """
format = 1
name = "chat"
title = "Chat"
sources.me = { title = "me", trust = "full" }
versions."1" = { doc = "one", source = ["me"] }
roles = { version = "v", command = "do", sequence = "n", account = "who", status = "ok" }
wire = { charsets = ["utf-8"], list_separator = ";", pair_escapes = ["%", "&"], list_escapes = ["%", ";"] }
commands.look = { doc = "look", effect = "read", source = ["me"], versions = ["1"] }

[common]
request = [
    { name = "v", type = "version", doc = "v", source = ["me"] },
    { name = "do", type = "text", doc = "do", source = ["me"] },
    { name = "n", type = "digits", doc = "n", source = ["me"] },
    { name = "who", type = "text", doc = "who", source = ["me"] },
]
reply = [
    { name = "v", type = "version", doc = "v", source = ["me"] },
    { name = "do", type = "text", doc = "do", source = ["me"] },
    { name = "n", type = "digits", doc = "n", source = ["me"], echo = true },
    { name = "who", type = "text", doc = "who", source = ["me"] },
    { name = "ok", type = "code", doc = "ok", codes = "ok", source = ["me"] },
]

[codes.ok]
doc = "ok"
values = [{ value = 1, readings = [{ meaning = "fine", source = ["me"] }] }]
"""


def test_another_spec_decides() -> None:
    """Field names, codes and keys come from the spec; the code knows none."""
    known = specs.parse(CHAT, "chat.toml")
    left = exchange("v=1&do=look&n=1&who=a", "v=1&do=look&n=1&who=a&ok=1")
    right = exchange("v=1&do=look&n=2&who=a", "v=1&do=look&n=2&who=a&ok=2")
    assert [(f.rule, f.field, f.expected, f.actual) for f in compare([left], [right], known).findings] == [
        ("code", "ok", "1 fine", "2")
    ]


WORDS = st.sampled_from("VER= CMD= LIST GETMSGEX SEQ= RES=0 UN= SN= MG= 1, & % = + ÿ".encode("latin-1").split())
BODIES = st.one_of(st.binary(max_size=60), st.lists(WORDS, max_size=25).map(b"".join))
EXCHANGES = st.builds(
    lambda request, reply, error, head: Exchange(
        id="1",
        session="",
        request=None if request is None else RawMessage(body=request),
        reply=None if reply is None else RawMessage(head=head, body=reply),
        error=error,
    ),
    st.none() | BODIES,
    st.none() | BODIES,
    st.none() | st.just("reset"),
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 500 No\r\nContent-Encoding: gzip\r\n\r\n"]),
)


@given(EXCHANGES, EXCHANGES)
def test_comparing_raises_for_no_bytes(left: Exchange, right: Exchange) -> None:
    comparison = compare([left], [right], SPEC)
    assert comparison.total == 1
    for finding in comparison.findings:
        assert finding.rule in RULES


@given(EXCHANGES)
def test_nothing_differs_from_itself(one: Exchange) -> None:
    assert compare([one], [one], SPEC).findings == ()


def test_a_finding_has_the_same_id_whatever_came_instead_and_no_other_has_it() -> None:
    def ids(reply: str) -> list[str]:
        return [finding.id for finding in compare([exchange(LOGIN, IN)], [exchange(LOGIN, reply)], SPEC).findings]

    first, again = ids(IN.replace("60", "61")), ids(IN.replace("60", "62"))
    assert first == again
    assert len({*first, *ids(IN.replace("300", "301")), *ids(IN.replace("&HI=60", ""))}) == 3
    assert len(set(ids(IN + "&XX=1&XX=2&YY=3"))) == 2
