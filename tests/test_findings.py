"""How findings are told: one small comparison, hostile in every captured text, in every format, held to golden files.

After a change that is meant, write them anew: QQLAB_UPDATE_GOLDEN=1 .venv/bin/python -m pytest tests/test_findings.py
"""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from qqlab import http1
from qqlab import spec as specs
from qqlab.diff import RULES, Cause, Comparison, Finding, Suppressed, compare
from qqlab.exchange import Exchange
from qqlab.failures import FAILURES
from qqlab.findings import FORMATS, Case, Context, Seen, Sides, lines, summary
from qqlab.findings.words import help_of, outcome, sentence, title
from qqlab.visible import visible

SPEC = specs.builtin()
TEXT = specs.text(None)
GOLDEN = ROOT / "tests/golden/findings"
EVIL = "\x1b[31m]]><script>alert(1)</script>%0A::error::|`*_@x\u202e\x00\ud800\r\n-->&amp;\"'##[x]"


def exchange(identifier: str, request: str, reply: str | None, **more: object) -> Exchange:
    return msgspec.structs.replace(
        Exchange(
            id=identifier,
            session="127.0.0.1/10001",
            elapsed=0.25,
            request=http1.request(request.encode("utf-8", "replace"), "127.0.0.1:8000"),
            reply=None if reply is None else http1.reply(reply.encode("utf-8", "replace")),
        ),
        **more,
    )


LOGIN = "VER=1.1&CMD=Login&SEQ=7&UIN=10001&PS=topsecret&M5=1&LC=9326B87B234E7235"
IN = "VER=1.1&CMD=Login&SEQ=7&UIN=10001&RES=0&RS=0&HI=60&LI=300"
OUT = "VER=1.1&CMD=Login&SEQ=7&UIN=10001&RES=0&RS=1&RA=no"
INFO = "VER=1.1&CMD=GetInfo&SEQ=8&UIN=10001&LV=1&UN=10002"
PROFILE = f"VER=1.1&CMD=GETINFO&SEQ=8&UIN=10001&RES=0&LV=1&UN=10002&NK={EVIL.replace('&', '%26')}"
POLL = "VER=1.1&CMD=GetMsgEx&SEQ=9&UIN=10001"
MAIL = "VER=1.1&CMD=GETMSGEX&SEQ=9&UIN=10001&RES=0&MN=1&MT=9,&UN=10002,&MG=hi,"
GONE = "VER=1.1&CMD=GETMSGEX&SEQ=9&UIN=10001&RES=20"

SIDES = {
    ("1", "1"): Sides(exchange("1", LOGIN, IN), exchange("1", LOGIN, OUT)),
    ("2", "2"): Sides(exchange("2", INFO, PROFILE), exchange("2", INFO, PROFILE.partition("&NK")[0] + f"&{EVIL}=1")),
    ("3", "3"): Sides(exchange("3", POLL, MAIL), exchange("3", POLL, GONE)),
    ("4", "4"): Sides(exchange("4", POLL, MAIL), exchange("4", POLL, None, error="connection reset")),
    (EVIL, EVIL): Sides(exchange(EVIL, POLL, MAIL), exchange(EVIL, POLL, "<html>" + EVIL)),
    ("", "9"): Sides(None, exchange("9", POLL, MAIL)),
}


def finding(identifier: str, rule: str, exchange: str, command: str, **more: object) -> Finding:
    plain = {
        "actual_exchange": exchange,
        "account": "10001",
        "direction": "reply",
        "severity": RULES[rule].severity,
        "reason": RULES[rule].reason,
    }
    told = {"id": identifier, "rule": rule, "exchange": exchange, "command": command}
    return msgspec.convert(plain | told | more, Finding)


FINDINGS = (
    finding("aaaaaaa1", "code", "1", "Login", field="RS", expected="0 logged in", actual="1 refused"),
    finding("aaaaaaa2", "field.missing", "2", "GetInfo", field="NK", expected=EVIL),
    finding("aaaaaaa3", "field.extra", "2", "GetInfo", field=EVIL, actual=EVIL),
    finding("aaaaaaa4", "code", "3", "GetMsgEx", field="RES", expected="0 accepted", actual="20 not logged in"),
    finding("aaaaaaa5", "reply.missing", "4", "GetMsgEx", expected="a reply", actual="connection reset"),
    finding("aaaaaaa6", "body", EVIL, EVIL, account=EVIL, expected=EVIL, actual=EVIL, reason=EVIL),
    finding("aaaaaaa7", "exchange.extra", "", "GetMsgEx", actual_exchange="9", direction=None),
    finding("aaaaaaa8", "row.value", "3", "GetMsgEx", field="MG", row=EVIL, expected="", actual=EVIL, about=(EVIL,)),
    finding("aaaaaaa9", "body.terminator", "2", "GetInfo", expected="ends in &", actual="does not end in &"),
)
IGNORED = finding("bbbbbbb1", "value", "1", "Login", field="HI", expected="60", actual=EVIL)
CASES = (
    Case("1", "1", "Login", 0.25),
    Case("2", "2", "GetInfo", 0.5),
    Case("3", "3", "GetMsgEx", 0.125),
    Case("4", "4", "GetMsgEx"),
    Case("5", "5", "GetInfo", 0.0),
    Case(EVIL, EVIL, EVIL, 1.0),
    Case("6", "", "Login", None, f"skipped: {EVIL}"),
    Case("", "9", "GetMsgEx", 0.0, "only in the second capture"),
)
COMPARISON = Comparison(
    total=8,
    equal=1,
    equivalent=0,
    different=5,
    skipped={f"skipped: {EVIL}": ("6",), "only in the second capture": ("9",)},
    findings=FINDINGS,
    causes=(Cause("aaaaaaa1", f"the login was refused {EVIL}", ("aaaaaaa4", "aaaaaaa8")),),
    suppressed=(Suppressed(IGNORED, EVIL, EVIL),),
    unused=("old", EVIL),
)
CONTEXT = Context(
    spec=SPEC,
    spec_text=TEXT,
    expected=f"recorded {EVIL}.jsonl",
    actual=f"replayed {EVIL}.jsonl",
    time=datetime(2005, 8, 1, 12, tzinfo=UTC),
    target="http://127.0.0.1:8002",
    command=("qqlab", "replay", "recorded one.jsonl", "--target", "http://127.0.0.1:8002"),
    cases=CASES,
    sides=SIDES,
    equivalent=True,
    suppressed=True,
)
NAMES = {
    "text": "findings.txt",
    "json": "findings.json",
    "ndjson": "findings.ndjson",
    "junit": "findings.xml",
    "sarif": "findings.sarif",
    "github": "annotations.txt",
    "markdown": "findings.md",
}


def told(name: str, comparison: Comparison = COMPARISON, context: Context = CONTEXT) -> str:
    return "".join(FORMATS[name].render(comparison, context))


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_says_what_its_golden_file_says(name: str) -> None:
    path = GOLDEN / NAMES[name]
    if os.environ.get("QQLAB_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(told(name), encoding="utf-8", newline="")
    assert told(name) == path.read_bytes().decode(), "after a change that is meant: see the head of this file"


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_lets_anything_act_on_a_terminal(name: str) -> None:
    assert told(name) == "".join(visible(line) + "\n" for line in told(name).split("\n")[:-1])


@pytest.mark.parametrize("name", FORMATS)
def test_a_comparison_without_findings_is_told_too(name: str) -> None:
    nothing = Comparison(total=0, equal=0, equivalent=0, different=0, skipped={}, findings=())
    assert told(name, nothing, msgspec.structs.replace(CONTEXT, cases=(), sides={})).endswith("\n")


def test_every_rule_and_every_failure_has_its_words() -> None:
    for rule in (*RULES, *(f"target.{code}" for code in FAILURES)):
        one = Finding(exchange="1", command="GetInfo", rule=rule, severity="error", direction="reply", field="NK")
        words = title(one, SPEC)
        assert "GetInfo" in words or "captures" in words or rule == "target.flood", rule
        assert "Something" not in words
        assert help_of(rule).endswith(".")


WORDS = [
    (("field.missing", "GetInfo", "NK", None), "GetInfo's reply lacks NK (nickname)"),
    (("code", "Login", "RS", None), "Login's reply has another code in RS (whether the login succeeded)"),
    (("row.missing", "List", "UN", "10003"), "List's reply lacks friend 10003"),
    (("row.missing", "GetMsgEx", None, "#2"), "GetMsgEx's reply lacks message #2"),
    (
        ("row.value", "Query_Stat", "ST", "10002"),
        "Query_Stat's reply has another ST (presence of each friend) for friend 10002",
    ),
    (("field.extra", "Login", "XX", None), "Login's reply has a field too many: XX (not in the spec)"),
    (
        ("value", "Nope", "RES", None),
        "Nope's reply has another RES (whether the request was accepted)",
    ),
    (("field.missing", "", "NK", None), "a reply without a command lacks NK (not in the spec)"),
    (("reply.missing", "", None, None), "a message without a command was not answered"),
]


@pytest.mark.parametrize(("place", "words"), WORDS)
def test_a_finding_is_named_in_words_for_newcomers(place: tuple[str, str, str | None, str | None], words: str) -> None:
    rule, command, field, row = place
    one = Finding(exchange="1", command=command, rule=rule, severity="error", direction="reply", field=field, row=row)
    assert title(one, SPEC) == words


def test_values_are_shown_harmless_and_cut() -> None:
    one = Finding(exchange="1", command="X", rule="value", severity="error", expected="\x1b[2J\u202e", actual="a" * 100)
    assert outcome(one, 60) == "expected \\x1b[2J\\u202e, got " + "a" * 59 + "…"
    assert outcome(msgspec.structs.replace(one, expected=None, actual="")) == "unexpected (empty)"
    assert outcome(msgspec.structs.replace(one, expected=None, actual=None)) == ""


@pytest.mark.parametrize(
    ("target", "ids", "command"),
    [
        ("http://h", [("1", "1"), ("2", "2"), ("1", "1")], "qqlab replay 'a b.jsonl' --only 1 --only 2"),
        ("http://h", [("", "9")], None),
        (None, [("", "9")], "qqlab replay 'a b.jsonl' --only 9"),
        (None, [("-x'", "")], "qqlab replay 'a b.jsonl' --only='-x'\"'\"''"),
    ],
)
def test_each_finding_comes_with_the_line_that_shows_it_again(
    target: str | None, ids: Sequence[tuple[str, str]], command: str | None
) -> None:
    context = msgspec.structs.replace(CONTEXT, target=target, command=("qqlab", "replay", "a b.jsonl"))
    found = [
        Finding(exchange=one, actual_exchange=other, command="X", rule="value", severity="error") for one, other in ids
    ]
    assert context.again(*found) == command
    assert msgspec.structs.replace(context, command=()).again(*found) is None


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("code", "Login", "reply", "RS", "1 refused"), "value = 1"),
        (("code", "Login", "reply", "RS", "77"), 'name = "RS"'),
        (("value", "GetInfo", "reply", "NK", "1"), 'name = "NK"'),
        (("field.missing", "getinfo", "reply", "RES", None), 'name = "RES"'),
        (("request", "List", "request", None, None), "[commands.List]"),
    ],
)
def test_a_finding_knows_the_line_of_the_spec(place: tuple[str, str, str, str | None, str | None], line: str) -> None:
    rule, command, direction, field, expected = place
    one = msgspec.convert(
        {"exchange": "1", "command": command, "rule": rule, "severity": "error"}
        | {"direction": direction, "field": field, "expected": expected},
        Finding,
    )
    assert TEXT.splitlines()[CONTEXT.line(one) - 1] == line


def test_many_findings_of_a_kind_are_told_once_and_counted() -> None:
    many = tuple(
        finding(f"{number:08x}", "value", str(number), "GetInfo", field="NK", expected="a", actual="b")
        for number in range(10, 30)
    )
    comparison = msgspec.structs.replace(COMPARISON, findings=many, causes=(), suppressed=(), unused=(), skipped={})
    shown = [line.text for line in lines(comparison, CONTEXT)]
    assert shown[:2] == [
        "error    GetInfo's reply has another NK (nickname)  [value]",
        "         exchange 10  expected a, got b",
    ]
    assert shown[9:] == [
        "         … and 12 more",
        "         qqlab replay 'recorded one.jsonl' --target http://127.0.0.1:8002 "
        + " ".join(f"--only {number}" for number in range(10, 18)),
        *summary(comparison),
    ]
    assert told("text", comparison).count("expected a, got b") == 20


def test_a_witness_keeps_what_formats_tell_of() -> None:
    left = [
        exchange("1", LOGIN, IN),
        exchange("2", INFO, PROFILE),
        exchange("3", "nothing", None),
        exchange("4", POLL, MAIL),
    ]
    right = [exchange("1", LOGIN, OUT), exchange("2", INFO, PROFILE), exchange("9", POLL, MAIL)]
    seen = Seen(SPEC)
    compare(left, right, SPEC, skipped={"4": "no"}, witness=seen)
    assert seen.cases == [
        Case("1", "1", "Login", 0.25),
        Case("2", "2", "GetInfo", 0.25),
        Case("4", "", "GetMsgEx", None, "no"),
        Case("3", "", "", None, "only in the first capture"),
        Case("", "9", "GetMsgEx", 0.25, "only in the second capture"),
    ]
    assert seen.sides == {
        ("1", "1"): Sides(left[0], right[0]),
        ("3", ""): Sides(left[2], None),
        ("", "9"): Sides(None, right[2]),
    }
    blind = Seen(SPEC, cases=False, sides=False)
    compare(left, right, SPEC, witness=blind)
    assert (blind.cases, blind.sides) == ([], {})


TEXTS = st.text(max_size=30) | st.just(EVIL)


def with_text(text: str) -> Comparison:
    """The comparison with one text in every place where captured text can stand."""
    found = tuple(
        msgspec.structs.replace(
            one, exchange=text, actual_exchange=text, command=text, account=text, expected=text, actual=text
        )
        for one in FINDINGS
    )
    rest = {"row": text, "field": text}
    found += tuple(msgspec.structs.replace(one, id=f"c{one.id[1:]}", **rest) for one in found)
    return msgspec.structs.replace(COMPARISON, findings=found, skipped={text: (text,)})


@given(TEXTS)
def test_any_text_survives_json(text: str) -> None:
    comparison = with_text(text)
    document = json.loads(told("json", comparison))
    assert {one["expected"] for one in document["findings"]} == {text}
    *findings, _, last = [json.loads(line) for line in told("ndjson", comparison).splitlines()]
    assert findings == document["findings"]
    assert last == {name: value for name, value in document.items() if name not in ("findings", "suppressed")}


@given(TEXTS)
def test_any_text_is_one_line_of_text(text: str) -> None:
    comparison = with_text(text)
    for line in [
        *(line.text for line in lines(comparison, CONTEXT)),
        *(sentence(f, SPEC) for f in comparison.findings),
    ]:
        assert visible(line) == line
