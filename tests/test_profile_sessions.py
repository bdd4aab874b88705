"""What shows over several exchanges: transitions, polling, presence, pages, sequence numbers; all bounded."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from qqlab import report as reports
from qqlab import spec as specs
from qqlab.capture import Capture, header
from qqlab.exchange import Exchange, RawMessage
from qqlab.profile import CAPTURE, BehaviourTally, Fold, Held, Profile, concluded, following, transitions
from qqlab.report.model import Behaviour

KNOWN = specs.builtin()
START = datetime(2005, 6, 30, 12, tzinfo=UTC)
LOGIN = ("CMD=Login&PS=0123456789abcdef0123456789abcdef&M5=1&LC=9326B87B234E7235", "CMD=Login&RES=0&RS=0&HI=60&LI=300")
POLL = ("CMD=GetMsgEx", "CMD=GETMSGEX&RES=0&MN=0&MT=&UN=&MG=")
LOGOUT = ("CMD=Logout", "CMD=LOGOUT&RES=0")


def told(
    number: int, talk: tuple[str | None, str | None], at: float | None = None, session: str = "s", account: str = "9"
) -> Exchange:
    def raw(body: str | None) -> RawMessage | None:
        if body is None:
            return None
        name, _, rest = body.partition("&")
        return RawMessage(body=f"VER=1.1&{name}&SEQ={number}&UIN={account}&{rest}".encode())

    time = None if at is None else START + timedelta(seconds=at)
    return Exchange(id=str(number), session=session, time=time, elapsed=0.25, request=raw(talk[0]), reply=raw(talk[1]))


def profile(*exchanges: Exchange) -> Profile:
    fold = Fold(KNOWN)
    for at, each in enumerate(exchanges):
        fold.add(at, each.id, each)
    return fold.part().profile()


def seen(*exchanges: Exchange) -> BehaviourTally:
    return profile(*exchanges).behaviour


def shown(*exchanges: Exchange) -> Behaviour:
    head = header(KNOWN, redacted="none")
    return reports.build([Capture(header=head, exchanges=exchanges, path="x.jsonl", torn=None)], KNOWN).behaviour


def test_what_follows_what_is_of_one_session() -> None:
    found = shown(
        told(1, LOGIN, 0, "a"), told(2, LOGIN, 1, "b"), told(3, POLL, 60, "a"), told(4, POLL, 121, "a"),
        told(5, LOGOUT, 122, "b"), told(6, POLL, 5, ""),
    )  # fmt: skip
    assert [(one.before, one.after, one.count, one.gap) for one in found.transitions] == [
        ("GetMsgEx", "GetMsgEx", 1, 61.0),
        ("Login", "GetMsgEx", 1, 60.0),
        ("Login", "Logout", 1, 121.0),
    ]
    assert [(one.id, one.exchanges, [step.command for step in one.steps]) for one in found.sessions] == [
        ("a", 3, ["Login", "GetMsgEx", "GetMsgEx"]),
        ("b", 2, ["Login", "Logout"]),
    ]


def test_sessions_of_two_captures_are_two_whatever_they_are_called() -> None:
    fold = Fold(KNOWN)
    for number, capture in enumerate(("x", "y")):
        fold.begin(number, capture)
        fold.add(number * CAPTURE, f"{capture}:1", told(1, LOGIN, 0))
    found = fold.part().profile().behaviour
    assert (found.transitions, list(found.sessions)) == ({}, ["x:s", "y:s"])


@pytest.mark.parametrize(
    ("every", "verdict"),
    [(60, "as announced"), (64, "as announced"), (30, "faster"), (90, "slower"), (301, "past the limit")],
)
def test_polling_is_held_against_what_was_announced(every: int, verdict: str) -> None:
    found = shown(told(1, LOGIN, 0), *(told(n, POLL, n * every) for n in range(2, 7)))
    assert [(one.command, one.count, one.median, one.interval, one.limit, one.verdict) for one in found.polling] == [
        ("GetMsgEx", 4, float(every), 60, 300, verdict)
    ]


def test_polling_of_which_nothing_was_announced() -> None:
    refused = (LOGIN[0], "CMD=Login&RES=0&RS=1&RA=no&HI=60")
    found = shown(told(1, refused, 0), told(2, POLL, 9), told(3, POLL, 18))
    assert [(one.interval, one.limit, one.verdict) for one in found.polling] == [(None, None, "not announced")]


def test_presence_over_time() -> None:
    friends = ("CMD=Query_Stat&TN=50&UN=0", "CMD=QUERY_STAT&RES=0&FC=0,0,&FN=1&SN=2&ST=10,30,&UN=7,8,&NK=a,b,")
    system = ("CMD=GetMsgEx", "CMD=GETMSGEX&RES=0&MN=2&MT=99,9,&UN=7,8,&MG=20,10,")
    busy = ("CMD=Change_Stat&ST=30", "CMD=Change_Stat&RES=0")
    denied = ("CMD=Change_Stat&ST=40", "CMD=Change_Stat&RES=20")
    found = shown(
        told(1, LOGIN, 0), told(2, friends, 10), told(3, friends, 20), told(4, busy, 30), told(5, denied, 40),
        told(6, system, 50), told(7, LOGOUT, 60),
    )  # fmt: skip

    def seconds(time: datetime | None) -> int | None:
        return None if time is None else int((time - START).total_seconds())

    spans = [(one.account, one.state, one.meaning, seconds(one.since), seconds(one.until)) for one in found.presence]
    assert spans == [
        ("9", 10, "online", 0, 30),
        ("7", 10, "online", 10, 50),
        ("8", 30, "busy", 10, 20),
        ("9", 30, "busy", 30, 60),
        ("7", 20, "went offline", 50, 50),
        ("9", 20, "offline", 60, 60),
    ]


def page(number: int, cursor: str, complete: int, keys: str) -> Exchange:
    count = keys.count(",")
    return told(number, (f"CMD=List&TN=2&UN={cursor}", f"CMD=LIST&RES=0&FN={complete}&SN={count}&UN={keys}"), number)


def held(rules: dict[str, Held]) -> dict[str, tuple[int, list[str]]]:
    return {name: (rule.held, rule.broken.ids) for name, rule in rules.items()}


@pytest.mark.parametrize(
    ("pages", "complete", "cursors"),
    [
        ([("0", 1, "1,2,")], {"List": (1, [])}, {}),
        ([("0", 0, "1,2,"), ("2", 0, "3,4,"), ("4", 1, "5,")], {"List": (1, [])}, {"List": (2, [])}),
        ([("0", 0, "1,2,"), ("1", 1, "3,")], {"List": (1, [])}, {"List": (0, ["2"])}),
        ([("0", 0, "1,2,"), ("0", 1, "1,2,")], {"List": (1, ["1"])}, {}),
        ([("0", 0, "1,2,")], {"List": (0, ["1"])}, {}),
    ],
)
def test_lists_that_are_asked_for_in_pages(
    pages: list[tuple[str, int, str]], complete: dict[str, object], cursors: dict[str, object]
) -> None:
    found = seen(*(page(number, *one) for number, one in enumerate(pages, 1)))
    assert (held(found.pages), held(found.cursors)) == (complete, cursors)


def test_a_sequence_number_that_comes_again_at_once() -> None:
    found = seen(told(1, POLL), told(1, POLL), told(2, POLL), told(1, POLL))
    assert (found.numbers.held, found.numbers.broken.ids) == (2, ["1"])


def test_a_clock_that_goes_backwards_makes_no_duration() -> None:
    found = seen(told(1, POLL, 100), told(2, POLL, 40), told(3, POLL, 90))
    follow = found.transitions["GetMsgEx"]["GetMsgEx"]
    assert (found.clock_back, follow.count, follow.gaps.count, follow.gaps.low) == (1, 2, 1, 50.0)
    assert [tally.gaps.count for tally in found.polling] == [1]
    session = found.sessions["s"]
    assert (session.first, session.last) == (START + timedelta(seconds=40), START + timedelta(seconds=100))


def test_times_without_an_offset_can_be_compared() -> None:
    naive = msgspec.structs.replace(told(2, POLL, 60), time=datetime(2005, 6, 30, 12, 1))
    assert seen(told(1, POLL, 0), naive).transitions["GetMsgEx"]["GetMsgEx"].gaps.low == 60.0


@pytest.mark.parametrize("end", [datetime.min, datetime.max])
@pytest.mark.parametrize("hours", [-8, 8])
def test_times_at_the_ends_of_all_times(end: datetime, hours: int) -> None:
    time = end.replace(tzinfo=timezone(timedelta(hours=hours)))
    found = seen(told(1, POLL, 0), msgspec.structs.replace(told(2, POLL), time=time)).sessions["s"]
    assert {found.first, found.last} >= {START}


def test_however_many_sessions_there_are_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FOLLOWED", 50)
    monkeypatch.setattr(following, "ACCOUNTS", 40)
    monkeypatch.setattr(concluded, "POLLING", 30)
    fold = Fold(KNOWN)
    for number in range(400):
        for talk in (LOGIN, POLL, POLL):
            fold.add(3 * number, "1", told(1, talk, number, f"{number}" + "s" * 1000, f"{number}" + "1" * 500))
    part = fold.part()
    found = part.profile().behaviour
    assert (len(part.following.sessions), found.followed, len(found.sessions)) == (50, 50, 20)
    assert found.about_sessions in range(390, 411)
    assert (len(found.polling), found.more_polling) == (30, 20)
    assert (len(found.presence), found.more_presence, found.watched, found.about_accounts) == (40, 0, 40, 400)
    assert found.transitions["Login"]["GetMsgEx"].count == 50
    assert len(msgspec.json.encode(part.profile())) < 200_000


def test_pairs_of_commands_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transitions, "TRANSITIONS", 3)
    found = seen(*(told(number, (f"CMD=c{number}", None)) for number in range(6)))
    assert (sum(map(len, found.transitions.values())), found.more_transitions) == (3, 2)
