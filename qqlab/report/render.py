"""A report to text: HTML, Markdown and JSON.

Law: pure; layout stands in the templates, and nothing else does. Captured text is hostile: every value that a
template prints passes through `visible` and the escaping of its medium by the environment, so that no template
can forget it. What goes into attributes is made by `anchor` from a small alphabet.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, Undefined
from markupsafe import Markup

from qqlab.profile import Verdict
from qqlab.report.model import CommandPart, DirectionPart, FieldPart, Report
from qqlab.report.say import Say
from qqlab.spec import Lang
from qqlab.visible import json_safe, markdown_safe, visible

LOUD: tuple[Verdict, ...] = ("contradicted", "undocumented")


def to_html(report: Report) -> str:
    """The report as one page that needs nothing beside itself."""
    return _render("index.html.j2", report)


def to_markdown(report: Report) -> str:
    """The report as GitHub-flavoured Markdown."""
    return _render("report.md.j2", report)


def to_json(report: Report) -> str:
    """The report as JSON, in the shape of `qqlab.report.model`."""
    return json_safe(msgspec.json.format(msgspec.json.encode(report), indent=2).decode()) + "\n"


def anchor(*parts: object) -> str:
    """The name of a part of the report: distinct for distinct parts, and safe in an attribute and in a link."""
    return "-".join(re.sub(r"[^A-Za-z0-9_]", lambda match: f".{ord(match[0]):x}.", str(part)) for part in parts)


def _render(template: str, report: Report) -> str:
    names = ", ".join(capture.file for capture in report.captures)
    spoken = frozenset(name.name for name in report.summary.versions.first)
    environment = _environment(template.endswith(".html.j2"), report.lang)
    return environment.get_template(template).render(
        report=report, title=f"{report.spec.title}: {names or 'no capture'}", spoken=spoken
    )


@cache
def _environment(html: bool, lang: Lang) -> Environment:
    finalize = _visible if html else _markdown
    environment = Environment(
        loader=PackageLoader("qqlab.report", "templates"),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "_": _speaker(Say(lang), finalize),
        "lang": lang,
        "anchor": anchor,
        "mark": _mark,
        "count": _count,
        "loud": _loud,
        "percent": _percent,
        "repeats": _repeats,
        "said": _said,
        "split": _split,
    }
    environment.filters |= {
        "number": _number,
        "time": _time,
        "slug": lambda text: text.replace(" ", "-"),
        "capitalize_first": lambda text: text[:1].upper() + text[1:],
    }
    return environment


def _speaker(say: Say, finalize: Callable[[Any], Any]) -> Callable[..., Markup]:
    """What templates say sentences with: `_("{count} of {whole}", count=…, whole=…)`.

    A sentence is the template's own text, so it is no less trusted than the template, and may hold markup; each value
    is made harmless and escaped as one that the template prints. Hence a sentence is a literal, never a value.
    """

    def speak(sentence: str, /, **values: Any) -> Markup:
        ready = {name: finalize(value) if isinstance(value, str) else value for name, value in values.items()}
        return Markup(say.translated(sentence)).format(**ready)

    return speak


def _mark(*parts: object) -> Markup:
    """An anchor as Markdown may hold it unescaped."""
    return Markup(anchor(*parts))


def _visible(value: Any) -> Any:
    """What is about to be printed into HTML; the environment escapes it afterwards."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _markdown(value: Any) -> Any:
    """What is about to be printed into Markdown; what macros made is Markdown already."""
    if isinstance(value, Markup | Undefined):
        return value
    return Markup(markdown_safe(str(value)))


def _number(number: int) -> str:
    return f"{number:,}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "0"


def _said(part: DirectionPart) -> str:
    """The messages of one direction, counted in words."""
    parts = [_count(part.messages, "message")]
    if part.empty:
        parts.append(f"{part.empty:,} without a body")
    if part.foreign.count:
        parts.append(f"{part.foreign.count:,} not of the protocol")
    return ", and ".join(parts)


def _repeats(field: FieldPart) -> str:
    """That a field repeats the request's, and how often that was found so."""
    counts = field.repetition
    if counts is None:
        return ""
    if counts.unchecked and not counts.held and not counts.broken:
        return "repeats the request: could not be checked, no request has a value there"
    told = [
        f"{what} {_count(number, 'time')}"
        for what, number in (("held", counts.held), ("broken", counts.broken), ("not checkable", counts.unchecked))
        if number
    ]
    return "repeats the request" + (f": {', '.join(told)}" if told else "")


def _loud(command: CommandPart) -> list[tuple[str, int]]:
    """How many of a command's fields are contradicted or undocumented, where any is."""
    verdicts = [field.verdict for part in command.directions.values() for field in part.fields]
    return [(verdict, verdicts.count(verdict)) for verdict in LOUD if verdict in verdicts]


def _time(time: datetime) -> str:
    seconds = time.isoformat(" ", "seconds")
    return seconds if time.utcoffset() else seconds.removesuffix("+00:00") + " UTC"


class _Told(NamedTuple):
    """The fields of a message: the command's own, with all that stand out; those that every message has; and those
    of versions that nobody spoke, which nobody saw."""

    own: list[FieldPart]
    common: list[FieldPart]
    elsewhere: list[FieldPart]


def _split(fields: Iterable[FieldPart], spoken: frozenset[str]) -> _Told:
    told = _Told([], [], [])
    for field in fields:
        if field.verdict == "never seen" and field.versions and spoken.isdisjoint(field.versions):
            told.elsewhere.append(field)
        elif field.common and field.verdict not in LOUD:
            told.common.append(field)
        else:
            told.own.append(field)
    return told
