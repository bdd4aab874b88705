"""A spec brought up to what traffic shows: what is added, what stays, what is decided and what is not."""

import difflib
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import auction
import msgspec
import pytest
import tomlkit
import variety
from conftest import ROOT, qqlab

from qqlab import report
from qqlab import spec as specs
from qqlab.capture import Capture, header, load, save
from qqlab.errors import InputError
from qqlab.exchange import Exchange, RawMessage
from qqlab.infer import infer
from qqlab.infer.update import Proposal, propose
from qqlab.visible import visible

TEXT = specs.text(None)


@cache
def traffic() -> tuple[Exchange, ...]:
    return tuple(variety.days(7, 180))


def proposed(text: str, exchanges: tuple[Exchange, ...] | None = None) -> Proposal:
    return propose(text, "poor.toml", [(one.id, one) for one in exchanges or traffic()], "Captured traffic: days.jsonl")


def without(*cuts: Callable[[Any], None]) -> str:
    """The packaged spec with something missing."""
    document = tomlkit.parse(TEXT)
    for cut in cuts:
        cut(document)
    return tomlkit.dumps(document)


def field(command: str, direction: str, name: str) -> Callable[[Any], None]:
    def cut(document: Any) -> None:
        fields = document["commands"][command][direction]
        at = next(number for number, one in enumerate(fields) if one["name"] == name)
        del fields[at]

    return cut


def code(table: str, value: int) -> Callable[[Any], None]:
    def cut(document: Any) -> None:
        values = document["codes"][table]["values"]
        at = next(number for number, one in enumerate(values) if one["value"] == value)
        del values[at]

    return cut


def command(name: str) -> Callable[[Any], None]:
    return lambda document: document["commands"].pop(name)


def undocumented(text: str, exchanges: tuple[Exchange, ...]) -> list[str]:
    """The kinds of what the report finds undocumented."""
    capture = Capture(header=header(specs.builtin(), redacted="none"), exchanges=exchanges, path="days.jsonl")
    built = report.build([capture], specs.parse(text, "new"))
    return [kind.kind for kind in built.findings if kind.kind.startswith("undocumented")]


POOR = without(
    command("Finger"),
    field("Login", "reply", "SG"),
    field("GetInfo", "reply", "AD"),
    field("GetInfo", "reply", "CY"),
    field("CLTMSG", "request", "MG"),
    code("presence", 40),
    code("message", 99),
)


def test_applying_it_leaves_nothing_undocumented() -> None:
    assert undocumented(POOR, traffic()) != []
    assert undocumented(proposed(POOR).text, traffic()) == []


def test_applied_twice_it_has_nothing_more_to_say() -> None:
    once = proposed(POOR)
    assert once.changes
    again = proposed(once.text)
    assert again.changes == ()
    assert again.text == once.text


def test_comments_and_order_of_the_file_survive() -> None:
    """Nothing of the file goes but the readings of the dispute that is settled."""
    patch = list(difflib.unified_diff(POOR.splitlines(), proposed(POOR).text.splitlines(), n=0))
    gone = [line for line in patch[2:] if line.startswith("-")]
    assert len(gone) == 3
    assert all(line == "-value = 2" or "contradicts" in line for line in gone)


def test_what_is_put_in_stands_where_messages_have_it() -> None:
    spec = specs.parse(proposed(POOR).text, "new")
    reply = [one.name for one in spec.commands["GetInfo"].reply]
    known = [one.name for one in specs.builtin().commands["GetInfo"].reply]
    assert reply == known


def test_what_is_put_in_names_the_capture_and_is_careful() -> None:
    spec = specs.parse(proposed(POOR).text, "new")
    new = {name: spec.field(spec.command("GetInfo"), "reply", name) for name in ("AD", "CY")}
    assert all(one is not None and one.source == ("traffic",) and one.personal for one in new.values())
    token = spec.field(spec.command("Login"), "reply", "SG")
    assert token is not None
    assert token.secret
    assert spec.sources["traffic"].title == "Captured traffic: days.jsonl"
    assert spec.commands["Finger"].effect == "write"


def put(one: Exchange, pairs: bytes) -> Exchange:
    """The exchange with more in its request."""
    assert one.request is not None
    return msgspec.structs.replace(one, request=msgspec.structs.replace(one.request, body=one.request.body + pairs))


def asked(name: bytes) -> list[Exchange]:
    return [one for one in traffic() if one.request is not None and b"CMD=" + name + b"&" in one.request.body]


def test_of_what_is_masked_elsewhere_no_value_is_told() -> None:
    secret = "5d41402abc4b2a76b9719d911017c592"
    said = [b"&PS=%s&AG=%d&EM=x@example.com" % (secret.encode(), 7741 + number % 2) for number in range(400)]
    found = proposed(TEXT, tuple(map(put, asked(b"GetInfo"), said)))
    spec = specs.parse(found.text, "new")
    new = [spec.field(spec.command("GetInfo"), "request", name) for name in ("PS", "AG", "EM")]
    assert [(one.secret, one.personal, one.codes, one.constants) for one in new if one is not None] == [
        (True, False, None, ()),
        (False, True, None, ()),
        (False, True, None, ()),
    ]
    assert not any(value in found.text for value in (secret, "7741", "7742", "x@example.com"))


def test_a_name_in_two_cases_is_one_field() -> None:
    found = proposed(TEXT, tuple(put(one, b"&Zq=1&ZQ=2&zq=3") for one in asked(b"GetInfo")))
    assert sum("GetInfo request is new" in line for line in found.changes) == 1
    assert [one.name for one in specs.parse(found.text, "new").commands["GetInfo"].request].count("Zq") == 1


HOSTILE = (
    '"\'"""',
    "]\n[x]\ny=1",
    "\x7f\0\x1b[31m",
    "\u202e\u2028",
    "\U000e0041",
    'a.b."c',
    "\\u0041\\",
    "#x",
    "\ud800",
)


def test_names_and_titles_of_any_kind_are_data_in_the_file() -> None:
    """Commands, fields and ids by the names of `HOSTILE`: the proposal can be read, says them, and shows no control."""
    said = [quote(name.encode("utf-8", "surrogatepass"), safe="").encode() for name in HOSTILE]
    body = b"VER=1.1&CMD=%s&SEQ=1&UIN=10001&K%s=1"
    messages = [RawMessage(body=body % (name, name)) for name in said]
    made = [(f"{name}:{at}", Exchange(id="1", session="s", request=message)) for name in HOSTILE for at, message in
            enumerate(messages * 5)]  # fmt: skip
    found = propose(TEXT, "new.toml", made, "".join(HOSTILE))
    spec = specs.parse(found.text, "new.toml")
    assert {name.upper() for name in HOSTILE[:-1]} <= {name.upper() for name in spec.commands}
    new = found.text.replace("\n", "")
    assert visible(new) == new
    inferred = infer(made, HOSTILE[2], HOSTILE[3]).replace("\n", "")
    assert visible(inferred) == inferred


def test_a_dispute_is_settled_where_traffic_decides() -> None:
    found = proposed(TEXT)
    table = specs.parse(found.text, "new").codes["add"]
    assert [reading.contradicts for value in table.values for reading in value.readings] == [None] * 4
    assert table.by_value[3].readings[0].source == ("forum-2005", "traffic")
    assert table.by_value[2].readings[0].source == ("csharp-2010",)
    assert any(line.startswith("dispute add 3 against 2 is settled") for line in found.changes)
    assert any(line.startswith("presence 30 (busy / away)") for line in found.undecided)
    assert any(line.startswith("presence 30 against 50: both were seen") for line in found.undecided)


def test_a_dispute_with_little_traffic_stays() -> None:
    found = proposed(TEXT, traffic()[:60])
    assert "under-sampled" in " ".join(found.undecided)
    assert "contradicts = 3" in found.text


def test_a_spec_that_has_it_all_stays_as_it_is() -> None:
    settled = proposed(TEXT).text
    assert proposed(settled).text == settled


def test_a_spec_written_with_inline_tables_is_brought_up_too() -> None:
    text = Path(__file__).with_name("auction.toml").read_text(encoding="utf-8")
    document = tomlkit.parse(text).unwrap()
    document["codes"]["verdict"]["values"].pop()
    fields = document["commands"]["offer"].pop("reply")
    assert fields
    exchanges = tuple(auction.traffic(400))
    found = propose(tomlkit.dumps(document), "inline", [(one.id, one) for one in exchanges], "x")
    assert undocumented(found.text, exchanges) == []


def test_what_is_no_spec_is_refused() -> None:
    with pytest.raises(InputError, match="is not TOML"):
        propose("[", "broken.toml", [], "x")


def test_what_holds_no_message_is_not_said_to_be_in_the_spec(tmp_path: Path) -> None:
    capture = tmp_path / "none.jsonl"
    save(capture, header(specs.builtin(), redacted="none"), [], specs.builtin())
    done = qqlab("spec", "update", "qqlab/spec/httpqq.toml", capture)
    assert (done.returncode, done.stdout) == (3, "")
    assert "holds no message with a command (CMD) to learn from" in done.stderr


def test_the_command_line_prints_a_patch_that_applies(tmp_path: Path, require: Callable[[str], str]) -> None:
    tool = require("patch")
    spec, capture = tmp_path / "poor.toml", tmp_path / "days.jsonl"
    spec.write_text(POOR, encoding="utf-8")
    save(capture, header(specs.builtin(), redacted="none"), traffic(), specs.builtin())
    done = qqlab("spec", "update", spec, capture)
    assert done.returncode == 1
    assert "field SG of Login reply is new" in done.stderr
    assert spec.read_text(encoding="utf-8") == POOR
    subprocess.run([tool, "-s", str(spec)], input=done.stdout, text=True, check=True)
    assert spec.read_text(encoding="utf-8") == proposed(POOR).text
    assert qqlab("spec", "update", spec, capture).returncode == 0


def test_the_spec_itself_is_written_only_when_forced(tmp_path: Path) -> None:
    spec, capture = tmp_path / "poor.toml", tmp_path / "days.jsonl"
    spec.write_text(POOR, encoding="utf-8")
    exchanges = [msgspec.structs.replace(one) for one in traffic()[:100]]
    save(capture, header(specs.builtin(), redacted="none"), exchanges, specs.builtin())
    assert qqlab("spec", "update", spec, capture, "-o", spec).returncode == 3
    assert spec.read_text(encoding="utf-8") == POOR
    assert qqlab("spec", "update", spec, capture, "-o", spec, "--force").returncode == 0
    assert spec.read_text(encoding="utf-8") != POOR
    assert qqlab("spec", "check", spec).returncode == 0
    assert qqlab("spec", "update", spec, capture, "-o", capture, "--force").returncode == 2


def test_what_one_version_has_is_asked_of_no_other() -> None:
    """A spec of 1.1 learns from traffic of 1.4 alone: nothing new is required of 1.1, or laid to another command."""
    known = infer([(one.id, one) for one in load(ROOT / "captures/demo.jsonl").exchanges])
    lines = load(ROOT / "captures/lines.jsonl").exchanges
    found = proposed(known, lines)
    spec = specs.parse(found.text, "new")
    added = [one for _, _, one in spec.every_field() if one.name in ("CON", "SID", "XP", "LG", "SG")]
    assert {(one.versions, one.required) for one in added} == {(("1.4",), False)}
    assert spec.field(spec.command("Login"), "reply", "NT") is None
    assert undocumented(found.text, lines) == []
    assert "\n\n\n" not in found.text
