"""The first look at captures: all that a report counts, chunk by chunk, and what is needed to find exchanges again.

Law: a chunk is looked at by itself, in whatever process, and what was seen adds up: `Seen.merge` is associative and
commutative, and bounded, whatever the traffic. A protocol travels as text, and is read once in a process. What an error
quotes of a message is masked in it as it is there.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from qqlab import spec as specs
from qqlab.capture.chunks import At, Chunk, Reading
from qqlab.capture.ids import Ids, Sealed
from qqlab.errors import InputError
from qqlab.exchange import Exchange
from qqlab.profile import Fold, Names, Part, aware
from qqlab.redact import Redactor
from qqlab.report.sampling import Sampling
from qqlab.spec import Lang, Spec

# How many exchanges are shown one by one.
MOST = 5000
# Transports that a report lists of a capture.
TRANSPORTS = 20


class SpecText(NamedTuple):
    """A spec as it travels: its text, None for the one that comes with the package, and that of its translation; what
    errors call the two."""

    lang: Lang
    toml: str | None = None
    where: str = specs.BUILTIN
    overlay: str | None = None
    beside: str = ""

    @classmethod
    def of(cls, path: Path | None, lang: Lang) -> Self:
        """The one in a file, its texts in that language where a translation stands beside it. Raises InputError."""
        if path is None:
            return cls(lang)
        beside = next((file for file in specs.translations(path) if file.name == f"{path.stem}.{lang}.toml"), None)
        overlay = None if beside is None else specs.text(beside)
        return cls(lang, specs.text(path), str(path), overlay, str(beside))

    def read(self) -> Spec:
        """The spec. Raises InputError for a mistake in it."""
        return tools(self).spec


class Tools(NamedTuple):
    """A spec, and what masks by it."""

    spec: Spec
    redactor: Redactor


@lru_cache(8)
def tools(text: SpecText) -> Tools:
    """A spec that has travelled, and what masks by it: made once in a process. Raises InputError for a mistake."""
    if text.toml is None:
        spec = specs.builtin(text.lang)
    else:
        spec = specs.parse(text.toml, text.where, text.overlay, text.beside)
    return Tools(spec, Redactor(spec, policy="all", masks=True))


def prefix(names: Sequence[str], capture: int) -> str:
    """What stands before the ids of a capture's exchanges where a report is made of several."""
    return f"{names[capture]}:" if len(names) > 1 else ""


class How(NamedTuple):
    """How captures are looked at: by which spec, what each of them is called, and how many exchanges are shown."""

    spec: SpecText
    names: tuple[str, ...]
    room: int = MOST


class Tally(msgspec.Struct):
    """One capture as a whole: how many exchanges, from when to when, and how they travelled."""

    exchanges: int = 0
    first: datetime | None = None
    last: datetime | None = None
    transports: Names = msgspec.field(default_factory=lambda: Names(room=TRANSPORTS))

    def add(self, at: At, exchange: Exchange) -> None:
        """One more exchange."""
        self.exchanges += 1
        self.transports.add(exchange.transport, at)
        time = aware(exchange.time)
        if time is not None:
            self._within(time, time)

    def _within(self, first: datetime, last: datetime) -> None:
        self.first = first if self.first is None or first < self.first else self.first
        self.last = last if self.last is None or last > self.last else self.last

    def merge(self, other: "Tally") -> None:
        """All of another one, too."""
        self.exchanges += other.exchanges
        self.transports.merge(other.transports)
        if other.first is not None and other.last is not None:
            self._within(other.first, other.last)


class Seen(msgspec.Struct):
    """What was seen of captures: their profile, each of them as a whole, by its number, and the sample of exchanges."""

    part: Part
    tallies: dict[int, Tally]
    sample: Sampling

    def merge(self, other: "Seen") -> None:
        """All of another one, too, which is used up."""
        self.part.merge(other.part)
        for number, tally in other.tallies.items():
            own = self.tallies.setdefault(number, tally)
            if own is not tally:
                own.merge(tally)
        self.sample.merge(other.sample)


class Glance:
    """Looks at exchanges."""

    def __init__(self, spec: Spec, names: Sequence[str], *, redactor: Redactor | None = None, room: int = MOST) -> None:
        self._names = names
        self._redactor = redactor or Redactor(spec, policy="all", masks=True)
        self._fold = Fold(spec)
        self._sample = Sampling(spec.command_mark, room)
        self._tallies: dict[int, Tally] = {}

    def begin(self, capture: int, span: tuple[At, At] | None = None) -> None:
        """What follows is of the capture of this number, from this stretch of it."""
        self._tally = self._tallies.setdefault(capture, Tally())
        self._fold.begin(capture, self._names[capture] if len(self._names) > 1 else "", span)
        self._before = prefix(self._names, capture)

    def add(self, at: At, exchange: Exchange) -> None:
        """One exchange, which stands behind all before."""
        label = self._before + exchange.id
        self._tally.add(at, exchange)
        self._sample.add(at, label, exchange)
        if exchange.error is not None:
            exchange = msgspec.structs.replace(exchange, error=self._redactor.exchange(exchange).error)
        self._fold.add(at, label, exchange)

    def seen(self) -> Seen:
        """All of it; no more may be added."""
        self._sample.trim()
        return Seen(self._fold.part(), self._tallies, self._sample)


class Looked(msgspec.Struct):
    """What a chunk shows: what was seen, the ids that it has, how many lines, and what
    is torn (see `qqlab.capture.chunks.Reading`)."""

    chunk: Chunk
    seen: Seen
    ids: Sealed
    lines: int
    torn: int | str | None

    @property
    def exchanges(self) -> int:
        """How many exchanges it has."""
        return sum(tally.exchanges for tally in self.seen.tallies.values())


def look(how: How, chunk: Chunk) -> Looked:
    """Look at a chunk. Raises InputError for damage, and for an id that comes twice."""
    spec, redactor = tools(how.spec)
    glance, ids, reading = Glance(spec, how.names, redactor=redactor, room=how.room), Ids(), Reading(chunk)
    glance.begin(chunk.capture, chunk.span)
    for at, exchange in reading:
        if not ids.add(exchange.id):
            raise InputError(chunk.where, f"an earlier exchange has the id {exchange.id!r} already")
        glance.add(at, exchange)
    return Looked(chunk, glance.seen(), ids.sealed(), reading.lines, reading.torn)
