"""A report to text: HTML, Markdown and JSON.

Law: pure; layout stands in the templates, and nothing else does. Captured text is hostile: every value that a
template prints passes through `visible` and the escaping of its medium by the environment, so that no template
can forget it. What goes into attributes is made by `anchor` from a small alphabet. The page's one script is static, and
named by its hash to the browser, which runs no other; what it shows it gets as data.
"""

import base64
import hashlib
import traceback
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateSyntaxError,
    Undefined,
)
from markupsafe import Markup

from qqlab.errors import InputError
from qqlab.profile import Verdict
from qqlab.report.anchors import anchor
from qqlab.report.explore import Exploration
from qqlab.report.mermaid import chosen, sequence, states
from qqlab.report.model import CommandPart, DirectionPart, FieldPart, Report, WirePart
from qqlab.report.say import Say
from qqlab.report.script import script_words
from qqlab.report.units import seconds, share
from qqlab.spec import Lang
from qqlab.visible import json_safe, markdown_safe, visible

LOUD: tuple[Verdict, ...] = ("contradicted", "undocumented")

# What is said of fields that nobody saw.
SILENT: tuple[Verdict, ...] = ("never seen", "under-sampled")

# What a directory of templates may hold in the place of the package's own.
TEMPLATES = ("index.html.j2", "parts.html.j2", "behaviour.html.j2", "report.md.j2", "style.css", "page.js")


def to_html(report: Report, exploration: Exploration | None = None, templates: Path | None = None) -> str:
    """The report as one page that needs nothing beside itself, with the exchanges to explore where they are given.

    `templates` is a directory whose files stand in for the package's of the same name. Raises InputError where one of
    them cannot be rendered.
    """
    # matplotlib takes as long to import as all of the command line; who asks for no page need not wait.
    from qqlab.report.pictures import pictures  # noqa: PLC0415

    say = Say(report.lang)
    environment = _environment(True, report.lang, templates)
    drawn = pictures(report, say)
    script = _source(environment, "page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _render(
        environment,
        "index.html.j2",
        report,
        pictures=drawn,
        behaves=drawn.any or bool(report.behaviour.invariants),
        rows=frozenset(_field_rows(report)),
        explored=frozenset() if exploration is None else frozenset(one.at for one in exploration.exchanges),
        sampled=0 if exploration is None else len(exploration.exchanges),
        occurring=frozenset(_verdicts(report)),
        script=Markup(script),
        script_hash=Markup(f"sha256-{digest}"),
        data=Markup(_inert({"words": script_words(say), "exploration": exploration})),
    )


def to_markdown(report: Report, templates: Path | None = None) -> str:
    """The report as GitHub-flavoured Markdown; `templates` as for `to_html`."""
    telling = chosen(report.behaviour.sessions)
    environment = _environment(False, report.lang, templates)
    return _render(environment, "report.md.j2", report, drawn_session=telling[0] if telling else None)


def to_json(report: Report) -> str:
    """The report as JSON, in the shape of `qqlab.report.model`."""
    return json_safe(msgspec.json.format(msgspec.json.encode(report), indent=2).decode()) + "\n"


def _inert(data: object) -> str:
    """Data as JSON that ends no element and acts on nothing wherever it stands."""
    text = json_safe(msgspec.json.encode(data).decode())
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _field_rows(report: Report) -> Iterator[str]:
    for command in report.commands:
        for direction, part in command.directions.items():
            for field in part.fields:
                yield anchor("field", command.name, direction, field.name)


def _verdicts(report: Report) -> Iterator[str]:
    for command in report.commands:
        for part in command.directions.values():
            yield from (field.verdict for field in part.fields)
    for code in report.codes:
        yield from (value.verdict for value in code.values)


def _source(environment: Environment, name: str) -> str:
    """A template as it is written."""
    loader: BaseLoader | None = environment.loader
    return "" if loader is None else loader.get_source(environment, name)[0]


def _render(environment: Environment, template: str, report: Report, **more: object) -> str:
    names = ", ".join(capture.file for capture in report.captures)
    spoken = frozenset(name.name for name in report.summary.versions.first)
    title = f"{report.spec.title}: {names}" if names else report.spec.title
    titles = {group.kind: group.title for group in report.findings}
    try:
        written = environment.get_template(template)
        return written.render(report=report, title=title, spoken=spoken, titles=titles, **more)
    except Exception as error:
        # A template of someone's own is a program, and fails in any way that one can; the package's do not.
        where = _blamed(error, environment)
        if where is None:
            raise
        raise InputError(visible(where), f"the template cannot be rendered: {visible(str(error))}") from error


def _blamed(error: Exception, environment: Environment) -> str | None:
    """The line of the template that an error comes from; None where it is none of a directory of someone's own."""
    if isinstance(error, TemplateSyntaxError):
        return f"{error.filename or error.name}:{error.lineno}"
    own = {loader.searchpath[0] for loader in _loaders(environment) if isinstance(loader, FileSystemLoader)}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if any(Path(frame.filename).is_relative_to(directory) for directory in own):
            return f"{frame.filename}:{frame.lineno}"
    return None


def _loaders(environment: Environment) -> list[BaseLoader]:
    loader = environment.loader
    return list(loader.loaders) if isinstance(loader, ChoiceLoader) else []


def _own(templates: Path) -> FileSystemLoader:
    """The templates of a directory. Raises InputError where none is there, or one is not text."""
    found = [templates / name for name in TEMPLATES if (templates / name).is_file()]
    if not found:
        raise InputError(visible(str(templates)), "holds no template", f"name its files {', '.join(TEMPLATES)}")
    for path in found:
        try:
            path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(visible(str(path)), "is not UTF-8", f"byte {error.start} is wrong") from error
    return FileSystemLoader(templates)


@cache
def _environment(html: bool, lang: Lang, templates: Path | None = None) -> Environment:
    finalize = _visible if html else _markdown
    say = Say(lang)
    own = PackageLoader("qqlab.report", "templates")
    environment = Environment(
        loader=own if templates is None else ChoiceLoader([_own(templates), own]),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "_": _speaker(say, finalize),
        **_marks(say),
        "lang": {"zh": "zh-Hans"}.get(lang, lang),
        "anchor": anchor,
        "mark": _mark,
        "count": say.count,
        "code": _code,
        "escapes": lambda characters: _escapes(characters, say),
        "travelling": _travelling,
        "sequence": lambda session, status: Markup(sequence(session, status, say)),
        "states": lambda behaviour: Markup(states(behaviour, say)),
        "loud": _loud,
        "percent": _percent,
        "repeats": lambda field: _repeats(field, say),
        "said": lambda part: _said(part, say),
        "share": share,
        "split": _split,
    }
    environment.filters |= {
        "mark": _mark,
        "number": _number,
        "seconds": seconds,
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


def _marks(say: Say) -> dict[str, str]:
    """The punctuation that templates set themselves: between things of a list, clauses and sentences,
    behind a name, around what stands aside."""
    opens, closes = say("{meaning} ({sources})", meaning="", sources="\0").split("\0")
    return {
        "opens": opens,
        "closes": closes,
        "comma": say.translated(", "),
        "semicolon": say.translated("; "),
        "clause": say("{one}, {other}", one="", other=""),
        "colon": say("{name}: {what}", name="", what=""),
        "gap": say("{one} {other}", one="", other=""),
        "stop": say("{one}.", one=""),
    }


def _mark(*parts: object) -> Markup:
    """An anchor as Markdown may hold it unescaped."""
    return Markup(anchor(*parts))


def _code(mark: str, text: str, cut: bool) -> Markup:
    """Text as a line of code, which Markdown leaves as it is."""
    return Markup(f"    {mark}{visible(text)}{' …' if cut else ''}")


def _escapes(characters: Iterable[str], say: Say) -> str:
    """Which characters travel as what."""
    names = {"\r": "CR", "\n": "LF"}
    return say.several(
        say("{character} travels as {escape}", character=names.get(one, f"“{one}”"), escape=f"%{ord(one):02x}")
        for one in characters
    )


def _travelling(wire: WirePart) -> tuple[str, str, str]:
    """A text with something to escape, as it travels in a pair, and as it does in an item of a list."""
    text = f"a{wire.list_separator} b & 50%"
    return text, _escaped(text, wire.pair_escapes), _escaped(_escaped(text, wire.list_escapes), wire.pair_escapes)


def _escaped(text: str, characters: Iterable[str]) -> str:
    """A text with some characters as `%xx`."""
    return "".join(f"%{ord(one):02x}" if one in characters else one for one in text)


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


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "0"


def _said(part: DirectionPart, say: Say) -> str:
    """The messages of one direction, counted in words."""
    parts = [say.count(part.messages, "message")]
    if part.empty:
        parts.append(say("{count:,} without a body", count=part.empty))
    if part.foreign.count:
        parts.append(say("{count:,} not of the protocol", count=part.foreign.count))
    return say(", and ").join(parts)


def _repeats(field: FieldPart, say: Say) -> str:
    """That a field repeats the request's, and how often that was found so."""
    counts = field.repetition
    if counts is None:
        return ""
    if counts.unchecked and not counts.held and not counts.broken:
        return say("repeats the request: could not be checked, no request has a value there")
    told = [
        sentence
        for number, sentence in (
            (counts.held, say("held {times}", times=say.count(counts.held, "time"))),
            (counts.broken, say("broken {times}", times=say.count(counts.broken, "time"))),
            (counts.unchecked, say("not checkable {times}", times=say.count(counts.unchecked, "time"))),
        )
        if number
    ]
    return say("repeats the request: {how}", how=say.several(told)) if told else say("repeats the request")


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
        if field.verdict in SILENT and field.versions and spoken.isdisjoint(field.versions):
            told.elsewhere.append(field)
        elif field.common and field.verdict not in LOUD:
            told.common.append(field)
        else:
            told.own.append(field)
    return told
