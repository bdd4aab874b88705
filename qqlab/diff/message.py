"""Two replies to the same request, held against each other by meaning.

Law: total: raises for no bytes. Which fields repeat the request, which lists are rows, what counts them and what is
secret the spec says. One deviation of a server gives one deviation here, as far as that can be told: what merely
follows from another one (the order after a field is gone, the count after a row is) is left out.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import AnyStr

from qqlab import wire
from qqlab.codec import MOST_FIELDS, Field, Message, Value, tells_success
from qqlab.codec import text as texts
from qqlab.codec.values import parse
from qqlab.diff.finding import Deviation, unlike
from qqlab.diff.rows import compare_rows
from qqlab.diff.values import SECRET, accounts, said, written
from qqlab.spec import Rows, Spec


def compare_bodies(expected: bytes, actual: bytes) -> Iterator[Deviation]:
    """Two bodies as bytes, for those that are no pairs of the protocol."""
    if expected == actual:
        return
    place = parting(expected, actual)
    yield unlike("body", None, None, (_excerpt(body, place) for body in (expected, actual)))


def parting(expected: AnyStr, actual: AnyStr) -> int:
    """The first place where two texts, or two bodies, differ."""
    pairs = enumerate(zip(expected, actual, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(expected), len(actual)))


def _excerpt(body: bytes, place: int) -> str:
    start = max(0, place - 10)
    text = body[start : place + 30].decode("utf-8", "replace")
    return f"{len(body)} bytes, from byte {start}: {text}" if body else "nothing"


def compare_requests(expected: Message, actual: Message, spec: Spec) -> Iterator[Deviation]:
    """One deviation for all the fields in which two requests of the same command differ."""
    ignored = {spec.roles.sequence, spec.roles.command}
    names = dict.fromkeys(field.name for field in (*expected.fields, *actual.fields))
    differing = [name for name in names if name not in ignored and _differs(expected.get(name), actual.get(name))]
    if differing:
        sides = [", ".join(_request_field(message, name, spec) for name in differing) for message in (expected, actual)]
        yield unlike("request", differing[0] if len(differing) == 1 else None, None, sides)


def _differs(expected: Field | None, actual: Field | None) -> bool:
    if expected is None or actual is None:
        return True
    return expected.value != actual.value and not (expected.spec is not None and expected.spec.secret)


def _request_field(message: Message, name: str, spec: Spec) -> str:
    field = message.get(name)
    return f"no {name}" if field is None else f"{name}={said(field.value, field.spec, spec, message.values())}"


def understood(message: Message) -> bool:
    """Whether a message holds at least one field that the spec knows."""
    return bool(message.fields) and not message.foreign


class Replies:
    """Two replies, each with the request that it answers, if there is one; `bodies` are the replies' bodies without
    content coding."""

    def __init__(
        self,
        replies: tuple[Message, Message],
        requests: tuple[Message | None, Message | None],
        bodies: tuple[bytes, bytes],
        spec: Spec,
    ) -> None:
        self.messages = replies
        self.requests = requests
        self.bodies = bodies
        self.keys = wire.split(bodies[0]), wire.split(bodies[1])
        self.spec = spec
        self.fields = _by_name(replies[0]), _by_name(replies[1])
        self.values = replies[0].values(), replies[1].values()
        self.command = replies[0].command
        self.tables = [rows for rows in self.command.rows if rows.direction == "reply"] if self.command else []

    def deviations(self) -> Iterator[Deviation]:
        """All that is unlike, differences and equivalences; that of a field whose bytes on the actual side alone are in
        no charset is that, once."""
        unread: set[str] = set()
        for deviation in self._deviations():
            name = deviation.field or ""
            if deviation.rule not in ("value", "row.value") or not self._unreadable(name):
                yield deviation
            elif name not in unread:
                unread.add(name)
                yield deviation._replace(rule="target.charset", row=None)

    def _unreadable(self, name: str) -> bool:
        """Whether a field's bytes are in no charset of the protocol on the actual side, and on the other are."""
        sides = [fields[name][0].raw or b"" for fields in self.fields if name in fields]
        return len(sides) == 2 and [_is_text(raw, self.spec) for raw in sides] == [True, False]

    def _deviations(self) -> Iterator[Deviation]:
        expected, actual = self.messages
        if not (understood(expected) and understood(actual)):
            yield from compare_bodies(*self.bodies)
            return
        if expected.command is not actual.command:
            yield Deviation("echo", self.spec.roles.command, None, expected.name, actual.name)
            return
        yield from self._presence()
        yield from self._order()
        counts = {rows.count: rows for rows in self.tables if rows.count is not None}
        columns = {name for rows in self.tables for name in rows.columns}
        for name in self._common():
            yield from self._spelling(name)
            occurrences = list(zip(self.fields[0][name], self.fields[1][name], strict=False))
            for index, (left, right) in enumerate(occurrences):
                if index == 0 and name in columns:
                    yield from _bare(left, right)
                elif index == 0 and name in counts:
                    yield from self._count(counts[name], left, right)
                elif left.spec is None or not left.spec.echo:
                    yield from self._value(left, right)
                else:
                    yield from self._echo(left, right)
        for rows in self.tables:
            yield from self._rows(rows)
        yield from self._behind()
        if _end(expected) != _end(actual):
            yield Deviation("body.terminator", None, None, _end(expected), _end(actual))

    def _behind(self) -> Iterator[Deviation]:
        """What no field was made of, since there are too many: as bytes, from the first segment that differs."""
        rests = [b"&".join(body.split(b"&", MOST_FIELDS)[MOST_FIELDS:]) for body in self.bodies]
        if rests[0] != rests[1]:
            place = parting(*rests)
            ends = {rest[place : place + 1] for rest in rests} <= {b"", b"&"}
            begin = place + 1 if ends and place else rests[0].rfind(b"&", 0, place) + 1
            sides = (f"behind field {MOST_FIELDS:,}: {self._segment(rest, begin)}" for rest in rests)
            yield unlike("more", None, None, sides)

    def _segment(self, rest: bytes, begin: int) -> str:
        key, equals, raw = (part.decode("utf-8", "replace") for part in rest[begin:].partition(b"&")[0].partition(b"="))
        known = self.spec.field(self.command, "reply", key)
        return f"{key}{equals}{SECRET if known is not None and known.secret else raw}" if key else "nothing"

    def _common(self) -> list[str]:
        return [name for name in self.fields[0] if name in self.fields[1]]

    def _presence(self) -> Iterator[Deviation]:
        left, right = self.fields
        follows = self._follows() if left.keys() != right.keys() else ()
        for name, fields in left.items():
            if name in follows:
                continue
            if name not in right:
                yield Deviation("field.missing", name, expected=self._said(0, fields[0]))
            elif len(fields) != len(right[name]):
                yield Deviation("field.duplicate", name, None, _times(len(fields)), _times(len(right[name])))
        for name, fields in right.items():
            if name not in left and name not in follows:
                yield Deviation("field.extra", name, actual=self._said(1, fields[0]))

    def _follows(self) -> set[str]:
        """The fields whose presence follows from one side's success alone, where a code that both have tells of that:
        those of the command itself, if the replies share none of them but such codes."""
        verdicts = [tells_success(message, self.spec) is True for message in self.messages]
        codes = {name for name in self._common() if self._judges(self.fields[0][name][0])}
        if verdicts[0] == verdicts[1] or all(self.values[0][name] == self.values[1][name] for name in codes):
            return set()
        own = [self._own(fields) - codes for fields in self.fields]
        return set() if own[0] & own[1] else own[0] | own[1]

    def _own(self, fields: dict[str, list[Field]]) -> set[str]:
        """The names of fields that are the command's own."""
        return {
            name
            for name, (first, *_) in fields.items()
            if first.spec is not None and first.spec not in self.spec.common.reply
        }

    def _judges(self, field: Field) -> bool:
        """Whether a field is a code that can tell success from failure."""
        known = field.spec
        return known is not None and known.codes is not None and self.spec.codes[known.codes].judges

    def _order(self) -> Iterator[Deviation]:
        """One deviation for the order of what both have, with the field's name where a single one moved."""
        names = [[field.name for field in message.fields] for message in self.messages]
        if names[0] == names[1]:
            return
        numbered = [_numbered(message) for message in self.messages]
        common = set(numbered[0]) & set(numbered[1])
        left, right = ([place for place in side if place in common] for side in numbered)
        if left == right:
            return
        first = next(index for index, place in enumerate(left) if place != right[index])
        candidates = left[first], right[first]
        moved = next((place for place in candidates if _without(left, place) == _without(right, place)), None)
        shown = (" ".join(name for name, _ in side) for side in (left, right))
        yield unlike("field.order", None if moved is None else moved[0], None, shown)

    def _spelling(self, name: str) -> Iterator[Deviation]:
        keys = [pairs[fields[name][0].position].key for pairs, fields in zip(self.keys, self.fields, strict=True)]
        if keys[0] != keys[1]:
            yield unlike("field.spelling", name, None, (key.decode("utf-8", "replace") for key in keys))

    def _echo(self, left: Field, right: Field) -> Iterator[Deviation]:
        """A field that repeats the request's is held against its own request; only then against the other side."""
        bare = list(_bare(left, right))
        if bare:
            yield from bare
            return
        verdicts = [self._repeats(side, field) for side, field in enumerate((left, right))]
        role = self.spec.roles
        if None not in verdicts and verdicts[0] != verdicts[1]:
            yield Deviation("echo", left.name, None, self._against(0, left), self._against(1, right))
        elif left.name == role.command and left.text != right.text and left.text.upper() == right.text.upper():
            yield Deviation("command.case", left.name, None, left.text, right.text)
        elif verdicts == [True, True]:
            if left.value == right.value:
                yield from self._written(left, right)
        elif verdicts == [False, False] or (verdicts == [None, None] and left.name != role.sequence):
            yield from self._value(left, right)

    def _repeats(self, side: int, field: Field) -> bool | None:
        """Whether a reply repeats its request; None where the request says nothing that could be repeated."""
        request = self.requests[side]
        asked = None if request is None else request.text(field.name)
        if asked is None:
            return None
        repeated = field.text.strip(" ")
        if field.name == self.spec.roles.command:
            return asked.upper() == repeated.upper()
        return asked == repeated or (request is not None and _same_number(request.value(field.name), field.value))

    def _against(self, side: int, field: Field) -> str:
        request = self.requests[side]
        asked = None if request is None else request.text(field.name)
        return f"{field.text} (asked: {asked or ''})"

    def _value(self, left: Field, right: Field) -> Iterator[Deviation]:
        bare = list(_bare(left, right))
        if bare or (left.spec is not None and left.spec.secret):
            yield from bare
        elif left.value != right.value:
            if _both_fresh(left, right):
                return
            rule = "code" if left.spec is not None and left.spec.type == "code" else "value"
            about = accounts([(left.spec, left.value), (right.spec, right.value)])
            yield Deviation(rule, left.name, None, self._said(0, left), self._said(1, right), about)
        else:
            yield from self._written(left, right)

    def _written(self, left: Field, right: Field) -> Iterator[Deviation]:
        return written(left, right, self.spec, (self.messages[0].plus, self.messages[1].plus))

    def _count(self, rows: Rows, left: Field, right: Field) -> Iterator[Deviation]:
        """A count that only follows from its rows is no deviation of its own, but one that does not follow is."""
        bare = list(_bare(left, right))
        lengths = [_length(message, rows) for message in self.messages]
        fits = [_counts(field, message, rows) for field, message in zip((left, right), self.messages, strict=True)]
        if bare:
            yield from bare
        elif left.value == right.value and (fits[0] == fits[1] or None in lengths):
            yield from self._value(left, right)
        elif fits != [True, True]:
            told = (
                f"{self._said(side, field)}" + ("" if length is None else f" with {length} row{'s'[: length != 1]}")
                for side, (field, length) in enumerate(zip((left, right), lengths, strict=True))
            )
            yield unlike("count", left.name, None, told)

    def _rows(self, rows: Rows) -> Iterator[Deviation]:
        assert self.command is not None
        found = list(compare_rows(rows, self.command, *self.messages, self.spec))
        yield from found
        if found:
            return
        for name in rows.columns:
            left, right = self.messages[0].get(name), self.messages[1].get(name)
            if left is not None and right is not None and not (left.spec is not None and left.spec.secret):
                yield from self._written(left, right)

    def _said(self, side: int, field: Field) -> str:
        return said(field.value, field.spec, self.spec, self.values[side])


def _both_fresh(left: Field, right: Field) -> bool:
    """Whether two values were made anew, each as it has to be."""
    known = left.spec
    sides = (left.text, right.text)
    return known is not None and known.fresh and "" not in sides and all(parse(side, known)[1] for side in sides)


def _is_text(raw: bytes, spec: Spec) -> bool:
    return texts.decode(texts.unescape(raw), spec.wire.charsets).charset != texts.RAW


def _by_name(message: Message) -> dict[str, list[Field]]:
    fields: dict[str, list[Field]] = {}
    for field in message.fields[:-1] if _ends_in_line_end(message) else message.fields:
        fields.setdefault(field.name, []).append(field)
    return fields


def _numbered(message: Message) -> list[tuple[str, int]]:
    """The fields in order, the occurrences of one name told apart by a number."""
    seen: Counter[str] = Counter()
    numbered = []
    for field in message.fields:
        numbered.append((field.name, seen[field.name]))
        seen[field.name] += 1
    return numbered


def _without(places: Sequence[tuple[str, int]], one: tuple[str, int]) -> list[tuple[str, int]]:
    return [place for place in places if place != one]


def _same_number(asked: Value, repeated: Value) -> bool:
    """Whether both are the same number, however it is written."""
    return isinstance(asked, int) and asked == repeated


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _bare(left: Field, right: Field) -> Iterator[Deviation]:
    if (left.raw is None) != (right.raw is None):
        sides = (f"{left.name} without =" if field.raw is None else f"{left.name}=" for field in (left, right))
        yield unlike("field.bare", left.name, None, sides)


def _length(message: Message, rows: Rows) -> int | None:
    """How many rows a message has; None where it has none of their lists."""
    return next((len(table.rows) for table in message.tables if table.spec is rows), None)


def _counts(field: Field, message: Message, rows: Rows) -> bool:
    """Whether a count is that of a list: of lists that are not equally long one is wrong, and not the count with it."""
    lists = [column for name in rows.columns if (column := message.get(name)) is not None]
    told = any(column.raw is None for column in lists)  # a list of which only the name is there is told as that
    return told or field.value in {len(column.value) for column in lists if isinstance(column.value, tuple)}


def _ends_in_line_end(message: Message) -> bool:
    """Whether nothing but a line end stands behind the last `&`, which makes no field."""
    last = message.fields[-1:]
    return any(field.raw is None and field.name != "" and field.name.strip("\r\n") == "" for field in last)


def _end(message: Message) -> str:
    if _ends_in_line_end(message):
        return "ends in & and a line end"
    return "ends in &" if message.terminated else "does not end in &"
