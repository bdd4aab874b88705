"""What someone wants otherwise than recorded: fields set, other accounts, some exchanges only, another pace."""

import gzip
from datetime import timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_lanes import START, exchange

from qqlab import http1
from qqlab import spec as specs
from qqlab.errors import RefusedError, UsageError
from qqlab.exchange import Exchange, RawMessage
from qqlab.replay import Options, Plan, Target, parse_target, plan
from qqlab.replay.changes import Changes, Setting, read_accounts, read_field, read_settings
from qqlab.replay.effects import allowed_effects, check_any, check_recorded, effect_of, not_one, recorded_hosts
from qqlab.replay.reading import read
from qqlab.replay.schedule import Span, dues, moments

SPEC = specs.builtin()
HOST = "127.0.0.1:9999"
LOGIN = "VER=1.1&CMD=Login&SEQ=1&UIN={}&PS=0123456789abcdef0123456789abcdef&M5=1&LC=9326B87B234E7235"
IN = "VER=1.1&CMD=Login&SEQ=1&UIN={}&RES=0&RS=0&HI=60&LI=300"


def planned(exchanges: list[Exchange], *, passwords: dict[str, str] | None = None, **options: object) -> Plan:
    return plan(
        exchanges,
        SPEC,
        host=HOST,
        passwords=(passwords or {}).get,
        start=500,
        options=Options(**options),  # type: ignore[arg-type]
    )


def changed(body: bytes, *settings: str, accounts: dict[str, str] | None = None, head: bytes | None = None) -> bytes:
    request = http1.request(body, HOST) if head is None else RawMessage(head=head, body=body)
    changes = Changes(read_settings(settings, SPEC), accounts or {})
    made = planned([Exchange(id="1", session="h/1", request=request)], changes=changes).steps[0].request
    assert b"Content-Length: %d\r\n" % len(made.body) in made.head
    return made.body


@pytest.mark.parametrize(
    ("body", "settings", "wanted"),
    [
        (b"CMD=List&TN=160&UN=0", ["List.TN=2"], b"CMD=List&TN=2&UN=0"),
        (b"cmd=LIST&tn=%31&UN=0", ["list.tn=2"], b"cmd=LIST&tn=2&UN=0"),
        (b"CMD=List&TN=1&TN=2", ["List.TN=3"], b"CMD=List&TN=3&TN=3"),
        (b"CMD=List&TN=1", ["Logout.TN=3", "*.TN=4", "*.UN=5"], b"CMD=List&TN=4"),
        (b"CMD=List", ["List.TN=3", "List.X=", "List.TN=4"], b"CMD=List&TN=4&X="),
        (b"CMD=List&", ["List.TN=3"], b"CMD=List&TN=3&"),
        (b"CMD=List\r\n", ["List.TN=3"], b"CMD=List&TN=3\r\n"),
        (b"CMD=CLTMSG&MG=x", ["CLTMSG.MG=a&b=c,%\n山"], "CMD=CLTMSG&MG=a%26b=c%2c%25%0a山".encode()),
        (b"CMD=List&SEQ=7&TN=1", ["*.SEQ=8"], b"CMD=List&SEQ=8&TN=1"),
        (b"CMD=Odd&A=1", ["Odd.A=2", "odd.B=3"], b"CMD=Odd&A=2&B=3"),
    ],
)
def test_fields_are_set(body: bytes, settings: list[str], wanted: bytes) -> None:
    assert changed(body, *settings) == wanted


def test_a_packed_request_is_opened_to_set_a_field() -> None:
    packed = gzip.compress(b"CMD=List", mtime=0)
    head = b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    assert changed(packed, "List.TN=1", head=head) == b"CMD=List&TN=1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("List.TN", "--set List.TN: is no CMD.FIELD=VALUE (for example --set Login.ST=10)"),
        ("TN=1", "--set TN: is no CMD.FIELD (for example List.UN, or *.UN for any command)"),
        ("List.=1", "--set List.: is no CMD.FIELD (for example List.UN, or *.UN for any command)"),
        ("*.cmd=Logout", "--set *.cmd: would make another command of it (send one: qqlab send)"),
        ("List.UIN=1", "--set List.UIN: would make it another account's (--map-account A=B)"),
        (
            "Login.PS=hunter2",
            "--set Login.PS: is a secret and stands on no command line (passwords: --accounts FILE)",
        ),
        ("*.ps=hunter2", "--set *.ps: is a secret and stands on no command line (passwords: --accounts FILE)"),
    ],
)
def test_what_cannot_be_set(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_settings([text], SPEC)
    assert str(raised.value) == said


def test_a_command_of_nobody_is_refused_and_one_that_the_capture_alone_knows_is_not() -> None:
    recorded = [exchange("1", body="CMD=Odd&UIN={}")]
    changes = Changes((Setting("Unheard", "X", "1"),))
    with pytest.raises(UsageError, match=r"--set Unheard\.X: there is no such command \(known: Ack_AddToList, "):
        planned(recorded, changes=changes)
    with pytest.raises(UsageError, match=r"--pin Unheard\.X: there is no such command"):
        planned(recorded, pins=(read_field("--pin", "Unheard.X"),))
    changes = Changes((Setting("oDD", "X", "1"), Setting("List", "TN", "1")), {"7": "8"})
    assert planned(recorded, changes=changes).unused == ("--set List.TN=1", "--map-account 7=8")


def test_fields_that_nothing_has_are_told_of() -> None:
    recorded = [exchange("1", body="CMD=List&UIN={}&TN=2"), exchange("2", body="CMD=Odd&UIN={}")]
    changes = Changes(read_settings(["List.XX=1", "list.UN=2", "*.YY=1", "Odd.X=1", "Logout.Z=1"], SPEC))
    made = planned(recorded, changes=changes, pins=(("List", "TN"), (None, "ZZ")))
    assert made.unused == ("--set *.YY=1", "--set Logout.Z=1", "--pin List.TN", "--pin *.ZZ")
    assert made.strange == ("--set List.XX=1", "--set Logout.Z=1")
    assert planned(recorded, pins=((None, "ZZ"),), correlate=False).unused == ()


def test_another_account_takes_the_place_of_one_wherever_a_request_names_it() -> None:
    accounts = read_accounts(["10001=20001", "10003 = 3"])
    body = b"CMD=CLTMSG&SEQ=1&UIN= 10001 &UN=10003&MG=10001,10003"
    assert changed(body, accounts=accounts) == b"CMD=CLTMSG&SEQ=6&UIN= 20001 &UN=3&MG=10001,10003"
    assert changed(b"CMD=List&UIN=%310001&UN=100010", accounts=accounts) == b"CMD=List&UIN=20001&UN=100010"


def test_the_password_is_that_of_the_other_account() -> None:
    made = planned(
        [exchange("1", body=LOGIN, reply=IN)],
        passwords={"10001": "a", "20001": "b"},
        changes=Changes(accounts={"10001": "20001"}),
    )
    assert b"UIN=20001&PS=92eb5ffee6ae2fec3ad71c777531578f&" in made.steps[0].request.body
    assert (made.steps[0].account, made.lanes[0].accounts) == ("20001", ("20001",))
    made = planned([exchange("1", body=LOGIN, reply=IN)], changes=Changes(accounts={"10001": "20001"}))
    assert made.lacking == ("20001",)


def test_two_accounts_do_not_become_one_but_may_change_places() -> None:
    recorded = [exchange("1", "10001"), exchange("2", "10002")]
    with pytest.raises(UsageError) as raised:
        planned(recorded, changes=Changes(accounts={"10001": "10002"}))
    assert str(raised.value) == "--map-account: 10001 and 10002 would both be 10002 (map the other one as well)"
    made = planned(recorded, changes=Changes(accounts={"10001": "10002", "10002": "10001"}))
    assert [step.account for step in made.steps] == ["10002", "10001"]


@pytest.mark.parametrize("text", ["1", "=1", "1=", "1=a b", "１=2", "abc=1", "1=abc", "1=-2"])
def test_what_maps_no_account(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no A=B of two account numbers \(for example --map-account 10001=20001\)"):
        read_accounts([text])


def test_an_account_has_one_other() -> None:
    with pytest.raises(UsageError, match="--map-account 1: stands for two others"):
        read_accounts(["1=2", "1=3"])


PICTURE = "VER=1.1&CMD=VERIFYCODE&SEQ=1&UIN={}&RES=0&SC=1&NT=&VC=89504E47"
CODE = "VER=1.4&CMD=VERIFYCODE&SEQ=2&UIN={}&SC=2&VC=abcd"


def test_some_exchanges_bring_along_what_they_need() -> None:
    recorded = [
        exchange("out", body=LOGIN, reply="CMD=Login&UIN={}&RES=0&RS=1&RA=no"),
        exchange("in", body=LOGIN, reply=IN),
        exchange("other", "10002", body=LOGIN, reply=IN),
        exchange("poll", reply="CMD=GETMSGEX&UIN={}&RES=0&MN=1&MT=9,&UN=10007,&MG=a,"),
        exchange("answer", body="CMD=CLTMSG&UIN={}&UN=10007&MG=x", reply="CMD=CLTMSG&UIN={}&RES=0"),
        exchange("picture", body=LOGIN, reply=PICTURE),
        exchange("code", body=CODE, reply=IN),
        exchange("late"),
    ]

    def sent(*only: str) -> list[str]:
        return [step.recorded.id for step in planned(recorded, only=only).steps]

    assert sent("answer") == ["in", "poll", "answer"]
    assert sent("late") == ["in", "poll", "answer", "picture", "code", "late"]
    assert sent("poll") == ["in", "poll"]
    assert sent("in") == ["in"]
    assert sent("in", "other") == ["in", "other"]
    assert planned(recorded, only=("in",)).skipped["late"] == "it was not asked for (--only)"
    with pytest.raises(UsageError) as raised:
        sent("nothing\x1b")
    assert (
        str(raised.value) == "--only nothing\\x1b: no request of the capture that can be sent has this id "
        "(qqlab show CAPTURE lists them)"
    )


def test_what_others_did_to_an_exchange_comes_along() -> None:
    def message(identifier: str, sender: str, to: str) -> Exchange:
        body = f"CMD=CLTMSG&SEQ=3&UIN={sender}&UN={to}&MG=x"
        return exchange(identifier, sender, body=body, reply="CMD=CLTMSG&UIN={}&RES=0")

    def poll(identifier: str, account: str) -> Exchange:
        return exchange(identifier, account, body="CMD=GetMsgEx&SEQ=4&UIN={}", reply="CMD=GETMSGEX&UIN={}&RES=0")

    recorded = [
        exchange("login2", "10002", body=LOGIN, reply=IN),
        exchange("out1", body=LOGIN, reply="CMD=Login&UIN={}&RES=0&RS=1&RA=no"),
        exchange("login1", body=LOGIN, reply=IN),
        exchange("login4", "10004", body=LOGIN, reply=IN),
        message("first", "10002", "10001"),
        exchange("read2", "10002"),
        message("second", "10002", "10001"),
        message("elsewhere", "10004", "10005"),
        poll("poll2", "10002"),
        poll("poll", "10001"),
        message("later", "10002", "10001"),
    ]
    shifted = [
        msgspec.structs.replace(one, time=START + timedelta(seconds=number)) for number, one in enumerate(recorded)
    ]
    steps = [step.recorded.id for step in planned(shifted, only=("poll",)).steps]
    assert steps == ["login2", "login1", "first", "second", "poll"]


@pytest.mark.parametrize(
    ("head", "body", "effect"),
    [
        (b"", b"CMD=List", "read"),
        (b"", b"CMD=%6Cist", "read"),
        (b"", b"CMD=GetMsgEx", "consume"),
        (b"", b"CMD=CLTMSG", "write"),
        (b"", b"CMD=Logout", "auth"),
        (b"", b"CMD=Odd", "write"),
        (b"", b"CMD=Server_Msg", "write"),
        (b"", b"", "write"),
        (b"", b"CMD=List&cmd=Login", "auth"),
        (b"POST /?CMD=DelFromList HTTP/1.1\r\n\r\n", b"CMD=List", "write"),
        (b"POST /?x&%63md=Logout HTTP/1.1\r\n\r\n", b"CMD=List", "auth"),
        (b"POST /?CMD HTTP/1.1\r\n\r\n", b"CMD=List", "read"),
        (b"POST /? HTTP/1.1\r\nX: a?CMD=Logout\r\n\r\n", b"CMD=List", "read"),
        (b"stray\r\nPOST /?CMD=Logout HTTP/1.1\r\n\r\n", b"CMD=List", "auth"),
        (b"POST /?%20CMD=Logout HTTP/1.1\r\n\r\n", b"CMD=List", "auth"),
        (b"", b"CMD=List& CMD=AddToList", "write"),
        (b"", b"CMD=List&\r\nCMD=AddToList", "write"),
        (b"", b"CMD=List&%0acmd%00=AddToList", "write"),
        (b"", b"CMD=List&CMD[]=AddToList", "write"),
        (b"", b"CMD=List&UN=1\nCMD=AddToList", "write"),
        (b"", b"CMD=List&CMDX=AddToList&XCMD=Logout&UN=\r\n", "read"),
        (b"", b"CMD=List" + b"&A=1" * 1000 + b"&CMD=AddToList", "write"),
        (b"", b"CMD=List" + b"&A" * 1000 + b"&CMD=AddToList", "write"),
        (b"", b"CMD=List" + b"&A=1" * 1000, "read"),
        (
            b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\n\r\n",
            gzip.compress(b"CMD=List" + b"&A" * 1000 + b"&CMD=AddToList", mtime=0),
            "write",
        ),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 8\r\n\r\n",
            b"CMD=ListPOST /?CMD=AddToList HTTP/1.1\r\n\r\n",
            "write",
        ),
        (b"DELETE / HTTP/1.1\r\n\r\n", b"CMD=List", "write"),
        (b"POST HTTP/1.1\r\n\r\n", b"CMD=List", "read"),
    ],
)
def test_a_request_is_as_harmful_as_any_of_its_commands(head: bytes, body: bytes, effect: str) -> None:
    message = RawMessage(head=head, body=body)
    assert effect_of(read(message, "request", SPEC), message, SPEC) == effect


def test_what_a_head_asks_for_is_not_taken_for_what_the_body_does() -> None:
    def under(identifier: str, target: str) -> Exchange:
        body = f"VER=1.1&CMD=List&SEQ={identifier}&UIN=10001&TN=1".encode()
        return Exchange(id=identifier, session="h/1", request=http1.request(body, HOST, target=target))

    made = planned([under("1", "/?CMD=Logout"), under("2", "/"), under("3", "/?CMD=CLTMSG")])
    assert [step.effect for step in made.steps] == ["auth", "read", "write"]


HEAD = b"POST / HTTP/1.1\r\nContent-Length: 8\r\n\r\n"
WHOLE = HEAD + b"CMD=List\r\n" + HEAD
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "as_line", "reason"),
    [
        (RawMessage(head=HEAD, body=b"CMD=List"), False, None),
        (RawMessage(head=b"\r\n\r\n" + HEAD, body=b"CMD=List"), False, None),
        (RawMessage(head=WHOLE, body=b"CMD=List"), False, "its head holds more than one"),
        (RawMessage(head=WHOLE.replace(b"\r\n", b"\n"), body=b"CMD=List"), False, "its head holds more than one"),
        (RawMessage(head=CHUNKED, body=b"8\r\nCMD=List\r\n0\r\nA: b\r\n\r\n", chunked=True), False, None),
        (
            RawMessage(head=CHUNKED, body=b"8\r\nCMD=List\r\n0\r\n\r\n" + WHOLE, chunked=True),
            False,
            "another request stands behind its last chunk",
        ),
        (RawMessage(body=b"CMD=List\r", end=b"\n"), True, None),
        (RawMessage(body=b"CMD=List\nCMD=AddToList", end=b"\n"), True, "the line holds more than one"),
        (RawMessage(body=b"CMD=List", end=b"\rCMD=AddToList\n"), True, "the line holds more than one"),
        (RawMessage(head=b"CMD=AddToList\n", body=b"CMD=List", end=b"\n"), True, "the line holds more than one"),
    ],
)
def test_a_request_that_holds_another_one_is_not_sent(request_: RawMessage, as_line: bool, reason: str | None) -> None:
    assert not_one(request_, as_line=as_line) == reason
    recorded = exchange("1", body="CMD=List&UIN={}&SEQ=1")
    transport = "lines" if as_line else "http"
    made = planned([msgspec.structs.replace(recorded, request=request_, transport=transport)])
    assert made.skipped == ({} if reason is None else {"1": reason})


AWAY = parse_target("away.example:8000")


def test_another_machine_is_only_read_from_unless_more_is_allowed() -> None:
    assert allowed_effects(Target("127.0.0.1", 1)) == {"read", "consume", "write", "auth"}
    assert allowed_effects(AWAY) == {"read"}
    assert allowed_effects(AWAY, "consume, auth") == {"read", "consume", "auth"}
    with pytest.raises(UsageError) as raised:
        allowed_effects(Target("127.0.0.1", 1), "all")
    assert str(raised.value) == "--allow-effects all: is no effect (of read, consume, write, auth)"
    recorded = [exchange("1", body=LOGIN, reply=IN), exchange("2", body="CMD=List&UIN={}&TN=1&UN=0")]
    made = planned(recorded, effects=allowed_effects(AWAY))
    assert [step.recorded.id for step in made.steps] == ["2"]
    assert made.skipped == {
        "1": "its effect is auth, and the target is not on this machine (allow it: --allow-effects auth)"
    }


def test_what_was_set_may_make_a_request_do_more() -> None:
    recorded = [exchange("1", body="CMD=List&UIN={}&TN=1"), exchange("2", body="CMD=GetInfo&UIN={}")]
    changes = Changes((Setting("List", "CMD", "AddToList"), Setting("GetInfo", "LV", "3")))
    made = planned(recorded, changes=changes, effects=allowed_effects(AWAY))
    assert ([step.effect for step in made.steps], made.refused) == (["read"], ("write",))
    assert made.skipped == {
        "1": "its effect is write, and the target is not on this machine (allow it: --allow-effects write)"
    }
    assert [step.effect for step in planned(recorded, changes=changes).steps] == ["write", "read"]


def test_where_nothing_may_be_sent_that_is_an_error() -> None:
    check_any(AWAY, ["auth"], 1)
    check_any(AWAY, [], 0)
    with pytest.raises(RefusedError) as raised:
        check_any(AWAY, ["auth", "consume"], 0)
    assert str(raised.value) == (
        "away.example:8000: is not on this machine, and nothing of the capture does mere reading (consume, auth) "
        "(allow it: --allow-effects consume,auth)"
    )


def test_the_recorded_server_is_refused_by_name_and_by_address() -> None:
    servers = [
        "",
        "127.0.0.1:8000",
        "[::1]:8000",
        "localhost:1",
        "[::ffff:127.0.0.1]:1",
        "Old.Example.:80",
        "[2001:db8::1]:80",
        "192.0.2.7:80",
    ]
    recorded = recorded_hosts([Exchange(id=str(n), session="", server=server) for n, server in enumerate(servers)])
    assert recorded == {"old.example", "2001:db8::1", "192.0.2.7"}
    check_recorded(AWAY, "away.example", recorded)
    check_recorded(parse_target("old.example:80"), "old.example", recorded, ["OLD.example"])
    with pytest.raises(RefusedError) as raised:
        check_recorded(AWAY, "192.0.2.7", recorded, ["away.example"])
    assert str(raised.value) == (
        "away.example:8000: leads to 192.0.2.7, which is the recorded server (allow it: --allow-host 192.0.2.7)"
    )
    with pytest.raises(RefusedError, match=r"old.example:80: is the recorded server"):
        check_recorded(parse_target("old.example:80"), "old.example", recorded)


@pytest.mark.parametrize(
    ("server", "found"),
    [
        ("[::ffff:10.0.0.5]:80", "10.0.0.5"),
        ("10.0.0.5:80", "::ffff:10.0.0.5"),
        ("10.0.0.5:80", "::FFFF:a00:5"),
        ("[2001:DB8:0:0::1]:80", "2001:db8::1"),
        ("[fe80::1%eth0]:80", "fe80::1"),
        ("b\xfccher.example:80", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example:80", "B\xfccher.example."),
        (f"{'x' * 70}.example:80", f"{'X' * 70}.example"),
    ],
)
def test_the_recorded_server_is_known_in_every_spelling(server: str, found: str) -> None:
    recorded = recorded_hosts([Exchange(id="1", session="", server=server)])
    with pytest.raises(RefusedError, match="is the recorded server"):
        check_recorded(AWAY, found, recorded, ["away.example"])
    check_recorded(AWAY, found, recorded, ["away.example", server.rpartition(":")[0].strip("[]")])


def test_silences_are_shortened_and_nothing_else() -> None:
    spans = [Span(5, 6), Span(7, 30), Span(8, 9), Span(40, 41), Span(50, 50), Span(50, 51)]
    assert dues(spans) == [0, 2, 3, 35, 45, 45]
    assert dues(spans, 3) == [0, 2, 3, 28, 32, 32]
    assert dues(spans, 0) == [0, 1, 2, 24, 25, 25]
    assert dues([]) == []


def test_when_steps_go_out() -> None:
    due = [0.0, 0.1, 0.1, 5.0]
    assert moments(due, None, None) == [0, 0, 0, 0]
    assert moments(due, 2, None) == [0, 0.05, 0.05, 2.5]
    assert moments(due, None, 2) == [0, 0.5, 1.0, 1.5]
    assert moments(due, 1, 2) == [0, 0.5, 1.0, 5.0]


@given(st.lists(st.floats(0, 1e6)).map(sorted), st.none() | st.floats(1e-3, 1e3), st.none() | st.floats(1e-3, 1e6))
def test_a_rate_delays_and_never_hurries(due: list[float], speed: float | None, rate: float | None) -> None:
    found = moments(due, speed, rate)
    assert found == sorted(found)
    assert all(moment >= (0 if speed is None else one / speed) for moment, one in zip(found, due, strict=True))
    if rate is not None:
        assert all(later - one >= 0.999 / rate - 1e-6 for one, later in pairwise(found))


WORDS = ["CMD=List", "CMD=Login", "CMD=GetMsgEx", "cmd=CLTMSG", "UIN=10001", "UIN=10002", "UN=10003,10004,", "UN=10004"]
WORDS += ["PS=0123456789abcdef0123456789abcdef", "RS=0", "RES=0", "FN=0", "SEQ=7", "X", "%", "=", "\n", "SG=aaaaaaaaaa"]
BODY = st.lists(st.sampled_from(WORDS), max_size=6).map("&".join)
EXCHANGES = st.lists(
    st.tuples(
        BODY,
        st.none() | BODY,
        st.sampled_from("abc"),
        st.sampled_from(["", "a:1", "b:1"]),
        st.floats(0, 9),
        st.booleans(),
    ),
    max_size=10,
)


@given(
    EXCHANGES,
    st.sampled_from([(), ("*.UN=1",), ("List.TN=a&b", "Login.X=\n")]),
    st.sampled_from([{}, {"10001": "7"}, {"10001": "10002"}]),
    st.sets(st.sampled_from(["read", "consume", "write", "auth"])) | st.none(),
    st.sampled_from([(), ("0",), ("1", "2")]),
)
def test_every_exchange_is_sent_or_left_out_with_a_reason(
    recorded: list[tuple[str, str | None, str, str, float, bool]],
    settings: tuple[str, ...],
    accounts: dict[str, str],
    effects: set[str] | None,
    only: tuple[str, ...],
) -> None:
    capture = [
        Exchange(
            id=str(number),
            session=session,
            time=START + timedelta(seconds=time),
            client=client,
            transport="lines" if is_line else "http",
            request=None
            if number % 5 == 4
            else RawMessage(body=body.encode(), end=b"\n")
            if is_line
            else http1.request(body.encode(), HOST),
            reply=None if reply is None else RawMessage(body=reply.encode()),
        )
        for number, (body, reply, session, client, time, is_line) in enumerate(recorded)
    ]
    changes = Changes(read_settings(settings, SPEC), accounts)
    try:
        made = planned(capture, changes=changes, effects=effects, only=only)
    except UsageError:
        return
    sent = [step.recorded.id for step in made.steps]
    pushed = [one for ids in made.pushes.values() for one in ids]
    assert sorted([*sent, *made.skipped, *pushed]) == sorted(exchange.id for exchange in capture)
    place = {identifier: number for number, identifier in enumerate(sent)}
    for number, step in enumerate(made.steps):
        assert all(place[other] < number for other in step.after)
        assert all(place[hole.source] < number for hole in step.holes)
        assert step.due >= 0
        assert effects is None or step.effect in effects
        assert step.request.body.count(b"\n") <= (step.recorded.request or step.request).body.count(b"\n")
    assert sum(lane.steps for lane in made.lanes) == len(sent)
    assert made.at_once <= len(made.lanes)
