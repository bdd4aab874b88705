"""Bytes as a sheet: lines that people read and edit, and the way back to bytes.

Law: reading a sheet that nobody changed gives the same bytes, whatever they are; a changed line changes its own span
and nothing else. A field is a line `NAME: value  # what it is`, written so that YAML's highlighting fits: values that
are hard to tell from the rest of the line stand in double quotes with YAML's escapes, bytes in no known charset as
`!raw "..."` (the value as it travels, a byte as `\\xNN`), secrets as `!secret`. Lines that begin with `#` explain, and
`#|` shows what cannot be edited here. Messages that came in one piece are parted by `---`. Writing is total; reading
raises UsageError for what makes no sense.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from textwrap import wrap
from typing import NamedTuple
from urllib.parse import quote_from_bytes

from rich.cells import cell_len, set_cell_size

from qqlab import http1, wire, wording
from qqlab.codec import Field, Message, Note, Row, Table, decode_message, describe, recognise
from qqlab.codec import text as texts
from qqlab.errors import UsageError
from qqlab.exchange import RawMessage
from qqlab.spec import Command, Direction, Spec
from qqlab.visible import visible

_PARTING = "---"
_SECRET = "!secret"
_RAW = "!raw "
_MOST_SHOWN = 4096
_SHORTEST_TOLD = 6  # shorter, the same letters stand elsewhere by chance
_MOST_ALIGNED = 44
_MOST_CELL = 60
_WIDTH = 90
_GAP = " "  # mitmweb gives a line without anything no height

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_NAME = r"\w[\w.-]*"
_LINE = re.compile(
    rf"\s*(?P<name>(?:{_RAW})?{_QUOTED}|{_NAME})"
    rf"(?P<colon>\s*:(?:\s+(?P<value>(?:{_RAW})?{_QUOTED}|[^\s\"#](?:.*?\S)??))?)?"
    r"(?:\s+#.*|\s*)"
)
# What stands without quotes: nothing that YAML, or this sheet, would read as something else.
_PLAIN = re.compile(r"(?![\"'#!&*\[\]{}|>@`%,]|[-?:](?:\s|$))(?!.*(?:\s#|:\s|:$))\S(?:.*\S)?")
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([nrt\"\\])|)")
_CREDENTIALS = re.compile(r"(?i)^((?:proxy-)?authorization\s*:\s*|(?:set-)?cookie\s*:\s*).*")
_SHORT = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


class Part(NamedTuple):
    """Some of the bytes: `raw.head + raw.body + raw.end`. `message` is what the body says, with all content codings
    undone; None where it is no message of the protocol. `notes` are those to show, the message's and perhaps more."""

    raw: RawMessage
    message: Message | None
    notes: tuple[Note, ...] = ()


def part(raw: RawMessage, direction: Direction, spec: Spec, fallback: Command | None = None) -> Part:
    """The bytes with what they say, where they are a message of the protocol. `fallback` is the command to go by where
    the body names none that the spec knows."""
    content = http1.content(raw)
    message = None if content is None else decode_message(content, direction, spec, fallback)
    if content is None or message is None or not _speaks(content, message, spec):
        return Part(raw, None)
    return Part(raw, message, message.notes)


def parts(data: bytes, direction: Direction, spec: Spec, fallback: Command | None = None) -> list[Part]:
    """What one read of a relayed connection holds: HTTP messages, or parts of them, or lines; all of the bytes."""
    cut = _messages(data, direction)
    return [part(raw, direction, spec, fallback) for raw in (_lines_of(data, spec) if cut is None else cut)]


def _speaks(content: bytes, message: Message, spec: Spec) -> bool:
    return recognise(content, spec) or any(field.spec is not None for field in message.fields)


def _messages(data: bytes, direction: Direction) -> list[RawMessage] | None:
    """The bytes cut into HTTP messages, the last of which may be a part; None where they do not begin with one."""
    reader = http1.Reader(direction)
    found = reader.feed(data)
    last = reader.flush()
    if last is not None:
        found.append(last)
    whole = b"".join(raw.head + raw.body + raw.end for raw in found)
    if not found or not found[0].head or not data.startswith(whole):
        return None
    return found + ([RawMessage(body=data[len(whole) :])] if len(whole) < len(data) else [])


def _lines_of(data: bytes, spec: Spec) -> Iterator[RawMessage]:
    """The bytes cut into lines, where each is a message; what lies between these stays in one piece."""
    other = b""
    for line in data.splitlines(keepends=True) if data.count(b"\n") else [data]:
        body = line.rstrip(b"\r\n")
        if not recognise(body, spec):
            other += line
            continue
        if other:
            yield RawMessage(body=other)
        other = b""
        yield RawMessage(body=body, end=line[len(body) :])
    if other or not data:
        yield RawMessage(body=other)


class _Entry(NamedTuple):
    """A pair of the body as the sheet has it: `value` is None for a segment without `=`."""

    name: str
    value: str | None
    pair: wire.Pair
    field: Field


class _Line(NamedTuple):
    """A line of an edited sheet, read; `number` counts from 1."""

    number: int
    name: str
    value: str | None


class Sheet:
    """The sheet of some bytes. With `reveal` secrets are shown as they are."""

    def __init__(self, parts: Sequence[Part], spec: Spec, *, reveal: bool = False) -> None:
        masks = _Masks(parts, spec, reveal)
        self._sections = [_Section(part, spec, masks) for part in parts]

    def text(self) -> str:
        """The lines, without a line end behind the last one."""
        return f"\n{_PARTING}\n".join("\n".join(section.lines) for section in self._sections)

    def read(self, text: str) -> bytes:
        """The bytes that an edited sheet means: those of the parts, with the changes put in.

        Raises UsageError for what cannot be read, is ambiguous, or would change what can only be looked at.
        """
        edited: list[list[tuple[int, str]]] = [[]]
        for number, line in enumerate(text.split("\n"), 1):
            stripped = line.rstrip()
            if stripped == _PARTING:
                edited.append([])
            elif stripped:
                edited[-1].append((number, stripped))
        if len(edited) != len(self._sections):
            what = f"there are {len(edited)} parts, there were {len(self._sections)}"
            raise UsageError("the sheet", what, f"leave the lines {_PARTING} as they are")
        return b"".join(section.read(lines) for section, lines in zip(self._sections, edited, strict=True))


class _Section:
    """The lines of one part, and the way back."""

    def __init__(self, part: Part, spec: Spec, masks: "_Masks") -> None:
        self._raw, self._message, self._notes = part
        self._spec = spec
        self._masks = masks

    @cached_property
    def _entries(self) -> list[_Entry]:
        if self._message is None:
            return []
        fields = self._message.fields
        return [self._entry(field, pair) for field, pair in zip(fields, wire.split(self._content), strict=False)]

    @cached_property
    def _content(self) -> bytes:
        return http1.content(self._raw) or b""

    def _entry(self, field: Field, pair: wire.Pair) -> _Entry:
        key = texts.decode(texts.unescape(pair.key), self._spec.wire.charsets)
        name = _as_raw(pair.key) if key.charset == texts.RAW else _as_name(key.value)
        return _Entry(name, None if field.raw is None else self._value(field, field.raw), pair, field)

    def _value(self, field: Field, raw: bytes) -> str:
        if raw and self._masks.hides(field):
            return _SECRET
        return _as_raw(raw) if self._decode(raw).charset == texts.RAW else _as_value(field.text)

    def _decode(self, raw: bytes) -> texts.Text:
        assert self._message is not None
        return texts.decode(texts.unescape(raw, self._message.plus), self._spec.wire.charsets)

    @cached_property
    def lines(self) -> list[str]:
        """The section's lines."""
        return [*self._head(), *self._body()]

    def _head(self) -> Iterator[str]:
        if self._raw.head:
            yield from self._masks.opaque(self._raw.head)
            yield _GAP

    def _body(self) -> Iterator[str]:
        message = self._message
        if message is None:
            yield f"# {len(self._raw.body)} bytes that are no message of {visible(self._spec.name)}, as they are"
            yield from self._masks.opaque(self._raw.body)
            return
        known = message.command
        doc = "not in the spec" if known is None else visible(known.doc)
        title = f"{visible(known.name if known else message.name or '?', 40)} {message.direction}: {doc}"
        yield from (f"# {line}" for line in wrap(title, _WIDTH))
        yield from _aligned(self._fields(message))
        for table in message.tables:
            yield from self._table(message, table)
        if self._notes:
            yield _GAP
            yield "# notes"
            yield from _columns(
                ["", note.severity, note.code, self._masks.remark(note, message)] for note in self._notes
            )

    def _fields(self, message: Message) -> Iterator[tuple[str, str]]:
        """Each line in two: what can be edited, and what explains it."""
        for name, value, _, field in self._entries:
            doc = visible(field.spec.doc) if field.spec is not None else "not in the spec"
            hints = [wording.meaning(field, self._spec), doc]
            if value is None:
                hints.insert(0, "(no =)")
            elif isinstance(field.value, str) and field.value != field.text and value != _SECRET:
                hints.insert(0, f"reads {visible(field.value, _MOST_CELL)}")
            text = name if value is None else f"{name}: {value}".rstrip()
            yield text, " | ".join(filter(None, hints))

    def _table(self, message: Message, table: Table) -> Iterator[str]:
        columns = [name for name in table.spec.columns if any(name in row.cells for row in table.rows)]
        yield _GAP
        yield f"# {visible(table.spec.name)}: {visible(table.spec.doc)}"
        if columns:
            rows = [
                [str(number), *(self._cell(message, name, row) for name in columns)]
                for number, row in enumerate(table.rows, 1)
            ]
            yield from _columns([["", *columns], *rows])

    def _cell(self, message: Message, column: str, row: Row) -> str:
        return self._masks.masked(wording.cell(message, column, row.cells, self._spec, _MOST_CELL))

    def read(self, edited: Iterable[tuple[int, str]]) -> bytes:
        """The part's bytes with the edited lines, each with its number, put in."""
        lines = self._edited(edited)
        raw = self._raw
        pairs = self._pairs(lines) if [line[1:] for line in lines] != [entry[:2] for entry in self._entries] else None
        if pairs is None:
            return raw.head + raw.body + raw.end
        if self._content != raw.body or raw.chunked or raw.cut is not None:
            what = "this body travels packed, in chunks, or was cut off"
            raise UsageError("the sheet", what, "it can be looked at here, not edited")
        body = wire.join(pairs)
        return _with_length(raw.head, len(body) - len(raw.body)) + body + raw.end

    def _edited(self, edited: Iterable[tuple[int, str]]) -> list[_Line]:
        """The lines that stand for fields. All others must be as they were, or gone."""
        comments = {line.rstrip() for line in self.lines if line.startswith("#")}
        fixed = [line.rstrip() for line in self.lines if line.startswith("#|")]
        lines = []
        for number, line in edited:
            if line in comments:
                if line.startswith("#|") and (not fixed or fixed.pop(0) != line):
                    raise UsageError(f"line {number}", "lines with #| cannot be moved", "they only show")
            elif line.lstrip().startswith("#"):
                raise UsageError(f"line {number}", "this line only explains", "change the fields, NAME: value")
            else:
                lines.append(_parse(number, line))
        if fixed:
            raise UsageError("the sheet", "lines with #| are missing", "they only show, and cannot be taken out")
        return lines

    def _pairs(self, lines: list[_Line]) -> list[wire.Pair]:
        """The pairs that the lines mean, each made of the one it was, where it was one."""
        origins = self._origins(lines)
        made = [self._pair(line, origins.get(line.number)) for line in lines]
        rest = wire.split(self._content)[len(self._entries) :] if self._content else ()
        return [*made, *rest]

    def _origins(self, lines: list[_Line]) -> dict[int, _Entry]:
        """Which entry each line was, by the line's number; a line that is in none is new."""
        before: dict[str, list[_Entry]] = defaultdict(list)
        after: dict[str, list[_Line]] = defaultdict(list)
        for entry in self._entries:
            before[entry.name].append(entry)
        for line in lines:
            after[line.name].append(line)
        origins: dict[int, _Entry] = {}
        for name, same in after.items():
            for line, entry in _matched(before[name], same):
                origins[line.number] = entry
        if len(lines) == len(self._entries):
            for line, entry in zip(lines, self._entries, strict=True):
                if not before[line.name] and not after[entry.name]:  # the field was given another name
                    origins[line.number] = entry
        return origins

    def _pair(self, line: _Line, entry: _Entry | None) -> wire.Pair:
        where = f"line {line.number}"
        if entry is not None and line.name == entry.name:
            key = entry.pair.key
        else:
            key = self._written(where, line.name, entry.pair.key if entry else b"", b"&=\n", key=True)
        if line.value is None:
            return wire.Pair(key, None)
        if entry is not None and entry.value is not None and _means(line.value) == _means(entry.value):
            return wire.Pair(key, entry.pair.value)
        if line.value == _SECRET:
            raise UsageError(where, f"nothing says what {_SECRET} stands for here", "write the value itself")
        old = b"" if entry is None else entry.pair.value or b""
        kept = old[len(old.rstrip(b"\r\n")) :] if entry is not None and self._ends_in_line(entry) else b""
        field = entry.field if entry is not None else None
        return wire.Pair(key, self._written(where, line.value, old, b"&\n", field=field) + kept)

    def _ends_in_line(self, entry: _Entry) -> bool:
        """Whether line ends follow the value that are not its own."""
        raw = entry.pair.value or b""
        return raw.endswith(b"\n") and not entry.field.text.endswith("\n")

    def _written(
        self, where: str, token: str, old: bytes, forbidden: bytes, *, field: Field | None = None, key: bool = False
    ) -> bytes:
        """What a name or value is on the wire: in the charset that was there, and so that it reads as it says."""
        meant = _meaning(where, token)
        if isinstance(meant, bytes):
            if set(meant) & set(forbidden):
                raise UsageError(where, "this cannot stand in one field", "& and line ends travel as %26 and %0a")
            return meant
        try:
            candidates = list(self._candidates(meant, old, field))
        except UnicodeEncodeError:
            raise UsageError(where, "this is no text", f'{_RAW}"..." takes any bytes') from None
        for raw in candidates:
            read = texts.unescape(raw) if key else texts.unescape(raw, self._message is not None and self._message.plus)
            if not set(raw) & set(forbidden) and texts.decode(read, self._spec.wire.charsets).value == meant:
                return raw
        raise UsageError(where, "this cannot be written so that it reads the same", f'{_RAW}"..." takes any bytes')

    def _candidates(self, text: str, old: bytes, field: Field | None) -> Iterator[bytes]:
        known = None if field is None else field.spec
        layered = known is None or known.list or known.layers > 1
        escaped = (texts.escape if layered else texts.escape_all)(text, self._spec.wire)
        charset = self._decode(old).charset if self._message is not None else texts.RAW
        if charset != texts.RAW and charset != self._spec.wire.charsets[0]:
            yield escaped.encode(charset, "replace")
        yield escaped.encode()
        yield quote_from_bytes(text.encode(), safe="").encode()


class _Masks:
    """What is shown of secrets: nothing, or with `reveal` all."""

    def __init__(self, parts: Sequence[Part], spec: Spec, reveal: bool) -> None:
        self._names = frozenset() if reveal else wording.secret_names(spec)
        fields = [field for part in parts if part.message is not None for field in part.message.fields]
        secrets = {field.text.strip() for field in fields if wording.is_secret(field, self._names)}
        self._told = _any_of(secret for secret in secrets if len(secret) >= _SHORTEST_TOLD and not reveal)
        names = _any_of(self._names).pattern
        self._assigned = re.compile(rf"(?i)(?<![A-Za-z0-9_])({names})=[^&\s]+")
        self._reveal = reveal

    def hides(self, field: Field) -> bool:
        """Whether the field's value is not shown: a secret, or text that repeats one or in which one is assigned."""
        if self._reveal:
            return False
        text = field.text
        return wording.is_secret(field, self._names) or bool(self._assigned.search(text) or self._told.search(text))

    def remark(self, note: Note, message: Message) -> str:
        """A note's text, or only the catalogue's sentence where the text may quote a secret."""
        field = None if note.field is None else message.get(note.field)
        return describe(note.code) if field is not None and self.hides(field) else self.masked(visible(note.text, 300))

    def opaque(self, data: bytes) -> Iterator[str]:
        """Bytes that can only be looked at, line by line."""
        for line in data[:_MOST_SHOWN].rstrip(b"\r\n").split(b"\n") if data else ():
            yield "#| " + visible(self.masked(line.rstrip(b"\r").decode("utf-8", "backslashreplace")))
        if len(data) > _MOST_SHOWN:
            yield f"# ... and {len(data) - _MOST_SHOWN} bytes more"

    def masked(self, line: str) -> str:
        """A line without the secrets that it repeats, or that are assigned in it."""
        if self._reveal:
            return line
        line = self._told.sub(_SECRET, self._assigned.sub(rf"\1={_SECRET}", line))
        return _CREDENTIALS.sub(rf"\1{_SECRET}", line)


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """A pattern that matches each of the words in either case, the longest first; nothing where there are none."""
    return re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))) or "(?!)", re.IGNORECASE)


def _matched(before: Sequence[_Entry], after: Sequence[_Line]) -> Iterator[tuple[_Line, _Entry]]:
    """Which line of one name was which entry: in order where there are as many; else those that are unchanged."""
    if len(before) == len(after):
        yield from zip(after, before, strict=True)
        return
    left = list(before)
    changed = []
    for line in after:
        entry = next((one for one in left if one.value == line.value), None)
        if entry is None:
            changed.append(line)
            continue
        same = {one.pair for one in before if one.value == line.value}
        if len(same) > 1:
            raise UsageError(f"line {line.number}", _ambiguous(line.name), "leave as many lines of it as there were")
        left.remove(entry)
        yield line, entry
    if left and changed:
        where = f"line {changed[0].number}"
        raise UsageError(where, _ambiguous(changed[0].name), "leave as many lines of it as there were")


def _ambiguous(name: str) -> str:
    return f"{visible(name)} stands here more than once, and which line is which cannot be told"


def _parse(number: int, line: str) -> _Line:
    match = _LINE.fullmatch(line)
    if match is None:
        raise UsageError(f"line {number}", "is no field", "write NAME: value, with either in double quotes if need be")
    return _Line(number, match["name"], None if match["colon"] is None else match["value"] or "")


def _means(token: str) -> str | bytes:
    """What a value says, to compare it; of one that makes no sense, itself."""
    try:
        return _meaning("", token)
    except UsageError:
        return token


def _meaning(where: str, token: str) -> str | bytes:
    """The text that stands there, or the bytes on the wire."""
    if token.startswith(_RAW):
        try:
            return _unquoted(where, token.removeprefix(_RAW)).encode("latin-1")
        except UnicodeEncodeError:
            raise UsageError(where, f"{_RAW}holds bytes", "write a byte as \\xNN") from None
    if token.startswith("!"):
        return token if token == _SECRET else _refuse(where)
    return _unquoted(where, token) if token.startswith('"') else token


def _refuse(where: str) -> str:
    raise UsageError(where, "a value that begins with ! stands in double quotes")


def _unquoted(where: str, token: str) -> str:
    if re.fullmatch(_QUOTED, token) is None:
        raise UsageError(where, "double quotes must close")

    def undo(match: "re.Match[str]") -> str:
        code = match[1] or match[2] or match[3]
        if code is None and match[4] is None:
            raise UsageError(where, 'a backslash is followed by none of n r t x u U " and \\')
        if code is not None and int(code, 16) > 0x10FFFF:
            raise UsageError(where, f"there is no character {code}")
        return _SHORT[match[4]] if code is None else chr(int(code, 16))

    return _ESCAPE.sub(undo, token[1:-1])


def _quoted(text: str) -> str:
    return '"' + visible(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _as_name(text: str) -> str:
    return text if re.fullmatch(_NAME, text) and visible(text) == text else _quoted(text)


def _as_value(text: str) -> str:
    return text if not text or (_PLAIN.fullmatch(text) and visible(text) == text) else _quoted(text)


def _as_raw(raw: bytes) -> str:
    text = raw.decode("latin-1").replace("\\", "\\\\").replace('"', '\\"')
    return f'{_RAW}"' + "".join(one if " " <= one <= "~" else f"\\x{ord(one):02x}" for one in text) + '"'


def _with_length(head: bytes, more: int) -> bytes:
    """The head with a length that fits a body of so many bytes more, where it has one."""
    length = http1.parse_head(head).get("content-length") if head and more else None
    if length is None or not length.isdecimal():
        return head
    return http1.with_header(head, "Content-Length", str(int(length) + more))


def _aligned(lines: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Texts with comments, these one under the other as far as the texts' lengths allow."""
    lines = list(lines)
    width = max((size for text, _ in lines if (size := cell_len(text)) <= _MOST_ALIGNED), default=0)
    for text, comment in lines:
        yield f"{text}{' ' * max(0, width - cell_len(text))}  # {comment}"


def _columns(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows of a table as comments, in columns that are as wide on the screen as their widest cell."""
    rows = list(rows)
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (set_cell_size(text, width) for text, width in zip(row, widths, strict=True))
        yield ("# " + "  ".join(cells)).rstrip()
