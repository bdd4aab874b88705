"""How findings are told: one small comparison, hostile in every captured text, in every format, held to golden files.

After a change that is meant, write them anew: QQLAB_UPDATE_GOLDEN=1 .venv/bin/python -m pytest tests/test_findings.py
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree

import msgspec
import pytest
from conftest import ROOT
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qqlab import http1
from qqlab import spec as specs
from qqlab.codec import Severity
from qqlab.diff import RULES, Cause, Comparison, Finding, Suppressed, compare
from qqlab.exchange import Exchange
from qqlab.failures import FAILURES
from qqlab.findings import FORMATS, Case, Context, Seen, Sides, document, lines, nobody_answered, summary
from qqlab.findings.words import TITLES, help_of, outcome, sentence, title
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
    "html": "findings.html",
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
    assert TITLES.keys() == RULES.keys()
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
        ("http://h", [("10", "1"), ("2", "2"), ("10", "1")], "qqlab replay 'a b.jsonl' --only 2 --only 10"),
        (
            "http://h",
            [(str(number), "") for number in range(1, 53)],
            "qqlab replay 'a b.jsonl' " + " ".join(f"--only {number}" for number in range(1, 51)) + "  # and 2 more",
        ),
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
        "         0000000a  exchange 10  expected a, got b",
    ]
    assert shown[9:] == [
        "         … and 12 more",
        "         qqlab replay 'recorded one.jsonl' --target http://127.0.0.1:8002 "
        + " ".join(f"--only {number}" for number in range(10, 30)),
        *summary(comparison),
    ]
    assert told("text", comparison).count("expected a, got b") == 20


def of_kinds(*told: Finding) -> Comparison:
    return msgspec.structs.replace(COMPARISON, findings=told, causes=(), suppressed=(), unused=(), skipped={})


def test_mistakes_are_counted_before_the_places_where_they_show() -> None:
    swapped = [finding(f"cccccc{n}0", "value", str(n), "GetInfo", field="SX", expected="a", actual="b") for n in (2, 5)]
    comparison = of_kinds(FINDINGS[0], *swapped)
    assert summary(comparison)[-1] == "found 2 kinds of differences in 3 places (3 errors)"
    assert told("markdown", comparison).startswith("### qqlab: 2 kinds of differences in 3 places of ")
    page = told("html", comparison)
    assert "<h1>2 kinds of differences in 3 places</h1>" in page
    assert page.count("The same in 1 other place</summary>") == 1
    assert all(f'id="f-{one.id}"' in page for one in comparison.findings)


@pytest.mark.parametrize("name", ["text", "github", "markdown"])
def test_the_same_title_with_another_severity_is_explained(name: str) -> None:
    mild = msgspec.structs.replace(FINDINGS[0], id="cccccccc", severity="warning", reason="The sources disagree.")
    assert "why warning: The sources disagree." in told(name, of_kinds(FINDINGS[0], mild))
    assert "why " not in told(name, of_kinds(FINDINGS[0], msgspec.structs.replace(mild, severity="error")))


@pytest.mark.parametrize("name", ["text", "github", "markdown", "html"])
def test_what_a_server_remembers_is_hinted_at_once(name: str) -> None:
    rows = [finding(f"cccccc{n}0", "row.extra", str(n), "GetMsgEx", row=f"#{n}", actual="x") for n in (3, 4)]
    comparison = of_kinds(*rows)
    assert told(name, comparison).count("was the server started afresh?") == 1
    assert "afresh" not in told(name, comparison, msgspec.structs.replace(CONTEXT, target=None))
    assert "afresh" not in told(name, of_kinds(FINDINGS[0]))


def test_nobody_answered_where_no_connection_came_about() -> None:
    refused = finding("cccccc10", "target.refused", "1", "Login", expected="a reply", actual="cannot connect")
    nothing = msgspec.structs.replace(of_kinds(refused), equal=0, different=1)
    assert nobody_answered(nothing)
    assert not nobody_answered(msgspec.structs.replace(nothing, equal=1))
    assert not nobody_answered(msgspec.structs.replace(nothing, findings=(refused, FINDINGS[0])))
    assert not nobody_answered(msgspec.structs.replace(nothing, findings=(), different=0))


def test_a_count_that_does_not_fit_is_marked_on_the_page() -> None:
    asked = "VER=1.1&CMD=List&SEQ=7&UIN=10001&TN=160&UN=0"
    replies = [f"VER=1.1&CMD=LIST&SEQ=7&UIN=10001&RES=0&FN=1&SN=2&UN={rows}" for rows in ("10002,10003,", "10002,")]
    pair = [exchange("1", asked, reply) for reply in replies]
    seen = Seen(SPEC)
    comparison = compare(pair[:1], pair[1:], SPEC, witness=seen)
    page = told("html", comparison, msgspec.structs.replace(CONTEXT, sides=seen.sides, cases=()))
    assert "<h1>1 difference</h1>" in page
    assert re.search(r'<tr class="wrong" role="row"><th[^>]*><span class="mono">SN</span>', page)


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


# JUnit ------------------------------------------------------------------------------------------------------------


def suites(comparison: Comparison = COMPARISON, context: Context = CONTEXT) -> ElementTree.Element:
    return ElementTree.fromstring(told("junit", comparison, context))


# What the two schemas in use have in common: for each element its attributes (those that must be there first), and the
# elements in it, in order.
JUNIT: dict[str, tuple[str, str, str]] = {
    "testsuites": ("", "", "testsuite*"),
    "testsuite": (
        "name id package hostname timestamp tests failures errors time",
        "skipped",
        "properties testcase* system-out system-err",
    ),
    "properties": ("", "", "property*"),
    "property": ("name value", "", ""),
    "testcase": ("name classname time", "", "(failure|error|skipped)?"),
    "failure": ("type", "message", ""),
    "error": ("type", "message", ""),
    "skipped": ("", "message", ""),
    "system-out": ("", "", ""),
    "system-err": ("", "", ""),
}


def faults(element: ElementTree.Element) -> Iterator[str]:
    required, optional, inside = JUNIT[element.tag]
    given = set(element.keys())
    if not set(required.split()) <= given <= {*required.split(), *optional.split()}:
        yield f"{element.tag} has attributes {sorted(given)}"
    pattern = re.sub(r"[a-z-]+", lambda name: f"(?:{name[0]},)", inside).replace(" ", "")
    if not re.fullmatch(pattern, "".join(f"{child.tag}," for child in element)):
        yield f"{element.tag} holds {[child.tag for child in element]}"
    for child in element:
        yield from faults(child)


def test_junit_keeps_to_the_schema_and_its_counts_fit() -> None:
    root = suites()
    assert list(faults(root)) == []
    for suite in root:
        cases = suite.findall("testcase")
        counts = {kind: sum(case.find(kind) is not None for case in cases) for kind in ("failure", "error", "skipped")}
        assert suite.attrib["tests"] == str(len(cases))
        assert [suite.attrib[name] for name in ("failures", "errors", "skipped")] == list(map(str, counts.values()))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        names = [(case.attrib["classname"], case.attrib["name"]) for case in cases]
        assert len(set(names)) == len(names)
    assert [suite.attrib["name"] for suite in root] == ["Login", "GetInfo", "GetMsgEx", visible(EVIL)]


def test_junit_has_one_case_for_each_exchange() -> None:
    outcomes = {
        case.attrib["name"]: case[0].tag if len(case) else "passed"
        for suite in suites()
        for case in suite.iter("testcase")
    }
    assert outcomes == {
        "exchange 1": "failure",
        "exchange 6": "skipped",
        "exchange 2": "failure",
        "exchange 5": "passed",
        "exchange 3": "skipped",
        "exchange 4": "failure",
        "exchange 9 of the second capture": "failure",
        f"exchange {visible(EVIL)}": "failure",
    }


def test_junit_fails_from_the_severity_that_is_asked_for() -> None:
    warned = msgspec.structs.replace(COMPARISON, findings=FINDINGS[2:3] + FINDINGS[8:], causes=())
    severities: tuple[Severity, ...] = ("error", "warning", "info")
    fails = [suites(warned, msgspec.structs.replace(CONTEXT, fail_on=one)).findall(".//failure") for one in severities]
    assert [len(found) for found in fails] == [0, 1, 1]
    assert len((fails[2][0].text or "").split("\n\n")) == 2
    mild = suites(warned, msgspec.structs.replace(CONTEXT, fail_on="error"))
    assert "exchange 2: warning: GetInfo's reply has a field too many" in (mild[1].findtext("system-out") or "")


def test_a_target_that_breaks_is_an_error_of_its_case() -> None:
    broken = msgspec.structs.replace(FINDINGS[0], rule="target.closed")
    root = suites(msgspec.structs.replace(COMPARISON, findings=(broken,), causes=()))
    assert [error.attrib["type"] for error in root.iter("error")] == ["target.closed"]
    assert root[0].attrib["errors"] == "1"


@given(TEXTS)
def test_any_text_can_be_read_back_from_xml(text: str) -> None:
    root = suites(with_text(text), msgspec.structs.replace(CONTEXT, cases=(Case(text, text, text, None, text),)))
    assert list(faults(root)) == []
    assert (root[0].attrib["name"], root[0][1].attrib["name"]) == (
        visible(text, 100) or "(no command)",
        f"exchange {visible(text, 100)}" + ("" if text else " of the second capture"),
    )


# SARIF ------------------------------------------------------------------------------------------------------------


def test_sarif_has_what_its_standard_asks_for() -> None:
    log = json.loads(told("sarif"))
    assert (log["version"], log.keys()) == ("2.1.0", {"$schema", "version", "runs"})
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "qqlab"
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
        assert all(rule[part]["text"].endswith(".") for part in ("shortDescription", "fullDescription", "help"))
    assert len(run["results"]) == len(FINDINGS) + 1
    for result, found in zip(run["results"], (*FINDINGS, IGNORED), strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == found.rule
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        assert result["partialFingerprints"]["qqlabFinding/v1"] == found.id
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert physical["artifactLocation"] == {"uri": "qqlab/spec/httpqq.toml", "uriBaseId": "%SRCROOT%"}
        assert physical["region"] == {"startLine": CONTEXT.line(found)}
        assert location["logicalLocations"][0]["fullyQualifiedName"].startswith("re")
    by_id = {result["partialFingerprints"]["qqlabFinding/v1"]: result for result in run["results"]}
    assert by_id["aaaaaaa4"]["relatedLocations"][0]["message"]["text"].startswith("follows from exchange 1: Login's")
    assert by_id["aaaaaaa4"]["level"] == "note"
    assert by_id["bbbbbbb1"]["suppressions"][0]["kind"] == "external"
    assert "suppressions" not in by_id["aaaaaaa1"]


@pytest.mark.parametrize(
    ("file", "artifact"),
    [
        ("my spec/a%b.toml", {"uri": "my%20spec/a%25b.toml", "uriBaseId": "%SRCROOT%"}),
        ("/somewhere/ä.toml", {"uri": "file:///somewhere/%C3%A4.toml"}),
        ("odd:name.toml", {"uri": "odd%3Aname.toml", "uriBaseId": "%SRCROOT%"}),
    ],
)
def test_the_spec_is_named_by_a_uri(file: str, artifact: dict[str, str]) -> None:
    log = json.loads(told("sarif", context=msgspec.structs.replace(CONTEXT, spec_file=file)))
    assert log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == artifact


@given(TEXTS)
def test_no_text_makes_a_link_in_sarif(text: str) -> None:
    log = json.loads(told("sarif", with_text(f"[{text}](http://example.invalid)")))
    assert all("](" not in result["message"]["text"] for result in log["runs"][0]["results"])


# GitHub and Markdown ----------------------------------------------------------------------------------------------


def test_annotations_are_commands_and_nothing_else_is() -> None:
    comparison = with_text(f"{EVIL}\n::error::x,y:z%")
    for line in told("github", comparison).splitlines():
        command = re.fullmatch(r"::(error|warning|notice) ((?:[a-z]+=[^,:]*,?)+)::(.*)", line)
        assert command is not None, line
        for text in (command[2], command[3]):
            assert re.search(r"%(?!25|0A|3A|2C)", text) is None


def test_markdown_fits_into_a_comment() -> None:
    many = tuple(
        finding(
            f"{number:08x}", "value", str(number), "GetInfo", field=f"X{number}", expected=EVIL * 3, actual=EVIL * 3
        )
        for number in range(500)
    )
    text = told("markdown", msgspec.structs.replace(COMPARISON, findings=many, causes=()))
    assert 50_000 < len(text) < 65_000
    assert re.search(r"^… and \d+ kinds of findings more, for which there is no room here$", text, re.MULTILINE)
    assert text.startswith("### qqlab: 500 differences of http&#58;//127.0.0.1:8002\n")


@given(TEXTS)
def test_no_text_is_markup_in_markdown(text: str) -> None:
    page = told("markdown", with_text(text))
    own = re.sub(r"</?(?:sub|code|details|summary)>", "", page)
    assert "<" not in own
    assert re.search(r"(?<!\\)\[|(?<!:)://", own) is None


def test_the_reference_names_what_stands_in_the_document() -> None:
    made = document.document(COMPARISON, CONTEXT)
    assert (made.keys(), made["findings"][0].keys()) == (document.KEYS.keys(), document.FINDING.keys())


# The page ---------------------------------------------------------------------------------------------------------


class Markup(HTMLParser):
    """What a page is made of: its elements with the names of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: set[tuple[str, ...]] = set()
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.add((tag, *sorted(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def page_with(text: str) -> Markup:
    asked, answered = f"VER=1.1&CMD={text}&SEQ=7&UIN=10001", f"VER=1.1&CMD=GETINFO&SEQ=7&UIN=10001&RES=0&{text}={text}"
    error = text.encode("utf-8", "replace").decode()
    sides = Sides(exchange("1", asked, answered), exchange("1", asked, text, error=error))
    comparison = with_text(text)
    sides_by_ids = {(one.exchange, one.actual_exchange): sides for one in comparison.findings}
    names = {"expected": text, "actual": text, "target": text, "spec_file": text, "command": ("qqlab", text)}
    return Markup(told("html", comparison, msgspec.structs.replace(CONTEXT, sides=sides_by_ids, **names)))


PLAIN = page_with("X=1&Y").parts | page_with("<html>").parts | page_with("").parts


@settings(max_examples=30)
@given(TEXTS)
@example("<img src=x onerror=alert(1)>")
@example("\" onmouseover='alert(1)' x=\"")
def test_no_text_is_markup_on_the_page(text: str) -> None:
    page = page_with(text)
    assert page.parts <= PLAIN | Markup(told("html")).parts
    assert not any(name.startswith("on") or tag in ("script", "img") for tag, *names in page.parts for name in names)
    assert visible(text) in "".join(page.text)
