"""The captures that a report is made of, and how it cites their exchanges.

Law: files are named without their directories, so that a report is the same wherever they lie.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import NamedTuple, Protocol

from qqlab.capture import Capture, Header
from qqlab.capture.chunks import At, at_of
from qqlab.exchange import Exchange
from qqlab.profile import clip
from qqlab.report import model
from qqlab.report.glance import Glance, Seen, Tally
from qqlab.spec import Spec
from qqlab.visible import visible


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class About(NamedTuple):
    """What a capture says of itself, and what the report calls it. `torn` is as that of a loaded capture."""

    name: str
    path: str
    header: Header
    torn: str | None


def names(captures: Iterable[_Named]) -> list[str]:
    """A distinct name for each capture; the second of the same name is `NAME#2`."""
    found: list[str] = []
    for capture in captures:
        # A file's name may hold bytes that are no text, which no JSON can carry.
        name = plain = clip(visible(capture.name))
        number = 2
        while name in found:
            name, number = f"{plain}#{number}", number + 1
        found.append(name)
    return found


def glanced(captures: Sequence[Capture], named: Sequence[str], spec: Spec) -> Seen:
    """What loaded captures show together; a session is one capture's."""
    glance = Glance(spec, named)
    for number, capture in enumerate(captures):
        glance.begin(number)
        for at, exchange in placed(number, capture):
            glance.add(at, exchange)
    return glance.seen()


def placed(number: int, capture: Capture) -> Iterator[tuple[At, Exchange]]:
    """The exchanges of a loaded capture, the one of that number, each with where it stands."""
    return enumerate(capture.exchanges, at_of(number, 0, 0))


def capture_part(about: About, tally: Tally) -> model.CapturePart:
    """One capture, as the report has it."""
    file = visible(PurePath(about.path).name)
    return model.CapturePart(
        name=about.name,
        file=clip(file),
        exchanges=tally.exchanges,
        first=tally.first,
        last=tally.last,
        transports=tally.transports.settled().counts,
        redacted=about.header.redacted,
        spec=clip(about.header.spec),
        tool=clip(about.header.tool),
        note=clip(about.header.note, 500),
        torn=None if about.torn is None else clip(visible(about.torn).replace(visible(about.path), file), 500),
    )
