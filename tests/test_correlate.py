"""What replies give to later requests: found without coincidences, carried over, shown without secrets."""

from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_lanes import exchange

from qqlab import http1
from qqlab import spec as specs
from qqlab.codec import decode
from qqlab.exchange import Exchange, RawMessage
from qqlab.replay import Options, Produced, fill, plan, produced
from qqlab.replay.changes import Changes, Setting

SPEC = specs.builtin()
HOST = "127.0.0.1:9999"
TOKEN = "0f" * 32
LOGIN = "VER=1.4&CMD=Login&SEQ=1&UIN={}&PS=0123456789abcdef0123456789abcdef&M5=1&LC=9326B87B234E7235"
IN = "VER=1.1&CMD=Login&SEQ=1&UIN={}&RES=0&RS=0&HI=60&LI=300&SG=" + TOKEN
POLL = "CMD=GetMsgEx&SEQ=2&UIN={}&SID=" + TOKEN
MESSAGES = "CMD=GETMSGEX&UIN={}&RES=0&MN=2&MT=9,9,&UN=10007,10008,&MG=a,b,"


def recorded(*pairs: tuple[str, str], account: str = "10001", first: int = 1) -> list[Exchange]:
    return [exchange(str(number), account, body=body, reply=reply) for number, (body, reply) in enumerate(pairs, first)]


def links(exchanges: list[Exchange], options: Options = Options()) -> dict[str, str]:  # noqa: B008
    planned = plan(exchanges, SPEC, host=HOST, start=1, options=options)
    return {
        f"{link.command}.{link.field} <- {link.source_command}.{link.source_field} {link.part}": link.verdict
        for link in planned.links
    }


def replayed(exchanges: list[Exchange], replies: Mapping[str, str], options: Options = Options()) -> dict[str, str]:  # noqa: B008
    """The bodies that are sent where the server answers with these replies, by id."""
    planned = plan(exchanges, SPEC, host=HOST, start=1, options=options)
    found: dict[Produced, str] = {}
    sent = {}
    for step in planned.steps:
        request = fill(step, found, SPEC)
        assert b"Content-Length: %d\r\n" % len(request.body) in request.head
        sent[step.recorded.id] = request.body.decode()
        reply = replies.get(step.recorded.id)
        if reply is not None:
            new = msgspec.structs.replace(step.recorded, reply=http1.reply(reply.encode()))
            found |= produced(step, decode(new, SPEC))
    return sent


def test_a_token_is_carried_over_and_never_shown() -> None:
    capture = recorded((LOGIN, IN), (POLL, MESSAGES), (POLL, MESSAGES))
    planned = plan(capture, SPEC, host=HOST, start=1)
    assert links(capture) == {"GetMsgEx.SID <- Login.SG whole": "carried"}
    assert TOKEN not in str((planned.links, planned.examples))
    assert planned.rewrites["correlated"] == 2
    sent = replayed(capture, {"1": IN.replace(TOKEN, "new&token")})
    assert sent["2"].endswith("&SID=new")  # a reply's `&` ends its value
    assert sent["3"].endswith("&SID=new")
    assert replayed(capture, {"1": IN.replace(TOKEN, "50%25+x")})["2"].endswith("&SID=50%25+x")


def test_a_hole_that_nothing_fills_keeps_what_was_recorded() -> None:
    capture = recorded((LOGIN, IN), (POLL, MESSAGES))
    assert replayed(capture, {"1": "CMD=Login&RES=0&RS=1"})["2"].endswith(f"&SID={TOKEN}")


PAGES = [
    ("CMD=List&SEQ=3&UIN={}&TN=2&UN=0", "CMD=LIST&UIN={}&RES=0&FN=0&SN=2&UN=10002,10003,"),
    ("CMD=List&SEQ=4&UIN={}&TN=2&UN=10003", "CMD=LIST&UIN={}&RES=0&FN=1&SN=1&UN=10005,"),
]


def test_the_last_of_a_page_asks_for_the_next() -> None:
    capture = recorded(*PAGES)
    assert links(capture) == {"List.UN <- List.UN last": "carried"}
    assert replayed(capture, {"1": "CMD=LIST&RES=0&FN=0&SN=3&UN=10003,10002,10009,"})["2"].endswith("&UN=10009")
    assert replayed(capture, {"1": "CMD=LIST&RES=0&FN=0&SN=0&UN="})["2"].endswith("&UN=10003")


def test_a_sender_is_answered_even_if_messages_come_in_another_order() -> None:
    answer = ("CMD=CLTMSG&SEQ=3&UIN={}&UN=10008&MG=hi", "CMD=CLTMSG&UIN={}&RES=0")
    capture = recorded((POLL, MESSAGES), answer)
    assert links(capture) == {"CLTMSG.UN <- GetMsgEx.UN item": "carried"}
    other = MESSAGES.replace("10007,10008", "10008,10007")
    assert "&UN=10008&" in replayed(capture, {"1": other})["2"]
    assert "&UN=20008&" in replayed(capture, {"1": MESSAGES.replace("10007,10008", "20007,20008")})["2"]
    assert "&UN=10008&" in replayed(capture, {"1": MESSAGES.replace("10007,10008,", "20007,")})["2"]
    # Someone else's message came in its place, of whom the recording knows: that makes no other request of it.
    later = recorded(("CMD=GetInfo&UIN={}&UN=10009&LV=1", "CMD=GETINFO&UIN={}&RES=0"), first=3)
    assert "&UN=10008&" in replayed(capture + later, {"1": MESSAGES.replace("10007,10008", "10007,10009")})["2"]


@pytest.mark.parametrize(
    "pairs",
    [
        # asked for before any reply said it
        [("CMD=GetInfo&SEQ=1&UIN={}&LV=1&UN=10007", "CMD=GETINFO&UIN={}&RES=0"), (POLL, MESSAGES)],
        # a list whose order means nothing
        [("CMD=List&SEQ=1&UIN={}&TN=160&UN=0", "CMD=LIST&UIN={}&RES=0&FN=1&SN=1&UN=10007,")],
        # the account itself, a code, a constant, a repeated field
        [("CMD=Logout&SEQ=1&UIN=1", "CMD=LOGOUT&UIN=10007&SEQ=10007&RES=10007")],
    ],
)
def test_what_might_come_from_anywhere_is_not_carried_over(pairs: list[tuple[str, str]]) -> None:
    capture = recorded(*pairs, ("CMD=CLTMSG&SEQ=9&UIN={}&UN=10007&MG=hi", "CMD=CLTMSG&UIN={}&RES=0"))
    assert links(capture) == {}


def test_short_values_and_what_people_write_must_come_again_and_again() -> None:
    def page(cursor: str, following: str) -> tuple[str, str]:
        return f"CMD=SimpleInfo2&UIN={{}}&UN=0&TO={cursor}", f"CMD=SimpleInfo2&UIN={{}}&RES=0&TO={following}&UN=&NK="

    once = recorded(page("0", "20"), page("20", "65535"))
    assert links(once) == {"SimpleInfo2.TO <- SimpleInfo2.TO whole": "dropped"}
    often = recorded(page("0", "20"), page("20", "44"), page("44", "61"), page("61", "65535"))
    assert links(often) == {"SimpleInfo2.TO <- SimpleInfo2.TO whole": "carried"}
    said = ("CMD=GetInfo&UIN={}&UN=1&LV=1", "CMD=GETINFO&UIN={}&RES=0&PR=something+long+enough")
    written = ("CMD=CLTMSG&UIN={}&UN=10002&MG=something+long+enough", "CMD=CLTMSG&UIN={}&RES=0")
    assert links(recorded(said, written)) == {"CLTMSG.MG <- GetInfo.PR whole": "dropped"}


def test_what_others_are_told_too_is_a_constant() -> None:
    capture = recorded((LOGIN, IN), (POLL, MESSAGES))
    capture += recorded((LOGIN, IN), (POLL, MESSAGES), account="10002", first=3)
    assert links(capture) == {"GetMsgEx.SID <- Login.SG whole": "dropped"}
    assert all(step.holes == () for step in plan(capture, SPEC, host=HOST, start=1).steps)


def test_lanes_do_not_share_what_they_are_told() -> None:
    capture = recorded((LOGIN, IN)) + recorded((POLL, MESSAGES), account="10002", first=2)
    assert links(capture) == {}


def test_pins_and_settings_win() -> None:
    capture = recorded((LOGIN, IN), (POLL, MESSAGES))
    for pin in [("getmsgex", "sid"), (None, "SID")]:
        assert links(capture, Options(pins=(pin,))) == {"GetMsgEx.SID <- Login.SG whole": "pinned"}
        assert replayed(capture, {"1": IN.replace(TOKEN, "new")}, Options(pins=(pin,)))["2"].endswith(TOKEN)
    assert links(capture, Options(correlate=False)) == {}
    assert replayed(capture, {"1": IN.replace(TOKEN, "new")}, Options(correlate=False))["2"].endswith(TOKEN)
    options = Options(changes=Changes((Setting("GetMsgEx", "SID", "mine"),)))
    assert replayed(capture, {"1": IN.replace(TOKEN, "new")}, options)["2"].endswith("&SID=mine")


def test_what_was_recorded_goes_by_the_other_account_where_one_takes_its_place() -> None:
    capture = recorded(*PAGES)
    options = Options(changes=Changes(accounts={"10003": "20003"}))
    assert replayed(capture, {}, options)["2"].endswith("&UN=20003")
    assert replayed(capture, {"1": "CMD=LIST&RES=0&FN=0&SN=2&UN=10002,10009,"}, options)["2"].endswith("&UN=10009")


def test_a_line_is_filled_as_a_line() -> None:
    capture = [
        msgspec.structs.replace(
            one,
            transport="lines",
            client="a:1",
            request=RawMessage(body=(one.request or RawMessage()).body, end=b"\n"),
        )
        for one in recorded((LOGIN, IN), (POLL, MESSAGES))
    ]
    step = plan(capture, SPEC, host=HOST, start=1).steps[1]
    request = fill(step, {step.holes[0].produced: "new"}, SPEC)
    assert request == RawMessage(body=b"CMD=GetMsgEx&SEQ=4&UIN=10001&SID=new", end=b"\n")


WORDS = ["CMD=List", "CMD=GetMsgEx", "CMD=CLTMSG", "UIN=10001", "UIN=10002", "UN=0", "UN=10003,10004,", "UN=10004"]
WORDS += ["MG=x", "FN=0", "TO=123456789", "X=123456789", "%", "=", "UN=,,", "RES=0", "SG=aaaaaaaaaa", "SID=aaaaaaaaaa"]
BODY = st.lists(st.sampled_from(WORDS), max_size=6).map("&".join)


@given(st.lists(st.tuples(BODY, BODY, st.sampled_from(["10001", "10002"])), max_size=12))
def test_a_hole_is_what_an_earlier_reply_of_its_lane_said(bodies: list[tuple[str, str, str]]) -> None:
    capture = [
        exchange(str(number), account, None, body=body.replace("%", "%25"), reply=reply)
        for number, (body, reply, account) in enumerate(bodies)
    ]
    planned = plan(capture, SPEC, host=HOST, start=1)
    place = {step.recorded.id: number for number, step in enumerate(planned.steps)}
    for step in planned.steps:
        for hole in step.holes:
            source = planned.steps[place[hole.source]]
            assert place[hole.source] < place[step.recorded.id]
            assert source.lane == step.lane
            assert hole.produced in source.wanted
            told = produced(source, decode(source.recorded, SPEC))
            assert told.get(hole.produced) == hole.recorded
            assert fill(step, told, SPEC) == step.request, "the same reply makes the same request"


@given(st.text(max_size=12))
def test_whatever_a_server_says_stays_one_value(told: str) -> None:
    wire = msgspec.structs.replace(SPEC.wire, pair_escapes=(), list_escapes=())
    step = plan(recorded((LOGIN, IN), (POLL, MESSAGES)), SPEC, host=HOST, start=1).steps[1]
    body = fill(step, {step.holes[0].produced: told}, msgspec.structs.replace(SPEC, wire=wire)).body
    assert (body.count(b"&"), body.count(b"\n"), body.count(b"\r")) == (3, 0, 0)
