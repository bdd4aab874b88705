"""What a replay sends and to whom: fresh sequence numbers, passwords put back, targets that are refused."""

import gzip
import hashlib

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qqlab import http1, wire
from qqlab import spec as specs
from qqlab.errors import RefusedError, UsageError
from qqlab.exchange import Cut, Exchange, RawMessage
from qqlab.replay import Target, check_address, check_name, parse_target, plan
from qqlab.replay.sequences import Sequences

SPEC = specs.builtin()
HOST = "127.0.0.1:9999"
RIGHT = "0123456789abcdef0123456789abcdef"
WRONG = "fedcba9876543210fedcba9876543210"
IN = b"VER=1.1&CMD=Login&SEQ=1&UIN=10001&RES=0&RS=0&HI=60&LI=300"
REFUSED = b"VER=1.1&CMD=Login&SEQ=1&UIN=10001&RES=0&RS=1&RA=no"


def exchange(body: bytes, reply: bytes | None = None, *, id: str = "1", head: bytes | None = None) -> Exchange:
    message = http1.request(body, "127.0.0.1:8000")
    return Exchange(
        id=id,
        session="127.0.0.1/10001",
        request=message if head is None else RawMessage(head=head, body=body),
        reply=None if reply is None else http1.reply(reply),
    )


def sent(*exchanges: Exchange, passwords: dict[str, str] | None = None, start: int = 500) -> list[RawMessage]:
    planned = plan(exchanges, SPEC, host=HOST, passwords=(passwords or {}).get, start=start)
    return [step.request for step in planned.steps]


def login(secret: str, *, uin: str = "10001", seq: int = 1000) -> bytes:
    return f"VER=1.1&CMD=Login&SEQ={seq}&UIN={uin}&PS={secret}&M5=1&LC=9326B87B234E7235".encode()


def test_only_the_sequence_number_and_the_host_change() -> None:
    head = b"POST /x HTTP/1.0\nhost:  a:1\nX-Odd:\tyes\ncontent-length: 65\n\n"
    body = b"VER=1.1&cmd=Change_stat&seq=1234 &UIN=10001&ST=%31%30&x&&y=%2F\xff\r\n"
    assert sent(exchange(body, head=head)) == [
        RawMessage(
            head=b"POST /x HTTP/1.0\nhost:  127.0.0.1:9999\nX-Odd:\tyes\ncontent-length: 65\n\n",
            body=b"VER=1.1&cmd=Change_stat&seq=1500 &UIN=10001&ST=%31%30&x&&y=%2F\xff\r\n",
        )
    ]


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (b"POST HTTP/1.1\r\n\r\n", b"POST HTTP/1.1\r\n\r\n"),
        (b"POST / HTTP/1.0\r\n\r\n", b"POST / HTTP/1.0\r\n\r\n"),
        (b"POST http://tqq.tencent.com:8000/a?b HTTP/1.1\r\n\r\n", b"POST /a?b HTTP/1.1\r\n\r\n"),
        (b"POST http://tqq.tencent.com HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n"),
        (b"POST HTTPS://x?y HTTP/1.1\r\n\r\n", b"POST /?y HTTP/1.1\r\n\r\n"),
        (b"POST / HTTP/1.1\r\nHost: tqq.tencent.com\r\n\r\n", b"POST / HTTP/1.1\r\nHost: 127.0.0.1:9999\r\n\r\n"),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 7\r\n\r\n",
        ),
        (b"M-POST http://tqq.tencent.com:8000/a HTTP/1.1\r\n\r\n", b"M-POST /a HTTP/1.1\r\n\r\n"),
        (b"POST\thttp://tqq.tencent.com:8000/a HTTP/1.1\r\n\r\n", b"POST\t/a HTTP/1.1\r\n\r\n"),
        (b"\r\nPOST http://tqq.tencent.com/a HTTP/1.1\r\n\r\n", b"\r\nPOST /a HTTP/1.1\r\n\r\n"),
        (b" POST http://tqq.tencent.com/a HTTP/1.1\r\n\r\n", b" POST /a HTTP/1.1\r\n\r\n"),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n"),
        (b"POST /a b HTTP/1.1\n\n", b"POST /a b HTTP/1.1\n\n"),
        (b"POST\r\n\r\n", b"POST\r\n\r\n"),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nX: 1\r\nhost : tqq.tencent.com\r\n Host: b\r\nY: 2\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: 127.0.0.1:9999\r\nX: 1\r\nY: 2\r\n\r\n",
        ),
        (
            b"POST / HTTP/1.1\r\nHost:\r\n tqq.tencent.com\r\nX: 1\rHost: a\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost:127.0.0.1:9999\r\nX: 1\r\n\r\n",
        ),
    ],
)
def test_heads(head: bytes, wanted: bytes) -> None:
    assert sent(exchange(b"CMD=abc", head=head)) == [RawMessage(head=wanted, body=b"CMD=abc")]


@pytest.mark.parametrize(
    "line",
    [
        b"CONNECT tqq.tencent.com:8000 HTTP/1.1",
        b"POST http:/tqq.tencent.com/ HTTP/1.1",
        b"POST tqq.tencent.com HTTP/1.1",
        b"POST\x00http://tqq.tencent.com/ HTTP/1.1",
        b"POST\x0bhttp://tqq.tencent.com/ HTTP/1.1",
        b"(POST) http://tqq.tencent.com/ HTTP/1.1",
        b"POST HTTP/1.1 http://tqq.tencent.com/",
        b"POST HTTP/1.1POST",
        b"POST HTTP/1.1.tqq.tencent.com",
        b"http://tqq.tencent.com/",
        b"\r\n",
    ],
)
def test_what_names_another_host_is_left_out(line: bytes) -> None:
    recorded = [exchange(login(RIGHT), IN, head=line + b"\r\n\r\n", id="a"), exchange(b"CMD=Logout", id="b")]
    planned = plan(recorded, SPEC, host=HOST, start=1)
    assert [step.recorded.id for step in planned.steps] == ["b"]
    assert planned.skipped == {"a": "the request line names another host"}
    assert planned.lacking == ()


PIECES = [b"POST", b"CONNECT", b" ", b"\t", b"\r\n", b"\n", b"\r", b"\0", b"\x0b", b"http://", b"http:/", b"/", b"*"]
PIECES += [b"evil.example", b":80", b"HTTP/1.1", b"Host: evil.example", b"X: 1"]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join))
@example(b"POST HTTP/1.1POST")
@example(b"POST\r\nPOST Host: evil.example")
@example(b"POST\r\n\x0bHost: evil.example")
@example(b"POST\r\nevil.example Host: evil.example")
def test_no_other_host_is_named_in_what_is_sent(head: bytes) -> None:
    planned = plan([exchange(b"CMD=Logout", head=head + b"\r\n\r\n")], SPEC, host=HOST, start=1)
    for step in planned.steps:
        start, *rest = step.request.head.lstrip().splitlines()
        headers = [line.lower().partition(b":") for line in rest]
        assert [value for name, _, value in headers if b"evil" in value and b"host" in name.split()] == []
        target = [*start.split(), b"", b""][1]
        assert target[:1] in (b"", b"/", b"*") or target == b"HTTP/1.1", start


def test_a_transcript_gets_a_plain_head_and_pushes_are_left_out() -> None:
    planned = plan(
        [
            exchange(b"VER=1.0&CMD=Logout&SEQ=&UIN=1", head=b"", id="a"),
            Exchange(id="b", session="", reply=RawMessage(body=IN)),
        ],
        SPEC,
        host=HOST,
        start=1,
    )
    assert [step.request for step in planned.steps] == [http1.request(b"VER=1.0&CMD=Logout&SEQ=&UIN=1", HOST)]
    assert planned.skipped == {"b": "no request was recorded"}


@pytest.mark.parametrize("number", ["", "-1", "abc", "1 2"])
def test_what_is_no_number_is_left_alone(number: str) -> None:
    body = f"VER=1.1&CMD=Logout&SEQ={number}&UIN=1".encode()
    assert [message.body for message in sent(exchange(body))] == [body]


def test_an_escaped_number_is_made_fresh_too() -> None:
    assert [message.body for message in sent(exchange(b"CMD=Logout&SEQ=%31%32&UIN=1"))] == [b"CMD=Logout&SEQ=60&UIN=1"]


def test_a_compressed_request_is_opened_to_be_patched() -> None:
    packed = gzip.compress(b"CMD=Logout&SEQ=77", mtime=0)
    head = b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    assert sent(
        exchange(packed, head=head % len(packed)),
        exchange(gzip.compress(b"CMD=Logout", mtime=0), head=head % len(gzip.compress(b"CMD=Logout", mtime=0))),
    ) == [
        RawMessage(head=b"POST / HTTP/1.1\r\nContent-Length: 17\r\n\r\n", body=b"CMD=Logout&SEQ=60"),
        RawMessage(head=head % 30, body=gzip.compress(b"CMD=Logout", mtime=0)),
    ]


def test_fresh_numbers_follow_on_each_other_and_are_none_of_the_recorded() -> None:
    recorded = ["1500", "1501", "1503", "1500"]
    numbers = Sequences([("a", number) for number in recorded], 500)
    assert [numbers.fresh("a", number) for number in recorded] == ["1502", "1504", "1505", "1502"]
    assert numbers.fresh("b", "1500") == "1500", "another account's numbers are its own"


def test_a_length_that_is_used_up_gives_way_to_the_next() -> None:
    numbers = Sequences([("a", str(number)) for number in range(1, 8)], 0)
    assert [numbers.fresh("a", str(number)) for number in range(1, 5)] == ["8", "9", "10", "11"]


def test_numbers_of_absurd_length() -> None:
    assert len(Sequences([], 12).fresh("a", "9" * 100_000)) == 18


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40).map(str)), max_size=80), st.integers(0, 10**10))
def test_fresh_numbers_are_unique_for_each_account(recorded: list[tuple[str, str]], start: int) -> None:
    numbers = Sequences(recorded, start)
    fresh = {(account, number): numbers.fresh(account, number) for account, number in recorded}
    for account in "ab":
        mine = [value for (owner, _), value in fresh.items() if owner == account]
        assert len(set(mine)) == len(mine)
        assert not set(mine) & {number for owner, number in recorded if owner == account}


def test_a_right_password_is_put_back_and_a_wrong_one_stays_wrong() -> None:
    digest = hashlib.md5(b"mima").hexdigest()
    messages = sent(
        exchange(login(WRONG, seq=1), REFUSED, id="1"),
        exchange(login(RIGHT, seq=2), IN, id="2"),
        exchange(login(RIGHT, seq=3), None, id="3"),
        exchange(login(RIGHT, seq=4, uin="10002"), None, id="4"),
        exchange(login(RIGHT.upper(), seq=5), IN, id="5"),
        exchange(login(RIGHT + " ", seq=6), IN, id="6"),
        passwords={"10001": "mima", "10002": "other"},
    )
    assert [dict(wire.split(message.body))[b"PS"] for message in messages] == [
        WRONG.encode(),
        digest.encode(),
        digest.encode(),
        RIGHT.encode(),
        digest.upper().encode(),
        digest.encode() + b" ",
    ]


@pytest.mark.parametrize(
    "reply",
    [
        IN.replace(b"RS=0", b"RS=7"),
        IN.replace(b"&RS=0", b""),
        IN.replace(b"RS=0", b"RS="),
        IN.replace(b"RS=0", b"RS=x"),
        IN.replace(b"RS=0", b"RS"),
        IN.replace(b"RES=0", b"RES=9"),
        IN.replace(b"RES=0", b"RES=20"),
        IN.replace(b"CMD=Login", b"CMD=LOGOUT"),
        b"",
        b"<html>",
    ],
)
def test_a_password_is_put_back_only_where_the_login_itself_says_that_it_was_right(reply: bytes) -> None:
    planned = plan([exchange(login(RIGHT), reply)], SPEC, host=HOST, passwords={"10001": "mima"}.get, start=1)
    assert [dict(wire.split(step.request.body))[b"PS"] for step in planned.steps] == [RIGHT.encode()]
    assert planned.lacking == ()


def test_accounts_without_a_known_password_are_named_once() -> None:
    recorded = [exchange(login(RIGHT), IN, id=str(number)) for number in range(3)]
    recorded.append(exchange(login(WRONG, uin="10002"), REFUSED, id="9"))
    planned = plan(recorded, SPEC, host=HOST, start=1)
    assert planned.lacking == ("10001",)
    assert [dict(wire.split(step.request.body))[b"PS"] for step in planned.steps[:3]] == [RIGHT.encode()] * 3


PICTURE = b"VER=1.1&CMD=VERIFYCODE&SEQ=1&UIN=10001&RES=0&SC=1&NT=&VC=89504E47"
AGAIN = b"VER=1.1&CMD=VERIFYCODE&SEQ=2&UIN=10001&RES=0&SC=1&NT=&VC=89504E47"
NO_MORE = b"VER=1.1&CMD=VERIFYCODE&SEQ=2&UIN=10001&RES=20"


def read(code: str, seq: int = 2) -> bytes:
    return f"VER=1.4&CMD=VERIFYCODE&SEQ={seq}&UIN=10001&SC=2&VC={code}".encode()


@pytest.mark.parametrize(
    ("replies", "put_back"),
    [
        ([(login(RIGHT), PICTURE), (read("abcd"), IN)], [True, True]),
        ([(login(RIGHT), PICTURE), (read("nope"), AGAIN), (read("abcd"), IN)], [True, False, True]),
        ([(login(RIGHT), PICTURE), (read("abcd"), REFUSED)], [False, False]),
        ([(login(RIGHT), PICTURE), (read("abcd"), NO_MORE)], [False, False]),
        ([(login(RIGHT), PICTURE)], [False]),
        ([(login(WRONG), PICTURE), (login(RIGHT), PICTURE), (read("abcd"), IN)], [False, True, True]),
        ([(login(WRONG), PICTURE), (read("abcd"), REFUSED), (login(RIGHT), IN)], [False, False, True]),
        ([(login(WRONG), PICTURE), (login(WRONG), REFUSED), (read("abcd"), IN)], [False, False, True]),
    ],
)
def test_a_login_that_is_put_off_by_a_picture_is_judged_in_the_end(
    replies: list[tuple[bytes, bytes]], put_back: list[bool]
) -> None:
    recorded = [exchange(body, reply, id=str(number)) for number, (body, reply) in enumerate(replies)]
    planned = plan(recorded, SPEC, host=HOST, passwords={"10001": "mima"}.get, codes={"10001": "K7QX"}.get, start=1)
    digest = hashlib.md5(b"mima").hexdigest().encode()
    bodies = [dict(wire.split(step.request.body)) for step in planned.steps]
    assert [body.get(b"PS") == digest or body.get(b"VC") == b"K7QX" for body in bodies] == put_back


def line(body: bytes, reply: bytes | None = None, *, id: str = "1", client: str = "127.0.0.1:4000") -> Exchange:
    return Exchange(
        id=id,
        session="127.0.0.1/10001",
        client=client,
        transport="lines",
        request=RawMessage(body=body, end=b"\n"),
        reply=None if reply is None else RawMessage(body=reply, end=b"\r\n"),
    )


def test_a_line_stays_a_line_on_its_own_connection() -> None:
    pushed = Exchange(id="c", session="", client="b:1", transport="lines", reply=RawMessage(body=b"x", end=b"\r\n"))
    planned = plan(
        [
            line(b"VER=1.4&CON=1&CMD=Logout&SEQ=1&UIN=1&SID=&XP=", id="a", client="a:1"),
            msgspec.structs.replace(line(b"CMD=Logout&SEQ=2&UIN=1", id="b", client="b:1"), session="b/1"),
            pushed,
            msgspec.structs.replace(pushed, id="d", client="nobody:1"),
            line(b"VER=1.4", id="e", client=""),
        ],
        SPEC,
        host=HOST,
        start=4,
    )
    assert [(step.recorded.id, step.line, step.request) for step in planned.steps] == [
        ("a", "a:1", RawMessage(body=b"VER=1.4&CON=1&CMD=Logout&SEQ=5&UIN=1&SID=&XP=", end=b"\n")),
        ("b", "b:1", RawMessage(body=b"CMD=Logout&SEQ=6&UIN=1", end=b"\n")),
        ("e", "127.0.0.1/10001", RawMessage(body=b"VER=1.4", end=b"\n")),
    ]
    assert planned.pushes == {"b:1": ("c",)}
    assert planned.skipped == {"d": "no request was recorded"}


@pytest.mark.parametrize(
    "body",
    [
        b"CONNECT evil.example:80 HTTP/1.1",
        b" GET\thttp://evil.example/",
    ],
)
def test_a_line_that_might_be_taken_for_http_is_left_out(body: bytes) -> None:
    planned = plan([line(body, id="a")], SPEC, host=HOST, start=1)
    assert (planned.steps, planned.skipped) == ((), {"a": "the line might be taken for HTTP"})


@given(st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join))
def test_no_other_host_is_named_in_a_line(body: bytes) -> None:
    for step in plan([line(body)], SPEC, host=HOST, start=1).steps:
        lines = [one.split() for one in step.request.body.replace(b"\0", b" ").replace(b"\r", b"\n").split(b"\n")]
        assert [words for words in lines if len(words) > 1 and words[0] in (b"POST", b"CONNECT")] == []


def test_what_was_cut_is_left_out() -> None:
    cut = RawMessage(head=b"POST / HTTP/1.1\r\n\r\n", body=b"CMD=a", cut=Cut(length=10**9, sha256="0" * 64))
    planned = plan([Exchange(id="a", session="", request=cut)], SPEC, host=HOST, start=1)
    assert (planned.steps, planned.skipped) == ((), {"a": "only the beginning of the request was recorded"})


def test_chunks_that_are_not_patched_are_sent_as_they_were() -> None:
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked = RawMessage(head=head, body=b"3\r\nCMD\r\n02;x=y\r\n=a\r\n0\r\n\r\n", chunked=True)
    planned = plan([Exchange(id="a", session="", request=chunked)], SPEC, host=HOST, start=1)
    assert [step.request for step in planned.steps] == [chunked]


@given(st.binary(max_size=80), st.binary(max_size=80), st.none() | st.binary(max_size=60))
def test_planning_raises_for_no_bytes(head: bytes, body: bytes, reply: bytes | None) -> None:
    planned = plan([exchange(b"CMD=Login&SEQ=1&" + body, reply, head=head)], SPEC, host=HOST, start=1)
    if not head:
        assert planned.steps[0].request.body == wire.patch(b"CMD=Login&SEQ=1&" + body, [(1, b"2")])


TARGETS = {
    "http://127.0.0.1:8000": Target("127.0.0.1", 8000),
    "http://127.0.0.1:8000/": Target("127.0.0.1", 8000),
    "HTTP://LocalHost.:1": Target("localhost", 1),
    "127.0.0.1:8000": Target("127.0.0.1", 8000),
    "[::1]:8000": Target("::1", 8000),
    "ｌｏｃａｌｈｏｓｔ:80": Target("localhost", 80),
}


@pytest.mark.parametrize("text", TARGETS)
def test_targets_are_read(text: str) -> None:
    assert parse_target(text) == TARGETS[text]
    assert parse_target(f"http://{TARGETS[text]}") == TARGETS[text]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("https://127.0.0.1:8000", "https is not spoken here"),
        ("ftp://127.0.0.1:21", "ftp is not spoken here"),
        ("127.0.0.1", "names no port"),
        ("http://localhost:0", "names no port"),
        ("http://me:hunter2@localhost:80", "a target takes no user or password"),
        (":8000", "names no host"),
        ("", "names no host"),
        ("127.0.0.1:port", "Port could not be cast to integer value as 'port'"),
        ("127.0.0.1:70000", "Port out of range 0-65535"),
        ("[::1:80", "Invalid IPv6 URL"),
        ("127.0.0.1:8000/path", "holds more than a host and a port"),
        ("127.0.0.1:8000?q", "holds more than a host and a port"),
        ("user@127.0.0.1:8000", "a target takes no user or password"),
        ("ü" * 80 + ":1", "is no host name"),
        ("a..b:1", "is no host name"),
        ("a" * 64 + ":1", "is no host name"),
    ],
)
def test_what_is_no_target(text: str, what: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_target(text)
    assert raised.value.what.startswith(what)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost"])
def test_this_machine_is_allowed(host: str) -> None:
    check_name(Target(host, 1))


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "0.0.0.0", "::", "example.com", "127.1", "2130706433", "localhost.example"]
)
def test_other_machines_are_refused_unless_they_are_named(host: str) -> None:
    with pytest.raises(RefusedError, match="is not on this machine") as raised:
        check_name(Target(host, 1), ["example.org"])
    assert raised.value.hint == f"allow it: --allow-host {host}"
    check_name(Target(host, 1), [host.upper() + "."])


@pytest.mark.parametrize(
    "text", ["tqq.tencent.com", "TENCENT.COM.", "qq.com", "a.b.qq.com", "ｑｑ．com", "im。qq。com"]
)
def test_the_historical_servers_are_refused_whatever_is_allowed(text: str) -> None:
    target = parse_target(f"{text}:8000")
    with pytest.raises(RefusedError, match="historical servers are never contacted"):
        check_name(target, [text, target.host])


def test_only_whole_names_are_historical() -> None:
    check_name(Target("notqq.com", 1), ["notqq.com"])


def test_the_address_is_checked_after_the_name() -> None:
    check_address(Target("localhost", 1), "127.0.0.1")
    check_address(Target("test", 1), "10.0.0.1", ["test"])
    with pytest.raises(RefusedError, match=r"localhost:1: leads to 10\.0\.0\.1, which is not on this machine"):
        check_address(Target("localhost", 1), "10.0.0.1", ["test"])
