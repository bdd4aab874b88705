"""A spec in another language: its texts differ, and nothing else; what a translation has wrong is named."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import ROOT, qqlab
from typography import mistakes

from qqlab import spec as specs
from qqlab.capture import load
from qqlab.codec import decode
from qqlab.diff import compare
from qqlab.errors import InputError
from qqlab.exchange import Exchange
from qqlab.redact import Redactor
from qqlab.replay.plan import plan
from qqlab.spec import Mistake, Spec, languages
from qqlab.spec.file import parse

PACKAGED = ROOT / "qqlab/spec/httpqq.toml"
BESIDE = ROOT / "qqlab/spec/httpqq.zh.toml"
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


# ------------------------------------------------------------------------------------- the packaged translation


def texts(document: dict[str, Any]) -> dict[str, str]:
    return {languages.shown(path): text for path, text in languages.texts(document)}


OWN, CHINESE = (
    texts(tomllib.loads(TEXT)),
    texts(languages.overlaid(tomllib.loads(TEXT), tomllib.loads(BESIDE.read_text(encoding="utf-8")))),
)


def test_the_packaged_translation_is_complete() -> None:
    assert specs.check_translation(PACKAGED, BESIDE) == ([], [])
    # A blood group needs a word more in Chinese; nothing is the same in both.
    assert [path for path in OWN if OWN[path] == CHINESE[path]] == []


def test_it_is_set_as_chinese_is() -> None:
    assert {path: wrong for path, text in CHINESE.items() if (wrong := mistakes(text))} == {}


def test_sentences_end_where_the_english_ones_do() -> None:
    assert [path for path in OWN if OWN[path].endswith(".") != CHINESE[path].endswith("。")] == []


def test_it_says_alike_what_english_says_alike() -> None:
    """Terms are one for one: the same English text is the same Chinese one."""
    alike: dict[str, set[str]] = {}
    for path, text in OWN.items():
        alike.setdefault(text, set()).add(CHINESE[path])
    assert {text: said for text, said in alike.items() if len(said) > 1} == ALIKE


# English has one word where Chinese has several.
ALIKE = {
    "Whose profile.": {"这是谁的资料。", "取谁的资料。"},  # in the request, and in the reply
    "refused": {"对方已拒绝", "拒绝登录", "被拒绝"},  # a message, a login, a wish to be added
}


# ------------------------------------------------------------------------- nothing hangs on a spec's language


def spoilt(exchange: Exchange) -> Exchange:
    """The exchange as a server might answer it that has nobody logged in."""
    assert exchange.reply is not None
    body = exchange.reply.body.replace(b"RES=0", b"RES=20").replace(b"ST=10,", b"ST=30,").replace(b"MT=9,", b"MT=3,")
    return msgspec.structs.replace(exchange, reply=msgspec.structs.replace(exchange.reply, body=body))


@pytest.fixture(scope="module")
def exchanges() -> list[Exchange]:
    return list(load(ROOT / "captures/demo.jsonl").exchanges)


def test_findings_have_the_same_ids_whatever_the_language(known: Spec, exchanges: list[Exchange]) -> None:
    told = [compare(exchanges, map(spoilt, exchanges), spec) for spec in (known, specs.builtin("zh"))]
    where = [
        [(one.id, one.rule, one.exchange, one.severity, one.direction, one.field, one.row) for one in made.findings]
        for made in told
    ]
    assert where[0]
    assert where[0] == where[1]
    assert [one.expected for one in told[0].findings] != [one.expected for one in told[1].findings]


def test_the_same_is_redacted_whatever_the_language(known: Spec, exchanges: list[Exchange]) -> None:
    made = [Redactor(spec, policy="all", key=b"k" * 32) for spec in (known, specs.builtin("zh"))]
    assert [made[0].exchange(one) for one in exchanges] == [made[1].exchange(one) for one in exchanges]


def test_the_same_is_sent_whatever_the_language(known: Spec, exchanges: list[Exchange]) -> None:
    made = [plan(exchanges, spec, host="127.0.0.1:1", start=1) for spec in (known, specs.builtin("zh"))]
    assert made[0] == made[1]


def test_the_same_is_decoded_whatever_the_language(known: Spec, exchanges: list[Exchange]) -> None:
    def read(spec: Spec) -> list[object]:
        decoded = [decode(one, spec) for one in exchanges]
        return [
            ([(field.name, field.value) for field in one.reply.fields] if one.reply else None, one.notes)
            for one in decoded
        ]

    assert read(known) == read(specs.builtin("zh"))


# --------------------------------------------------------------------------------------------- qqlab spec show


def test_the_spec_is_shown_in_chinese() -> None:
    shown = qqlab("spec", "show", "Login", "--lang", "zh").stdout
    assert shown.splitlines()[:2] == [
        "Login：登录；此后服务器凭地址和 UIN 识别客户端。",
        "作用类别 auth；版本 1.0, 1.1, 1.4；来源 forum-2005",
    ]
    assert "必有、机密" in shown
    known = specs.builtin()
    names = {*known.sources, *known.codes, *(field.name for _, _, field in known.every_field())}
    names |= {"auth", "text", "digits", "hex", "code", "version", "int"}
    names |= {"Login", "Logout", "IP", "MD5", "NOKIA8F3A18D6E27", "HTTP", "Q", "QQ"}
    assert set(re.findall(r"[A-Za-z][\w.-]*", shown)) - names == set()


def test_english_is_shown_as_ever() -> None:
    shown = qqlab("spec", "show", "List").stdout
    assert "rows of UN, key UN, counted by SN: One friend of the user." in shown
    assert "effect read; versions 1.0, 1.1, 1.4; by forum-2005" in shown
