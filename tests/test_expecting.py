"""What a replayed exchange is held against: nothing that the replay asked for on purpose is taken for a difference."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_lanes import exchange

from qqlab import http1
from qqlab import spec as specs
from qqlab.diff import compare
from qqlab.exchange import Exchange, RawMessage
from qqlab.replay import Expectation, Options, fill, plan, renamed
from qqlab.replay.changes import Changes, read_settings

SPEC = specs.builtin()
HOST = "127.0.0.1:9999"
TOKEN = "0f" * 32
LOGIN = exchange(
    "1",
    body="VER=1.4&CMD=Login&SEQ=1&UIN={}&PS=0123456789abcdef0123456789abcdef&M5=1&LC=9326B87B234E7235",
    reply=f"VER=1.1&CMD=Login&SEQ=1&UIN={{}}&RES=0&RS=0&HI=60&LI=300&SG={TOKEN}",
)


def bodies(found: Exchange) -> tuple[bytes, bytes]:
    return (found.request or RawMessage()).body, (found.reply or RawMessage()).body


def test_other_accounts_are_expected_wherever_accounts_stand() -> None:
    recorded = exchange(
        "1",
        body="CMD=List&UIN={}&TN=10001&UN= 10001 ",
        reply="CMD=LIST&UIN={}&RES=0&SN=10001&UN=10003,10001,100010,&NK=10001,b,&",
    )
    found = renamed(recorded, {"10001": "7", "10003": "%"}, SPEC)
    assert bodies(found) == (
        b"CMD=List&UIN=7&TN=10001&UN= 7 ",
        b"CMD=LIST&UIN=7&RES=0&SN=10001&UN=%,7,100010,&NK=10001,b,&",
    )
    assert b"Content-Length: 57\r\n" in (found.reply or RawMessage()).head
    assert renamed(recorded, {"5": "6"}, SPEC) is recorded


def test_what_was_set_and_carried_over_is_expected_as_it_was_sent() -> None:
    recorded = [
        LOGIN,
        exchange(
            "2",
            body=f"CMD=AddToList&SEQ=2&UIN={{}}&UN=10007&SID={TOKEN}&x=1",
            reply="CMD=AddToList&SEQ=2&UIN={}&RES=0&CD=0&UN=10007",
        ),
    ]
    changes = Changes(read_settings(["AddToList.UN=20007", "AddToList.Y=a&b"], SPEC))
    planned = plan(recorded, SPEC, host=HOST, start=5000, options=Options(changes=changes))
    sent = planned.steps[1]
    assert (sent.changed, [hole.name for hole in sent.holes]) == (("UN", "Y"), ["SID"])
    request = fill(sent, {hole.produced: "new" for hole in sent.holes}, SPEC)
    replayed = msgspec.structs.replace(recorded[1], request=request)
    expectation = Expectation(planned, SPEC)
    assert (expectation.concerns("1"), expectation.concerns("2")) == (False, True)
    assert bodies(expectation.of(recorded[1], replayed)) == (
        b"CMD=AddToList&SEQ=2&UIN=10001&UN=20007&SID=new&x=1&Y=a%26b",
        b"CMD=AddToList&SEQ=2&UIN=10001&RES=0&CD=0&UN=20007",
    )
    assert expectation.of(LOGIN, LOGIN) is LOGIN


@pytest.mark.parametrize("accounts", [{}, {"10001": "20001", "10002": "10001"}])
def test_a_server_that_answers_as_recorded_makes_no_difference(accounts: dict[str, str]) -> None:
    recorded = [
        LOGIN,
        exchange("2", body=f"CMD=GetMsgEx&SEQ=2&UIN={{}}&SID={TOKEN}", reply="CMD=GETMSGEX&SEQ=2&UIN={}&RES=0&MN=0"),
        exchange("3", body="CMD=CLTMSG&SEQ=3&UIN={}&UN=10002&MG=hi", reply="CMD=CLTMSG&SEQ=3&UIN={}&RES=0"),
    ]
    changes = Changes(read_settings(["CLTMSG.MG=ho", "GetMsgEx.X=1"], SPEC), accounts)
    planned = plan(recorded, SPEC, host=HOST, start=5, options=Options(changes=changes))
    expectation = Expectation(planned, SPEC)
    replayed = [
        msgspec.structs.replace(
            one,
            request=fill(step, {hole.produced: "new" * 9 for hole in step.holes}, SPEC),
            reply=answer(step.request, one),
        )
        for step, one in zip(planned.steps, recorded, strict=True)
    ]
    known = [renamed(one, accounts, SPEC) for one in recorded]
    expected = [expectation.of(one, again) for one, again in zip(known, replayed, strict=True)]
    assert [finding.rule for finding in compare(expected, replayed, SPEC).findings] == []
    assert [finding.rule for finding in compare(recorded, replayed, SPEC).findings] != []


def answer(request: RawMessage, recorded: Exchange) -> RawMessage:
    """The recorded reply, with the number and the account of the request."""
    said = dict(pair.split(b"=", 1) for pair in request.body.split(b"&"))
    assert recorded.reply is not None
    pairs = [pair.partition(b"=") for pair in recorded.reply.body.split(b"&")]
    echoed = {key: said[key] for key in (b"SEQ", b"UIN")}
    return http1.reply(b"&".join(key + equals + echoed.get(key, value) for key, equals, value in pairs))


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_expecting_raises_for_no_bytes(asked: bytes, said: bytes, sent: bytes) -> None:
    recorded = Exchange(id="1", session="", request=http1.request(b"UN=1&" + asked, HOST), reply=http1.reply(said))
    changes = Changes(read_settings(["*.UN=2", "*.X=3"], SPEC), {"1": "2"})
    planned = plan([recorded], SPEC, host=HOST, start=1, options=Options(changes=changes))
    replayed = msgspec.structs.replace(recorded, request=http1.request(sent, HOST))
    Expectation(planned, SPEC).of(renamed(recorded, changes.accounts, SPEC), replayed)
