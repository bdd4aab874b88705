"""A spec for other tools: OpenAPI that a validator accepts, a schema that holds for captures, Markdown, the command."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, qqlab
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from qqlab import publish
from qqlab import spec as specs
from qqlab.capture import encode_line, header, load
from qqlab.capture.file import encode_header
from qqlab.codec import decode_message
from qqlab.exchange import Cut, Exchange, RawMessage
from qqlab.publish import EXPORTS
from qqlab.publish.names import any_case, distinct
from qqlab.spec import Spec
from qqlab.visible import visible

CAPTURES = sorted((ROOT / "captures").glob("*.jsonl"))
OTHER = """
format = 1
name = "x y"
title = "T"
[sources.a]
title = "A"
trust = "t"
[versions."9"]
doc = "d"
source = ["a"]
[roles]
version = "v"
command = "c"
sequence = "s"
account = "u"
status = "r"
[wire]
charsets = ["utf-8"]
list_separator = ";"
pair_escapes = ["&"]
list_escapes = [";"]
[common]
request = [FIELDS]
reply = [FIELDS, { name = "r", type = "int", doc = "d", source = ["a"], required = true }]
[codes]
[commands."a/b~c d"]
doc = "d"
effect = "read"
source = ["a"]
versions = ["9"]
[commands."A b"]
doc = "d"
effect = "read"
source = ["a"]
versions = ["9"]
"""
FIELDS = ", ".join(f'{{ name = "{name}", type = "text", doc = "d", source = ["a"] }}' for name in "vcsu")


@cache
def other() -> Spec:
    """A spec of another protocol, with names that other formats do not allow and a status without codes."""
    return specs.parse(OTHER.replace("FIELDS", FIELDS), "other")


@cache
def schema(spec_of: str = "builtin") -> Draft202012Validator:
    document = json.loads(publish.capture_schema(specs.builtin() if spec_of == "builtin" else other()))
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


@pytest.mark.parametrize("spec_of", ["builtin", "other"])
def test_a_validator_accepts_the_openapi(spec_of: str) -> None:
    document = json.loads(publish.openapi(specs.builtin() if spec_of == "builtin" else other()))
    OpenAPIV31SpecValidator(document).validate()
    assert list(document["paths"]) == ["/"]
    assert list(document["paths"]["/"]) == ["post"]


def described(direction: str) -> Draft202012Validator:
    document = json.loads(publish.openapi(specs.builtin()))
    return Draft202012Validator(document | {"$ref": f"#/components/schemas/{direction}"})


def test_the_openapi_holds_for_the_traffic_of_the_demo(known: Spec) -> None:
    """Each message of the recorded session is exactly one of those described; what is no such message is none."""
    for direction in ("request", "reply"):
        validator = described(direction)
        seen = 0
        for exchange in load(ROOT / "captures/demo.jsonl").exchanges:
            raw = getattr(exchange, direction)
            if raw is None or not raw.body:
                continue
            values = decode_message(raw.body, "request" if direction == "request" else "reply", known).values()
            said = {
                name: [item or "" for item in value] if isinstance(value, tuple) else "" if value is None else value
                for name, value in values.items()
            }
            if str(said.get("CMD")).upper() in {name.upper() for name in known.commands} and "" not in said.values():
                assert [error.message for error in validator.iter_errors(said)] == [], said
                assert list(validator.iter_errors({key: said[key] for key in said if key != "SEQ"})) != []
                seen += 1
        assert seen > 20


def test_its_examples_are_messages_as_they_are_sent(known: Spec) -> None:
    operation = json.loads(publish.openapi(known))["paths"]["/"]["post"]
    contents = {"request": operation["requestBody"]["content"]["text/plain"],
                "reply": operation["responses"]["200"]["content"]["text/*"]}  # fmt: skip
    for direction, content in contents.items():
        validator = described(direction)
        assert len(content["examples"]) == sum(command.effect != "push" for command in known.commands.values())
        for example in content["examples"].values():
            assert list(validator.iter_errors(example["value"])) == []
            read = decode_message(example["x-qqlab-body"].encode(), direction, known)  # type: ignore[arg-type]
            assert [note.code for note in read.notes] == []
            assert {k: list(v) if isinstance(v, tuple) else v for k, v in read.values().items()} == example["value"]


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_the_schema_accepts_the_committed_captures(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) > 10
    for number, line in enumerate(lines, 1):
        assert [error.message for error in schema().iter_errors(json.loads(line))] == [], number


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.pop("id"),
        lambda line: line.pop("decoded"),
        lambda line: line.update(time=5),
        lambda line: line.update(pairing="guess"),
        lambda line: line["request"].pop("body"),
        lambda line: line["request"].update(body_base64="QQ=="),
        lambda line: line["decoded"].update(notes=[{"code": "x"}]),
        lambda line: line["decoded"]["request"].update(UIN=10001),
        lambda line: line["decoded"]["reply"].update(RES=[0]),
        lambda line: line["decoded"]["reply"].update(UN="10002,10003,"),
        lambda line: line["decoded"].update(rows={"friend": [{"UN": ["10002"]}]}),
    ],
)
def test_the_schema_refuses_what_is_no_line(change: Any) -> None:
    lines = map(json.loads, (ROOT / "captures/demo.jsonl").read_text(encoding="utf-8").splitlines()[1:])
    line = next(one for one in lines if one["decoded"]["command"] == "List")
    assert schema().is_valid(line)
    change(line)
    assert not schema().is_valid(line)


NAMES = st.sampled_from(["VER", "SEQ", "UIN", "RES", "UN", "MT", "MG", "SC", "RS", "HI", "XX", "", "un", "é"])
VALUES = st.sampled_from(["", "1", "a", "-5", "1,2,", ",", "%2c", "0" * 30, "你,", "%ff", "+"]) | st.text(max_size=6)
COMMANDS = st.sampled_from([*specs.builtin().commands, "login", "LIST", "Dance", "", " Login "])


@given(
    st.lists(st.tuples(COMMANDS, st.lists(st.tuples(NAMES, VALUES), max_size=6)), min_size=1, max_size=2),
    st.binary(max_size=20),
    st.booleans(),
)
def test_it_accepts_whatever_is_written(sent: list[tuple[str, list[tuple[str, str]]]], junk: bytes, cut: bool) -> None:
    raw = [
        RawMessage(
            head=junk,
            body="&".join(
                [f"CMD={command}", *(f"{name}={value.replace('&', '')}" if name else value for name, value in pairs)]
            ).encode("utf-8", "surrogatepass"),
            end=b"\n",
            cut=Cut(length=9, sha256="") if cut else None,
        )
        for command, pairs in sent
    ]
    exchange = Exchange(id="1", session="s", request=raw[0], reply=raw[-1] if len(raw) > 1 else None)
    line = json.loads(encode_line(exchange, specs.builtin()))
    assert [error.message for error in schema().iter_errors(line)] == []


def test_a_schema_of_another_protocol() -> None:
    head = json.loads(encode_header(header(other(), redacted="none")))
    assert schema("other").is_valid(head)
    exchange = Exchange(id="1", session="s", request=RawMessage(body=b"v=9&c=A%2fb~c D&s=1&u=2"))
    assert schema("other").is_valid(json.loads(encode_line(exchange, other())))


HOSTILE = "<script>alert(1)</script>|`*_@x\u202e\0\r\n# [a](http://x) ]]\"'\\"


def test_hostile_text_stays_text() -> None:
    toml = (
        OTHER.replace("FIELDS", FIELDS)
        .replace('"T"', json.dumps(HOSTILE))
        .replace('doc = "d"', f"doc = {json.dumps(HOSTILE)}")
    )
    spec = specs.parse(toml.replace('"a/b~c d"', json.dumps(HOSTILE)), "hostile")
    page = publish.protocol(spec)
    assert visible(page.replace("\n", "")) == page.replace("\n", "")
    outside = re.sub(r"^```+\n.*?^```+$", "", page, flags=re.MULTILINE | re.DOTALL)
    assert "<script>" not in outside
    assert re.search(r"(?<!\\)\]\(", outside) is None
    for line in outside.splitlines():
        assert line.count("|") in (0, 4, 6), line
    OpenAPIV31SpecValidator(json.loads(publish.openapi(spec))).validate()
    Draft202012Validator.check_schema(json.loads(publish.capture_schema(spec)))
    for name in EXPORTS:
        assert "\u202e" not in EXPORTS[name].render(spec)


def test_examples_act_on_no_terminal() -> None:
    text = specs.text(None).replace('"9326B87B234E7235"', '"\\u001b[31m\\u007f"')
    for name in EXPORTS:
        made = EXPORTS[name].render(specs.parse(text, "hostile")).replace("\n", "")
        assert visible(made) == made, name


def test_a_page_of_the_protocol_holds_all_that_is_known(known: Spec) -> None:
    page = publish.protocol(known)
    for command in known.commands.values():
        assert f"## {command.name.replace('_', chr(92) + '_')}\n" in page
    assert page.count("| 30 | busy | forum-2005 |") == page.count("| 30 | away | mobile-1.4 |") == 1
    for name in known.sources:
        assert f"| {name}" in page
    links = set(re.findall(r"\]\(#([^)]*)\)", page))
    assert links == {f"code-{field.codes.lower()}" for _, _, field in known.every_field() if field.codes is not None}
    assert all(f"\n## code {name.removeprefix('code-')}\n" in page.lower() for name in links)


@given(st.lists(st.text(max_size=8), max_size=8))
def test_names_are_distinct_and_plain(names: list[str]) -> None:
    made = distinct(names, fold=True, taken=("a", "_"))
    assert set(made) == set(names)
    assert len(set(made.values())) == len(made)
    assert all(re.fullmatch(r"[a-z0-9_]+", name) and name not in ("a", "_") for name in made.values())


@given(st.text(max_size=10))
def test_any_case_means_just_that_name(name: str) -> None:
    ascii_swapped = "".join(c.swapcase() if c.isascii() else c for c in name)
    pattern = any_case(name)
    assert re.search(pattern, name) or "\n" in name
    assert re.search(pattern, ascii_swapped) or "\n" in name
    assert not re.search(pattern, name + "x")


@pytest.mark.parametrize("name", EXPORTS)
def test_the_command_writes_what_the_library_makes(name: Any, tmp_path: Path, known: Spec) -> None:
    path = tmp_path / EXPORTS[name].file
    first = qqlab("spec", "export", "--format", name, "-o", path)
    assert (first.returncode, first.stdout, first.stderr) == (0, "", f"qqlab: wrote {path}\n")
    assert path.read_text(encoding="utf-8") == EXPORTS[name].render(known)
    again = qqlab("spec", "export", "--format", name, "-o", path)
    assert (again.returncode, again.stderr.count("\n")) == (3, 1)


def test_a_spec_is_not_replaced_by_its_export(tmp_path: Path, known: Spec) -> None:
    path = tmp_path / "my.toml"
    path.write_text(specs.text(None), encoding="utf-8")
    done = qqlab("spec", "export", "--format", "markdown", "--spec", path, "-o", path, "--force")
    assert (done.returncode, done.stderr.startswith(f"qqlab: {path}: is the spec that is exported")) == (2, True)
    assert path.read_text(encoding="utf-8") == specs.text(None)
    assert qqlab("spec", "export", "--format", "markdown", "--spec", path).stdout == publish.protocol(known)
