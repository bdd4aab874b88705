"""Bad input: each gives a report that says so, in bounded memory and size, and never an error."""

import re
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from qqlab import report as reports
from qqlab import spec as specs
from qqlab.capture import Capture, header
from qqlab.exchange import Exchange, RawMessage
from qqlab.profile import Fold, following
from qqlab.report import Report
from qqlab.report.model import FieldPart
from qqlab.spec import Lang, Spec
from qqlab.spec.file import parse

KNOWN = specs.builtin()
LAMP_FILE = Path(__file__).parent / "golden" / "report" / "lamp.toml"
LAMP = specs.load(LAMP_FILE)
LANGS: tuple[Lang, Lang] = ("en", "zh")
START = datetime(2005, 6, 30, 12, tzinfo=UTC)
ASK = "VER=1.1&CMD=List&SEQ={n}&UIN=9&TN=160&UN=0"
SAY = "VER=1.1&CMD=LIST&SEQ={n}&UIN=9&RES=0&FN=1&SN=1&UN=3,"


def exchange(
    n: int, ask: str | None = ASK, say: str | None = SAY, at: float | None = None, error: str = ""
) -> Exchange:
    def raw(body: str | None) -> RawMessage | None:
        return None if body is None else RawMessage(body=body.replace("{n}", str(n)).encode())

    when = None if at is None else START + timedelta(seconds=at)
    return Exchange(id=str(n), session="s", time=when, request=raw(ask), reply=raw(say), error=error or None)


def told(*exchanges: Exchange, spec: Spec = KNOWN) -> Report:
    """The report, which can be shown in each medium and language."""
    capture = Capture(header=header(spec, redacted="none"), exchanges=exchanges, path="x.jsonl", torn=None)
    built = reports.build([capture], spec)
    for render in (reports.to_html, reports.to_markdown, reports.to_json):
        assert render(built)
    assert reports.to_markdown(reports.build([capture], spec, "zh"))
    return built


def field(report: Report, command: str, direction: str, name: str) -> FieldPart:
    part = next(one for one in report.commands if one.name == command).directions[direction]  # type: ignore[index]
    return next(one for one in part.fields if one.name == name)


@pytest.mark.parametrize(
    ("exchanges", "remark"),
    [
        ([], "There is no exchange here"),
        ([exchange(n, say=None, error="refused") for n in range(3)], "Every exchange broke off"),
        ([exchange(0, say=None), exchange(1, say=None, error="refused")], "No exchange has a whole reply"),
        ([exchange(n) for n in range(3)], "All exchanges are of one command"),
        ([exchange(n, ASK.replace("1.1", "9.9"), SAY.replace("1.1", "9.9")) for n in range(3)], "VER is 9.9."),
        ([exchange(1, at=60), exchange(2, at=0), exchange(3, at=90)], "The clock went backwards 1 time"),
        ([exchange(n) for n in range(3)], "No exchange has a time"),
    ],
)
def test_what_is_odd_is_said_at_the_top(exchanges: list[Exchange], remark: str) -> None:
    report = told(*exchanges)
    assert any(remark in said for said in report.remarks), report.remarks


def test_nothing_was_seen_of_nothing() -> None:
    report = told()
    assert {one.verdict for one in report.commands} == {"never seen"}
    assert {one.bound for one in report.commands} == {None}
    going_on = report.behaviour
    assert (going_on.transitions, going_on.sessions, going_on.polling, going_on.invariants) == ((), (), (), ())
    assert report.coverage.commands.seen == 0
    assert {one.kind for one in report.top} == {"disputed codes", "codes never seen", "commands never seen"}


def test_when_all_failed_the_failures_come_first() -> None:
    report = told(*(exchange(n, say=None, error=f"refused {n % 3}") for n in range(9)))
    listed = next(one for one in report.commands if one.name == "List")
    assert (listed.failed, listed.latency, [(e.name, e.count) for e in listed.errors.first]) == (
        9,
        None,
        [("refused 0", 3), ("refused 1", 3), ("refused 2", 3)],
    )
    assert report.top[0].text == "9 of 9 exchanges broke off: refused 0"
    assert [one.kind for one in listed.examples] == ["failure"]


@pytest.mark.parametrize(
    ("messages", "verdict", "bound"),
    [(1, "under-sampled", 1.0), (30, "under-sampled", 0.1), (300, "never seen", 0.01)],
)
def test_a_verdict_says_among_how_many_nothing_was_found(messages: int, verdict: str, bound: float) -> None:
    report = told(*(exchange(n) for n in range(messages)))
    con = field(report, "List", "request", "CON")
    assert (con.verdict, con.bound, con.of) == (verdict, bound, messages)
    finger = next(one for one in report.commands if one.name == "Finger")
    assert (finger.verdict, finger.bound) == (verdict, bound)
    finished = next(one for code in report.codes for one in code.places if (one.command, one.field) == ("List", "FN"))
    assert [(v.value, v.verdict, v.bound) for v in finished.values] == [(0, verdict, bound), (1, "confirmed", None)]


def test_a_spec_without_docs() -> None:
    bare = parse(re.sub(r'doc = "[^"]*"', 'doc = ""', LAMP_FILE.read_text(encoding="utf-8")), "bare.toml")
    assert not any(one.doc for _, _, one in bare.every_field())
    report = told(exchange(1, "V=1&C=Look&N=5&A=9&KEY=ab12", "V=1&C=LOOK&N=5&A=9&S=0&SN=0&ID=&ST="), spec=bare)
    assert (report.summary.exchanges, field(report, "Look", "request", "KEY").doc) == (1, "")


def test_values_of_a_megabyte() -> None:
    big = "x" * 1_000_000
    report = told(
        exchange(1, f"{ASK}&{big}=1&BIG={big}", f"{SAY}&BIG={big}"),
        exchange(2, ASK.replace("{n}", "7" * 1_000_000).replace("UIN=9", f"UIN={big}"), SAY),
        exchange(3, f"VER={big}&CMD={big}&SEQ={big}&UIN={big}", f"CMD={big}&RES={'1' * 1_000_000}", error=big),
    )
    assert field(report, "List", "reply", "BIG").longest == 1_000_000
    assert len(reports.to_json(report)) < 1_500_000


def test_a_hundred_thousand_names_take_no_more_memory_than_a_fifth_of_them() -> None:
    def grown(names: int) -> int:
        fold = Fold(KNOWN)
        tracemalloc.start()
        for n in range(0, names, 500):
            more = "&".join(f"x{number}={number}" for number in range(n, n + 500))
            fold.add(n, str(n), exchange(n, f"{ASK}&{more}", f"{SAY}&{more}"))
            fold.add(n, str(n), exchange(n, f"VER=1.1&CMD=c{n}&SEQ=1&UIN={n}&{more}", None))
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size

    few, many = grown(20_000), grown(100_000)
    assert many < 1.2 * few, (few, many)


def test_what_is_an_estimate_and_what_is_a_choice_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,500 accounts in 1,500 sessions, of which 40 are followed."""
    monkeypatch.setattr(following, "FOLLOWED", 40)
    monkeypatch.setattr(following, "ACCOUNTS", 50)
    ask = "VER=1.1&CMD=Change_Stat&SEQ={n}&UIN=9{n}&ST=30"
    talk = [exchange(n, ask, "VER=1.1&CMD=Change_Stat&SEQ={n}&UIN=9{n}&RES=0", n) for n in range(1, 1501)]
    capture = Capture(
        header=header(KNOWN, redacted="none"),
        exchanges=tuple(msgspec.structs.replace(one, session=f"s{one.id}") for one in talk),
        path="x.jsonl",
        torn=None,
    )
    english, chinese = (reports.build([capture], KNOWN, lang) for lang in LANGS)
    found, accounts = english.behaviour, english.summary.accounts
    assert (found.followed, found.session_count, found.watched, found.account_count) == (40, 1500, 50, 1500)
    assert (accounts.distinct, accounts.complete, accounts.about) == (1000, False, 1500)
    assert (len(found.sessions), len(found.presence), found.presence_count) == (10, 50, 50)
    for shown in (reports.to_markdown(english), plain(reports.to_html(english))):
        assert "There are about 1,500 sessions (an estimate), too many to follow all. 40 were followed" in shown
        assert "Of about 1,500 accounts (an estimate) 50 were followed" in shown
        assert "about 1,500 (an estimate)" in shown
        assert "about 1,500 different values (an estimate)" in plain(reports.to_html(english))
    for shown in (reports.to_markdown(chinese), plain(reports.to_html(chinese))):
        assert "约有 1,500 个会话（估计）" in shown
        assert "约有 1,500 个账号（估计）" in shown


def plain(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page))


def test_a_message_of_a_hundred_thousand_fields() -> None:
    more = "&".join(f"x{number}={number}" for number in range(100_000))
    report = told(exchange(1, f"{ASK}&{more}", f"{SAY}&{more}"))
    assert any("too many distinct undocumented field names" in said for said in report.remarks)
    listed = next(one for one in report.commands if one.name == "List")
    assert len(listed.directions["request"].fields) < 100
    assert len(reports.to_html(report)) < 2_000_000


def test_a_dispute_is_told_with_what_the_traffic_says_for_each_side() -> None:
    def added(n: int, code: int) -> Exchange:
        ask = "VER=1.1&CMD=AddToList&SEQ={n}&UIN=9&UN=3"
        return exchange(n, ask, f"VER=1.1&CMD=AddToList&SEQ={{n}}&UIN=9&RES=0&CD={code}&UN=3")

    def sides(*codes: int) -> tuple[str, list[tuple[int, str, int, str]]]:
        found = field(told(*(added(n, code) for n, code in enumerate(codes))), "AddToList", "reply", "CD")
        return found.verdict, [(one.value, one.source[0], one.seen.count, one.stands) for one in found.readings]

    assert sides(3, 3, 0) == ("confirmed", [(2, "csharp-2010", 0, "against"), (3, "forum-2005", 2, "for")])
    assert sides(2) == ("confirmed", [(2, "csharp-2010", 1, "for"), (3, "forum-2005", 0, "against")])
    assert sides(2, 3) == ("disputed", [(2, "csharp-2010", 1, "open"), (3, "forum-2005", 1, "open")])
    assert sides(0) == ("confirmed", [(2, "csharp-2010", 0, "open"), (3, "forum-2005", 0, "open")])


@pytest.mark.parametrize(
    ("states", "verdict", "stands"),
    [
        ((30,), "disputed", {(30, "busy"): "open", (30, "away"): "open", (50, "busy"): "open"}),
        ((50,), "confirmed", {(30, "busy"): "against", (30, "away"): "open", (50, "busy"): "for"}),
        ((30, 50), "disputed", {(30, "busy"): "open", (30, "away"): "for", (50, "busy"): "open"}),
    ],
)
def test_one_value_that_is_read_in_two_ways(
    states: tuple[int, ...], verdict: str, stands: dict[tuple[int, str], str]
) -> None:
    ask = "VER=1.1&CMD=Change_Stat&SEQ={n}&UIN=9&ST="
    say = "VER=1.1&CMD=Change_Stat&SEQ={n}&UIN=9&RES=0"
    report = told(*(exchange(n, f"{ask}{st}", say) for n, st in enumerate(states)))
    found = field(report, "Change_Stat", "request", "ST")
    assert found.verdict == verdict
    assert {(one.value, one.meaning): one.stands for one in found.readings} == stands
    assert found.readings[0].versions == ({"1.1": 1} if 30 in states else {})


def test_the_examples_of_a_command_are_real_and_masked() -> None:
    ask = "VER=1.1&CMD=Login&SEQ={n}&UIN=9&PS=deabbed1218698183973d04bfd306b44&M5=1&LC=9326B87B234E7235&my words"
    say = "VER=1.1&CMD=Login&SEQ={n}&UIN=9&RES=0&RS=0&HI=60&LI=300&COMP=NOKIA1"
    report = told(
        exchange(1, ask.replace("&my words", ""), say),
        exchange(2, ask.replace("&my words", ""), "VER=1.1&CMD=Login&SEQ={n}&UIN=9&RES=0&RS=1&RA=no"),
        exchange(3, ask, say.replace("SEQ={n}", "SEQ=99")),
        exchange(4, ask, say),
    )
    login = next(one for one in report.commands if one.name == "Login")
    assert [(one.kind, one.exchange, one.why) for one in login.examples] == [
        ("success", "1", "RES = 0: accepted"),
        ("failure", "2", "RS = 1: refused"),
        ("odd", "3", "The spec does not have this field here."),
    ]
    first, odd = login.examples[0], login.examples[2]
    assert first.request is not None
    assert first.reply is not None
    assert odd.request is not None
    assert first.request.raw == "VER=1.1&CMD=Login&SEQ=1&UIN=9&PS=••••&M5=1&LC=9326B87B234E7235"
    assert first.reply.raw == "VER=1.1&CMD=Login&SEQ=1&UIN=9&RES=0&RS=0&HI=60&LI=300&COMP=••••"
    assert odd.request.raw.endswith("&••••")
    shown = {one.name: (one.text, one.meaning, one.masked) for one in (*first.request.fields, *first.reply.fields)}
    assert (shown["PS"], shown["M5"], shown["RS"]) == (
        (None, None, True),
        ("1", "PS is an MD5", False),
        ("0", "logged in", False),
    )
    assert "deabbed1" not in reports.to_json(report)
    assert "my words" not in reports.to_json(report)


def test_what_a_field_looks_like() -> None:
    ask = "VER=1.1&CMD=GetInfo&SEQ={n}&UIN=9&LV=3&UN=7"
    talk = "VER=1.1&CMD=GETINFO&SEQ={n}&UIN=9&RES=0&AG=31&FC={n}&LV=3&UN=7&NK=Ann"
    refused = "VER=1.1&CMD=GETINFO&SEQ={n}&UIN=9&RES=20"
    report = told(*(exchange(n, ask, talk if n % 4 else refused) for n in range(40)))
    fc, ag, level = (field(report, "GetInfo", "reply", name) for name in ("FC", "AG", "LV"))
    assert (fc.position, fc.presence, fc.presence_ok, fc.seen_ok, fc.of_ok) == (7, "sometimes", "always", 30, 30)
    assert (fc.shape, fc.distinct, fc.low, fc.high, fc.type_seen, fc.values) == ("free", 30, 1, 39, "int", ())
    assert (ag.shape, ag.values, ag.low, ag.high, ag.longest) == ("constant", (), None, None, 2)
    assert (level.shape, [(v.text, v.count, v.meaning) for v in level.values]) == ("constant", [("3", 30, "full")])
    info = next(one for one in report.commands if one.name == "GetInfo")
    assert [(one.value, one.ok, one.count) for one in info.statuses] == [(0, True, 30), (20, False, 10)]
    assert report.behaviour.invariants[0].held == 40
