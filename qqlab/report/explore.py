"""Exchanges to look at one by one: a sample of the captures, decoded, with all that is secret or personal masked.

Law: bounded, total and deterministic. What the report cites is in the sample, then as many of each command as there is
room for, drawn from all of the traffic (`qqlab.report.sampling`). A value is masked by what the spec says of its field,
or for want of that by the field's name, as in the profile; what looks like no field is someone's words, and is masked
whole. A masked value is hunted in the rest of its exchange as well (`qqlab.redact`), and stands there as asterisks. All
text is one printable line, but for heads, which keep their lines.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Literal, NamedTuple, Self

import msgspec

from qqlab import http1, wire, wording
from qqlab.capture import Capture
from qqlab.capture.chunks import At, Chunk, read_at
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
from qqlab.report import sampling
from qqlab.report.anchors import anchor
from qqlab.report.build.captures import placed
from qqlab.report.glance import MOST, How, prefix, tools
from qqlab.report.model import Evidence, Report
from qqlab.report.named import named
from qqlab.report.retold import retold
from qqlab.report.sampling import Sampling
from qqlab.report.say import Say
from qqlab.spec import Direction, Lang, Spec
from qqlab.visible import visible

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


class Known(NamedTuple):
    """What of a report its exchanges need: its language, its commands by their names in upper case, and the names of
    the rows that tell of fields."""

    lang: Lang
    commands: Mapping[str, str]
    rows: frozenset[str]

    @classmethod
    def of(cls, report: Report) -> Self:
        """That of a report."""
        rows = (
            anchor("field", command.name, direction, field.name)
            for command in report.commands
            for direction, part in command.directions.items()
            for field in part.fields
        )
        return cls(report.lang, {command.name.upper(): command.name for command in report.commands}, frozenset(rows))


class Shown(NamedTuple):
    """An exchange by itself: the indices in it are those of its own `heads` and `places`. `kind` is its command,
    roughly (see `qqlab.report.sampling`)."""

    kind: bytes
    explored: Explored
    heads: tuple[str, ...]
    places: tuple[str, ...]


class Wanted(NamedTuple):
    """Exchanges to be shown: where they stand, in a chunk."""

    chunk: Chunk
    ats: tuple[At, ...]


def explore(
    captures: Sequence[Capture], report: Report, spec: Spec, *, most: int = MOST, most_text: int = MOST_TEXT
) -> Exploration:
    """Sample the exchanges that a report was made of."""
    named = [part.name for part in report.captures]
    every = {
        at: (prefix(named, number) + exchange.id, exchange)
        for number, capture in enumerate(captures)
        for at, exchange in placed(number, capture)
    }
    sample = Sampling(spec.command_mark, most)
    for at, (label, exchange) in every.items():
        sample.add(at, label, exchange)
    ids = cited(report)
    first = [at for at, (label, _) in every.items() if clip(label) in ids][:most]
    rest = sample.chosen({at: sampling.named(every[at][1], spec.command_mark) for at in first})
    looking = _Looking(Known.of(report), spec, Redactor(spec, policy="all", masks=True))
    shown = ((at, looking.shown(*every[at])) for at in chain(first, drawn(rest)))
    return gathered(shown, sample.total, spec, most_text=most_text)


def show(how: How, known: Known, wanted: Wanted) -> list[tuple[At, Shown]]:
    """Read the exchanges of a chunk that are to be shown, each with where it stands. Raises as `read_at`."""
    spec, redactor = tools(how.spec)
    looking, before = _Looking(known, spec, redactor), prefix(how.names, wanted.chunk.capture)
    return [(at, looking.shown(before + exchange.id, exchange)) for at, exchange in read_at(wanted.chunk, wanted.ats)]


def drawn(ats: Sequence[At]) -> list[At]:
    """In no order, so that what there is no room for is spread as well."""
    mixed = sorted(ats)
    random.Random(0).shuffle(mixed)
    return mixed


def gathered(shown: Iterable[tuple[At, Shown]], total: int, spec: Spec, *, most_text: int = MOST_TEXT) -> Exploration:
    """Exchanges as a page has them, of so many in all: in order, as many of those that come as there is room for."""
    heads: dict[str, int] = {}
    places: dict[str, int] = {}
    kept: dict[At, Explored] = {}
    room = most_text
    for at, one in shown:
        explored = _among(one, heads, places)
        room -= len(msgspec.json.encode(explored))
        if room < 0:
            break
        kept[at] = explored
    return Exploration(
        total=total,
        exchanges=tuple(kept[at] for at in sorted(kept)),
        heads=tuple(heads),
        places=tuple(places),
        rows={
            name: tuple(rows.columns for rows in command.rows if rows.direction == "reply")
            for name, command in spec.commands.items()
            if command.rows
        },
    )


def _among(shown: Shown, heads: dict[str, int], places: dict[str, int]) -> Explored:
    """An exchange among others, whose heads and places are added to theirs."""
    for mine, all_of_them in ((shown.heads, heads), (shown.places, places)):
        for name in mine:
            all_of_them.setdefault(name, len(all_of_them))
    at_place = [places[name] for name in shown.places]

    def said(part: Said | None) -> Said | None:
        if part is None:
            return None
        pairs = (
            pair if pair.place < 0 else msgspec.structs.replace(pair, place=at_place[pair.place]) for pair in part.pairs
        )
        return Said(heads[shown.heads[part.head]], tuple(pairs), part.more)

    explored = shown.explored
    return msgspec.structs.replace(explored, request=said(explored.request), reply=said(explored.reply))


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


@lru_cache(4096)
def _row(command: str, direction: Direction, name: str) -> str:
    """The name of the row of a field, as far as is remembered: exchanges have the same ones again and again."""
    return anchor("field", command, direction, name)


class _Both(NamedTuple):
    """A message as it was, and with its masked values gone."""

    plain: Message
    masked: Message | None


class _Looking:
    """Masks and decodes exchanges."""

    def __init__(self, known: Known, spec: Spec, redactor: Redactor) -> None:
        self.spec = spec
        self.say = Say(known.lang)
        self.redactor = redactor
        self.masking = Masking(spec)
        self.commands = known.commands
        self.rows = known.rows
        self.heads: dict[str, int] = {}
        self.places: dict[str, int] = {}

    def shown(self, label: str, exchange: Exchange) -> Shown:
        self.heads, self.places = {}, {}
        explored = self.explored(label, exchange)
        return Shown(sampling.named(exchange, self.spec.command_mark), explored, tuple(self.heads), tuple(self.places))

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
        place = _row(command, direction, name)
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
