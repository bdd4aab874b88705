"""Sentences in templates: what they are filled with is harmless, whatever it is."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote

import msgspec
import pytest
from conftest import ROOT
from markupsafe import Markup

from qqlab import spec as specs
from qqlab.capture import load
from qqlab.report import Report, build, read_older, render


def test_what_fills_a_sentence_is_escaped_as_what_a_template_prints() -> None:
    page = render._environment(True, "en").from_string('{{ _("{a} <b>and</b> {b}", a=a, b=b) }}')
    assert page.render(a="<i>\x1b", b=Markup("<i>x</i>")) == "&lt;i&gt;\\x1b <b>and</b> <i>x</i>"
    text = render._environment(False, "en").from_string('{{ _("*{a}* and {b}", a=a, b=b) }}')
    assert text.render(a="<i>*", b=3) == "*&#60;i&#62;\\** and 3"


# ------------------------------------------------------------------------------------------ nothing is left English


NAMES = [ROOT / f"captures/{name}.jsonl" for name in ("demo", "lines", "forum-2005")]
# What is called so in every language: units, and what stands on a command line.
PLAIN = {
    "UTC",
    "ms",
    "s",
    "min",
    "µs",
    "h",
    "p50",
    "p95",
    "p99",
    "Tab",
    "qqlab",
    "show",
    "FILE",
    "ID",
    "NAME",
    "VALUE",
    "n",
}


@pytest.fixture(scope="module")
def told() -> Report:
    return build([load(path) for path in NAMES], specs.builtin("zh"), "zh")


def words_of(text: str) -> set[str]:
    """The words in Latin letters; no digits of pictures, and nothing of one letter."""
    return {word for word in re.findall(r"[A-Za-z][\w.-]+", text) if not re.fullmatch(r"[0-9a-f]{20,}", word)}


def allowed(report: Report) -> set[str]:
    """Names, identifiers and captured text: what stays as it is in every language."""
    found = set(PLAIN)
    for known in (specs.builtin("zh"), report.spec, report.captures, report.summary):
        found |= words_of(msgspec.json.encode(known).decode())
    found |= {note.code for note in report.notes}
    for path in NAMES:
        for exchange in load(path).exchanges:
            bodies = (raw.body for raw in (exchange.request, exchange.reply) if raw is not None)
            found |= {word for body in bodies for word in words_of(unquote(body.decode("utf-8", "replace")))}
    return found


class Shown(HTMLParser):
    """The words of a page that somebody reads or hears, but for what is set as code."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.text += [
            given[name] or "" for name in ("title", "aria-label", "data-label", "placeholder") if name in given
        ]
        quiet = tag in ("script", "style", "pre", "code") or "mono" in (given.get("class") or "").split()
        if (quiet or self.silent) and tag not in VOID:
            self.silent.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.silent and tag not in VOID:
            self.silent.pop()

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.text.append(data)


VOID = {"br", "meta", "link", "input", "img", "col", "path", "use", "hr", "rect"}


def test_a_chinese_page_says_nothing_in_english(told: Report) -> None:
    shown = Shown()
    shown.feed(render.to_html(told))
    assert "交互" in "".join(shown.text)
    assert {word for text in shown.text for word in words_of(text)} - allowed(told) == set()


def test_a_chinese_report_in_markdown_says_nothing_in_english(told: Report) -> None:
    text = render.to_markdown(told)
    plain = re.sub(r"<[^>]*>|\]\([^)]*\)|`[^`]*`|(?s:```.*?```)", " ", text).replace("\\", "")
    assert words_of(plain) - allowed(told) == set()


def test_emphasis_ends_where_markdown_sees_it_end(told: Report) -> None:
    """A mark before the stars and a letter behind them: then they would be taken for a beginning."""
    assert re.findall(r".{,9}[：，。；、）]\*+\w.{,9}", render.to_markdown(told)) == []


def test_chinese_sentences_are_not_torn_by_blanks(told: Report) -> None:
    text = render.to_markdown(told)
    assert re.findall(r"[\u4e00-\u9fff][,;:] |[。；：] (?=[\u4e00-\u9fff“])| [，。；：、]", text) == []


def test_the_sentences_of_the_model_are_chinese_and_its_codes_are_not(told: Report) -> None:
    english = build([load(path) for path in NAMES], specs.builtin())
    assert (told.lang, english.lang) == ("zh", "en")
    assert [one.kind for one in told.findings] == [one.kind for one in english.findings]
    assert [(one.target, one.evidence) for one in told.top] == [(one.target, one.evidence) for one in english.top]
    assert [(one.code, one.severity, one.count) for one in told.notes] == [
        (one.code, one.severity, one.count) for one in english.notes
    ]
    for one in told.findings:
        assert re.search("[\u4e00-\u9fff]", one.title)


def test_what_changed_is_told_in_chinese() -> None:
    older = read_older([NAMES[2]], "zh")
    changes = build([load(NAMES[0])], specs.builtin("zh"), "zh", against=older).changes
    told = {change.text for change in changes or ()}
    assert "出现情况：由“总是”变为“有时”" in told
    kinds = {"text", "digits", "int", "hex"}
    assert {word for text in told for word in words_of(text)} <= kinds
