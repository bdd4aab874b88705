"""The spec file: what is in it, and how each mistake in one is named."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, qqlab

from qqlab import spec as specs
from qqlab.errors import InputError
from qqlab.spec import DIRECTIONS, Spec
from qqlab.spec.file import parse

TEXT = (ROOT / "qqlab/spec/httpqq.toml").read_text(encoding="utf-8")


def test_all_commands_of_the_evidence(known: Spec) -> None:
    assert {name: command.effect for name, command in known.commands.items()} == {
        "Login": "auth",
        "List": "read",
        "Query_Stat": "read",
        "GetInfo": "read",
        "AddToList": "write",
        "Ack_AddToList": "write",
        "DelFromList": "write",
        "Change_Stat": "write",
        "Logout": "auth",
        "GetMsgEx": "consume",
        "CLTMSG": "write",
        "Finger": "read",
        "VERIFYCODE": "auth",
        "SimpleInfo2": "read",
        "Query_Stat2": "read",
        "Change_Stat2": "write",
        "Server_Msg": "push",
        "update_stat": "push",
    }


def test_a_field_is_known_by_command_direction_and_name(known: Spec) -> None:
    def type_of(command: str, direction: specs.Direction, name: str) -> str | None:
        field = known.field(known.command(command), direction, name)
        return None if field is None else field.type

    assert type_of("login", "reply", "rs") == "code"
    assert type_of("Ack_AddToList", "request", "RS") == "text"
    assert type_of("Ack_AddToList", "reply", "RS") is None
    assert type_of("GETMSGEX", "reply", "MT") == "code"
    assert type_of("GetInfo", "reply", "MT") == "text"
    assert type_of("nonsense", "reply", "RES") == "code"


def test_contradicting_readings_stand_side_by_side(known: Spec) -> None:
    assert [(r.meaning, r.source) for r in known.codes["presence"].by_value[30].readings] == [
        ("busy", ("forum-2005",)),
        ("away", ("mobile-1.4",)),
    ]
    assert [r.contradicts for r in known.codes["add"].by_value[2].readings] == [3]


def test_secret_fields(known: Spec) -> None:
    secret = {(c.name if c else None, d, f.name) for c, d, f in known.every_field() if f.secret}
    assert secret == {
        ("Login", "request", "PS"),
        ("Login", "request", "CKE"),
        ("Login", "reply", "SG"),
        ("Login", "reply", "SSG"),
        ("VERIFYCODE", "request", "VC"),
    }


def test_every_field_has_a_sentence(known: Spec) -> None:
    assert [f.name for _, _, f in known.every_field() if not re.fullmatch(r".+\.", f.doc)] == []


def test_the_common_fields_come_first(known: Spec) -> None:
    for command in known.commands.values():
        for direction in DIRECTIONS:
            common = getattr(known.common, direction)
            assert command.fields(direction)[: len(common)] == common


MISTAKES: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda d: d.update(colour=1), "$.colour: unknown key"),
    (lambda d: d.pop("title"), "$.title: is missing"),
    (lambda d: d.update(format=2), "$.format: unknown value 2; known: 1"),
    (lambda d: d["commands"]["Login"].update(effect="magic"), "$.commands.Login.effect: unknown value 'magic'"),
    (lambda d: d["commands"]["Login"]["reply"][2].update(type="flaot"), "$.commands.Login.reply[2].type: unknown"),
    (lambda d: d["commands"]["Login"]["reply"][0].update(colour=1), "$.commands.Login.reply[0].colour: unknown key"),
    (lambda d: d["commands"]["Login"]["reply"][0].update(required="yes"), "$.commands.Login.reply[0].required: expect"),
    (lambda d: d["commands"]["Login"]["reply"][0].pop("codes"), "$.commands.Login.reply[0].codes: is missing: a code"),
    (lambda d: d["commands"]["Login"]["reply"][0].update(codes="x"), "$.commands.Login.reply[0].codes: no table 'x'"),
    (lambda d: d["commands"]["Login"]["reply"][1].update(when={"ZZ": [0]}), "$.commands.Login.reply[1].when.ZZ: no f"),
    (lambda d: d["commands"]["Login"]["reply"][1].update(name="RS"), "$.commands.Login.reply: field 'RS' stands there"),
    (lambda d: d["commands"]["Login"].update(key="ZZ"), "$.commands.Login.key: the reply has no field 'ZZ'"),
    (lambda d: d["commands"]["Login"].update(versions=["7"]), "$.commands.Login.versions[0]: '7' is not declared"),
    (lambda d: d["commands"]["Login"].update(source=["me"]), "$.commands.Login.source[0]: 'me' is not declared in"),
    (lambda d: d["commands"]["Login"].update(source=[]), "$.commands.Login.source: is empty"),
    (lambda d: d["commands"].update(LOGIN=d["commands"]["Login"]), "$.commands.LOGIN: is Login in another case"),
    (
        lambda d: d["commands"]["List"]["rows"][0].update(columns=["UN", "NK"]),
        "$.commands.List.rows[0].columns[1]: the",
    ),
    (lambda d: d["commands"]["List"]["rows"][0].update(columns=["UN", "SN"]), "$.commands.List.rows[0].columns[1]: f"),
    (
        lambda d: d["commands"]["GetMsgEx"]["rows"][0].update(columns=[]),
        "$.commands.GetMsgEx.rows[0].columns: is empty",
    ),
    (lambda d: d["commands"]["List"]["rows"][0].update(columns=3), "$.commands.List.rows[0].columns: expected a list"),
    (lambda d: d["commands"]["List"]["rows"][0].update(key="NK"), "$.commands.List.rows[0].key: 'NK' is none of"),
    (lambda d: d["commands"]["List"]["rows"][0].pop("key"), "$.commands.List.rows[0].key: is missing"),
    (lambda d: d["commands"]["List"]["rows"][0].update(count="ZZ"), "$.commands.List.rows[0].count: the reply has no"),
    (lambda d: d["commands"]["List"]["paging"].update(cursor="ZZ"), "$.commands.List.paging.cursor: the command has"),
    (lambda d: d["roles"].update(status="CMD"), "$.roles: field 'CMD' stands there twice"),
    (lambda d: d["wire"].update(charsets=["utf-9"]), "$.wire.charsets[0]: 'utf-9' is no charset that Python knows"),
    (lambda d: d["wire"].update(charsets=["base64"]), "$.wire.charsets[0]: 'base64' is no charset that Python knows"),
    (lambda d: d["wire"].update(charsets=["utf-16"]), "$.wire.charsets[0]: 'utf-16' does not keep ASCII"),
    (lambda d: d["wire"].update(charsets=[]), "$.wire.charsets: is empty"),
    (
        lambda d: d["commands"]["Login"]["request"][1].update(constants=["1", "one"]),
        "$.commands.Login.request[1].constants[1]: 'one' is no number, as code fields are",
    ),
    (lambda d: d["wire"].update(ports=[8000, 65536]), "$.wire.ports[1]: 65536 is no TCP port"),
    (lambda d: d.update(short="q q"), "$.short: expected up to 20 letters and digits"),
    (lambda d: d["wire"].update(list_separator=""), "$.wire.list_separator: expected one ASCII character other than"),
    (lambda d: d["wire"].update(list_escapes=["%25"]), "$.wire.list_escapes[0]: expected one ASCII character, not"),
    (lambda d: d["roles"].update(status="ZZ"), "$.roles.status: $.common.reply has no field 'ZZ'"),
    (lambda d: d["codes"]["RES"]["values"][1].update(value=0), "$.codes.RES.values: value 0 stands there twice"),
    (lambda d: d["codes"]["RES"]["values"][1].update(value="20"), "$.codes.RES.values[1].value: expected a whole numb"),
    (lambda d: d["codes"]["RES"]["values"][1].update(readings=[]), "$.codes.RES.values[1].readings: is empty"),
    (lambda d: d["codes"]["add"]["values"][2]["readings"][0].update(contradicts=9), "$.codes.add.values[2].readings[0"),
    (lambda d: d["codes"].update(RES=1), "$.codes.RES: expected a table, not a whole number"),
    (lambda d: d["commands"]["Login"]["presence"].update(codes="ZZ"), "$.commands.Login.presence.codes: no table 'ZZ'"),
    (lambda d: d["commands"]["Login"]["presence"].update(value=9), "$.commands.Login.presence.value: table presence "),
    (
        lambda d: d["commands"]["Query_Stat"]["reply"][3].update(presence_of="ZZ"),
        "$.commands.Query_Stat.reply[3].presence_of: no field 'ZZ' beside it",
    ),
    (
        lambda d: d["commands"]["GetMsgEx"]["reply"][3]["cases"][0].update(presence_of="UN"),
        "$.commands.GetMsgEx.reply[3].cases[0].presence_of: a presence is a code: it needs a table",
    ),
    (
        lambda d: d["commands"]["GetMsgEx"]["reply"][3]["cases"][0].update(field="ZZ"),
        "$.commands.GetMsgEx.reply[3].cases[0].field: no field 'ZZ' beside it",
    ),
    (
        lambda d: d["commands"]["GetMsgEx"]["reply"][3]["cases"][0].update(codes="ZZ"),
        "$.commands.GetMsgEx.reply[3].cases[0].codes: no table 'ZZ'",
    ),
]


@pytest.mark.parametrize(("change", "expected"), MISTAKES, ids=[expected for _, expected in MISTAKES])
def test_a_mistake_is_named_by_its_path(change: Callable[[dict[str, Any]], object], expected: str) -> None:
    document = tomllib.loads(TEXT)
    change(document)
    mistakes = [str(mistake) for mistake in specs.find_mistakes(document)]
    assert len(mistakes) == 1, mistakes
    assert mistakes[0].startswith(expected)


def test_all_mistakes_are_named_not_only_the_first(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(TEXT.replace('source = ["forum-2005"]', 'source = ["nobody"]'), encoding="utf-8")
    assert len(specs.check(file)) == TEXT.count('source = ["forum-2005"]')
    result = qqlab("spec", "check", file)
    assert result.returncode == 3
    assert len(result.stdout.splitlines()) == len(specs.check(file))


def test_a_bad_spec_is_refused_with_its_first_mistake() -> None:
    with pytest.raises(InputError) as caught:
        parse("format = 1", "my.toml")
    assert str(caught.value) == ("my.toml: $.name: is missing, and 8 more (see all: qqlab spec check my.toml)")


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"=", "is not TOML"), (b"\xff", "is not UTF-8 at byte 0"), (None, "No such file"), (b"a=" + b"[" * 5000, "TOML")],
)
def test_a_file_that_is_no_spec(content: bytes | None, what: str, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=what):
        specs.check(file)


def test_show_names_every_field_and_both_readings() -> None:
    result = qqlab("spec", "show", "query_stat")
    assert result.returncode == 0
    for text in ("list of code (presence)", "counted by SN", "busy  [forum-2005]", "away  [mobile-1.4]", "personal"):
        assert text in result.stdout


def test_show_without_a_command_lists_all(known: Spec) -> None:
    result = qqlab("spec", "show")
    assert [name for name in (*known.commands, *known.sources) if name not in result.stdout] == []


def test_show_of_an_unknown_command() -> None:
    result = qqlab("spec", "show", "Dance")
    assert result.returncode == 2
    assert result.stderr.startswith("qqlab: Dance: is no command of the spec (one of Login, List,")


def test_another_spec_can_be_used(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TEXT.replace("[commands.Finger]", "[commands.Find]").replace("commands.Finger.", "commands.Find."))
    assert qqlab("spec", "check", file).returncode == 0
    assert "Search for people" in qqlab("spec", "show", "Find", "--spec", file).stdout
