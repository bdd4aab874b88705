"""Conditions: what they mean, what is refused, and that nothing else ever runs."""

import re

import pytest
from conftest import ROOT, qqlab
from hypothesis import given
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.capture import Condition, load
from qqlab.capture.where import NAMES
from qqlab.errors import UsageError
from qqlab.exchange import Exchange, RawMessage

SPEC = specs.builtin()
DEMO = load(ROOT / "captures/demo.jsonl").exchanges
ASKED = b"VER=1.10&CMD=list&SEQ=0007&UIN=029501213&TN=5&UN=0&ZZ=a"
SAID = b"VER=1.1&CMD=LIST&SEQ=0007&UIN=029501213&RES=20&FN=1&SN=2&UN=10002,10003,&NK="
ONE = Exchange(
    id="7", session="s", time=DEMO[0].time, elapsed=0.5, request=RawMessage(body=ASKED), reply=RawMessage(body=SAID)
)
NO_REPLY = Exchange(id="8", session="s", request=RawMessage(body=ASKED), error="connection refused")


@pytest.mark.parametrize(
    "condition",
    [
        "reply.RES != 0 and account == 29501213",
        'account == "029501213" and not account == "29501213"',
        "29501213 == account and account >= 29501213 and account < 99999999",
        "reply.RES == 20 and reply.RES == '20' and reply.res > 3 and 3 < reply.RES <= 20",
        'command == "LIST" and command == "list" and command in ("Login", "list")',
        'version == "1.10" and version != 1.1 and version != "1.1"',
        "elapsed > 0.4 and elapsed < 1",
        "10002 in reply.UN and '10003' in reply.UN and 10004 not in reply.UN and len(reply.UN) == 2",
        'request["ZZ"] == "a" and request["YY"] == None and "field.undocumented" in notes',
        'time >= "2026-11-24" and time < "2026-11-25T00:00Z" and time != None',
        "status == 20 and ok == False and not pushed and 'warning' in severity",
        "error == None and reply.NK == None and reply.RS == None",
        'contains(command, "IS") and not contains(error, "x")',
        "sequence == 7 and id == 7",
        "request.TN == 5 or reply.RES == 0",
        "not (reply.FN == 0) and -1 < reply.FN",
    ],
)
def test_what_holds(condition: str) -> None:
    assert Condition(condition, SPEC).holds(ONE)
    assert not Condition(f"not ({condition})", SPEC).holds(ONE)


@pytest.mark.parametrize(
    "condition",
    ["reply.RES != 0", "reply.RES == 0", "reply.RES > 0", "reply.UN == 1", "elapsed < 1", "time < '2030-01-01'",
     "1 in reply.UN", "1 not in reply.UN", "reply.RES != None", "ok == True", "ok != True", "reply.CMD == ''"],
)  # fmt: skip
def test_what_is_missing_is_like_nothing(condition: str) -> None:
    assert not Condition(condition, SPEC).holds(NO_REPLY)
    assert Condition("reply.RES == None and reply.RES is None and error is not None", SPEC).holds(NO_REPLY)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("foo == 1", "unknown name 'foo' (known: id, session, time, "),
        ("RES == 0", "unknown name 'RES' (did you mean reply.RES)"),
        ("un == 0", "unknown name 'un' (did you mean request.UN or reply.UN)"),
        ("reply.FOO == 1", "unknown field 'FOO' of a reply (known: AD, AG, "),
        ("reply.FOO == 1", 'one that is not in the spec: reply["FOO"])'),
        ("reply == 1", "'reply' needs a field (for example reply.VER)"),
        ("a.b == 1", "unknown name 'a' before the dot"),
        ("reply.UN.x", "'reply.UN.x' is not understood here"),
        ("1 +", "is no condition: invalid syntax"),
        ("", "is no condition: "),
        ("reply.RES = 0", "is no condition: "),
        ("1 + 1 == 2", "'1 + 1' is not understood here"),
        ("__import__('os').system('id')", "is not understood here"),
        ("eval('1')", "unknown function 'eval' (known: len, contains)"),
        ("len()", "len takes 1 argument, not 0"),
        ("[x for x in notes]", "is not understood here"),
        ("(lambda: 1)()", "is not understood here"),
        ("f'{id}'", "is not understood here"),
        ("time > 'noon'", "'noon' is no time (for example time"),
        ("not " * 400 + "ok", "is nested too deeply"),
        ("(" * 300 + "ok" + ")" * 300, ""),
        ("ok " + "or ok " * 700, "is longer than 2000 characters"),
        ("id == '\0'", "is no condition: "),
    ],
)
def test_a_mistake_is_one_line(condition: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Condition(condition, SPEC)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30) | st.lists(
    st.sampled_from([*NAMES, "reply.RES", "request.UN", "reply['x']", "==", "!=", "<", "in", "and", "or", "not", "None",
                     "1", "'a'", "1.5", "(", ")", ",", "len(", "contains(", "is", "-", "[", "]", "True", "time"]),
    max_size=12,
).map(" ".join))  # fmt: skip
def test_any_text_is_a_condition_or_a_mistake(text: str) -> None:
    try:
        condition = Condition(text, SPEC)
    except UsageError:
        return
    for exchange in (ONE, NO_REPLY, Exchange(id="1", session="s", reply=RawMessage(body=SAID))):
        condition.holds(exchange)


def test_the_command_line_picks_and_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = qqlab("show", "captures/demo.jsonl", "--where", "reply.RES != 0 and account == 10001")
    assert shown.stdout.startswith("captures/demo.jsonl: 1 exchange, secrets are pseudonyms\n")
    assert " RES=20 " in shown.stdout
    wrong = qqlab("show", "captures/demo.jsonl", "--where", "colour == 1")
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)
    assert wrong.stderr.startswith("qqlab: --where colour == 1: unknown name 'colour' (known: id, ")
    help_ = qqlab("show", "--help").stdout
    assert all(re.search(rf"\b{name}\b", help_) for name in NAMES)


def test_a_table_for_a_spreadsheet(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    assert qqlab("export", "captures/demo.jsonl", "--format", "csv", "-o", path).returncode == 0
    all_of_it = qqlab("show", "captures/demo.jsonl", "--csv").stdout
    assert all_of_it == path.read_text(encoding="utf-8")
    some = qqlab("show", "captures/demo.jsonl", "--csv", "--where", "reply.RES == 20").stdout
    assert [line.split(",")[0].lstrip("\ufeff") for line in some.splitlines()] == ["id", "36"]


@pytest.mark.parametrize(
    "options",
    [
        ["--csv", "--json"],
        ["-f", "--csv"],
        ["-f", "captures/lines.jsonl"],
        ["1", "--csv"],
        ["1", "--where", "ok"],
        ["1", "-f"],
    ],
)
def test_what_does_not_go_together(options: list[str]) -> None:
    done = qqlab("show", "captures/demo.jsonl", *options)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
