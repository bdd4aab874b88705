"""A capture held against what it should be, line by line.

Law: goes on behind damage as far as there is anything to read. What it gives are the exchanges that are good, in the
order of the file; the problems are complete once these are through.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec

from qqlab import http1, wire
from qqlab.capture import Header, open_capture, record
from qqlab.capture.file import parse_line
from qqlab.capture.reading import Gap, Part
from qqlab.capture.source import Line, too_long
from qqlab.codec import Decoded, decode, derive
from qqlab.errors import InputError
from qqlab.exchange import Exchange
from qqlab.spec import Derivation, Spec
from qqlab.verify.problems import Problems

# Exchanges are written when they are complete; clocks and threads may disagree by so much about when that was.
_SLACK = timedelta(seconds=1)

_COMMON = (
    *("", "0", "1", "12", "123", "1234", "12345", "123456", "1234567", "12345678", "123456789", "1234567890", "123321"),
    *("000000", "111111", "222222", "333333", "555555", "666666", "777777", "888888", "999999", "112233", "121212"),
    *("123123", "654321", "987654321", "520", "5201314", "1314520", "147258369", "789456", "a", "abc", "abc123"),
    *("password", "passwd", "secret", "qwerty", "asdfgh", "asdasd", "test", "admin", "guest", "hello", "iloveyou"),
    *("woaini", "woaini1314", "qq", "qq123", "qq123456", "tencent", "mima", "root", "user", "xiaoming", "beijing"),
)


def _earlier(early: timedelta) -> str:
    """How much earlier an exchange ended than one before it, and what may be the reason."""
    why = "harmless where a replay was resumed; else a clock was set back: do not trust the times"
    return f"ended {early.total_seconds():.3f} s before one that stands above it ({why})"


class Examined(NamedTuple):
    """A good exchange, and where it stands."""

    exchange: Exchange
    where: str


class _Stored(msgspec.Struct, frozen=True):
    """The part of a line that is never read back."""

    decoded: msgspec.Raw = msgspec.Raw()


class Examination:
    """One capture being examined: iterating gives its good exchanges, once, and then `problems` are complete.

    `header` is that of the file that was named, `segments` counts the files that were read, `exchanges` those in them
    that are good.
    """

    def __init__(self, path: Path | str, spec: Spec, problems: Problems) -> None:
        self._spec = spec
        self._stream = open_capture(path)
        self.header: Header = self._stream.header
        self.path = self._stream.path
        self.problems = problems
        self.segments = 0
        self.exchanges = 0
        self._digests: dict[str, bytes] = {}
        # The highest number that was an id, None where what was before is not known.
        self._highest: int | None = None
        self._latest: datetime | None = None

    def __iter__(self) -> Iterator[Examined]:
        for part in self._stream.parts():
            if isinstance(part, Gap):
                reason = "" if part.error is None else f": {part.error}"
                self.problems.add("segment.missing", self.path, f"{part}{reason}")
                self._highest = None
                continue
            self.segments += 1
            self._follows(part)
            for line in self._lines(part):
                found = self._line(line, part) if line.data.strip() or not line.whole else None
                if found is not None:
                    self.exchanges += 1
                    yield found

    def _follows(self, part: Part) -> None:
        before = part.header.before
        if self._highest is not None and self._highest != before:
            self.problems.add("segment.before", part.where, f"goes on after {before}, not after {self._highest}")
        self._highest = before

    def _lines(self, part: Part) -> Iterator[Line]:
        try:
            yield from part.lines
        except InputError as error:
            self.problems.add("compression", error.where, error.what)

    def _line(self, line: Line, part: Part) -> Examined | None:
        where = f"{part.where}:{line.number}"
        try:
            if not line.whole:
                raise too_long(line, part.where)
            exchange = parse_line(line.data, where)
        except InputError as error:
            rule = "line.damaged" if line.ended else "line.torn" if line.whole else "line.long"
            self.problems.add(rule, where, error.what)
            self._highest = None  # its id is not known
            return None
        if self._is_twice(exchange, where):
            return None
        self._check_id(exchange.id, where, part.header)
        self._check_time(exchange, where)
        self._check_bodies(exchange, where)
        self._check_decoded(exchange, line.data, where)
        return Examined(exchange, where)

    def _is_twice(self, exchange: Exchange, where: str) -> bool:
        """Whether this very exchange was there before; another one of the same id is a problem too, but is not lost."""
        digest = hashlib.blake2b(msgspec.json.encode(exchange), digest_size=12).digest()
        known = self._digests.setdefault(exchange.id, digest)
        if known is digest:
            return False
        self.problems.add("exchange.twice" if known == digest else "id.twice", where, f"id {exchange.id!r}")
        return known == digest

    def _check_id(self, identifier: str, where: str, head: Header) -> None:
        if not (identifier.isascii() and identifier.isdigit() and len(identifier) < 19):
            return
        number = int(identifier)
        before = number if self._highest is None else self._highest
        if number < before:
            self.problems.add("id.order", where, f"{number} after {before}")
        elif head.recording and number > before + 1:
            self.problems.add("id.gap", where, f"{number} after {before}")
        self._highest = max(before, number)

    def _check_time(self, exchange: Exchange, where: str) -> None:
        if exchange.time is None or exchange.elapsed is None:
            return
        try:
            ended = exchange.time + timedelta(seconds=exchange.elapsed)
            early = self._latest - ended if self._latest is not None else timedelta()
        except (OverflowError, TypeError, ValueError):
            self.problems.add("time.order", where, "no such time can be")
            return
        if early > _SLACK:
            self.problems.add("time.order", where, _earlier(early))
        if self._latest is None or ended > self._latest:
            self._latest = ended

    def _check_bodies(self, exchange: Exchange, where: str) -> None:
        for name, raw in (("request", exchange.request), ("reply", exchange.reply)):
            if raw is not None:
                for body in {raw.body, http1.content(raw) or b""}:
                    if wire.join(wire.split(body)) != body:
                        self.problems.add("split", where, f"the {name}'s body")

    def _check_decoded(self, exchange: Exchange, line: bytes, where: str) -> None:
        decoded = decode(exchange, self._spec)
        stored = msgspec.json.decode(line, type=_Stored).decoded
        now = msgspec.json.encode(record(decoded))
        if bytes(stored) != now and (not bytes(stored) or msgspec.json.decode(stored) != msgspec.json.decode(now)):
            self.problems.add("decoded.other", where, f"id {exchange.id!r}")
        self._check_secrets(decoded, where)

    def _check_secrets(self, decoded: Decoded, where: str) -> None:
        for message in decoded.messages():
            for field in message.fields:
                if field.spec is None or not field.spec.secret or not field.text.strip():
                    continue
                if self.header.redacted == "none":
                    self.problems.add("secret.kept", where, field.name)
                elif field.spec.derived is not None and self._is_common(field.text, field.spec.derived, decoded):
                    self.problems.add("secret.common", where, field.name)

    def _is_common(self, text: str, derivation: Derivation, decoded: Decoded) -> bool:
        if derivation == "verification":
            return False
        value = text.strip().lower()
        return value in self._common or value == derive(derivation, decoded.account or "").lower()

    @cached_property
    def _common(self) -> frozenset[str]:
        """What common passwords become in secret fields."""
        derivations = {field.derived for _, _, field in self._spec.every_field() if field.derived is not None}
        return frozenset(derive(one, word).lower() for one in derivations - {"verification"} for word in _COMMON)


def examine(path: Path | str, spec: Spec, problems: Problems) -> Examination:
    """Examine a capture to its end. Raises InputError where it cannot be read at all, or is none."""
    examination = Examination(path, spec, problems)
    for _ in examination:
        pass
    return examination
