"""The report's pictures: what they show, that they are the same each time, and that captured text stays text."""

import re
from xml.etree import ElementTree

import pytest
from drawn import busy
from test_report import HOSTILE, SMALL, built

from qqlab.report.pictures import Pictures, pictures
from qqlab.report.say import Say
from qqlab.report.units import seconds, share


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
