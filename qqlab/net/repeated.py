"""Lines of exchanges that were written before, but for their sequence number.

Law: what comes out is what `fitted_line` would give, byte for byte. Most of a replay's time would go into decoding, for
their lines, exchanges that are the same again. Where the number stands in a line is not guessed: the line of another
number shows it. Only what is as recorded is remembered, and only while no secret is known that may stand in it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from qqlab.capture.writing import fitted_line
from qqlab.diff.same import parted
from qqlab.exchange import Exchange
from qqlab.replay import Step
from qqlab.spec import Spec

# Longer numbers are not of every type that numbers have, and what is said of them might hang on it.
_MOST_DIGITS = 9
_ZERO = ord("0")
# Each digit becomes another one, and none of them 0.
_OTHER = bytes.maketrans(b"0123456789", b"1234567891")
_encoder = msgspec.json.Encoder()


class _Begin(msgspec.Struct, frozen=True, gc=False):
    """What a line begins with: that by which exchanges that are the same again differ."""

    id: str
    session: str
    time: datetime | None
    elapsed: float | None
    client: str
    server: str
    transport: str


class _Known(NamedTuple):
    """An exchange in parts: heads, what stands before and behind the numbers, and its line between the numbers."""

    head_asked: bytes
    before_asked: bytes
    behind_asked: bytes
    head_said: bytes
    before_said: bytes
    behind_said: bytes
    line: tuple[bytes, ...]

    def number(self, exchange: Exchange) -> bytes | None:
        """The number by which alone the exchange differs, None where it differs by more."""
        asked, said = exchange.request, exchange.reply
        if asked is None or said is None:
            return None
        head_asked, before_asked, behind_asked, head_said, before_said, behind_said, _ = self
        body = asked.body
        number = body[len(before_asked) : len(body) - len(behind_asked)]
        if (
            said.body == before_said + number + behind_said
            and body == before_asked + number + behind_asked
            and asked.head == head_asked
            and said.head == head_said
            and number.isdigit()
            and len(number) <= _MOST_DIGITS
            and number[0] != _ZERO
            and exchange.error is None
            and exchange.pairing == "order"
        ):
            return number
        return None


class Repeated:
    """Remembers the lines of steps that are alike."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._known: dict[int, _Known | None] = {}

    def line(self, exchange: Exchange, step: Step | None) -> bytes | None:
        """The line of an exchange that is the same again; None where that is not known."""
        known = None if step is None or step.alike is None else self._known.get(step.alike)
        if known is None or (number := known.number(exchange)) is None:
            return None
        return _begin(exchange) + number.join(known.line)

    def learn(self, exchange: Exchange, step: Step, line: bytes) -> None:
        """Remember the line of an exchange that is as recorded."""
        if step.alike is not None and step.alike not in self._known:
            self._known[step.alike] = self._parts(exchange, line)

    def forget(self) -> None:
        """Something is known to be secret that was not known before."""
        self._known.clear()

    def _parts(self, exchange: Exchange, line: bytes) -> _Known | None:
        asked, said, mark = exchange.request, exchange.reply, self._spec.free_number
        assert asked is not None
        assert said is not None
        before_asked, number, behind_asked = parted(asked.body, mark)
        before_said, repeated, behind_said = parted(said.body, mark)
        if number != repeated or not _is_plain(number) or asked.end or said.end:
            return None
        known = _Known(
            asked.head, before_asked + mark, behind_asked, said.head, before_said + mark, behind_said, (line,)
        )
        new = number.translate(_OTHER)
        other = msgspec.structs.replace(
            exchange,
            request=msgspec.structs.replace(asked, body=known.before_asked + new + behind_asked),
            reply=msgspec.structs.replace(said, body=known.before_said + new + behind_said),
        )
        begin = _begin(exchange)
        parts = tuple(_between(line[len(begin) :], fitted_line(other, self._spec)[len(begin) :], len(number)))
        known = known._replace(line=parts)
        is_right = known.number(exchange) == number and begin + number.join(parts) == line
        return known if is_right and begin + new.join(parts) == fitted_line(other, self._spec) else None


def _is_plain(number: bytes) -> bool:
    return number.isdigit() and len(number) <= _MOST_DIGITS and not number.startswith(b"0")


def _begin(exchange: Exchange) -> bytes:
    one = exchange
    begin = _Begin(one.id, one.session, one.time, one.elapsed, one.client, one.server, one.transport)
    return _encoder.encode(begin)[:-1]


def _between(line: bytes, other: bytes, digits: int) -> Iterator[bytes]:
    """What stands between the numbers, of so many digits, by which two lines differ."""
    differing = [place for place, (one, two) in enumerate(zip(line, other, strict=False)) if one != two]
    begin = 0
    for place in differing[::digits]:
        yield line[begin:place]
        begin = place + digits
    yield line[begin:]
