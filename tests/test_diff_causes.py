"""Which findings follow from which, and how severe each is: what is wrong once is told once."""

import gzip
import re
from collections.abc import Sequence
from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab import http1
from qqlab import spec as specs
from qqlab.diff import Comparison, Finding, Suppressed, compare
from qqlab.diff.causes import causes
from qqlab.diff.finding import RULES
from qqlab.diff.pair import Judged
from qqlab.diff.same import same
from qqlab.exchange import Exchange, RawMessage
from qqlab.failures import FAILURES, Code, say
from qqlab.net.judging import Judging

SPEC = specs.builtin()
NOT_LOGGED_IN = "RES=20"
REFUSED = "connection refused"
LOGGED_IN = "RES=0&RS=0&HI=60&LI=300"


def exchange(id: int, command: str, asked: str, said: str | None, *, uin: str = "10001", error: str = "") -> Exchange:
    body = f"VER=1.1&CMD={command}&SEQ={id}&UIN={uin}"
    return Exchange(
        id=str(id),
        session=f"127.0.0.1/{uin}",
        request=http1.request((body + asked).encode(), "127.0.0.1:8000"),
        reply=None if said is None else http1.reply(f"{body}&{said}".encode()),
        error=error or None,
    )


def login(id: int, said: str = LOGGED_IN, uin: str = "10001") -> Exchange:
    return exchange(id, "Login", "&PS=aa&M5=1&LC=9326B87B234E7235", said, uin=uin)


def friends(id: int, *keys: str, uin: str = "10001") -> Exchange:
    rows = "".join(key + "," for key in keys)
    return exchange(id, "List", "&TN=160&UN=0", f"RES=0&FN=1&SN={len(keys)}&UN={rows}", uin=uin)


def online(id: int, *keys: str, uin: str = "10001", presence: str = "10") -> Exchange:
    def column(value: str) -> str:
        return f"{value}," * len(keys)

    rows = "".join(key + "," for key in keys)
    said = f"RES=0&FC={column('0')}&FN=1&SN={len(keys)}&ST={column(presence)}&UN={rows}&NK={column('a')}"
    return exchange(id, "Query_Stat", "&TN=50&UN=0", said, uin=uin)


def mail(id: int, *senders: str, uin: str = "10001") -> Exchange:
    rows = "".join(sender + "," for sender in senders)
    said = f"RES=0&MN={len(senders)}&MT={'9,' * len(senders)}&UN={rows}&MG={'a,' * len(senders)}"
    return exchange(id, "GetMsgEx", "", said, uin=uin)


def counting(recorded: Exchange, number: int, name: str = "SN") -> Exchange:
    assert recorded.reply is not None
    body = re.sub(rf"&{name}=\d+".encode(), f"&{name}={number}".encode(), recorded.reply.body)
    return msgspec.structs.replace(recorded, reply=http1.reply(body))


def write(id: int, to: str, said: str = "RES=0", uin: str = "10001") -> Exchange:
    return exchange(id, "CLTMSG", f"&UN={to}&MG=a", said, uin=uin)


def presence(id: int, said: str = "RES=0", uin: str = "10001") -> Exchange:
    return exchange(id, "Change_Stat", "&ST=30", said, uin=uin)


def turned_away(recorded: Exchange) -> Exchange:
    assert recorded.reply is not None
    begin = recorded.reply.body.partition(b"&RES=")[0]
    return msgspec.structs.replace(recorded, reply=http1.reply(begin + b"&RES=20"))


def unanswered(recorded: Exchange, error: str) -> Exchange:
    return msgspec.structs.replace(recorded, reply=None, error=error)


def tree(comparison: Comparison) -> list[tuple[str, str, list[str]]]:
    """What nothing explains: the exchange, the rule, and the exchanges of what follows from it."""
    by_id = {finding.id: finding for finding in comparison.findings}
    following = {cause.finding: cause.consequences for cause in comparison.causes}
    explained = {one for ids in following.values() for one in ids}
    return [
        (finding.exchange, finding.rule, [by_id[one].exchange for one in following.get(finding.id, ())])
        for finding in comparison.findings
        if finding.id not in explained
    ]


Case = tuple[list[Exchange], list[Exchange], list[tuple[str, str, list[str]]]]

OLD = [login(1), friends(2, "10002", "10003"), online(3, "10002", "10003"), mail(4, "10003")]
FOREIGN = [login(8, uin="10002"), online(9, "10001", "10003", uin="10002"), mail(10, "10001", uin="10002")]
SHUT = "cannot connect: connection refused"

CASES: dict[str, Case] = {
    "a refused login, and all that is refused after it": (
        OLD,
        [login(1, "RES=0&RS=1&RA=no"), *map(turned_away, OLD[1:])],
        [("1", "code", ["2", "3", "4"])],
    ),
    "a login without a reply": (
        OLD,
        [unanswered(OLD[0], say("closed")), *map(turned_away, OLD[1:])],
        [("1", "target.closed", ["2", "3", "4"])],
    ),
    "a login that is not refused any more": (
        [login(1, "RES=0&RS=1&RA=no"), *map(turned_away, OLD[1:])],
        OLD,
        [("1", "code", ["2", "3", "4"])],
    ),
    "a later login that succeeds": (
        [*OLD[:2], login(5), mail(6, "10003"), login(7), mail(8, "10003")],
        [login(1, "RES=0&RS=1"), turned_away(OLD[1]), login(5), turned_away(mail(6)), login(7), turned_away(mail(8))],
        [("1", "code", ["2"]), ("6", "code", []), ("8", "code", [])],
    ),
    "a later login that succeeds with other words": (
        [*OLD[:2], login(5), mail(6, "10003")],
        [login(1, "RES=0&RS=1"), turned_away(OLD[1]), login(5, LOGGED_IN + "&XX=1"), turned_away(mail(6))],
        [("1", "code", ["2"]), ("5", "field.extra", []), ("6", "code", [])],
    ),
    "a later login that is refused on both sides": (
        [*OLD[:2], login(5, "RES=0&RS=1"), mail(6, "10003")],
        [login(1, "RES=0&RS=1"), turned_away(OLD[1]), login(5, "RES=0&RS=1"), turned_away(mail(6))],
        [("1", "code", ["2", "6"])],
    ),
    "what others see of who could not log in": (
        [*OLD[:1], *FOREIGN],
        [login(1, "RES=0&RS=1"), FOREIGN[0], online(9, "10003", uin="10002"), mail(10, uin="10002")],
        [("1", "code", ["9", "10"])],
    ),
    "somebody else's login explains nothing of one's own": (
        [OLD[0], FOREIGN[0], OLD[1]],
        [OLD[0], login(8, "RES=0&RS=1", uin="10002"), turned_away(OLD[1])],
        [("8", "code", []), ("2", "code", [])],
    ),
    "what was refused before the login": (
        [OLD[1], OLD[0]],
        [turned_away(OLD[1]), login(1, "RES=0&RS=1")],
        [("2", "code", []), ("1", "code", [])],
    ),
    "a missing friend, its presence and its messages": (
        OLD,
        [login(1), friends(2, "10002"), online(3, "10002"), mail(4)],
        [("2", "row.missing", ["3", "4"])],
    ),
    "a friend too many": (
        [login(1), friends(2, "10002"), online(3, "10002"), mail(4)],
        OLD,
        [("2", "row.extra", ["3", "4"])],
    ),
    "another friend's messages": (
        OLD,
        [login(1), friends(2, "10003"), online(3, "10003"), mail(4)],
        [("2", "row.missing", ["3"]), ("4", "row.missing", [])],
    ),
    "a message that was not sent": (
        [write(1, "10002"), *FOREIGN],
        [write(1, "10002", "RES=20"), *FOREIGN[:2], mail(10, uin="10002")],
        [("1", "code", ["10"])],
    ),
    "a message to somebody else": (
        [write(1, "10003"), *FOREIGN],
        [write(1, "10003", "RES=20"), *FOREIGN[:2], mail(10, uin="10002")],
        [("1", "code", []), ("10", "row.missing", [])],
    ),
    "a presence that was not changed": (
        [presence(1), *FOREIGN],
        [presence(1, "RES=20"), FOREIGN[0], online(9, "10001", "10003", uin="10002", presence="20"), FOREIGN[2]],
        [("1", "code", ["9"]), ("9", "row.value", [])],
    ),
    "a server that is gone": (
        OLD,
        [OLD[0], unanswered(OLD[1], say("closed")), *(unanswered(one, SHUT) for one in OLD[2:])],
        [("2", "target.closed", ["3", "4"])],
    ),
    "a server that was never there": (
        OLD,
        [unanswered(one, SHUT) for one in OLD],
        [("1", "target.refused", ["2", "3", "4"])],
    ),
    "a server that is another program": (
        OLD,
        [unanswered(OLD[0], say("closed")), *(unanswered(one, say("no-http", how="x")) for one in OLD[1:])],
        [("2", "target.no-http", ["1", "3", "4"])],
    ),
    "a server of which one reply is no HTTP": (
        OLD,
        [unanswered(OLD[0], say("no-http", how="x")), unanswered(OLD[1], say("no-http", how="x")), *OLD[2:]],
        [("1", "target.no-http", []), ("2", "target.no-http", [])],
    ),
    "a row that is gone, and a count that stays": (
        OLD,
        [OLD[0], counting(friends(2, "10002"), 2), *OLD[2:]],
        [("2", "row.missing", ["2"])],
    ),
    "a row that is gone, and a count of none of both": (
        OLD,
        [OLD[0], counting(friends(2, "10002"), 7), *OLD[2:]],
        [("2", "count", []), ("2", "row.missing", [])],
    ),
    "a message that is gone, and a count that stays": (
        OLD,
        [*OLD[:3], counting(mail(4), 1, "MN")],
        [("4", "row.missing", ["4"])],
    ),
    "a server that dies of each request by itself": (
        OLD[:2],
        [unanswered(one, say("closed")) for one in OLD[:2]],
        [("1", "target.closed", []), ("2", "target.closed", [])],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_follows_from_what(name: str) -> None:
    left, right, wanted = CASES[name]
    assert tree(compare(left, right, SPEC)) == wanted


def test_what_follows_on_a_connection_that_is_gone() -> None:
    def line(id: int, client: str, error: str = "") -> Exchange:
        body = f"VER=1.4&CMD=GetMsgEx&SEQ={id}&UIN=10001".encode()
        reply = None if error else RawMessage(body=body + b"&RES=0&MN=0&MT=&UN=&MG=", end=b"\r\n")
        return Exchange(
            id=str(id),
            session="",
            client=client,
            transport="lines",
            reply=reply,
            error=error or None,
            request=RawMessage(body=body, end=b"\n"),
        )

    left = [line(1, "a:1"), line(2, "a:1"), line(3, "b:1"), line(4, "a:1")]
    right = [
        line(1, "c:1"),
        line(2, "c:1", say("closed")),
        line(3, "d:1", say("closed")),
        line(4, "c:1", say("closed")),
    ]
    told = tree(compare(left, right, SPEC))
    assert told == [("2", "target.closed", ["4"]), ("3", "target.closed", [])]


def test_what_is_ignored_explains_nothing() -> None:
    class Nothing:
        def apply(
            self, findings: Sequence[Finding], today: date
        ) -> tuple[Sequence[Finding], Sequence[Suppressed], Sequence[str]]:
            return findings[1:], (), ()

    left, right, _ = CASES["a missing friend, its presence and its messages"]
    assert tree(compare(left, right, SPEC, rules=Nothing())) == [("3", "row.missing", ["4"])]


def test_the_accounts_that_a_finding_is_about() -> None:
    left, right, _ = CASES["a missing friend, its presence and its messages"]
    assert [finding.about for finding in compare(left, right, SPEC).findings] == [("10003",)] * 3
    found = compare([write(1, "10002")], [write(1, "10002", "RES=20")], SPEC).findings
    assert [(finding.account, finding.about) for finding in found] == [("10001", ("10002",))]


SEVERITIES = {
    "a field that has to be there": ("RES=0&RS=0&HI=60&LI=300", "RES=0&RS=0&LI=300", "error"),
    "one that may be there": ("RES=0&RS=0&HI=60&LI=300&COMP=x", "RES=0&RS=0&HI=60&LI=300", "warning"),
    "one that nobody knows": ("RES=0&RS=0&HI=60&LI=300&XX=1", "RES=0&RS=0&HI=60&LI=300", "warning"),
    "a success that fails": ("RES=0&RS=0", "RES=0&RS=1", "error"),
    "a code that nobody knows": ("RES=0&RS=0", "RES=0&RS=9", "error"),
}


@pytest.mark.parametrize("name", SEVERITIES)
def test_how_severe_it_is_and_why(name: str) -> None:
    old, new, severity = SEVERITIES[name]
    (finding,) = compare([login(1, old)], [login(1, new)], SPEC).findings
    assert (finding.severity, finding.reason.endswith(".")) == (severity, True)


def test_values_of_which_the_sources_disagree_are_only_a_warning() -> None:
    left, right = online(1, "10002", presence="30"), online(1, "10002", presence="50")
    (finding,) = compare([left], [right], SPEC).findings
    assert (finding.rule, finding.severity) == ("row.value", "warning")
    assert "disagree" in finding.reason


FAILED = {
    code: say(code, where="within the body of the reply (3 bytes came)", how="x", seconds=5, count=9, things="lines")
    for code in FAILURES
}


@pytest.mark.parametrize("code", FAILED)
def test_what_a_bad_target_does_is_a_finding_by_its_name(code: Code) -> None:
    left, error = login(1), FAILED[code]
    partial = msgspec.structs.replace(left, error=error)
    for right in (unanswered(left, error), partial):
        (finding,) = compare([left], [right], SPEC).findings
        assert (finding.rule, finding.severity, finding.actual) == (f"target.{code}", "error", error)
        assert compare([right], [right], SPEC).findings == ()
    other = say("silent", seconds=3) if code != "silent" else SHUT
    (finding,) = compare([unanswered(left, other)], [unanswered(left, error)], SPEC).findings
    assert (finding.rule, finding.expected) == (f"target.{code}", other)


def test_replies_that_came_whole_and_say_nothing() -> None:
    left = login(1)
    assert left.reply is not None
    moved = msgspec.structs.replace(left, reply=http1.reply(left.reply.body, code=302))
    head = http1.with_header(left.reply.head, "Content-Encoding", "gzip")
    coded = msgspec.structs.replace(left, reply=msgspec.structs.replace(left.reply, head=head))
    found = [compare([left], [right], SPEC).findings[0].rule for right in (moved, coded)]
    assert found == ["target.redirect", "target.coding"]
    profile = exchange(2, "GetInfo", "&LV=1&UN=10002", "RES=0&LV=1&UN=10002&NK=a")
    assert profile.reply is not None
    odd = msgspec.structs.replace(profile, reply=http1.reply(profile.reply.body + b"\xff"))
    assert [f.rule for f in compare([profile], [odd], SPEC).findings] == ["target.charset"]


def test_what_the_spec_calls_fresh_is_another_each_time() -> None:
    def picture(value: str) -> Exchange:
        return exchange(1, "VERIFYCODE", "&SC=2&VC=x", f"RES=0&SC=1&NT=&VC={value}")

    assert compare([picture("89ab")], [picture("cdef")], SPEC).findings == ()
    assert [f.rule for f in compare([picture("89ab")], [picture("xx")], SPEC).findings] == ["value"]
    assert [f.rule for f in compare([picture("89ab")], [picture("")], SPEC).findings] == ["value"]


FINDINGS = st.builds(
    Finding,
    id=st.uuids().map(str),
    exchange=st.just("1"),
    command=st.sampled_from(["Login", "List", "CLTMSG", "GetMsgEx", "Odd", ""]),
    account=st.sampled_from(["", "1", "2"]),
    rule=st.sampled_from(sorted(RULES)),
    severity=st.sampled_from(["error", "warning", "info"]),
    field=st.none() | st.sampled_from(["RES", "RS", "UN"]),
    row=st.none() | st.sampled_from(["1", "#1"]),
    expected=st.none() | st.sampled_from(["0 x", "20", "", "1"]),
    actual=st.none() | st.sampled_from(["0 x", "20", "", "1"]),
    about=st.lists(st.sampled_from(["1", "2", "3"]), max_size=2).map(tuple),
)


@given(st.lists(FINDINGS, max_size=12), st.sampled_from(["", "a:1"]))
def test_a_consequence_has_one_cause_which_is_none_itself(findings: list[Finding], connection: str) -> None:
    judged = [Judged("1", "different", None, (finding,), connection) for finding in findings]
    found = causes(judged, SPEC)
    following = [one for cause in found for one in cause.consequences]
    assert len(following) == len(set(following))
    assert not {cause.finding for cause in found} & set(following)
    order = [finding.id for finding in findings]
    assert all(order.index(cause.finding) < order.index(one) for cause in found for one in cause.consequences)
    assert all(cause.why.endswith(".") for cause in found)


def test_a_body_that_is_packed_unasked_is_one_finding_and_what_is_in_it_another() -> None:
    def packed(recorded: Exchange, body: bytes, asked: str | None = None) -> Exchange:
        assert recorded.reply is not None
        assert recorded.request is not None
        head = http1.with_header(recorded.reply.head, "Content-Encoding", "gzip")
        reply = msgspec.structs.replace(recorded.reply, head=head, body=gzip.compress(body))
        if asked is None:
            return msgspec.structs.replace(recorded, reply=reply)
        head = http1.with_header(recorded.request.head, "Accept-Encoding", asked)
        request = msgspec.structs.replace(recorded.request, head=head)
        return msgspec.structs.replace(recorded, reply=reply, request=request)

    left = login(1)
    assert left.reply is not None
    body = left.reply.body
    found = [
        [f.rule for f in compare([left], [right], SPEC).findings]
        for right in (packed(left, body), packed(left, body.replace(b"60", b"61")), packed(left, body, "deflate, gzip"))
    ]
    assert found == [["http.coding"], ["http.coding", "value"], []]


@pytest.mark.parametrize("name", CASES)
def test_what_is_judged_as_it_comes_has_the_same_causes(name: str) -> None:
    expected, actual, _ = CASES[name]
    recorded = {one.id: one for one in expected}
    judging = Judging(expected, SPEC)
    for one in actual:
        judging.add(one, one.id in recorded and same(recorded[one.id], one, SPEC))
    assert judging.comparison({}) == compare(expected, actual, SPEC)
