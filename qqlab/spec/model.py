"""The shape of a spec file: what may stand in the TOML, as frozen types.

Law: types and look-ups only. Reading a file and finding its mistakes is `qqlab.spec.file`; what the facts
mean for bytes is the codec's. A field is known by (command, direction, name), never by its name alone.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal, NamedTuple

import msgspec

Direction = Literal["request", "reply"]
Effect = Literal["auth", "read", "consume", "write", "push"]
FieldType = Literal["text", "int", "digits", "code", "version", "hex"]
Derivation = Literal["md5-hex", "MD5-HEX", "verification"]
Announcement = Literal["interval", "limit"]

DIRECTIONS: tuple[Direction, Direction] = ("request", "reply")


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, dict=True):
    """A TOML table: unknown keys are refused."""


class Source(_Table, frozen=True):
    """Someone who says how the protocol works. `primary` marks the source that wins where nothing else decides."""

    title: str
    trust: str
    primary: bool = False


class Version(_Table, frozen=True):
    """A value of the version field, and what kind of client speaks it."""

    doc: str
    source: tuple[str, ...]


class Roles(_Table, frozen=True):
    """Which field says the version, the command, the sequence number, the account and the status of a message."""

    version: str
    command: str
    sequence: str
    account: str
    status: str


class Fact(_Table, frozen=True):
    """A rule of the wire in words."""

    topic: str
    doc: str
    source: tuple[str, ...]


class Wire(_Table, frozen=True):
    """How values are written.

    `charsets` are tried in order. `pair_escapes` and `list_escapes` are the characters that travel as `%xx` in
    the outer layer (the pair) and in the inner one (an item of a list, or text that went through a list). `ports` are
    the TCP ports on which servers listened.
    """

    charsets: tuple[str, ...]
    list_separator: str
    pair_escapes: tuple[str, ...]
    list_escapes: tuple[str, ...]
    ports: tuple[int, ...] = ()
    facts: tuple[Fact, ...] = ()


class Reading(_Table, frozen=True):
    """What some sources take a code to mean. `contradicts` names another value of the same table that cannot be
    right if this one is."""

    meaning: str
    source: tuple[str, ...]
    contradicts: int | None = None


class CodeValue(_Table, frozen=True):
    """One value of a code table. Several readings side by side mean that the sources disagree.

    `ok` says whether this value means success or failure of what was asked, None where it means neither.
    """

    value: int
    readings: tuple[Reading, ...]
    ok: bool | None = None

    @property
    def name(self) -> str:
        """The first source's reading, which is the primary source's where it has one."""
        return self.readings[0].meaning


class CodeTable(_Table, frozen=True):
    """All documented values of a code."""

    doc: str
    values: tuple[CodeValue, ...]

    @cached_property
    def by_value(self) -> dict[int, CodeValue]:
        """The values by number."""
        return {value.value: value for value in self.values}

    @cached_property
    def disputed(self) -> frozenset[int]:
        """The values about which sources disagree: they read them differently, or one reading excludes another
        value."""
        excluded = {reading.contradicts for value in self.values for reading in value.readings}
        return frozenset(
            value.value
            for value in self.values
            if len(value.readings) > 1
            or value.value in excluded
            or any(reading.contradicts is not None for reading in value.readings)
        )

    @cached_property
    def judges(self) -> bool:
        """Whether any value means success or failure."""
        return any(value.ok is not None for value in self.values)


class Case(_Table, frozen=True):
    """What a value means when another field of the message (or of its row) has one of these values.

    `codes` names a table for it, or is absent where the value is free text; `doc` says what the text is. `presence_of`
    is as that of a field.
    """

    field: str
    values: tuple[int, ...]
    doc: str
    source: tuple[str, ...]
    codes: str | None = None
    presence_of: str | None = None


class Field(_Table, frozen=True):
    """One field of a command's request or reply, in the server's order.

    `list` marks comma-terminated lists, `layers` how many times text is escaped (2: once for the list, once for
    the pair). `required` fields are expected in every request, or in every successful reply, if `when` holds:
    each named field of the same message has one of the given values. `echo` marks reply fields that repeat the
    request's. `constants` are the only values ever seen. `derived` says how a secret is made from the account's
    password, or that it is what the account's verification picture shows. `account` marks values that are a user's
    number, `fresh` those that the server makes anew each time, so that two of them never tell anything by being
    different. `announces` marks seconds that the server tells a client: the `interval` at which to poll, or the
    `limit` of silence after which the user counts as offline. `presence_of` marks a code that is the presence of a
    user: of whom, says the field that it names, beside it in the row or the message. `versions`: empty means all.
    """

    name: str
    type: FieldType
    doc: str
    source: tuple[str, ...]
    required: bool = False
    when: dict[str, tuple[int, ...]] = {}
    list: bool = False
    layers: Literal[1, 2] = 1
    codes: str | None = None
    cases: tuple[Case, ...] = ()
    constants: tuple[str, ...] = ()
    echo: bool = False
    secret: bool = False
    personal: bool = False
    account: bool = False
    fresh: bool = False
    derived: Derivation | None = None
    announces: Announcement | None = None
    presence_of: str | None = None
    versions: tuple[str, ...] = ()


class Rows(_Table, frozen=True):
    """Lists of one message that belong together: items with the same index are one row.

    `key` is the column that identifies a row, absent where rows have no identity. `count` is the field that tells
    how many rows there are. `ordered` says whether the order of rows carries meaning.
    """

    name: str
    doc: str
    columns: tuple[str, ...]
    source: tuple[str, ...]
    key: str | None = None
    count: str | None = None
    ordered: bool = False
    direction: Direction = "reply"


class Paging(_Table, frozen=True):
    """How a long list is asked for in pieces: request fields `limit` and `cursor`, and the reply field `complete`,
    which says so by the value `done`. A list begins with the cursor `start`, or an empty one."""

    limit: str
    cursor: str
    complete: str
    doc: str
    source: tuple[str, ...]
    done: int = 1
    start: str | None = None


class State(_Table, frozen=True):
    """A presence: a value of a table of codes."""

    codes: str
    value: int


class Layout(NamedTuple):
    """One direction of a message as its readers want it: what they look up for every message, arranged once.

    `by_key` finds a field by its key as the spec spells it, in bytes; `by_name` in upper case, whatever the message
    does. `order` says at which place a field stands. `versioned` names the fields that not every version has,
    `echoed` are those that repeat the request's. `remembered` is room for what a reader has made of pairs before.
    """

    by_key: dict[bytes, Field]
    by_name: dict[str, Field]
    order: dict[str, int]
    required: tuple[Field, ...]
    versioned: frozenset[str]
    echoed: tuple[Field, ...]
    rows: tuple[Rows, ...]
    remembered: dict[Any, Any]


def _layout(fields: tuple[Field, ...], rows: tuple[Rows, ...] = ()) -> Layout:
    return Layout(
        by_key={field.name.encode(): field for field in fields if field.name.isascii() and "%" not in field.name},
        by_name={field.name.upper(): field for field in fields},
        order={field.name: index for index, field in enumerate(fields)},
        required=tuple(field for field in fields if field.required),
        versioned=frozenset(field.name for field in fields if field.versions),
        echoed=tuple(field for field in fields if field.echo),
        rows=rows,
        remembered={},
    )


class Command(_Table, frozen=True):
    """A command: what it does, its fields in both directions, and what its lists mean.

    `reply_name` is how the server spells the command in its reply. `key` is the reply field that tells the pushes of
    one command apart: those with the same value come in an order that means something. `polls` marks what clients send
    again and again, to stay online and to fetch what waits. `presence` is where the user who sends it is afterwards,
    if it succeeds and says nothing else. `name` is the key in the file.
    """

    doc: str
    effect: Effect
    source: tuple[str, ...]
    versions: tuple[str, ...]
    name: str = ""
    reply_name: str | None = None
    key: str | None = None
    polls: bool = False
    presence: State | None = None
    request: tuple[Field, ...] = ()
    reply: tuple[Field, ...] = ()
    rows: tuple[Rows, ...] = ()
    paging: Paging | None = None

    def fields(self, direction: Direction) -> tuple[Field, ...]:
        """The fields of one direction; in a loaded `Spec` the common ones come first."""
        return self.request if direction == "request" else self.reply

    @cached_property
    def layouts(self) -> dict[Direction, Layout]:
        """How each direction is read."""
        return {
            d: _layout(self.fields(d), tuple(rows for rows in self.rows if rows.direction == d)) for d in DIRECTIONS
        }

    def field(self, direction: Direction, name: str) -> Field | None:
        """The field of that name in that direction, whatever its case, or None."""
        return self.layouts[direction].by_name.get(name.upper())

    @cached_property
    def logs_in(self) -> bool:
        """Whether it proves who somebody is: it carries what is made from the password."""
        return any(field.derived is not None for field in self.request)

    @cached_property
    def beside(self) -> dict[bytes, frozenset[bytes]]:
        """For each key of a reply the keys of what is read with it: what its cases hang on, and its rows with their
        count and what tells whether they go on."""
        groups = [{field.name, *(case.field for case in field.cases)} for field in self.reply]
        goes_on = () if self.paging is None else (self.paging.complete,)
        for rows in self.layouts["reply"].rows:
            table = {*rows.columns, *((rows.count,) if rows.count is not None else ())}
            groups.append(table.union(goes_on, *(group for group in groups if group & table)))
        return {
            field.name.encode(): frozenset(name.encode() for group in groups if field.name in group for name in group)
            for field in self.reply
        }

    @cached_property
    def repeating(self) -> frozenset[bytes]:
        """The keys of a reply that repeat what the request says."""
        return frozenset(field.name.encode() for field in self.layouts["reply"].echoed)

    @cached_property
    def uncoded(self) -> frozenset[bytes]:
        """The keys of a reply whose values are no codes."""
        return frozenset(field.name.encode() for field in self.reply if field.codes is None)

    @cached_property
    def alone(self) -> dict[bytes, Field]:
        """The fields of a reply that stand by themselves, by key: nothing is read with them, and what they say is to be
        compared as it is."""
        together = {name for key, beside in self.beside.items() if beside != {key} for name in (key, *beside)}
        return {
            field.name.encode(): field
            for field in self.reply
            if not (field.list or field.echo or field.secret or field.fresh) and field.name.encode() not in together
        }


class Common(_Table, frozen=True):
    """The fields that stand in every message, before those of its command."""

    request: tuple[Field, ...]
    reply: tuple[Field, ...]


class Spec(_Table, frozen=True):
    """All that is known of a protocol. Commands of a loaded spec carry their name and the common fields.

    `short` is what other tools' names for its fields begin with (`qq.cmd`), empty for `name`.
    """

    format: Literal[1]
    name: str
    title: str
    sources: dict[str, Source]
    versions: dict[str, Version]
    roles: Roles
    wire: Wire
    common: Common
    codes: dict[str, CodeTable]
    commands: dict[str, Command]
    short: str = ""

    @cached_property
    def _by_name(self) -> dict[str, Command]:
        return {name.upper(): command for name, command in self.commands.items()}

    def command(self, name: str) -> Command | None:
        """The command of that name, whatever its case, or None."""
        return self._by_name.get(name.upper())

    def field(self, command: Command | None, direction: Direction, name: str) -> Field | None:
        """What is known of a field of that command, or of any command where the command is unknown."""
        return self.layout(command, direction).by_name.get(name.upper())

    def layout(self, command: Command | None, direction: Direction) -> Layout:
        """How a message of that command is read, or one of an unknown command."""
        return (self._common if command is None else command.layouts)[direction]

    @cached_property
    def command_mark(self) -> bytes:
        """What stands before a command's name, in upper case."""
        return self.roles.command.upper().encode() + b"="

    @cached_property
    def logins(self) -> frozenset[bytes]:
        """The names of the commands that log in, in upper case."""
        return frozenset(name.upper().encode() for name, command in self.commands.items() if command.logs_in)

    @cached_property
    def unheard(self) -> frozenset[bytes]:
        """The keys of those fields of requests that no reply repeats, that name no account and have no role."""
        layouts = [self._common, *(command.layouts for command in self.commands.values())]
        asked = {name for layout in layouts for name in layout["request"].order}
        heard = {field.name for layout in layouts for field in layout["reply"].echoed}
        heard |= {field.name for _, _, field in self.every_field() if field.account}
        return frozenset(name.encode() for name in asked - heard - set(msgspec.structs.astuple(self.roles)))

    @cached_property
    def _common(self) -> dict[Direction, Layout]:
        return {"request": _layout(self.common.request), "reply": _layout(self.common.reply)}

    @cached_property
    def free_number(self) -> bytes:
        """How the sequence number begins behind another field. Empty where what is said of a message, or of its other
        fields, might hang on the number."""
        name = self.roles.sequence
        fields = [field for _, _, field in self.every_field()]
        own = [field for field in fields if field.name.upper() == name.upper()]
        is_bound = (
            any(field.list or field.codes or field.constants or field.cases for field in own)
            or any(name in field.when or any(case.field == name for case in field.cases) for field in fields)
            or any(name in (*rows.columns, rows.count) for one in self.commands.values() for rows in one.rows)
            or name in (self.roles.command, self.roles.version, self.roles.account, self.roles.status)
        )
        return b"" if is_bound else b"&" + name.encode() + b"="

    @cached_property
    def decoded(self) -> dict[Any, Any]:
        """Room for what was made of messages before."""
        return {}

    @cached_property
    def kinds(self) -> dict[Any, Any]:
        """Room for what is known of exchanges that differ in values only."""
        return {}

    @cached_property
    def compared(self) -> dict[Any, Any]:
        """Room for what came of comparing messages before."""
        return {}

    def code(self, field: Field, value: object) -> CodeValue | None:
        """The documented meaning of a field's value, or None."""
        if field.codes is None or not isinstance(value, int):
            return None
        return self.codes[field.codes].by_value.get(value)

    def every_field(self) -> Iterator[tuple[Command | None, Direction, Field]]:
        """All fields of the spec, the common ones once (with None for their command)."""
        for direction in DIRECTIONS:
            common: tuple[Field, ...] = getattr(self.common, direction)
            yield from ((None, direction, field) for field in common)
            for command in self.commands.values():
                yield from ((command, direction, f) for f in command.fields(direction) if f not in common)
