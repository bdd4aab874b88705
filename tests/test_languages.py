"""A spec in another language: its texts differ, and nothing else; what a translation has wrong is named."""

from pathlib import Path

import msgspec
import pytest
from conftest import ROOT, qqlab

from qqlab import spec as specs
from qqlab.errors import InputError
from qqlab.spec import Mistake, Spec, languages
from qqlab.spec.file import parse

PACKAGED = ROOT / "qqlab/spec/httpqq.toml"
TEXT = PACKAGED.read_text(encoding="utf-8")
OVERLAY = """
format = 1
title = "协议"
sources.forum-2005 = { title = "论坛", trust = "亲见" }
common.request.VER.doc = "版本号。"
codes.presence.values.30.readings = [{ meaning = "忙碌" }, { meaning = "离开" }]
wire.facts = [{ topic = "服务器" }]

[commands.GetMsgEx]
rows.message.doc = "一条消息。"
reply.MG = { doc = "消息正文。", cases = [{}, { doc = "拒绝的理由。" }] }
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A spec file with a translation beside it."""
    (tmp_path / "mine.toml").write_text(TEXT, encoding="utf-8")
    (tmp_path / "mine.zh.toml").write_text(OVERLAY, encoding="utf-8")
    return tmp_path / "mine.toml"


def bare(known: Spec) -> object:
    """All that a spec says but its texts."""

    def without(value: object) -> object:
        if isinstance(value, dict):
            return {key: without(item) for key, item in value.items() if key not in languages.TEXTS}
        return [without(item) for item in value] if isinstance(value, list | tuple) else value

    return without(msgspec.to_builtins(known))


def test_a_translation_replaces_texts_wherever_they_stand(files: Path) -> None:
    made = specs.load(files, "zh")
    command, version = made.commands["GetMsgEx"], made.field(None, "request", "VER")
    field = command.field("reply", "MG")
    assert version is not None
    assert field is not None
    assert made.title == "协议"
    assert (made.sources["forum-2005"].title, made.sources["forum-2005"].trust) == ("论坛", "亲见")
    assert version.doc == "版本号。"
    assert [reading.meaning for reading in made.codes["presence"].by_value[30].readings] == ["忙碌", "离开"]
    assert made.wire.facts[0].topic == "服务器"
    assert command.rows[0].doc == "一条消息。"
    assert field.doc == "消息正文。"
    assert field.cases[1].doc == "拒绝的理由。"
    assert field is command.layouts["reply"].by_name["MG"]


def test_what_it_leaves_out_stays_english(files: Path, known: Spec) -> None:
    made = specs.load(files, "zh")
    assert made.wire.facts[0].doc == known.wire.facts[0].doc
    assert made.wire.facts[1:] == known.wire.facts[1:]
    assert made.commands["Login"].doc == known.commands["Login"].doc


def test_it_is_not_read_where_english_is_wanted_or_there_is_none(files: Path, known: Spec, tmp_path: Path) -> None:
    assert specs.load(files) == known
    (tmp_path / "mine.zh.toml").unlink()
    assert specs.load(files, "zh") == known


def test_nothing_but_texts_differs(files: Path, known: Spec) -> None:
    for made in (specs.load(files, "zh"), specs.builtin("zh")):
        assert made != known
        assert bare(made) == bare(known)


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("commands.Logn.doc = 'x'", "$.commands.Logn: the spec has no text here; known beside it: Login, List, Query_"),
        ("commands.Login.effect = 'x'", "$.commands.Login.effect: the spec has no text here; known beside it: doc, "),
        ("commands.Login.reply.RX.doc = 'x'", "$.commands.Login.reply.RX: the spec has no text here; known beside it"),
        ("commands.Login.reply.RS = 'x'", "$.commands.Login.reply.RS: expected a table or a list of texts"),
        ("commands.Login.doc.x = 'x'", "$.commands.Login.doc: expected a text, not a table or a list"),
        ("commands.Login.doc = ['x']", "$.commands.Login.doc: expected a text, not a table or a list"),
        ("commands.Login.doc = 1", "$.commands.Login.doc: expected a text"),
        ("commands.Login.doc = ' '", "$.commands.Login.doc: is empty; leave it out to keep the spec's own text"),
        ("codes.add.values.9.readings = [{ meaning = 'x' }]", "$.codes.add.values.9: the spec has no text here; known"),
        ("codes.add.values.2.readings = [{}, { meaning = 'x' }]", "$.codes.add.values.2.readings[1]: the spec has no "),
        (
            'versions."1.5".doc = "x"',
            '$.versions."1.5": the spec has no text here; known beside it: 1.0, 1.1, 1.2, 1.4',
        ),
        (
            "x = 'x'",
            "$.x: the spec has no text here; known beside it: title, sources, versions, wire, common, codes, c",
        ),
    ],
)
def test_each_mistake_is_named(line: str, mistake: str) -> None:
    with pytest.raises(InputError) as refused:
        parse(TEXT, "a.toml", f"format = 1\n{line}\n", "a.zh.toml")
    assert str(refused.value).startswith(f"a.zh.toml: {mistake}")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", Mistake("$.format", "is missing; this is 1")),
        ("format = 2", Mistake("$.format", "is 2; known: 1")),
        ("format = true", Mistake("$.format", "is True; known: 1")),
    ],
)
def test_a_translation_has_a_version(files: Path, text: str, mistake: Mistake) -> None:
    files.with_name("mine.zh.toml").write_text(text, encoding="utf-8")
    assert specs.check_translation(files, files.with_name("mine.zh.toml"))[0] == [mistake]


def test_what_is_nested_without_end_is_a_mistake() -> None:
    with pytest.raises(InputError, match=r"a\.zh\.toml: \$\.a: the spec has no text here"):
        parse(TEXT, "a.toml", "format = 1\n" + ".".join("a" * 5000) + " = 1", "a.zh.toml")


def test_spec_check_reads_the_translation_too(files: Path) -> None:
    lines = qqlab("spec", "check", files).stdout.splitlines()
    assert lines[0] == f"{files}: a good spec of HTTP QQ 1.0, 1.1 and 1.4, 18 commands"
    assert lines[1].startswith(
        f"{files.with_name('mine.zh.toml')}: translates it, but for $.sources.research-2005.title"
    )
    files.with_name("mine.zh.toml").write_text("format = 1\ncommands.Logn.doc = 'x'\n", encoding="utf-8")
    refused = qqlab("spec", "check", files)
    assert refused.returncode == 3
    assert f"{files.with_name('mine.zh.toml')}: $.commands.Logn: the spec has no text here" in refused.stdout
