"""What changed: between two sets of captures, a report and captures, and two specs."""

import json
from pathlib import Path

import msgspec
import pytest
from conftest import qqlab

from qqlab import report as reports
from qqlab import spec as specs
from qqlab.capture import Capture, header, save
from qqlab.errors import InputError, UsageError
from qqlab.exchange import Exchange, RawMessage
from qqlab.report import Older, Report
from qqlab.report.changes import between_reports, between_specs
from qqlab.report.older import read_older, read_report
from qqlab.report.say import Say
from qqlab.spec.file import parse

LAMP_FILE = Path(__file__).parent / "golden" / "report" / "lamp.toml"
LAMP = specs.load(LAMP_FILE)
ASK = "V=1&C=Look&N={n}&A=9&KEY=ab12&MODE=full"
SAY = "V=1&C=LOOK&N={n}&A=9&S=0&SN=1&ID=3,&ST=1,&TX=Ann,"


def exchanges(ask: str, say: str, times: int = 3) -> tuple[Exchange, ...]:
    return tuple(
        Exchange(
            id=str(n),
            session="s",
            request=RawMessage(body=ask.format(n=n).encode()),
            reply=RawMessage(body=say.format(n=n).encode()),
        )
        for n in range(1, times + 1)
    )


def capture(*told: Exchange) -> Capture:
    return Capture(header=header(LAMP, redacted="none"), exchanges=told, path="lamps.jsonl", torn=None)


def report(*told: Exchange) -> Report:
    return reports.build([capture(*told)], LAMP)


def changed(ask: str, say: str) -> list[tuple[str, str, str | None, str | None, str | None, str]]:
    """The changes from the usual talk to another one."""
    changes = between_reports(report(*exchanges(ASK, SAY)), report(*exchanges(ask, say)), Say())
    return [(c.kind, c.what, c.command, c.field, c.value, c.text) for c in changes]


@pytest.mark.parametrize(
    ("ask", "say", "expected"),
    [
        (ASK, SAY, []),
        (ASK + "&HUE=1", SAY, [("born", "field", "Look", "HUE", None, "in 3 of 3 messages")]),
        (ASK, SAY + "&NEW=1", [("born", "field", "Look", "NEW", None, "in 3 of 3 messages")]),
        (ASK.replace("&MODE=full", ""), SAY, [("gone", "field", "Look", "MODE", None, "in none of 3 messages")]),
        (ASK.replace("full", "half"), SAY, [("changed", "field", "Look", "MODE", None, "values: full, now half")]),
        (ASK, SAY.replace("SN=1", "SN=x"), [("changed", "field", "Look", "SN", None, "type: int, now text"),
                                           ("changed", "field", "Look", "SN", None, "values: 1, now x")]),
        (ASK, SAY.replace("ST=1", "ST=2"), [("gone", "code", "Look", "ST", "1", "in none of 3 values"),
                                           ("born", "code", "Look", "ST", "2", "in 3 of 3 values")]),
        ("V=1&C=Sing&N={n}&A=9", "V=1&C=Sing&N={n}&A=9&S=0",
         [("born", "command", "Sing", None, None, "in 3 exchanges"),
          ("gone", "command", "Look", None, None, "in none of 3 exchanges")]),
    ],
)  # fmt: skip
def test_traffic_that_is_otherwise(ask: str, say: str, expected: list[object]) -> None:
    assert changed(ask, say) == expected


def test_what_happened_to_a_field_of_every_command_is_told_once() -> None:
    sing = ("V=1&C=Sing&N={n}&A=9", "V=1&C=Sing&N={n}&A=9&S=0")
    old = report(*exchanges(ASK, SAY), *exchanges(*sing))
    new = report(*exchanges(ASK + "&Z=1", SAY), *exchanges(sing[0] + "&Z=1", sing[1]))
    found = list(between_reports(old, new, Say()))
    assert [(c.kind, c.command, c.field, c.text, c.evidence.count) for c in found] == [
        ("born", None, "Z", "in each of 2 commands", 6)
    ]


def test_a_presence_that_changed_is_told_of_replies_that_succeeded() -> None:
    new = report(*exchanges(ASK, SAY), *exchanges(ASK, SAY.replace("&TX=Ann,", "")))
    found = list(between_reports(report(*exchanges(ASK, SAY)), new, Say()))
    assert [(c.field, c.aspect, c.before, c.after) for c in found] == [("TX", "presence", "always", "sometimes")]


def test_specs_that_are_otherwise() -> None:
    text = LAMP_FILE.read_text(encoding="utf-8")
    for wrong, right in (
        ('name = "SN", type = "int"', 'name = "SN", type = "digits"'),
        ('{ name = "OLD", type = "text", doc = "Not in use.", source = ["hear-say"] },', ""),
        ('meaning = "refused"', 'meaning = "broken"'),
        ("value = 7,", "value = 8,"),
        ('effect = "push"', 'effect = "push"\nkey = "ST"'),
    ):
        assert wrong in text
        text = text.replace(wrong, right)
    found = list(between_specs(LAMP, parse(text, "lamp.toml"), Say()))
    assert [(c.kind, c.what, c.command, c.field, c.table, c.value, c.aspect, c.before, c.after) for c in found] == [
        ("changed", "field", "Look", "SN", None, None, "type", "int", "digits"),
        ("gone", "field", "Look", "OLD", None, None, "", None, None),
        ("changed", "command", "Ring", None, None, None, "key", "", "ST"),
        ("changed", "code", None, None, "status", "1", "meaning", "refused", "broken"),
        ("born", "code", None, None, "alarm", "8", "", None, None),
        ("gone", "code", None, None, "alarm", "7", "", None, None),
    ]


def test_the_older_side_may_be_captures_a_report_or_a_spec(tmp_path: Path) -> None:
    old = capture(*exchanges(ASK, SAY))
    path, directory = tmp_path / "old.jsonl", tmp_path / "report"
    save(path, old.header, old.exchanges, LAMP)
    reports.write(directory, [old], LAMP)
    new = capture(*exchanges(ASK, SAY + "&NEW=1"))
    for older, kind, count in (
        (path, "captures", 1),
        (directory, "report", 1),
        (directory / "report.json", "report", 1),
        (LAMP_FILE, "spec", 0),
    ):
        built = reports.build([new], LAMP, against=read_older([older]))
        assert built.against is not None
        assert (built.against.kind, built.against.exchanges) == (kind, 3 if count else None)
        assert [change.field for change in built.changes or ()] == ["NEW"] * count
    assert reports.build([new], LAMP).changes is None


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    built = reports.build([capture(*exchanges(ASK, SAY + "&NEW=\x1b"))], LAMP, against=Older("lamp", spec=LAMP))
    (tmp_path / "report.json").write_text(reports.to_json(built), encoding="utf-8")
    assert read_report(tmp_path / "report.json") == built


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no report of qqlab"),
        ("[]", "is no report of qqlab"),
        ("{}", "is no report of qqlab"),
        ('{"qqlab_report": 1}', "is a report of format 1, not 2"),
        ('{"qqlab_report": "2"}', "is no report of qqlab"),
        ('{"qqlab_report": 2}', "is no report of qqlab"),
        ("[" * 100_000, "is no report of qqlab"),
    ],
)
def test_what_is_no_report_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_report(tmp_path / "report.json")


def test_a_spec_stands_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"lamp\.toml is no capture"):
        read_older([tmp_path / "x.jsonl", LAMP_FILE])


def test_the_command_tells_changes(tmp_path: Path) -> None:
    old, new = capture(*exchanges(ASK, SAY)), capture(*exchanges(ASK, SAY.replace("ST=1", "ST=0")))
    for name, one in (("old", old), ("new", new)):
        save(tmp_path / f"{name}.jsonl", one.header, one.exchanges, LAMP)
    told = qqlab("report", tmp_path / "new.jsonl", "--against", tmp_path / "old.jsonl", "--spec", LAMP_FILE, "--json")
    assert told.returncode == 0, told.stderr
    made = json.loads(told.stdout)
    assert made["against"] == {"name": "old.jsonl", "kind": "captures", "exchanges": 3}
    assert [(c["kind"], c["field"], c["value"]) for c in made["changes"]] == [("born", "ST", "0"), ("gone", "ST", "1")]
    missing = qqlab("report", tmp_path / "new.jsonl", "--against", tmp_path / "no.jsonl", "--json")
    assert (missing.returncode, missing.stdout) == (3, "")


def test_changes_are_those_of_hostile_names_too() -> None:
    odd = msgspec.structs.replace(exchanges("V=1&C=\x1b[1m&N={n}&A=9&<b>=1", SAY)[0], id="<i>")
    found = list(between_reports(report(*exchanges(ASK, SAY)), report(odd), Say()))
    assert [(c.kind, c.what, c.command) for c in found][:1] == [("born", "command", "\x1b[1m")]
