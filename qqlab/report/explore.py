"""Exchanges to look at one by one: a sample of the captures, decoded, with all that is secret or personal masked.

Law: bounded, total and deterministic. What the report cites is in the sample, then as many of each command as there is
room for, spread over the capture. A value is masked by what the spec says of its field, or for want of that by the
field's name, as in the profile; what looks like no field is someone's words, and is masked whole. A masked value is
hunted in the rest of its exchange as well (`qqlab.redact`), and stands there as asterisks. All text is one printable
line, but for heads, which keep their lines.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Literal, NamedTuple

import msgspec

from qqlab import http1, wire, wording
from qqlab.capture import Capture
from qqlab.codec import (
    Decoded,
    Field,
    Message,
    Note,
    Scalar,
    Severity,
    case_code,
    case_of,
    decode,
    describe,
    succeeded,
)
from qqlab.exchange import Exchange, RawMessage
from qqlab.profile import MASK, clip
from qqlab.profile.masking import Masking, is_words
from qqlab.redact import Redactor
from qqlab.report.anchors import anchor
from qqlab.report.build.captures import labelled
from qqlab.report.model import Evidence, Report
from qqlab.report.named import named
from qqlab.report.retold import retold
from qqlab.report.say import Say
from qqlab.spec import Direction, Spec
from qqlab.visible import visible

MOST = 5000
# So many characters of JSON at most; what is cited goes first.
MOST_TEXT = 4_000_000

_LONGEST = 300
_LONGEST_HEAD = 2000
_MOST_PAIRS = 100
_MOST_ITEMS = 200
_MOST_NOTES = 20
_ROOM = 6000

Outcome = Literal["done", "refused", "failed", "unanswered", "unasked", "unclear"]


class Pair(msgspec.Struct, frozen=True, array_like=True):
    """One pair of a body as it was written: `raw` is None for a segment without `=`, and a mask where it is masked.

    `place` is the index of the field's row among the exploration's `places`, -1 where the report has none. `items` are
    the values with what each means: one for each item of a `list`, else one; none where `raw` says all.
    """

    key: str
    raw: str | None
    place: int
    items: tuple[tuple[str, str], ...] = ()
    list: bool = False
    masked: bool = False


class Said(msgspec.Struct, frozen=True, array_like=True):
    """One message: the index of its head among the exploration's `heads`, its pairs, and how many more there are."""

    head: int
    pairs: tuple[Pair, ...]
    more: int


class Told(msgspec.Struct, frozen=True, array_like=True):
    """One note: its code, how severe it is, and what it says."""

    code: str
    severity: Severity
    text: str


class Explored(msgspec.Struct, frozen=True, omit_defaults=True):
    """One exchange. `id` is what the report cites it by, `at` the name of its place on a page."""

    id: str
    at: str
    command: str
    outcome: Outcome
    time: datetime | None = None
    elapsed: float | None = None
    session: str = ""
    account: str = ""
    version: str = ""
    transport: str = ""
    status: str = ""
    error: str = ""
    notes: tuple[Told, ...] = ()
    request: Said | None = None
    reply: Said | None = None


class Exploration(msgspec.Struct, frozen=True):
    """The sample, of `total` exchanges, in the order of the captures. `places` are the names of rows of the report that
    tell of fields; `rows` has the columns of the tables of each command's replies."""

    total: int
    exchanges: tuple[Explored, ...] = ()
    heads: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    rows: Mapping[str, tuple[tuple[str, ...], ...]] = {}


def explore(
    captures: Sequence[Capture], report: Report, spec: Spec, *, most: int = MOST, most_text: int = MOST_TEXT
) -> Exploration:
    """Sample the exchanges that a report was made of."""
    parts = zip(captures, report.captures, strict=True)
    every = [one for capture, part in parts for one in labelled(capture, part.name, many=len(captures) > 1)]
    ids = cited(report)
    first = [at for at, (label, _) in enumerate(every) if clip(label) in ids][:most]
    rest = _even([one for _, one in every], frozenset(first), most, spec)[: most - len(first)]
    looking = _Looking(report, spec)
    kept: dict[int, Explored] = {}
    room = most_text
    for at in chain(first, rest):
        explored = looking.explored(*every[at])
        room -= len(msgspec.json.encode(explored))
        if room < 0:
            break
        kept[at] = explored
    return Exploration(
        total=len(every),
        exchanges=tuple(kept[at] for at in sorted(kept)),
        heads=tuple(looking.heads),
        places=tuple(looking.places),
        rows={
            name: tuple(rows.columns for rows in command.rows if rows.direction == "reply")
            for name, command in spec.commands.items()
            if command.rows
        },
    )


def cited(report: Report) -> frozenset[str]:
    """The ids of all exchanges that a report names."""
    return frozenset(_ids(report))


def _ids(part: object) -> Iterator[str]:
    if isinstance(part, Evidence):
        yield from part.exchanges
    elif isinstance(part, msgspec.Struct):
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if name == "exchange" and isinstance(value, str):
                yield value
            else:
                yield from _ids(value)
    elif isinstance(part, tuple):
        for one in part:
            yield from _ids(one)
    elif isinstance(part, dict):
        for one in part.values():
            yield from _ids(one)


def _even(exchanges: Sequence[Exchange], taken: frozenset[int], most: int, spec: Spec) -> list[int]:
    """Others, up to so many in all: as many of each command as there is room for, spread evenly, in no order."""
    others = [at for at in range(len(exchanges)) if at not in taken]
    if len(exchanges) > most:
        by_command: dict[bytes, list[int]] = {}
        for at in range(len(exchanges)):
            by_command.setdefault(_named(exchanges[at], spec), []).append(at)
        others, room = [], most
        groups = sorted(by_command.values(), key=len)
        for number, group in enumerate(groups):
            cited_of_it = sum(at in taken for at in group)
            share = max(cited_of_it, min(len(group), room // (len(groups) - number)))
            others += _spread([at for at in group if at not in taken], share - cited_of_it)
            room -= share
    random.Random(0).shuffle(others)  # so that what there is no room for is spread as well
    return others


def _spread(indices: Sequence[int], most: int) -> Sequence[int]:
    most = max(0, most)
    return indices if len(indices) <= most else [indices[at * len(indices) // most] for at in range(most)]


def _named(exchange: Exchange, spec: Spec) -> bytes:
    """The command that an exchange names, roughly: enough to tell one kind from another."""
    message = exchange.request or exchange.reply
    body = b"" if message is None else b"&" + message.body[:1024].upper()
    return body.partition(b"&" + spec.command_mark)[2].partition(b"&")[0][:32]


class _Both(NamedTuple):
    """A message as it was, and with its masked values gone."""

    plain: Message
    masked: Message | None


class _Looking:
    """Masks and decodes exchanges, and keeps what many of them have in common once."""

    def __init__(self, report: Report, spec: Spec) -> None:
        self.spec = spec
        self.say = Say(report.lang)
        self.redactor = Redactor(spec, policy="all", masks=True)
        self.masking = Masking(spec)
        self.commands = {command.name.upper(): command.name for command in report.commands}
        self.rows = {
            anchor("field", command.name, direction, field.name)
            for command in report.commands
            for direction, part in command.directions.items()
            for field in part.fields
        }
        self.heads: dict[str, int] = {}
        self.places: dict[str, int] = {}

    def explored(self, label: str, exchange: Exchange) -> Explored:
        hidden = self.redactor.exchange(exchange)
        plain, masked = decode(exchange, self.spec), decode(hidden, self.spec)
        name = self._command(plain.command)
        return Explored(
            id=visible(clip(label)),
            at=anchor("exchange", clip(label)),
            command=visible(clip(name)),
            outcome=_outcome(exchange, plain, self.spec),
            time=exchange.time,
            elapsed=exchange.elapsed,
            session=visible(clip(exchange.session)),
            account=self._role(masked.account, self.spec.roles.account),
            version=self._role(masked.version, self.spec.roles.version),
            transport=visible(clip(exchange.transport)),
            status=self.say("no reply") if masked.reply is None else wording.status(masked, self.spec),
            error=visible(hidden.error or "", _LONGEST),
            notes=tuple(self._notes(plain, masked))[:_MOST_NOTES],
            request=self._said(hidden.request, plain.request, masked.request, name),
            reply=self._said(hidden.reply, plain.reply, masked.reply, name),
        )

    def _command(self, name: str) -> str:
        """The command as the report has it."""
        known = self.spec.command(name)
        return known.name if known is not None else self.commands.get(clip(name.upper()), name)

    def _role(self, value: str | None, name: str) -> str:
        if value is None:
            return ""
        return MASK if name.upper() in self.masking.names else visible(clip(value))

    def _said(self, raw: RawMessage | None, plain: Message | None, masked: Message | None, command: str) -> Said | None:
        if raw is None:
            return None
        pairs: list[Pair] = []
        more = 0
        if plain is not None and masked is not None:
            room = _ROOM
            before = {field.position: field for field in plain.fields}
            keys = wire.split(http1.content(raw) or b"")
            for field in masked.fields:
                pair = self._pair(field, before.get(field.position), keys, _Both(plain, masked), command)
                room -= _size(pair)
                if len(pairs) >= _MOST_PAIRS or room < 0:
                    more = len(masked.fields) - len(pairs)
                    break
                pairs.append(pair)
        head = "\n".join(visible(line) for line in raw.head[:_LONGEST_HEAD].decode("utf-8", "replace").splitlines())
        return Said(self.heads.setdefault(head, len(self.heads)), tuple(pairs), more)

    def _pair(self, field: Field, before: Field | None, keys: Sequence[wire.Pair], both: _Both, command: str) -> Pair:
        if before is None or before.name != field.name or is_words(before):
            return Pair(MASK, None, -1, masked=True)
        place = self._place(command, both.plain.direction, field.name)
        key = visible(keys[field.position].key.decode("utf-8", "replace"), _LONGEST) if field.spec else field.name
        if field.raw is None:
            return Pair(key, None, place)
        if self.masking.hides(both.plain, before.name):
            return Pair(key, MASK if before.raw else "", place, masked=True)
        raw = visible(field.raw.decode("utf-8", "replace"), _LONGEST)
        items = tuple(self._items(field, both.masked))
        is_list = isinstance(field.value, tuple)
        return Pair(key, raw, place, () if items == ((raw, ""),) and not is_list else items, is_list)

    def _place(self, command: str, direction: Direction, name: str) -> int:
        place = anchor("field", command, direction, name)
        return self.places.setdefault(place, len(self.places)) if place in self.rows else -1

    def _items(self, field: Field, message: Message | None) -> Iterator[tuple[str, str]]:
        """The values of a field, each with its meaning."""
        values = field.value if isinstance(field.value, tuple) else (field.value,)
        tables = [] if message is None else [one for one in message.tables if field.name in one.spec.columns]
        rows = [row.cells for table in tables for row in table.rows] if isinstance(field.value, tuple) else []
        for at, value in enumerate(values[:_MOST_ITEMS]):
            text = visible("" if value is None else str(value), _LONGEST)
            yield text, self._meaning(field, value, rows[at] if at < len(rows) else {})
        if len(values) > _MOST_ITEMS:
            yield "…", ""

    def _meaning(self, field: Field, value: Scalar, cells: dict[str, Scalar]) -> str:
        if field.spec is None or value is None:
            return ""
        case = case_of(field.spec, cells)
        code = self.spec.code(field.spec, value) if case is None else case_code(self.spec, case, value)
        return named(code, self.say)

    def _notes(self, plain: Decoded, masked: Decoded) -> Iterator[Told]:
        """What was noted, in words that were made without the masked values."""
        texts = {(note.code, note.direction, note.field): note.text for note in masked.notes}
        messages = {message.direction: message for message in plain.messages()}
        for note in plain.notes:
            text = texts.get((note.code, note.direction, note.field))
            message = None if note.direction is None else messages.get(note.direction)
            if text is None or self._quotes(note, message):
                text = self.say.translated(describe(note.code))
            else:
                text = retold(note.code, text, self.say)
            yield Told(note.code, note.severity, visible(text, _LONGEST))

    def _quotes(self, note: Note, message: Message | None) -> bool:
        """Whether a note quotes what is masked, or may."""
        if note.field is None or message is None:
            return False
        fields = [field for field in message.fields if field.name == note.field]
        return any(map(is_words, fields)) or self.masking.is_quoted(note, message)


def _size(pair: Pair) -> int:
    return len(pair.key) + len(pair.raw or "") + sum(len(text) + len(meaning) + 6 for text, meaning in pair.items) + 16


def _outcome(exchange: Exchange, decoded: Decoded, spec: Spec) -> Outcome:
    if exchange.error is not None:
        return "failed"
    if exchange.reply is None:
        return "unanswered"
    if exchange.request is None:
        return "unasked"
    match succeeded(decoded, spec):
        case True:
            return "done"
        case False:
            return "refused"
        case None:
            return "unclear"
