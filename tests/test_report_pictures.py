"""The report's pictures: what they show, that they are the same each time, and that captured text stays text."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal
from xml.etree import ElementTree

import msgspec
import pytest
from test_report import HOSTILE, SMALL, built

from qqlab.report import Report
from qqlab.report import model as m
from qqlab.report.pictures import Pictures, pictures
from qqlab.report.say import Say
from qqlab.report.units import seconds, share

Way = Literal["answered", "pushed", "unanswered", "failed"]

START = datetime(2005, 6, 30, 12, tzinfo=UTC)


def busy(report: Report, text: str = "") -> Report:
    """The report with something to draw for every picture; `text` stands wherever captured text can."""
    names = [f"{name}{text}" for name in ("Look", "Ring", "Sing")]
    ways: tuple[Way, ...] = ("answered", "pushed", "failed", "unanswered", "answered", "pushed")
    steps = tuple(
        m.Step(exchange="1", time=START + timedelta(seconds=at), command=name, status=at % 2, way=way)
        for at, (name, way) in enumerate(zip(names * 2, ways, strict=True))
    )
    found = m.Evidence(count=3, exchanges=("1",))
    behaviour = m.Behaviour(
        transitions=tuple(
            m.Transition(before=one.command, after=other.command, count=at + 1, gap=1.5)
            for at, (one, other) in enumerate([*pairwise(steps), (steps[0], steps[0])])
        ),
        sessions=(m.SessionPart(id=f"s{text}", account=f"9{text}", first=None, last=None, exchanges=9, steps=steps),),
        session_count=1,
        polling=(
            m.PollingPart(
                session=f"s{text}",
                command=names[0],
                count=9,
                median=60,
                p95=61,
                max=90,
                interval=60,
                limit=300,
                verdict="as announced",
            ),
        ),
        polling_count=1,
        presence=(
            m.PresencePart(
                account=f"9{text}",
                state=10,
                meaning=f"on{text}",
                since=START,
                until=START + timedelta(minutes=3),
                exchange="1",
            ),
        ),
        presence_count=1,
        messages=(
            m.MessageKind(
                command=names[1],
                direction="reply",
                field=f"T{text}",
                value=1,
                meaning=f"said{text}",
                evidence=found,
                verdict="confirmed",
            ),
        ),
        invariants=(
            m.InvariantPart(id="echo", title=f"N is repeated{text}", held=3, broken=1, unchecked=1, evidence=found),
        ),
    )
    taken = m.Latency(count=3, p50=0.001, p95=0.02, p99=0.3, max=4)
    commands = tuple(msgspec.structs.replace(command, latency=taken) for command in report.commands)
    return msgspec.structs.replace(report, behaviour=behaviour, commands=commands)


def drawn(text: str = "") -> dict[str, str]:
    made = pictures(busy(built(SMALL), text), Say())
    plain = {name: str(getattr(made, name)) for name in Pictures._fields if name != "sessions"}
    return plain | {"sessions": str(made.sessions[0][1])}


def words(picture: str) -> set[str]:
    return {
        element.text for element in ElementTree.fromstring(picture).iter() if element.tag == "text" and element.text
    }


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("transitions", {"Look", "Ring", "Sing", "6"}),
        ("sessions", {"9", "server", "Look", "+1 s", "12:00:00", "✕", "and 3 more exchanges"}),
        ("latency", {"Look", "1 ms", "100 ms"}),
        ("polling", {"s Look", "60 s"}),
        ("presence", {"9", "10 on"}),
        ("messages", {"T 1 said", "3"}),
    ],
)
def test_a_picture_shows_what_there_is(name: str, told: set[str]) -> None:
    assert told <= {word.strip() for word in words(drawn()[name])}


def test_pictures_are_the_same_each_time() -> None:
    assert drawn() == drawn()


def test_pictures_take_their_colours_from_the_page_and_share_no_name() -> None:
    every = "".join(drawn().values())
    assert not re.search(r"#[0-9a-f]{6}", every)
    names = re.findall(r' id="([^"]*)"', every)
    assert len(names) == len(set(names))
    assert set(re.findall(r'(?:url\(|href=")#([\w-]+)', every)) <= set(names)
    assert "<style" not in every
    assert "<metadata" not in every


def test_captured_text_stays_text_in_pictures() -> None:
    for picture in drawn(HOSTILE + "$x^2$").values():
        tags = {element.tag for element in ElementTree.fromstring(picture).iter()}
        assert tags <= {"svg", "g", "path", "text", "defs", "clipPath", "rect", "use"}
        assert not set(picture) & {"\x1b", "\x07", "\u202e"}


def test_nothing_is_drawn_of_nothing() -> None:
    assert not pictures(built(), Say()).any


@pytest.mark.parametrize(
    ("value", "told"),
    [(0, "0 µs"), (0.00042, "420 µs"), (0.0123, "12.3 ms"), (1, "1 s"), (61, "61 s"), (300, "5 min"), (9000, "2.5 h")],
)
def test_durations_are_told_in_the_unit_that_fits(value: float, told: str) -> None:
    assert seconds(value) == told


def test_a_share_is_told_in_per_cent() -> None:
    assert [share(value) for value in (0.5, 0.083, 0.00123)] == ["50%", "8.3%", "0.12%"]
