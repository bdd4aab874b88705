"""Deviations: each rule's effect on exact bytes, what is refused, and that only what a rule names changes."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.errors import ExitCode, UsageError
from qqlab.testserver import Deviated, Rule, deviate

SPEC = specs.builtin()
HEAD = "VER=1.1&CMD=LIST&SEQ=1&UIN=10001&RES=0"
LIST = f"{HEAD}&FN=1&SN=2&UN=10002,10003,"
EMPTY = f"{HEAD}&FN=1&SN=0&UN="
STAT_HEAD = "VER=1.1&CMD=QUERY_STAT&SEQ=1&UIN=10001&RES=0"
STAT = f"{STAT_HEAD}&FC=1,2,&FN=1&SN=2&ST=10,30,&UN=10002,10003,&NK=a%252cb,乙,&"
STAT_LESS = f"{STAT_HEAD}&FC=1,&FN=1&SN=1&ST=10,&UN=10002,&NK=a%252cb,&"
STAT_BACK = f"{STAT_HEAD}&FC=2,1,&FN=1&SN=2&ST=30,10,&UN=10003,10002,&NK=乙,a%252cb,&"
STAT_MOVED = f"{STAT_HEAD}&FC=1,2,&FN=1&SN=2&ST=10,30,&NK=a%252cb,乙,&UN=10002,10003,&"
PACKED = gzip.compress(LIST.encode(), mtime=0)
LOGOUT = "VER=1.1&CMD=LOGOUT&SEQ=1&UIN=10001&RES=0"


def apply(reply: str, command: str, *rules: str) -> Deviated:
    return deviate.apply([deviate.parse(rule, SPEC) for rule in rules], reply.encode(), SPEC.commands[command], SPEC)


@pytest.mark.parametrize(
    ("rule", "command", "honest", "deviating"),
    [
        ("drop:List.FN", "List", LIST, f"{HEAD}&SN=2&UN=10002,10003,"),
        ("drop:*.RES", "Logout", LOGOUT, "VER=1.1&CMD=LOGOUT&SEQ=1&UIN=10001"),
        ("drop:*.NK", "List", LIST, LIST),
        ("drop:Query_Stat.NK", "Query_Stat", STAT, STAT.partition("&NK")[0] + "&"),
        ("add:List.XX=1", "List", LIST, LIST + "&XX=1"),
        ("add:Query_Stat.XX=a,b&c", "Query_Stat", STAT, STAT + "XX=a%2cb%26c&"),
        ("code:List.FN=0", "List", LIST, f"{HEAD}&FN=0&SN=2&UN=10002,10003,"),
        ("code:*.RES=20", "Logout", LOGOUT, "VER=1.1&CMD=LOGOUT&SEQ=1&UIN=10001&RES=20"),
        ("code:Query_Stat.ST=40", "Query_Stat", STAT, STAT.replace("ST=10,", "ST=40,")),
        ("value:Query_Stat.NK=x,y", "Query_Stat", STAT, STAT.replace("a%252cb", "x%252cy")),
        ("value:List.UN=7", "List", LIST, f"{HEAD}&FN=1&SN=2&UN=7,10003,"),
        ("value:List.UN=7", "List", EMPTY, EMPTY),
        ("value:List.SN=", "List", LIST, f"{HEAD}&FN=1&SN=&UN=10002,10003,"),
        ("value:*.SEQ=9", "List", LIST, LIST.replace("SEQ=1", "SEQ=9")),
        ("reorder:List", "List", LIST, f"{HEAD}&FN=1&UN=10002,10003,&SN=2"),
        ("reorder:Query_Stat", "Query_Stat", STAT, STAT_MOVED),
        ("reorder:*", "Logout", LOGOUT, "VER=1.1&CMD=LOGOUT&SEQ=1&RES=0&UIN=10001"),
        ("count:List", "List", LIST, f"{HEAD}&FN=1&SN=3&UN=10002,10003,"),
        ("count:*", "Logout", LOGOUT, LOGOUT),
        ("count:List", "List", LIST.replace("SN=2", "SN=x"), LIST.replace("SN=2", "SN=1")),
        ("row-drop:List", "List", LIST, f"{HEAD}&FN=1&SN=1&UN=10002,"),
        ("row-drop:List", "List", EMPTY, EMPTY),
        ("row-drop:Query_Stat", "Query_Stat", STAT, STAT_LESS),
        ("row-add:List", "List", LIST, f"{HEAD}&FN=1&SN=3&UN=10002,10003,10003,"),
        ("row-order:List", "List", LIST, f"{HEAD}&FN=1&SN=2&UN=10003,10002,"),
        ("row-order:*", "Query_Stat", STAT, STAT_BACK),
        ("case:List", "List", LIST, LIST.replace("LIST", "list")),
        ("case:list", "List", LIST, LIST.replace("LIST", "list")),
        ("trailing:List", "List", LIST, LIST + "&"),
        ("trailing:Query_Stat", "Query_Stat", STAT, STAT[:-1]),
        ("drop:GetInfo.NK", "List", LIST, LIST),
        ("double:List.FN", "List", LIST, f"{HEAD}&FN=1&FN=1&SN=2&UN=10002,10003,"),
        ("bare:List.SN", "List", LIST, f"{HEAD}&FN=1&SN&UN=10002,10003,"),
        ("spelling:List.UN", "List", LIST, f"{HEAD}&FN=1&SN=2&un=10002,10003,"),
        ("move:List.FN", "List", LIST, f"{HEAD}&SN=2&UN=10002,10003,&FN=1"),
        ("move:Query_Stat.NK", "Query_Stat", STAT, STAT),
        ("cell:Query_Stat.NK=x,y", "Query_Stat", STAT, STAT.replace("乙", "x%252cy")),
        ("cell:List.UN=7", "List", EMPTY, EMPTY),
        ("echo:*.SEQ", "List", LIST, LIST.replace("SEQ=1", "SEQ=2")),
        ("echo:*.CMD", "List", LIST, LIST.replace("LIST", "TSIL")),
        ("escape:Query_Stat.NK", "Query_Stat", STAT, STAT.replace("a%252cb,乙", "%61%25%32%63%62,%e4%b9%99")),
        ("escape:List.FN", "List", LIST, LIST.replace("FN=1", "FN=%31")),
        ("blank:List.UN", "List", LIST, LIST.replace("10002,10003,", "10002 ,10003 ,")),
        ("blank:List.SN", "List", LIST, LIST.replace("SN=2", "SN=2 ")),
        ("zero:Query_Stat.FC", "Query_Stat", STAT, STAT.replace("FC=1,2,", "FC=01,02,")),
        ("list-end:List.UN", "List", LIST, LIST[:-1]),
        ("list-end:List.UN", "List", LIST[:-1], LIST),
        ("list-drop:List.UN", "List", LIST, LIST.replace("10003,", "")),
        ("list-order:List.UN", "List", LIST, LIST.replace("10002,10003,", "10003,10002,")),
        ("list-add:List.UN", "List", LIST, LIST + "10003,"),
        ("list-add:List.UN", "List", EMPTY, EMPTY),
        ("newline:List", "List", LIST, LIST + "\r\n"),
        ("newline:Query_Stat", "Query_Stat", STAT, STAT + "\r\n"),
        ("text:List=no such page", "List", LIST, "no such page"),
        ("long:List", "List", LIST, LIST + "0" * (deviate.LONG - len(LIST))),
    ],
)
def test_a_rule_changes_the_body(rule: str, command: str, honest: str, deviating: str) -> None:
    assert apply(honest, command, rule) == Deviated(body=deviating.encode())


def test_a_text_in_another_charset() -> None:
    other = STAT.encode().replace("乙".encode(), "乙".encode("gb18030"))
    assert apply(STAT, "Query_Stat", "charset:Query_Stat.NK") == Deviated(body=other)
    assert apply(LIST, "List", "charset:*.CMD") == Deviated(body=LIST.encode())


@pytest.mark.parametrize(
    ("rules", "deviated"),
    [
        ([], Deviated(body=LIST.encode())),
        (["delay:List=0.5"], Deviated(body=LIST.encode(), delay=0.5)),
        (["delay:List=1", "delay:*=2"], Deviated(body=LIST.encode(), delay=3.0)),
        (["status:List=500"], Deviated(body=LIST.encode(), code=500)),
        (
            ["redirect:List=http://127.0.0.1/"],
            Deviated(body=LIST.encode(), code=302, headers=(("Location", "http://127.0.0.1/"),)),
        ),
        (["gzip:List"], Deviated(body=PACKED, headers=(("Content-Encoding", "gzip"),))),
        (["gzip-broken:List"], Deviated(body=PACKED[: len(PACKED) // 2], headers=(("Content-Encoding", "gzip"),))),
        (["length:List=5", "length:List=-7"], Deviated(body=LIST.encode(), stated=-2)),
        (["twice:List"], Deviated(body=LIST.encode(), times=2)),
        (["line-end:List"], Deviated(body=LIST.encode(), line_end=b"\n")),
        (["endless:List"], Deviated(body=LIST.encode(), ending="endless")),
        (["drip:List"], Deviated(body=LIST.encode(), ending="drip")),
        (["reset:List"], Deviated(body=LIST.encode(), ending="reset")),
        (["close:List"], Deviated(body=LIST.encode(), ending="closed")),
        (["cut:*"], Deviated(body=LIST.encode(), ending="cut")),
        (["garbage:List"], Deviated(body=LIST.encode(), ending="garbage")),
        (["garbage:CLTMSG"], Deviated(body=LIST.encode())),
        (["row-drop:List", "count:List", "trailing:*"], Deviated(body=f"{HEAD}&FN=1&SN=2&UN=10002,&".encode())),
    ],
)
def test_rules_for_the_connection_and_several_rules(rules: list[str], deviated: Deviated) -> None:
    assert apply(LIST, "List", *rules) == deviated


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is no rule"),
        ("drop", "is no rule"),
        ("Drop:List.FN", "is no rule"),
        ("drop:List.", "is no rule"),
        ("fold:List", "there is no rule 'fold'"),
        ("drop:Fly.FN", "the spec has no command 'Fly'"),
        ("drop:List", "is spelt drop:COMMAND.FIELD"),
        ("drop:List.FN=1", "is spelt drop:COMMAND.FIELD"),
        ("code:List.FN", "is spelt code:COMMAND.FIELD=INTEGER"),
        ("close:List.FN", "is spelt close:COMMAND"),
        ("drop:List.XX", "the reply has no field 'XX'"),
        ("drop:*.XX", "the reply has no field 'XX'"),
        ("value:Logout.TN=1", "the reply has no field 'TN'"),
        ("code:List.FN=one", "'one' is no integer"),
        ("code:List.SN=1", "SN is no code there; `value:` changes any field"),
        ("count:Logout", "the reply counts no rows"),
        ("count:SimpleInfo2", "the reply counts no rows"),
        ("row-drop:GetInfo", "the reply has no rows"),
        ("delay:List=soon", "'soon' is no seconds"),
        ("delay:List=nan", "'nan' is no seconds"),
        ("delay:List=-1", "'-1' is no seconds"),
        ("delay:List=601", "'601' is no seconds"),
        ("status:List=99", "'99' is no status"),
        ("status:List=²00", "'²00' is no status"),
        ("redirect:List=http://a\r\nX: 1", "'http://a\\r\\nX: 1' is no url"),
        ("cell:List.SN=1", "SN is no list there"),
        ("echo:List.SN", "SN repeats nothing of the request there"),
        ("charset:List.SN", "SN is no text there"),
        ("zero:List.UN", "UN is no number there"),
    ],
)
def test_a_bad_rule_is_refused(text: str, what: str) -> None:
    with pytest.raises(UsageError) as error:
        deviate.parse(text, SPEC)
    assert (error.value.where, error.value.what) == (f"--deviate {text}", what)
    assert error.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "for example drop:GetInfo.NK; qqlab serve --help lists the rules"),
        ("dorp:List.FN", "do you mean drop or drip? qqlab serve --help lists the rules"),
        ("drop:GetInf.NK", "do you mean GetInfo? qqlab spec show lists the commands"),
        ("drop:QQQQQQQ.NK", "qqlab spec show lists the commands"),
        ("drop:List", ""),
        ("code:List.FN=one", "it is spelt code:COMMAND.FIELD=INTEGER"),
        ("drop:List.FNN", "do you mean FN? qqlab spec show List lists the fields"),
        ("drop:*.XX", "qqlab spec show lists the fields"),
        ("zero:List.UN", "qqlab spec show List lists the fields"),
    ],
)
def test_a_bad_rule_is_told_with_what_may_be_meant(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        deviate.parse(text, SPEC)
    assert error.value.hint == hint


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("drop:getinfo.NK", Rule(kind="drop", command="GetInfo", field="NK")),
        ("add:*.XX=a=b\n", Rule(kind="add", command="*", field="XX", value="a=b\n")),
        ("count:List", Rule(kind="count", command="List")),
    ],
)
def test_a_rule_is_read_and_written(text: str, rule: Rule) -> None:
    assert deviate.parse(text, SPEC) == rule
    assert deviate.parse(str(rule), SPEC) == rule


def test_the_table_has_each_rule_once() -> None:
    lines = deviate.table().splitlines()
    assert [line.partition(":")[0] for line in lines] == list(deviate.KINDS)
    assert len(lines) == 43


BODY_RULES = [
    "drop:*.NK", "add:*.XX=1", "code:*.RES=20", "value:*.UN=9", "reorder:*", "count:*",
    "row-drop:*", "row-add:*", "row-order:*", "case:*", "trailing:*", "double:*.UN", "bare:*.UN", "spelling:*.UN",
    "move:*.UN", "cell:*.UN=1", "echo:*.CMD", "charset:*.NK", "escape:*.NK", "blank:*.UN", "zero:*.RES",
    "list-end:*.UN", "list-drop:*.UN", "list-add:*.UN", "newline:*", "text:*=a", "gzip:*", "gzip-broken:*",
]  # fmt: skip


@given(st.binary(max_size=80), st.sampled_from(list(SPEC.commands)), st.lists(st.sampled_from(BODY_RULES), max_size=4))
def test_rules_take_any_bytes(body: bytes, command: str, rules: list[str]) -> None:
    deviated = deviate.apply([deviate.parse(rule, SPEC) for rule in rules], body, SPEC.commands[command], SPEC)
    assert rules or deviated.body == body
