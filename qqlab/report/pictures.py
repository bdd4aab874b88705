"""The report's pictures: static SVG that takes its colours and its typeface from the page.

Law: pure and deterministic; the same report gives the same bytes. Text stays text. Every colour is one of the page's
variables, so that a picture is light where the page is light; every picture has a name for those who cannot see it, and
the page has a table beside it. Captured text passes `visible`, is cut, and is never read as mathematics or markup.
matplotlib is imported here alone, and this module only where a picture is drawn.
"""

import io
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from qqlab.report.mermaid import chosen
from qqlab.report.model import Behaviour, CommandPart, MessageKind, PollingPart, PresencePart, Report, SessionPart, Step
from qqlab.report.say import Say
from qqlab.report.units import seconds
from qqlab.visible import visible

# What stands in a picture until it is the page's variable.
_INKS = {
    "#000001": "text",
    "#000002": "quiet",
    "#000003": "line",
    "#000004": "good-fill",
    "#000005": "bad-fill",
    "#000006": "new-fill",
    "#000007": "blank-fill",
    "#000008": "none-fill",
    "#000009": "odd-fill",
    "#00000a": "link",
    "#00000b": "card",
    "#00000c": "mark",
}
_INK = {name: colour for colour, name in _INKS.items()}
TEXT, QUIET, LINE, CARD, LINK = (_INK[name] for name in ("text", "quiet", "line", "card", "link"))
GOOD, BAD, NEW, BLUE, GREY, ODD = (_INK[f"{name}-fill"] for name in ("good", "bad", "new", "blank", "none", "odd"))

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": LINE,
    "axes.labelcolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": TEXT,
    "xtick.labelsize": 9,
    "ytick.labelsize": 10,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "text.parse_math": False,
}

_WIDTH = 400.0
_SVG = "{http://www.w3.org/2000/svg}"
_MOST_COMMANDS = 24
_MOST_STEPS = 30
_MOST_ROWS = 24


class Pictures(NamedTuple):
    """All pictures of a report; empty where there is nothing to draw."""

    transitions: Markup
    sessions: Sequence[tuple[SessionPart, Markup]]
    latency: Markup
    polling: Markup
    presence: Markup
    messages: Markup

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return any(self)


def pictures(report: Report, say: Say) -> Pictures:
    """Draw what there is to draw."""
    behaviour = report.behaviour
    with warnings.catch_warnings(), mpl.rc_context(_STYLE):
        warnings.simplefilter("ignore")  # that the bundled typeface lacks Chinese is nothing: the page's own has it
        return Pictures(
            transitions=_transitions(behaviour, say),
            sessions=[(one, _session(one, say)) for one in chosen(behaviour.sessions)],
            latency=_latency(report.commands, say),
            polling=_polling(behaviour.polling, say),
            presence=_presence(behaviour.presence, say),
            messages=_messages(behaviour.messages, say),
        )


def _shown(text: str, limit: int = 28) -> str:
    return visible(text, limit)


# ------------------------------------------------------------------------------------------------ from figure to page


def _drawn(figure: Figure, name: str, title: str) -> Markup:
    """A figure as an element of the page: named, in the page's colours, without anything that could meet another."""
    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(  # type: ignore[no-untyped-call]
            file, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    root = ElementTree.fromstring(file.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}metadata", f"{_SVG}style"):
                parent.remove(child)
    used = set(re.findall(r"#([\w-]+)", " ".join(_references(root))))
    # matplotlib makes names of floating-point numbers, whose last bits differ between builds of numpy.
    there = (element.get("id") for element in root.iter())
    names = {own: f"{name}-{at}" for at, own in enumerate(one for one in there if one in used)}
    for element in root.iter():
        _cleaned(element, names)
    _emptied(root)
    width, height = (float(str(root.get(side)).removesuffix("pt")) for side in ("width", "height"))
    root.attrib.pop("version", None)
    root.set("width", f"{width:.0f}")
    root.set("height", f"{height:.0f}")
    root.set("role", "img")
    root.set("aria-label", title)
    ElementTree.register_namespace("", _SVG[1:-1])
    text = ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)
    text = re.sub(r">\s+<", "><", text)
    # In a page of HTML the element's name says of which kind it is; the name of the kind looks like an address.
    text = text.replace(f' xmlns="{_SVG[1:-1]}"', "")
    return Markup(re.sub(r"#0000[0-9a-f]{2}", lambda match: f"var(--{_INKS[match[0]]})", text))


def _references(root: ElementTree.Element) -> Iterator[str]:
    for element in root.iter():
        for key, value in element.attrib.items():
            if key.endswith("href") or "url(" in value:
                yield value


def _cleaned(element: ElementTree.Element, names: Mapping[str | None, str]) -> None:
    for key, value in list(element.attrib.items()):
        if key == "id":
            del element.attrib["id"]
            if value in names:
                element.set("id", names[value])
        elif key.endswith("}href"):
            del element.attrib[key]
            element.set("href", f"#{names[value[1:]]}")
        else:
            element.set(key, re.sub(r"url\(#([\w-]+)\)", lambda match: f"url(#{names[match[1]]})", value))
    style = element.get("style")
    if style is not None:
        plain = re.sub(r"font: (?:(\d+) )?([\d.]+)px [^;]*", _font, style)
        element.set("style", re.sub(r"; *stroke-linejoin: miter|; *stroke-linecap: butt", "", plain))


def _font(match: "re.Match[str]") -> str:
    weight = f"; font-weight: {match[1]}" if match[1] else ""
    return f"font-size: {match[2]}px{weight}"


def _emptied(root: ElementTree.Element) -> None:
    """Take out groups that hold nothing."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}g", f"{_SVG}defs") and len(child) == 0:
                parent.remove(child)


def _sheet(width: float, height: float) -> tuple[Figure, Axes]:
    """A sheet to draw on in points, from the upper left corner."""
    figure = Figure(figsize=(width / 72, height / 72), facecolor="none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    return figure, axes


def _chart(rows: int, left: float, top: float = 8, bottom: float = 40) -> tuple[Figure, Axes]:
    """A chart with a row for each thing, and room for its name on the left."""
    height = top + bottom + 22 * rows
    figure = Figure(figsize=(_WIDTH / 72, height / 72), facecolor="none")
    axes = figure.add_axes((left / _WIDTH, bottom / height, (_WIDTH - left - 46) / _WIDTH, 22 * rows / height))
    axes.set_facecolor("none")
    axes.set_ylim(rows - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    return figure, axes


def _room(names: Iterable[str]) -> float:
    """How much room names take at the left of a chart, generously: the page's typeface is not known here."""
    return 18 + max((sum(12 if ord(one) > 0x2E80 else 6.7 for one in name) for name in names), default=0)


# ---------------------------------------------------------------------------------------------------- transitions


def _transitions(behaviour: Behaviour, say: Say) -> Markup:
    if not behaviour.transitions:
        return Markup()
    names = _order(behaviour)
    places = {name: at for at, name in enumerate(names)}
    steps = [step for step in behaviour.transitions if step.before in places and step.after in places]
    most = max(8, *(step.count for step in steps))
    row, label = 30.0, 58.0
    figure, axes = _sheet(_WIDTH, 14 + row * len(names))
    middle = _WIDTH / 2
    for step in sorted(steps, key=lambda one: one.count):
        here, there = (20 + row * places[name] for name in (step.before, step.after))
        width = 0.8 + 3.4 * math.sqrt(step.count / most)
        colour = LINK if there > here else ODD
        side = 1 if there >= here else -1
        edge = middle + side * label
        if here == there:
            axes.add_patch(Circle((edge + 9, here), 6, fill=False, edgecolor=GOOD, linewidth=width))
            axes.text(edge + 19, here, f"{step.count:,}", color=QUIET, fontsize=8, va="center")
            continue
        reach = side * (14 + 76 * math.sqrt(abs(there - here) / (row * max(1, len(names) - 1))))
        start, end = here + (5 if there > here else -5), there + (-5 if there > here else 5)
        curve = Path(
            [(edge, start), (edge + reach * 1.33, start), (edge + reach * 1.33, end), (edge, end)],
            [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4],
        )
        axes.add_patch(
            FancyArrowPatch(
                path=curve, arrowstyle="-|>", mutation_scale=7 + width, linewidth=width, color=colour, alpha=0.75
            )
        )
        if step.count > 1 and (step.count >= most / 4 or len(steps) <= 12):
            axes.text(
                edge + reach + side * 3,
                (start + end) / 2,
                f"{step.count:,}",
                color=QUIET,
                fontsize=8,
                va="center",
                ha="left" if side > 0 else "right",
                bbox={"facecolor": CARD, "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
            )
    for name, at in places.items():
        _box(axes, middle, 20 + row * at, 2 * label - 6, _shown(name or say("(no command)"), 18))
    return _drawn(figure, "transitions", say("Which command follows which"))


def _order(behaviour: Behaviour) -> list[str]:
    """Commands in the order in which sessions use them, as far as they are shown; then the others."""
    names: dict[str, None] = {}
    for session in chosen(behaviour.sessions):
        names.update((step.command, None) for step in session.steps)
    for step in behaviour.transitions:
        names.update({step.before: None, step.after: None})
    there = {name for step in behaviour.transitions for name in (step.before, step.after)}
    return [name for name in names if name in there][:_MOST_COMMANDS]


def _box(axes: Axes, x: float, y: float, width: float, text: str) -> None:
    box = FancyBboxPatch(
        (x - width / 2 + 4, y - 9),
        width - 8,
        18,
        boxstyle="round,pad=0,rounding_size=4",
        facecolor=CARD,
        edgecolor=LINE,
    )
    axes.add_patch(box)
    axes.text(x, y + 0.5, text, color=TEXT, fontsize=9.5, ha="center", va="center_baseline")


# ------------------------------------------------------------------------------------------------------- a session


def _session(session: SessionPart, say: Say) -> Markup:
    steps = session.steps[:_MOST_STEPS]
    row = 24.0
    more = session.exchanges - len(steps)
    height = 44 + row * len(steps) + (22 if more > 0 else 6)
    figure, axes = _sheet(_WIDTH, height)
    left, right = 74.0, _WIDTH - 60.0
    for x, name in ((left, session.account or say("client")), (right, say("server"))):
        axes.plot([x, x], [22, height - 6], color=LINE, linewidth=1)
        _box(axes, x, 12, 110, _shown(name, 16))
    for at, (before, step) in enumerate(zip((None, *steps), steps, strict=False)):
        _step(axes, 46 + row * at, (left, right), before, step)
    if more > 0:
        text = say("and {count:,} more exchanges", count=more)
        axes.text((left + right) / 2, height - 12, text, color=QUIET, fontsize=9, ha="center")
    name = f"session-{_slug(session.id)}"
    return _drawn(figure, name, say("A session, step by step"))


def _step(axes: Axes, y: float, sides: tuple[float, float], before: Step | None, step: Step) -> None:
    left, right = sides
    middle = (left + right) / 2
    name = _shown(step.command or "?", 22)
    if step.way != "pushed":
        _arrow(axes, (left, y), (right, y), LINK)
        axes.text(middle, y - 3, name, color=TEXT, fontsize=9.5, ha="center")
    else:
        _arrow(axes, (right, y + 5), (left, y + 5), ODD)
        axes.text(middle, y + 2, name, color=TEXT, fontsize=9.5, ha="center")
    if step.way == "answered":
        colour = GOOD if not step.status else BAD
        _arrow(axes, (right, y + 9), (left, y + 9), colour, dashed=True)
        if step.status is not None:
            axes.text(right + 8, y + 12, str(step.status), color=QUIET, fontsize=8)
    elif step.way in ("failed", "unanswered"):
        axes.text(right + 8, y + 4, "✕", color=BAD if step.way == "failed" else QUIET, fontsize=10)
    gap = _gap(before, step)
    if gap:
        axes.text(left - 8, y + 3, gap, color=QUIET, fontsize=8, ha="right")


def _gap(before: Step | None, step: Step) -> str:
    if step.time is None:
        return ""
    if before is None or before.time is None:
        return step.time.strftime("%H:%M:%S")
    return f"{'+' if step.time >= before.time else '−'}{seconds(abs((step.time - before.time).total_seconds()))}"


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, *, dashed: bool = False
) -> None:
    style: dict[str, Any] = {"linestyle": (0, (3, 2))} if dashed else {}
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=8, linewidth=1.1, color=colour, shrinkA=0, shrinkB=0, **style
        )
    )


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", lambda match: f"_{ord(match[0]):x}_", text)


# ------------------------------------------------------------------------------------------------------ durations


def _latency(commands: Iterable[CommandPart], say: Say) -> Markup:
    measured = [(command, command.latency) for command in commands if command.latency is not None][:_MOST_ROWS]
    if not measured:
        return Markup()
    names = [_shown(command.name or say("(no command)"), 20) for command, _ in measured]
    figure, axes = _chart(len(measured), _room(names))
    for at, (_, latency) in enumerate(measured):
        _spread(axes, at, latency.p50, latency.p95, latency.p99)
        axes.text(
            1.02, at, seconds(latency.p50), color=QUIET, fontsize=9, va="center", transform=axes.get_yaxis_transform()
        )
    _timed(axes, names, say("from the request to the complete reply"))
    return _drawn(figure, "latency", say("How long replies take, by command"))


def _spread(axes: Axes, at: int, median: float, most: float, nearly_all: float) -> None:
    """A median, and how far most of the others lie from it."""
    axes.plot([_least(median), _least(nearly_all)], [at, at], color=GREY, linewidth=1.2, solid_capstyle="butt")
    axes.plot([_least(median), _least(most)], [at, at], color=BLUE, linewidth=6, solid_capstyle="butt")
    axes.plot([_least(median)], [at], marker="o", markersize=7, color=LINK, markeredgewidth=0)


def _beside(axes: Axes, at: int, text: str) -> None:
    """A figure at the right of a chart's row."""
    place = axes.get_yaxis_transform()
    axes.text(1.02, at, text, color=QUIET, fontsize=9, va="center", transform=place)


def _least(value: float) -> float:
    """What a scale of powers can show: ten microseconds at least."""
    return max(value, 1e-5)


def _timed(axes: Axes, names: Sequence[str], label: str) -> None:
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    if high / low < 30:
        middle = math.sqrt(low * high)
        axes.set_xlim(middle / 6, middle * 6)
    axes.xaxis.set_major_locator(LogLocator(base=10, numticks=6))
    axes.xaxis.set_minor_locator(LogLocator(base=10, subs=(2, 5), numticks=20))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: seconds(value)))
    axes.tick_params(axis="x", which="both", length=3, pad=3, labelsize=9)
    is_narrow = axes.get_xlim()[1] / axes.get_xlim()[0] < 40
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: seconds(value)) if is_narrow else NullFormatter())
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel(label, fontsize=9)


def _polling(polling: Sequence[PollingPart], say: Say) -> Markup:
    shown = polling[:_MOST_ROWS]
    if not shown:
        return Markup()
    names = [f"{_shown(one.session, 18)} {_shown(one.command, 12)}" for one in shown]
    figure, axes = _chart(len(shown), _room(names))
    for at, one in enumerate(shown):
        _spread(axes, at, one.median, one.p95, one.p95)
        for announced, colour in ((one.interval, GOOD), (one.limit, BAD)):
            if announced is not None:
                axes.plot([_least(announced)] * 2, [at - 0.36, at + 0.36], color=colour, linewidth=2)
        axes.text(
            1.02, at, seconds(one.median), color=QUIET, fontsize=9, va="center", transform=axes.get_yaxis_transform()
        )
    _timed(axes, names, say("green: the announced interval; red: the limit"))
    return _drawn(figure, "polling", say("How often clients ask again, by session"))


# -------------------------------------------------------------------------------------------------------- presence

_STATES = (GOOD, GREY, NEW, ODD, BAD, BLUE, LINK)


def _presence(presence: Sequence[PresencePart], say: Say) -> Markup:
    timed = [one for one in presence if one.since is not None]
    accounts = list(dict.fromkeys(one.account for one in timed))[:_MOST_ROWS]
    if not accounts:
        return Markup()
    timed = [one for one in timed if one.account in accounts]
    start = min(one.since for one in timed if one.since is not None)
    span = max(((one.until or one.since or start) - start).total_seconds() for one in timed) or 1.0
    states = sorted({one.state for one in timed})[: len(_STATES)]
    names = [_shown(account, 18) for account in accounts]
    figure, axes = _chart(len(accounts), _room(names), top=30, bottom=26)
    meanings: dict[int, str] = {}
    for one in timed:
        if one.account not in accounts or one.since is None:
            continue
        since = (one.since - start).total_seconds()
        lasting = max(((one.until or one.since) - one.since).total_seconds(), span / 200)
        colour = _STATES[states.index(one.state)] if one.state in states else TEXT
        axes.add_patch(
            Rectangle((since, accounts.index(one.account) - 0.3), lasting, 0.6, facecolor=colour, linewidth=0)
        )
        meanings.setdefault(one.state, f"{one.state} {one.meaning or ''}".strip())
    axes.set_xlim(-span * 0.01, span * 1.03)
    axes.set_yticks(range(len(names)), names)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _clock(start, value, span)))
    _key(figure, axes, [(_STATES[at], _shown(meanings[state], 22)) for at, state in enumerate(states)])
    return _drawn(figure, "presence", say("Presence of accounts over time"))


def _clock(start: datetime, value: float, span: float) -> str:
    at = start + timedelta(seconds=value)
    if span < 10:
        return f"+{seconds(value)}" if value >= 0 else ""
    return at.strftime("%H:%M:%S" if span < 3600 else "%H:%M" if span < 86400 else "%m-%d %H:%M")


def _key(figure: Figure, axes: Axes, parts: Iterable[tuple[str, str]]) -> None:
    """What colours mean, above a chart."""
    width, height = (72 * side for side in figure.get_size_inches())
    x = 8.0
    for colour, text in parts:
        figure.add_artist(Rectangle((x / width, 1 - 17 / height), 9 / width, 9 / height, facecolor=colour, linewidth=0))
        figure.text((x + 13) / width, 1 - 16 / height, text, color=TEXT, fontsize=9)
        x += 4 + _room([text])


# -------------------------------------------------------------------------------------------------------- messages


def _messages(kinds: Sequence[MessageKind], say: Say) -> Markup:
    shown = sorted(kinds, key=lambda one: -one.evidence.count)[:_MOST_ROWS]
    if not any(one.evidence.count for one in shown):
        return Markup()
    names = [_shown(_kind(one), 34) for one in shown]
    figure, axes = _chart(len(shown), min(_room(names), _WIDTH / 2), bottom=30)
    colours = {"undocumented": NEW, "contradicted": BAD, "disputed": ODD}
    for at, one in enumerate(shown):
        axes.barh(at, one.evidence.count, height=0.62, color=colours.get(one.verdict, BLUE))
        axes.text(
            one.evidence.count,
            at,
            f" {one.evidence.count:,}",
            color=TEXT if one.evidence.count else QUIET,
            fontsize=9,
            va="center",
        )
    axes.set_yticks(range(len(names)), names)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    return _drawn(figure, "messages", say("Messages by type"))


def _kind(kind: MessageKind) -> str:
    if kind.field is None:
        return kind.command
    return f"{kind.field} {kind.value} {kind.meaning or ''}".strip()
